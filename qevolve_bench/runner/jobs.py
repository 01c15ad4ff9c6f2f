"""What there is to play: a job, cut into units that do not depend on who plays them.

A unit is one lockstep batch of a cell. The cut depends on the job alone, never on the number of
workers, so that even an agent whose answers depend on the company in its batch gives the same
episodes wherever, and in whatever order, the units are played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qevolve_bench.runner.evaluate import Assignment, draw_tasks, recorded_as
from qevolve_bench.suites import Cell
from qevolve_envs.episode import Episode


@dataclass(frozen=True, slots=True)
class Limits:
    """When the runner loses patience; None is never.

    Attributes:
        step_seconds: Time for one answer of the agent, to the whole batch.
        episode_seconds: Time from the first observation of an episode.
        memory_mib: Address space of a worker (POSIX only).
    """

    step_seconds: float | None = None
    episode_seconds: float | None = None
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker must know; it can be pickled.

    Attributes:
        cells: What is played.
        recorded: The id and the arguments of each cell's environment as episodes record them;
            finding them out takes as long as a hundred steps, so it is done once.
        agent: The agent's name.
        options: The agent's options; JSON scalars.
        limits: When an agent is given up.
    """

    cells: tuple[Cell, ...]
    recorded: tuple[tuple[str, Mapping[str, Any]], ...]
    agent: str
    options: Mapping[str, Any]
    limits: Limits

    @classmethod
    def of(
        cls, cells: Sequence[Cell], agent: str, options: Mapping[str, Any], limits: Limits
    ) -> Job:
        """The job of playing cells."""
        recorded = (recorded_as(cell.env_id, cell.env_kwargs, cell.horizon) for cell in cells)
        return cls(tuple(cells), tuple(recorded), agent, dict(options), limits)


@dataclass(frozen=True, slots=True)
class Unit:
    """One batch of episodes.

    Attributes:
        cell: Index of its cell in the job.
        batch: Its place in the cell.
        assignments: The episodes.
    """

    cell: int
    batch: int
    assignments: tuple[Assignment, ...]

    def episodes(self, job: Job) -> list[Episode]:
        """Records of its episodes, not begun."""
        env_id, env_kwargs = job.recorded[self.cell]
        split = job.cells[self.cell].split
        return [
            Episode(env_id, dict(env_kwargs), task_id, split, seed, job.agent)
            for task_id, seed in self.assignments
        ]


def cut(cells: Sequence[Cell], panels: Sequence[Sequence[str]], batch_size: int) -> list[Unit]:
    """Draws the episodes of every cell and cuts them into units.

    Args:
        cells: What is played.
        panels: The task ids of each cell's split.
        batch_size: Episodes of a unit; the last one of a cell may have fewer.
    """
    units = []
    for index, (cell, panel) in enumerate(zip(cells, panels, strict=True)):
        drawn = [a for seed in cell.seeds for a in draw_tasks(panel, cell.episodes, seed)]
        for batch, first in enumerate(range(0, len(drawn), batch_size)):
            units.append(Unit(index, batch, tuple(drawn[first : first + batch_size])))
    return units
