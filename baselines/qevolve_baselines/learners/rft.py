"""Rejection-sampling fine-tuning: SFT on the expert's and the agent's own successful episodes.

For each round: sample `per_task` episodes of each task with the current policy, keep the won ones,
and fine-tune on D_expert ∪ successes. In ETO's comparison (Song et al. 2024) RFT is one such round.

Departures: further rounds; each continues from the policy of the last instead of the base model, on
the successes of all rounds so far; the same actions on the same task count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qevolve_baselines.collect import CollectConfig, collect_stage
from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.sft import SFTConfig, fit
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.run import Run
from qevolve_envs.episode import Episode
from qevolve_envs.play import EnvConfig


@dataclass(slots=True)
class RFTConfig:
    """Rejection-sampling fine-tuning.

    Attributes:
        rounds: Number of collections, each followed by a fit.
        collect: Settings of sampling episodes.
        keep: Successes that are kept of one task and round, the shortest first; 0 keeps all.
        expert: Train on the demonstrations as well.
        fit: Settings of each round's fit.
    """

    rounds: int = 2
    collect: CollectConfig = field(default_factory=CollectConfig)
    keep: int = 0
    expert: bool = True
    fit: SFTConfig = field(default_factory=lambda: SFTConfig(epochs=3, optim=OptimConfig(lr=1e-3)))


def distinct_successes(trajectories: Sequence[Trajectory], keep: int) -> list[Trajectory]:
    """Won episodes, each sequence of actions on a task once, the shortest `keep` of each task."""
    kept: dict[str, dict[tuple[str, ...], Trajectory]] = {}
    for trajectory in trajectories:
        episode = trajectory.episode
        if episode.won:
            actions = tuple(step.action for step in episode.steps)
            kept.setdefault(episode.task_id, {}).setdefault(actions, trajectory)
    chosen = []
    for by_actions in kept.values():
        ordered = sorted(by_actions, key=len)
        chosen += [by_actions[actions] for actions in (ordered[:keep] if keep else ordered)]
    return chosen


class RFT:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = RFTConfig
    parallel = True

    def __init__(self, config: RFTConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Rounds of sampling, rejecting and fitting."""
        config = self.config
        expert = [policy.encoder.demonstration(e) for e in demos if e.won and e.steps]
        run.ledger.expert_episodes = len(expert)
        run.track("policy", policy.model)
        successes: list[Trajectory] = []
        for current in run.rounds(config.rounds, policy):
            name = current.name
            own = collect_stage(run, name, policy, env, config.collect, current.remaining)
            successes += distinct_successes(own, config.keep)
            if not successes and not (config.expert and expert):
                raise NothingToLearn(
                    f"None of {len(own)} episodes was a success, and there are no demonstrations:"
                    " RFT has nothing to learn from; start from a better policy (--init) or give"
                    " demonstrations."
                )
            chosen = [*(expert if config.expert else []), *successes]
            fit(run, f"{name}-fit", policy, TokenizedEpisodes.of(chosen), config.fit)
        run.checkpoint(policy, final=True)
        return policy
