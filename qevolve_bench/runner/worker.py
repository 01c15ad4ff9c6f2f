"""The batches of an evaluation, and the process that plays them, one after the other.

A batch is played in lockstep. How a cell is cut into batches never depends on the number of
workers, so that even an agent whose answers depend on the other episodes of its batch gives the
same episodes wherever, and in whatever order, the batches are played.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

from qevolve_bench.agents import resolve_agent
from qevolve_bench.runner.journal import Journal, Status, Tally, lines, tally
from qevolve_bench.suites import Cell
from qevolve_envs.agent import Agent, Describes
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.loading import describe
from qevolve_envs.play import Assignment, EpisodeTemplate, Lanes, draw_tasks, play_batch

#: The agent that belongs to an environment, and is therefore made anew for every cell.
PER_CELL = "expert"
#: Of `prctl` (linux/prctl.h): the signal for this process when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """Limits on an agent; None is no limit.

    Attributes:
        step_seconds: Time for one answer of the agent, to the whole batch.
        episode_seconds: Time from the first observation of an episode.
        memory_mib: Address space of a worker (POSIX only).
    """

    step_seconds: float | None = None
    episode_seconds: float | None = None
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class RunJob:
    """Settings that every worker needs; it can be pickled.

    Attributes:
        cells: What is played.
        templates: The part of the records that the episodes of each cell share.
        agent: The agent's name.
        options: The agent's options; JSON scalars.
        limits: When an agent is given up.
    """

    cells: tuple[Cell, ...]
    templates: tuple[EpisodeTemplate, ...]
    agent: str
    options: Mapping[str, Any]
    limits: AgentLimits

    @classmethod
    def of(
        cls, cells: Sequence[Cell], agent: str, options: Mapping[str, Any], limits: AgentLimits
    ) -> RunJob:
        """The job of playing cells."""
        templates = tuple(cell.env.template() for cell in cells)
        return cls(tuple(cells), templates, agent, dict(options), limits)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch of episodes, as a worker plays it.

    Attributes:
        cell: Index of its cell in the job.
        batch: Its place in the cell.
        assignments: The episodes.
    """

    cell: int
    batch: int
    assignments: tuple[Assignment, ...]

    def episodes(self, job: RunJob) -> list[Episode]:
        """Records of its episodes, not begun."""
        return job.templates[self.cell].episodes(self.assignments, job.agent)


def cut(cells: Sequence[Cell], panels: Sequence[Sequence[str]], batch_size: int) -> list[BatchJob]:
    """Draws the episodes of every cell and cuts them into batches.

    Args:
        cells: What is played.
        panels: The task ids of each cell's split.
        batch_size: Episodes of a batch; the last one of a cell may have fewer.
    """
    units = []
    for index, (cell, panel) in enumerate(zip(cells, panels, strict=True)):
        drawn = [a for seed in cell.seeds for a in draw_tasks(panel, cell.episodes, seed)]
        for batch, first in enumerate(range(0, len(drawn), batch_size)):
            units.append(BatchJob(index, batch, tuple(drawn[first : first + batch_size])))
    return units


class BatchPlayer:
    """Plays batches; keeps its agent, and the environments of the latest cell.

    Args:
        job: What is played.
        journal: Where the batch in flight is written down.
    """

    def __init__(self, job: RunJob, journal: Journal) -> None:
        self._job = job
        self._journal = journal
        self._agent: Agent | None = None
        self._cell = -1
        self._lanes: Lanes | None = None

    def play(self, unit: BatchJob) -> tuple[bytes, Tally]:
        """Plays a batch; returns the lines of its episodes, and what they add to the summary.

        Raises:
            BenchError: When the agent or the environment cannot be made.
        """
        episodes = unit.episodes(self._job)
        self._journal.open(len(episodes))
        agent = self.agent(unit.cell)
        lanes = self._lanes_of(unit.cell).take(len(episodes))
        play_batch(lanes, agent, episodes, self._journal)
        return lines(episodes, self._journal.steps), tally(episodes)

    def agent(self, cell: int) -> Agent:
        """The agent of a cell; made when it is first needed."""
        (lane,) = self._lanes_of(cell).take(1)
        if self._agent is None:
            self._journal.enter("making the agent")
            self._agent = resolve_agent(self._job.agent, lane.env, options=self._job.options)
            self._journal.enter("")
        return self._agent

    def close(self) -> None:
        """Closes the environments."""
        if self._lanes is not None:
            self._lanes.close()
            self._lanes = None

    def _lanes_of(self, cell: int) -> Lanes:
        if self._lanes is None or cell != self._cell:
            self.close()
            self._cell = cell
            self._lanes = Lanes(self._job.cells[cell].env.make)
            if self._job.agent == PER_CELL:
                self._agent = None
        return self._lanes


def description(agent: Agent) -> dict[str, Any]:
    """Returns an agent's description of itself, as plain data.

    Raises:
        BenchError: When it is no JSON object, or when asking for it fails.
    """
    if not isinstance(agent, Describes):
        return {}
    try:
        raw = json.loads(json.dumps(agent.describe(), allow_nan=False))
    except Exception as error:
        raise BenchError(f"agent.describe cannot be recorded: {describe(error)}.") from error
    if not isinstance(raw, dict):
        raise BenchError(f"agent.describe returned a {type(raw).__name__}, not a JSON object.")
    return raw


def main(job: RunJob, pipe: Any, journal: Path, status: Status) -> None:
    """Runs a worker until its pipe closes.

    It sends ``("agent", description)`` once, and answers every batch with
    ``("played", lines, tally, seconds)`` or ``("error", sentence)``.
    """
    _own_session()
    _die_with_parent()
    _own_streams()
    _limit_memory(job.limits.memory_mib)
    player = BatchPlayer(job, Journal(journal, status))
    introduced = False
    with contextlib.suppress(EOFError, OSError):
        while True:
            unit = pipe.recv()
            start = time.monotonic()
            try:
                if not introduced:
                    pipe.send(("agent", description(player.agent(unit.cell))))
                    introduced = True
                done = player.play(unit)
            except BenchError as error:
                pipe.send(("error", str(error)))
            except MemoryError:
                pipe.send(("error", _out_of_memory(job.limits.memory_mib)))
            except Exception:
                # What the agent raises was caught long before: this is nobody's failed episode.
                traceback.print_exc()
                pipe.send(("error", "A fault of qevolve-bench ended its worker (see above)."))
            else:
                pipe.send(("played", *done, time.monotonic() - start))
    player.close()


def _own_session() -> None:
    """Leaves the terminal's group: Ctrl-C is for the supervisor, which can kill ours as a whole."""
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()


def _die_with_parent() -> None:
    """Ends this process when the one that supervises it is killed, whatever the agent is doing."""
    parent = parent_process()
    if parent is None:
        return
    if platform.system() == "Linux":
        # The system itself does it, also where the agent is in native code that lets no other
        # thread of Python run.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != parent.pid:  # It was killed before that.
            os._exit(1)
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _own_streams() -> None:
    """Sends what the agent prints to stderr: stdout belongs to the result of the command."""
    sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        os.dup2(2, 1)


def _out_of_memory(mib: int | None) -> str:
    if mib is None:
        return "A worker ran out of memory: use fewer --workers, or a smaller --batch-size."
    return f"A worker needs more memory than {mib} MiB to play: raise --memory, or leave it out."


def _limit_memory(mib: int | None) -> None:
    if mib is None:
        return
    try:
        import resource
    except ImportError:  # Not on every system.
        return
    resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
