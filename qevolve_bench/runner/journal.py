"""The journal of a batch in flight: what is left of it when its worker is gone.

The worker writes each step as it is recorded, and hands the text to the system before the agent is
asked for the next. The supervisor can so tell how far each episode came, although
the process that played it was killed.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypedDict

from qevolve_envs.episode import Episode, Step
from qevolve_envs.errors import BadFile
from qevolve_envs.play import Observer

#: What a worker is doing, by the number that it shows in its status.
PHASES = ("", "agent.reset", "agent.act", "making the agent")


#: Indices of a `Status`: the phase, since when, when the agent first heard of the batch (0 while it
#: has not), by `time.monotonic`, and how many bytes of the journal belong to the batch.
PHASE, SINCE, BEGAN, WRITTEN = range(STATUS_SIZE := 4)

#: What follows the step in its line of the journal: won, terminated, truncated.
_ENDS = {
    flags: f",{json.dumps(flags)[1:-1]}]}}\n"
    for flags in itertools.product((False, True), repeat=3)
}


class Status(Protocol):
    """Numbers that both processes see, so that one knows what the other is at."""

    def __getitem__(self, index: int, /) -> float: ...
    def __setitem__(self, index: int, value: float, /) -> None: ...


class Journal(Observer):
    """Writes down a batch as it is played.

    Args:
        path: The file; one batch at a time. The next one overwrites it, which takes a fifth of
            the time that it takes to cut it off and have it grow again.
        status: Shows the other process the phase, and how much of the file counts.
    """

    def __init__(self, path: Path, status: Status) -> None:
        self._path = path
        with self._writing():
            # Unbuffered, because what is in this process's memory goes down with it.
            self._file = path.open("wb", buffering=0)
        self._status = status
        self._pending: list[str] = []
        #: The steps of each episode, as they stand in its line.
        self.steps: list[list[str]] = []

    def open(self, count: int) -> None:
        """Begins a batch of so many episodes."""
        self._status[WRITTEN] = self._status[BEGAN] = 0.0
        with self._writing():
            self._file.seek(0)
            self._file.write(b"\n")  # A full disk shows here, before anything is played.
            self._file.seek(0)
        self._pending = []
        self.steps = [[] for _ in range(count)]

    def enter(self, phase: str) -> None:
        """Shows the phase; before the agent's turn, everything so far is written."""
        if phase and self._pending:
            data = "".join(self._pending).encode("ascii")
            with self._writing():
                written = self._file.write(data)
                while written < len(data):  # The end of a disk, and the next write says so.
                    written += self._file.write(data[written:])
            self._status[WRITTEN] += written
            self._pending = []
        # The time first, so that nobody takes the old time for that of the new phase.
        self._status[SINCE] = now = time.monotonic()
        self._status[PHASE] = PHASES.index(phase)
        if phase == "agent.reset":
            self._status[BEGAN] = now

    def begun(self, index: int, episode: Episode) -> None:
        """Writes the beginning of an episode."""
        head = [index, episode.goal, episode.first_observation, episode.score, episode.won]
        self._pending.append(json.dumps({"begin": head}) + "\n")

    def stepped(self, index: int, episode: Episode, observation: str) -> None:
        """Writes the latest step of an episode."""
        step = episode.steps[-1].to_json(observation)
        self.steps[index].append(step)
        # The step itself is copied only once, when all that is pending is put together.
        end = _ENDS[episode.won, episode.terminated, episode.truncated]
        self._pending += (f'{{"step":[{index},', step, end)

    def ended(self, index: int, episode: Episode) -> None:
        """Writes why an episode failed; one that is over has said so by its last step."""
        if episode.error is not None:
            self._pending.append(json.dumps({"error": [index, episode.error]}) + "\n")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk is no failure of the agent: it ends the run, which can be continued."""
        try:
            yield
        except OSError as error:
            raise BadFile(f"Cannot write {self._path}: {error.strerror or error}.") from None


def restore(path: Path, size: int, episodes: Sequence[Episode], reason: str) -> None:
    """Fills in episodes from the journal of their worker, which is gone.

    Args:
        path: The journal.
        size: How many bytes of it count.
        episodes: The records of the batch, not begun.
        reason: Why those that were not over have failed.
    """
    data = b""
    if size:
        with suppress(OSError), path.open("rb") as stream:
            data = stream.read(size)
    for line in data.splitlines():
        ((kind, values),) = json.loads(line).items()
        episode = episodes[values[0]]
        if kind == "begin":
            _, goal, observation, score, won = values
            episode.begin(observation, {"goal": goal, "score": score, "won": won})
        elif kind == "error":
            episode.error, episode.won = values[1], False
        else:
            _, raw, won, terminated, truncated = values
            step = Step(**raw)
            info = {"feedback": step.feedback, "score": step.score, "won": won}
            episode.record(
                step.action,
                step.observation,
                step.reward,
                terminated,
                truncated,
                info,
                prompt_tokens=step.prompt_tokens,
                generated_tokens=step.generated_tokens,
            )
    for episode in episodes:
        if not (episode.terminated or episode.truncated or episode.error is not None):
            episode.error, episode.won = reason, False


def lines(episodes: Sequence[Episode], steps: Sequence[Sequence[str]] | None = None) -> bytes:
    """Episodes as JSON lines.

    Args:
        episodes: The records.
        steps: `Journal.steps`, which spares writing them anew.
    """
    if steps is None:
        return "".join(e.to_json() + "\n" for e in episodes).encode("ascii")
    pairs = zip(episodes, steps, strict=True)
    return "".join(e.to_json(own) + "\n" for e, own in pairs).encode("ascii")


class Tally(TypedDict):
    """Counts of the episodes of a batch, for the summary and the ledger of a run."""

    failed: int
    won: int
    scores: list[float]
    env_steps: int
    prompt_tokens: int
    generated_tokens: int


def tally(episodes: Sequence[Episode]) -> Tally:
    """Counts episodes, so that their lines need not be parsed again."""
    steps = [step for episode in episodes for step in episode.steps]
    return Tally(
        failed=sum(e.error is not None for e in episodes),
        won=sum(e.won and e.error is None for e in episodes),
        scores=[e.score for e in episodes],
        env_steps=len(steps),
        prompt_tokens=sum(step.prompt_tokens for step in steps),
        generated_tokens=sum(step.generated_tokens for step in steps),
    )


def remove(path: Path) -> None:
    """Removes a journal that is not needed any more."""
    with suppress(OSError):
        path.unlink()
