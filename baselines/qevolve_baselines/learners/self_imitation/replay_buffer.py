"""Replay: the episodes of earlier iterations that an online learner trains on again.

The run keeps every iteration's episodes on disk. What changes, and is saved with the run, is only
the list of those that may be drawn: `ReplayBuffer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.grpo import GRPOConfig, group_advantages
from qevolve_baselines.learners.on_policy import Groups, step_rewards
from qevolve_baselines.losses import Floats

#: Priority of an episode without any gain, which can still be drawn.
LEAST_PRIORITY = 1e-6


@dataclass(slots=True)
class ReplayEntry:
    """An episode in the buffer: the `index`-th of iteration `iteration`, and its priority."""

    iteration: int
    index: int
    priority: float = 1.0


@dataclass(slots=True)
class ReplayBuffer:
    """List of the episodes to replay; the episodes themselves are kept by `Run.once`.

    Attributes:
        capacity: Most entries.
        entries: The oldest first.
        latest: The last iteration that was added.
        means: Group means of the episodes of all iterations, the oldest first.
    """

    capacity: int
    entries: list[ReplayEntry] = field(default_factory=list)
    latest: int = 0
    means: list[float] = field(default_factory=list)

    def add(self, iteration: int, indices: Sequence[int], means: Sequence[float]) -> None:
        """Adds episodes of an iteration once, with the highest priority of all.

        Args:
            iteration: Number of the iteration.
            indices: Indices of its episodes that are kept.
            means: Mean returns of its groups.
        """
        if iteration <= self.latest:
            return  # A run that was killed behind this comes here again.
        highest = max((e.priority for e in self.entries), default=1.0)
        self.entries += [ReplayEntry(iteration, int(i), highest) for i in indices]
        self.entries = self.entries[-self.capacity :]
        self.means += means
        self.latest = iteration

    def state_dict(self) -> dict[str, Any]:
        """For `Run.track`."""
        return {
            "entries": [(e.iteration, e.index, e.priority) for e in self.entries],
            "latest": self.latest,
            "means": list(self.means),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """For `Run.track`."""
        self.entries = [ReplayEntry(*entry) for entry in state_dict["entries"]]
        self.latest = state_dict["latest"]
        self.means = list(state_dict["means"])


class PrioritisedDraw(NamedTuple):
    """Which entries were drawn, and their importance weights; both of shape (n,)."""

    chosen: npt.NDArray[np.int64]
    weights: Floats


def draw_prioritised(
    priorities: Floats, count: int, alpha: float, beta: float, rng: np.random.Generator
) -> PrioritisedDraw:
    """Prioritised replay (Schaul et al. 2016): P_i ∝ p_i^α, weights (1 / (N P_i))^β over their max.

    Args:
        priorities: p_i > 0, shape (N,).
        count: Number of draws, with replacement.
        alpha: α.
        beta: β.
        rng: Random generator.
    """
    scaled = priorities**alpha
    probabilities = scaled / scaled.sum()
    chosen = rng.choice(len(priorities), size=count, p=probabilities)
    weights = (len(priorities) * probabilities[chosen]) ** -beta
    # As in the authors' code, the largest weight that any entry could have is 1.
    return PrioritisedDraw(chosen, weights / (len(priorities) * probabilities.min()) ** -beta)


def episode_returns(groups: Groups, dense: float) -> Floats:
    """Return of each episode, without penalties; shape (episodes,)."""
    lengths = [len(t.episode.steps) for t in groups.trajectories]
    rewards = step_rewards(groups.trajectories, dense)
    return np.array([r.sum() for r in np.split(rewards, np.cumsum(lengths)[:-1])])


def better_steps(groups: Groups, online: GRPOConfig) -> list[npt.NDArray[np.bool_]]:
    """For each episode, which of its steps had a positive advantage."""
    lengths = [len(t.episode.steps) for t in groups.trajectories]
    return np.split(group_advantages(groups, online) > 0, np.cumsum(lengths)[:-1])


class StoredEpisode(NamedTuple):
    """An episode of the buffer, its return, and which of its steps had a positive advantage."""

    trajectory: Trajectory
    returned: float
    better: npt.NDArray[np.bool_]


class EpisodeStore:
    """The episodes that a buffer's entries stand for.

    Args:
        buffer: The entries.
        play: Gives the episodes of an iteration that was played.
        online: Settings of their comparison.
    """

    def __init__(
        self, buffer: ReplayBuffer, play: Callable[[int], Groups], online: GRPOConfig
    ) -> None:
        self.buffer = buffer
        self._play = play
        self._online = online
        self._kept: dict[tuple[int, int], StoredEpisode] = {}

    def remember(self, iteration: int, groups: Groups) -> None:
        """Keeps an iteration's episodes that are in the buffer; drops those that have left it."""
        wanted = {(e.iteration, e.index) for e in self.buffer.entries}
        self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}
        returns = episode_returns(groups, self._online.dense)
        better = better_steps(groups, self._online)
        for index, trajectory in enumerate(groups.trajectories):
            if (iteration, index) in wanted:
                kept = StoredEpisode(trajectory, float(returns[index]), better[index])
                self._kept[iteration, index] = kept

    def fetch(self, entry: ReplayEntry) -> StoredEpisode:
        """The episode of an entry; after a resume it is read from disk."""
        key = (entry.iteration, entry.index)
        if key not in self._kept:
            self.remember(entry.iteration, self._play(entry.iteration))
        return self._kept[key]
