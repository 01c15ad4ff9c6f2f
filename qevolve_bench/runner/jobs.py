"""What there is to play: a job, cut into units that do not depend on who plays them.

A unit is one lockstep batch of a cell. The cut depends on the job alone, never on the number of
workers, so that even an agent whose answers depend on the company in its batch gives the same
episodes wherever, and in whatever order, the units are played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qevolve_bench.suites import Cell
from qevolve_envs.episode import Episode
from qevolve_envs.play import Assignment, EpisodeTemplate, draw_tasks


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
        templates: What the episodes of each cell record alike.
        agent: The agent's name.
        options: The agent's options; JSON scalars.
        limits: When an agent is given up.
    """

    cells: tuple[Cell, ...]
    templates: tuple[EpisodeTemplate, ...]
    agent: str
    options: Mapping[str, Any]
    limits: Limits

    @classmethod
    def of(
        cls, cells: Sequence[Cell], agent: str, options: Mapping[str, Any], limits: Limits
    ) -> Job:
        """The job of playing cells."""
        templates = tuple(cell.env.template() for cell in cells)
        return cls(tuple(cells), templates, agent, dict(options), limits)


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
        return job.templates[self.cell].episodes(self.assignments, job.agent)


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
