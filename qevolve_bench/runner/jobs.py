"""The work of a run: a job, cut into batches that do not depend on the process that plays them.

A batch is played in lockstep. The cut depends on the job alone, never on the number of
workers, so that even an agent whose answers depend on the company in its batch gives the same
episodes wherever, and in whatever order, the batches are played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qevolve_bench.suites import Cell
from qevolve_envs.episode import Episode
from qevolve_envs.play import Assignment, EpisodeTemplate, draw_tasks


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """AgentLimits on an agent; None is no limit.

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
