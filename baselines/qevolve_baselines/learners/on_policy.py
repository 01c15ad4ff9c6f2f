"""Parts of on-policy learners: iterations within a budget, groups of episodes, health limits.

An iteration samples `collect.tasks` groups of `collect.per_task` episodes; the episodes of a group
play the same task. Tasks come in a random order, each once before any comes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_baselines.collect import CollectConfig, collect_episodes, feedback_shares, forget
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.losses import Floats
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import AXES
from qevolve_baselines.run.run import Run
from qevolve_envs.core import Feedback
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.play import Assignment, EnvConfig, episode_seed


@dataclass(slots=True)
class HealthLimits:
    """Limits beyond which a policy has broken down, so that its run stops.

    Attributes:
        malformed: Largest fraction of malformed actions in the episodes of an iteration.
        kl: Largest mean KL to the reference, per token, in an update.
        unhealthy: Action beyond a limit: ``stop`` the run, or ``log`` it.
    """

    malformed: float = 0.5
    kl: float = 3.0
    unhealthy: str = "stop"

    def __post_init__(self) -> None:
        if self.unhealthy not in ("stop", "log"):
            raise UnknownName.of("unhealthy", self.unhealthy, ("stop", "log"))

    def check_malformed(self, shares: Mapping[str, float], number: int) -> None:
        """Checks the fraction of malformed actions in iteration `number`.

        Raises:
            BenchError: When too many are no commands, and `unhealthy` is ``stop``.
        """
        self._check("the share of malformed actions", shares["malformed"], self.malformed, number)

    def check_kl(self, figures: Mapping[str, float], number: int) -> None:
        """Checks an update's KL to the reference, or to the policy that sampled.

        Raises:
            BenchError: When it is too large, and `unhealthy` is ``stop``.
        """
        self._check("the KL", figures.get("kl", figures["kl_old"]), self.kl, number)

    def _check(self, what: str, value: float, limit: float, number: int) -> None:
        if value > limit and self.unhealthy == "stop":
            raise BenchError(
                f"Iteration {number}: {what} is {value:.2f}, beyond the limit of {limit:g}, so the"
                " policy has fallen apart: lower optim.lr, raise the KL coefficient, or set"
                " limits.unhealthy=log to go on all the same."
            )


def check_online(learner: str, collect: CollectConfig, optim: OptimConfig) -> None:
    """Refuses settings with which nothing can be learnt online.

    Raises:
        BenchError: For greedy sampling, which explores nothing and whose log-probabilities are no
            behaviour's; and for a schedule of the learning rate, which needs to know how long the
            run will last.
    """
    if not collect.temperature > 0:
        raise BenchError(
            f"{learner} learns from what it samples, which needs a collect.temperature above 0, not"
            f" {collect.temperature:g}."
        )
    if optim.schedule != "constant":
        raise BenchError(
            f"{learner} goes on until its budget is spent, so its learning rate cannot follow the"
            f" schedule {optim.schedule!r}: set optim.schedule=constant."
        )


def iterations(
    run: Run, total: int, learner: str, keep: int | None = 0
) -> Iterator[tuple[int, str]]:
    """Counts iterations until the budget is spent, from where the last save was.

    Args:
        run: The run.
        total: Most iterations; 0 for no limit but the budget.
        learner: Named in errors.
        keep: Number of earlier iterations whose episodes are still needed; others are removed.
            None keeps all.

    Yields:
        The number of an iteration, from 1, and the name of its stage.

    Raises:
        BenchError: When nothing would end the run, or the budget allows nothing.
    """
    if run.done("iterations"):
        return
    limits = [a for a in AXES if a != "expert_episodes" and getattr(run.budget, a) is not None]
    if not limits and total == 0:
        raise BenchError(
            f"{learner} goes on until its budget is spent, and this run has none: give one, such as"
            " --budget env_steps=60000, or a number of iterations."
        )
    if run.spent and run.ledger.episodes == 0:
        axis = run.spent
        raise BenchError(
            f"The budget {axis}={getattr(run.budget, axis):g} is spent before {learner} has played"
            " an episode: give a larger one."
        )
    for number in count(1):
        stage = f"iteration-{number}"
        if not run.done(stage):
            yield number, stage
            # One save says both that the iteration is done and that it was the last: a run that is
            # killed in between would play another.
            run.end("iterations" if run.spent or number == total else stage)
        # Not before that save: a run that is killed in between would miss them.
        if keep is not None:
            forget(run, f"iteration-{number - keep}")
        if run.done("iterations"):
            return


@dataclass(slots=True)
class Groups:
    """The episodes of an iteration.

    Attributes:
        trajectories: In the order in which they were played; those of a group stand together.
        group: The group of each, shape (trajectories,).
        shares: Fraction of the steps with each kind of feedback.
    """

    trajectories: list[Trajectory]
    group: npt.NDArray[np.int64]
    shares: dict[str, float]

    @property
    def success(self) -> float:
        """Share of the episodes that were won."""
        return float(np.mean([t.episode.won for t in self.trajectories]))


def group_assignments(
    run: Run, number: int, tasks: Sequence[str], config: CollectConfig
) -> list[Assignment]:
    """The episodes of an iteration: `per_task` of each of the next `tasks` tasks."""
    if not tasks:
        raise BenchError("There is no task to learn on.")
    groups = config.tasks or len(tasks)
    orders: dict[int, npt.NDArray[np.int64]] = {}
    starts = []
    for place in range((number - 1) * groups, number * groups):
        epoch, index = divmod(place, len(tasks))
        if epoch not in orders:
            orders[epoch] = run.rng("tasks", epoch).permutation(len(tasks))
        task = tasks[int(orders[epoch][index])]
        starts += [
            Assignment(task, episode_seed(run.seed, "group", place, copy))
            for copy in range(config.per_task)
        ]
    return starts


def play_groups(
    run: Run,
    number: int,
    stage: str,
    policy: Policy,
    env: EnvConfig,
    tasks: Sequence[str],
    config: CollectConfig,
) -> Groups:
    """Samples the episodes of an iteration; kept on disk, counted in the ledger.

    The budget may end the collection early: the last group may then lack episodes.
    """
    starts = group_assignments(run, number, tasks, config)
    played = collect_episodes(run, stage, policy, env, starts, config)
    group = np.arange(len(played)) // config.per_task
    return Groups(played, group, feedback_shares(played))


# ── figures of every step and token ─────────────────────────────────────────


def step_rewards(trajectories: Sequence[Trajectory], dense: float) -> Floats:
    """The environment's reward of each step, and `dense` times its progress; shape (steps,)."""
    rewards = []
    for trajectory in trajectories:
        before = 0.0
        for step in trajectory.episode.steps:
            rewards.append(step.reward + dense * (step.score - before))
            before = step.score
    return np.array(rewards, dtype=np.float64)


def refused_steps(trajectories: Sequence[Trajectory]) -> npt.NDArray[np.bool_]:
    """Marks the steps that were invalid or malformed, shape (steps,)."""
    refused = {Feedback.INVALID.value, Feedback.MALFORMED.value}
    return np.array([s.feedback in refused for t in trajectories for s in t.episode.steps])


def advantage_shares(trajectories: Sequence[Trajectory], advantages: Floats) -> dict[str, float]:
    """Mean advantage of the steps by kind of feedback, of the kinds that occur."""
    feedback = np.array([s.feedback for t in trajectories for s in t.episode.steps])
    return {
        f"advantage_{kind.value}": float(advantages[feedback == kind.value].mean())
        for kind in Feedback
        if (feedback == kind.value).any()
    }


def log_iteration(run: Run, number: int, groups: Groups, **figures: Any) -> None:
    """Logs the outcomes of an iteration's episodes."""
    run.log(
        stage="iteration",
        iteration=number,
        success=groups.success,
        score=float(np.mean([t.episode.score for t in groups.trajectories])),
        **groups.shares,
        **figures,
    )
