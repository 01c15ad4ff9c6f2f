"""In-context drift: an agent plays a world and its controls; traces and figures in a folder.

The folder holds ``spec.json`` (everything that decides the traces), ``traces/CONDITION.jsonl``,
``traces/CONDITION.failures.jsonl`` where the agent had no answer, and ``tipping.json``. While a
condition is played its episodes lie in ``traces/CONDITION/``. Whatever is finished is not played
again, and the final files are the same bytes, however often a session was interrupted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from qevolve_bench.agents import resolve_agent
from qevolve_bench.folders import SPEC, claim_folder
from qevolve_bench.schema import plain, read_lines, write_json
from qevolve_bench.tipping.analyse import analyse
from qevolve_bench.tipping.play import AgentPlayer, PopulationPlayer, RoundPlayer, play_worlds
from qevolve_bench.tipping.testbeds import MAIN, Testbed, find_testbed
from qevolve_envs.errors import BenchError
from qevolve_envs.play import Assignment, draw_tasks
from qevolve_envs.tipping.truth import read_trace, write_trace

SCHEMA = 1
RESULT, TRACES = "tipping.json", "traces"
#: Names of scripted populations begin with this.
POPULATION = "population:"
#: Options and arguments that are paths of this machine; results keep only the names of files.
_PLACES = ("path", "file", "script", "demonstrations", "questions")


@dataclass(slots=True)
class Session:
    """Everything that decides the traces; JSON.

    Attributes:
        world: One of `qevolve_bench.tipping.testbeds.TESTBEDS`.
        agent: Its name (see `qevolve_bench.agents`), or ``population:`` and the names of
            strategies, joined by ``+``.
        arguments: Of the world.
        options: Of the agent.
        defences: Such as ``remind:2``.
        split: The panel of scenarios.
        episodes: Number of each condition; None plays each scenario once.
        seed: Seed of the draw and of the episodes.
        batch_size: Episodes in lockstep.
    """

    world: str
    agent: str
    arguments: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    defences: tuple[str, ...] = ()
    split: str = "unseen"
    episodes: int | None = 20
    seed: int = 0
    batch_size: int = 16

    @property
    def subject(self) -> str:
        """Name of the agent in results, with its model and the defences."""
        model = self.options.get("model") or Path(str(self.options.get("path", ""))).name
        name = self.agent + (f" ({model})" if model else "")
        return ", ".join([name, *self.defences])


def play_session(
    session: Session,
    folder: Path,
    controls: Sequence[str] | None = None,
    *,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Plays the conditions that are not there yet, and writes ``tipping.json``.

    Args:
        session: The session.
        folder: Folder of the session.
        controls: Conditions besides the main one; all that the world has when None. Those that
            were played earlier stay in the result.
        force: Replace another session that lies in the folder.
        on_progress: Called with the number of episodes that are done, and the number of all.

    Returns:
        The content of ``tipping.json``: that of `analyse`, and the session as ``session``, with
        the number of ``failures`` by condition.

    Raises:
        BenchError: For a session that cannot be played, or a folder that holds something else.
    """
    bed = find_testbed(session.world)
    wanted = [MAIN, *(bed.controls if controls is None else controls)]
    arguments = {name: bed.condition(name, session.arguments) for name in wanted}
    # All mistakes are found before anything is written.
    panel = bed.scenarios(session.arguments, session.split)
    assignments = draw_tasks(panel, session.episodes, session.seed)
    lanes = {
        name: bed.make(given, session.defences, session.split) for name, given in arguments.items()
    }
    players = {MAIN: make_player(session, lanes[MAIN])}
    claim_folder(
        {"schema": SCHEMA, **plain(session)},
        folder,
        force=force,
        kind="session",
        marks=("world", "agent"),
        remove=_remove,
    )
    total = len(wanted) * len(assignments)
    for done, name in enumerate(wanted):
        condition = _Condition(session, bed, arguments[name], folder / TRACES, name)
        tell = None
        if on_progress is not None:
            tell = lambda played, d=done: on_progress(d * len(assignments) + played, total)  # noqa: E731
        # A new player: an agent that learns must not carry the main condition into a control.
        make = partial(make_player, session, lanes[name])
        condition.play(partial(players.pop, name) if name in players else make, assignments, tell)
    return analyse_session(session, folder)


def make_player(session: Session, lane: Any) -> RoundPlayer:
    """Makes the player of a session.

    Raises:
        BenchError: For an agent or a population that does not exist, or cannot be made.
    """
    if session.agent.startswith(POPULATION):
        if session.options:
            raise BenchError("A scripted population takes no options (--agent-arg).")
        names = session.agent.removeprefix(POPULATION).split("+")
        return PopulationPlayer(names, session.seed)
    if session.agent == "expert":
        # The norm worlds' expert is a population, because it is asked for each agent by itself.
        return PopulationPlayer(["always_comply"], session.seed)
    return AgentPlayer(resolve_agent(session.agent, lane.env, session.options))


def analyse_session(session: Session, folder: Path) -> dict[str, Any]:
    """Analyses the conditions whose traces are there, and writes ``tipping.json``."""
    names = list(find_testbed(session.world).controls)
    there = [n for n in (MAIN, *names) if (folder / TRACES / f"{n}.jsonl").is_file()]
    result = analyse(
        {name: read_trace(folder / TRACES / f"{name}.jsonl") for name in there},
        subject=session.subject,
        controls=tuple(names),
    )
    failures = {name: len(read_failures(folder, name)) for name in there}
    result["session"] = {**_without_places(plain(session)), "failures": failures}
    write_json(folder / RESULT, result)
    return result


def read_failures(folder: Path, condition: str) -> list[dict[str, Any]]:
    """Reads where the agent had no answer in a condition, with the reasons."""
    file = folder / TRACES / f"{condition}.failures.jsonl"
    return list(read_lines(file, dict)) if file.is_file() else []


def _without_places(record: dict[str, Any]) -> dict[str, Any]:
    """A session with names of files instead of where they lie."""
    for part in ("options", "arguments"):
        for name in _PLACES:
            if name in record[part]:
                record[part][name] = Path(str(record[part][name])).name
    return record


def _remove(folder: Path) -> None:
    """Removes the files of a session, and nothing else that may lie there."""
    shutil.rmtree(folder / TRACES, ignore_errors=True)
    for name in (SPEC, RESULT):
        (folder / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition of a session, and where its traces go."""

    session: Session
    bed: Testbed
    arguments: Mapping[str, Any]
    folder: Path
    name: str

    def play(
        self,
        make: Callable[[], RoundPlayer],
        assignments: Sequence[Assignment],
        tell: Callable[[int], None] | None,
    ) -> None:
        """Plays the batches that are not there yet, and joins them into one file.

        Args:
            make: Makes the player, once for this condition.
            assignments: The episodes.
            tell: Called with the number of episodes that are done.
        """
        final = self.folder / f"{self.name}.jsonl"
        parts = self.folder / self.name
        if not final.is_file():
            parts.mkdir(parents=True, exist_ok=True)
            player = make()
            size = self.session.batch_size
            files = []
            for number, first in enumerate(range(0, len(assignments), size)):
                files.append(parts / f"{number:05d}.jsonl")
                batch = assignments[first : first + size]
                if not files[-1].is_file():
                    self._batch(player, batch, files[-1])
                if tell is not None:
                    tell(first + len(batch))
            self._join(files, final)
        elif tell is not None:
            tell(len(assignments))
        shutil.rmtree(parts, ignore_errors=True)

    def _batch(self, player: RoundPlayer, assignments: Sequence[Assignment], file: Path) -> None:
        """Plays a batch; its failures are written before its trace, which says that it is done."""
        lanes = [
            self.bed.make(self.arguments, self.session.defences, self.session.split)
            for _ in assignments
        ]
        player.failures.clear()
        play_worlds(lanes, assignments, player)
        mine = [truth for lane in lanes for truth in lane.truth if not truth.scripted]
        if player.failures and not any(truth.opportunity for truth in mine):
            # Nothing is kept of it: the same command plays it again once the cause is mended.
            raise BenchError(
                f"The agent had no answer to any of {len(player.failures)} questions of"
                f" {self.name}; the first time: {player.failures[0][1]}"
            )
        place = {id(lane): assignment for lane, assignment in zip(lanes, assignments, strict=True)}
        lines = [
            {
                "scenario": place[id(part.lane)].task_id,
                "seed": place[id(part.lane)].seed,
                "agent": part.agent,
                "round": part.round,
                "reason": reason,
            }
            for part, reason in player.failures
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        file.with_suffix(".failures").write_text(text, encoding="ascii")
        write_trace(file, (truth for lane in lanes for truth in lane.truth))

    def _join(self, files: Sequence[Path], final: Path) -> None:
        failures = "".join(f.with_suffix(".failures").read_text("ascii") for f in files)
        if failures:
            final.with_suffix(".failures.jsonl").write_text(failures, encoding="ascii")
        write_trace(final, (truth for file in files for truth in read_trace(file)))
