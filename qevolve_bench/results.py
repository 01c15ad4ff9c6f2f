"""What an evaluation amounts to: numbers that always carry their interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qevolve_bench.seeding import stream
from qevolve_bench.statistics import Interval, bootstrap_interval, wilson_interval
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval; it prints as ``0.250 [0.112, 0.469]``."""

    value: float
    interval: Interval

    def __format__(self, spec: str) -> str:
        low, high = self.interval
        return f"{self.value:{spec}} [{low:{spec}}, {high:{spec}}]"

    def __str__(self) -> str:
        return f"{self:.3f}"


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of a list of episodes.

    Attributes:
        n: Number of episodes, the failed ones included.
        failed: Episodes that ended by an error outside of the world (`Episode.error`).
        env_steps: Environment steps over all episodes.
        success: Rate of won episodes, with Wilson's interval.
        score: Mean final score, with a bootstrap interval.
        steps: Mean length of an episode, with a bootstrap interval.
        level: Confidence level of the intervals.
    """

    n: int
    failed: int
    env_steps: int
    success: Estimate
    score: Estimate
    steps: Estimate
    level: float


def summarise(
    episodes: Sequence[Episode], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Summary:
    """Summarises episodes; failed ones count as not won, with the score they had reached.

    The intervals take the episodes for independent draws. Where a task was played repeatedly they
    are too narrow to speak about other tasks.

    Args:
        episodes: At least one.
        level: Confidence level of the intervals.
        resamples: Bootstrap samples for score and steps.
        seed: Seed of the bootstrap.
    """
    if not episodes:
        raise BenchError("There are no episodes to summarise.")
    n = len(episodes)
    won = sum(episode.won and episode.error is None for episode in episodes)
    lengths = [len(episode.steps) for episode in episodes]

    def mean(name: str, values: Sequence[float]) -> Estimate:
        chance = stream(seed, "bootstrap", name)
        interval = bootstrap_interval(values, level, resamples, chance)
        return Estimate(math.fsum(values) / n, interval)

    return Summary(
        n=n,
        failed=sum(episode.error is not None for episode in episodes),
        env_steps=sum(lengths),
        success=Estimate(won / n, wilson_interval(won, n, level)),
        score=mean("score", [episode.score for episode in episodes]),
        steps=mean("steps", lengths),
        level=level,
    )
