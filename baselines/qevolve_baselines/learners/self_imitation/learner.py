"""Self-imitation: GRPO, and a replay of the agent's own good episodes.

**SIL** is in `sil`, **SPEAR** in `spear`: each file cites its paper and its equations.

SPEAR as published is the preset ``spear``, on GiGPO ``spear_gigpo``.

Departures.

- *SIL*: the on-policy step is GRPO's instead of A2C's, so that all learners stand on the same
  one, and V is fitted to the returns of an iteration's episodes by itself. V is a network of its
  own (or reads the policy's states without training them) with an optimiser of its own, in which
  the weight 0.01 sets L_value against that fit. Episodes are drawn instead of steps, by the mean
  priority of their steps, because one pass over a transcript serves all of them; the buffer
  counts episodes too. Imitation has updates of its own behind the on-policy ones, by the same
  optimiser.
- *SPEAR*: replay begins as soon as there is something to replay, not when the buffer is full,
  takes at most as many episodes as an iteration samples, and makes updates of its own instead of
  adding to the on-policy gradient; AdamW then gives back some of what a small γ(t) takes. γ(t)
  rises over 10 iterations by default, because budgets here are tens of iterations, not hundreds.
  The intrinsic reward for calling tools is left out, as every action here is such a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.grpo import GRPOConfig, improve, select
from qevolve_baselines.learners.on_policy import (
    Groups,
    check_online,
    iterations,
    log_iteration,
    play_groups,
)
from qevolve_baselines.learners.self_imitation.replay_buffer import (
    EpisodeStore,
    ReplayBuffer,
    better_steps,
    episode_returns,
)
from qevolve_baselines.learners.self_imitation.sil import SILConfig, ValueTrainer, imitate
from qevolve_baselines.learners.self_imitation.spear import SPEARConfig, replay
from qevolve_baselines.learners.surrogate import (
    OnPolicyData,
)
from qevolve_baselines.model.forward import frozen
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import Trainer
from qevolve_baselines.run.run import Run
from qevolve_envs.episode import Episode
from qevolve_envs.errors import UnknownName
from qevolve_envs.play import EnvConfig

METHODS = ("sil", "spear")


@dataclass(slots=True)
class SelfImitationConfig:
    """Self-imitation.

    Attributes:
        method: ``sil`` or ``spear``.
        on_policy: The on-policy step, and how episodes are sampled; its `iterations`, `optim` and
            `limits` are those of the learner.
        sil: Settings of ``sil``.
        spear: Settings of ``spear``.
    """

    method: str = "sil"
    on_policy: GRPOConfig = field(default_factory=GRPOConfig)
    sil: SILConfig = field(default_factory=SILConfig)
    spear: SPEARConfig = field(default_factory=SPEARConfig)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName.of("method", self.method, METHODS)
        check_online("Self-imitation", self.on_policy.collect, self.sil.value_optim)


# ── the learner ─────────────────────────────────────────────────────────────


class SelfImitation:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = SelfImitationConfig

    def __init__(self, config: SelfImitationConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Iterations of GRPO, each followed by a replay; demonstrations are not used."""
        config = self.config
        online = config.on_policy
        spear = config.method == "spear"
        reference = frozen(run.reference or policy.model) if online.kl else None
        trainer = Trainer(policy.model.parameters(), online.optim, 1, "policy")
        buffer = ReplayBuffer(config.spear.capacity if spear else config.sil.capacity)
        run.track("policy", policy.model)
        run.track("policy optimiser", trainer)
        run.track("buffer", buffer)
        value = None if spear else ValueTrainer.of(policy, run, config.sil)
        tasks = env.task_ids()

        def play(number: int) -> Groups:
            """The episodes of an iteration; those of an earlier one are read from disk."""
            name = f"iteration-{number}"
            return play_groups(run, number, name, policy, env, tasks, online.collect)

        store = EpisodeStore(buffer, play, online)
        keep = config.spear.max_age if spear else None
        for number, stage in iterations(run, online.iterations, "Self-imitation", keep):
            groups = play(number)
            if trainer.updates:
                online.limits.check_malformed(groups.shares, number)
            chosen, advantages = select(groups, online)
            log_iteration(
                run,
                number,
                groups,
                kept=len(chosen) / len(groups.trajectories),
                stored=len(buffer.entries),
            )
            if chosen:
                own = OnPolicyData.of(
                    chosen,
                    advantages,
                    reference,
                    online.collect.temperature,
                    online.optim.pass_tokens,
                )
                improve(run, number, stage, policy, trainer, own, online)
            returns = episode_returns(groups, online.dense)
            if value is None:
                # What is replayed comes from earlier iterations: this one was just learnt from.
                replay(run, number, stage, policy, trainer, store, config.spear, online)
                better = [i for i, good in enumerate(better_steps(groups, online)) if good.any()]
                means = np.bincount(groups.group, returns) / np.bincount(groups.group)
                buffer.add(number, better, means.tolist())
            else:
                value.fit(run, stage, groups, online)
                buffer.add(number, np.flatnonzero(returns > 0).tolist(), [])
                store.remember(number, groups)
                imitate(run, number, stage, policy, trainer, value, store, config.sil, online)
            store.remember(number, groups)
            run.checkpoint(policy)
        if not trainer.updates:
            raise NothingToLearn(
                "No episode was rewarded, and in no group did one do better than another, so there"
                " was nothing to imitate: start from a better policy (--init), give a larger budget"
                " or larger groups (on_policy.collect.per_task), or learn from progress as well"
                " (on_policy.dense=1)."
            )
        run.checkpoint(policy, final=True)
        return policy
