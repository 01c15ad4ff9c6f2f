"""Self-imitation: GRPO, and a replay of the agent's own good episodes.

**SIL** (Oh, Guo, Singh, Lee: "Self-Imitation Learning", ICML 2018). Episodes that were rewarded go
into a prioritised buffer. After the on-policy step of each iteration, `updates` draws from it are
imitated as far as they turned out better than expected:

    L = L_policy + 0.01 L_value
    L_policy = - log π(a_t | s_t) (R_t - V(s_t))₊,      L_value = ½ (R_t - V(s_t))₊²

with R_t the discounted return, priorities (R - V)₊ to the power α, importance weights
(1 / (N P))^β, and advantages of at most 1.

**SPEAR** (Qin et al. 2025, arXiv 2509.22601). Episodes with a positive advantage are stored with
the log-probabilities they were sampled with, for at most `max_age` iterations. They are replayed by
the clipped surrogate that the on-policy ones have, with an advantage that is recalibrated to what
the policy achieves now, on the steps that had A > 0:

    Â = R - median of recent group means, where that is not negative
    L = L_GRPO + γ(t) L_replay,   γ(t) = (1 - cos(π min(t, T) / T)) / 2

and without a gradient on a random 2 % of the tokens, of those whose covariance
(A - Ā)(log π - mean log π) lies within bounds: they would sharpen the policy most.

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

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qevolve_baselines.data.batches import Data, bucketed, flat, passes_of
from qevolve_baselines.data.replay_buffer import (
    LEAST_PRIORITY,
    Buffer,
    Memory,
    better_steps,
    draw_prioritised,
    episode_returns,
)
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.grpo import GRPOConfig, improve, select
from qevolve_baselines.learners.on_policy import (
    Groups,
    check_online,
    iterations,
    log_iteration,
    play_groups,
    step_rewards,
)
from qevolve_baselines.learners.surrogate import (
    OwnData,
    behaviour_logprobs,
    surrogate_loss,
    token_weights,
)
from qevolve_baselines.losses import discounted_returns
from qevolve_baselines.model.forward import action_logits, frozen, segment_sum, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.model.value import ValueNetwork
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage
from qevolve_envs.episode import Episode
from qevolve_envs.errors import UnknownName
from qevolve_envs.play import EnvConfig

METHODS = ("sil", "spear")


@dataclass(slots=True)
class SILConfig:
    """Oh et al.'s self-imitation.

    Attributes:
        capacity: Episodes in the buffer; the oldest leave it.
        updates: Draws from the buffer after each on-policy step.
        batch_tokens: Tokens of a draw.
        weight: Of L against the on-policy loss.
        alpha: α of the priorities.
        beta: β of the importance weights.
        advantage_clip: Largest (R - V)₊.
        value_weight: Of L_value in L.
        gamma: Discount of R, per step.
        shared: Read V off the policy's own hidden states, without training them.
        value_epochs: Passes of the fit of V over an iteration's episodes.
        value_optim: Of V.
    """

    capacity: int = 10_000
    updates: int = 4
    batch_tokens: int = 4096
    weight: float = 1.0
    alpha: float = 0.6
    beta: float = 0.1
    advantage_clip: float = 1.0
    value_weight: float = 0.01
    gamma: float = 0.99
    shared: bool = False
    value_epochs: int = 1
    value_optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3))


@dataclass(slots=True)
class SPEARConfig:
    """SPEAR's replay.

    Attributes:
        capacity: Episodes in the buffer; the oldest leave it.
        max_age: Iterations after which an episode leaves it.
        history: Group means that the median is taken of.
        weight: Of the replay at its height.
        warmup: T, in iterations.
        cut_share: Share of the tokens of a pass that lose their gradient, at most.
        cut_low: Covariance above which a token may lose it.
        cut_high: Covariance below which it may.
    """

    capacity: int = 2048
    max_age: int = 5
    history: int = 10_240
    weight: float = 1.0
    warmup: int = 10
    cut_share: float = 0.02
    cut_low: float = 2.0
    cut_high: float = 60.0


@dataclass(slots=True)
class SelfImitationConfig:
    """Self-imitation.

    Attributes:
        method: ``sil`` or ``spear``.
        on_policy: The on-policy step, and how episodes are sampled; its `iterations`, `optim` and
            `limits` are those of the learner.
        sil: For ``sil``.
        spear: For ``spear``.
    """

    method: str = "sil"
    on_policy: GRPOConfig = field(default_factory=GRPOConfig)
    sil: SILConfig = field(default_factory=SILConfig)
    spear: SPEARConfig = field(default_factory=SPEARConfig)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName.of("method", self.method, METHODS)
        check_online("Self-imitation", self.on_policy.collect, self.sil.value_optim)


# ── the losses ──────────────────────────────────────────────────────────────


class SILLosses(NamedTuple):
    """L_policy and L_value, each a weighted sum over steps; and (R - V)₊ of each step."""

    policy: Tensor
    value: Tensor
    gains: Tensor


def sil_losses(
    logprobs: Tensor, returns: Tensor, values: Tensor, weights: Tensor, clip: float
) -> SILLosses:
    """The losses of Oh et al. 2018 over steps; all tensors of shape (n,).

    Beyond `clip`, L_value goes on as a straight line, as its gradient does in the authors' code.

    Args:
        logprobs: log π of each action, the sum over its tokens.
        returns: R.
        values: V.
        weights: Importance weights over the number of steps.
        clip: Largest advantage.
    """
    gains = (returns - values).clamp(min=0)
    bounded = gains.clamp(max=clip)
    policy = -(weights * bounded.detach() * logprobs).sum()
    value = (weights * bounded * (gains - bounded / 2)).sum()
    return SILLosses(policy, value, bounded.detach())


def replay_weight(iteration: int, warmup: int) -> float:
    """γ(t) = (1 - cos(π min(t, T) / T)) / 2; 1 without a warm-up."""
    if warmup <= 0:
        return 1.0
    return (1 - math.cos(math.pi * min(iteration, warmup) / warmup)) / 2


def covariance_kept(
    logprobs: Tensor,
    advantages: Tensor,
    uniforms: Tensor,
    share: float,
    low: float,
    high: float,
) -> Tensor:
    """Which tokens keep their gradient (Clip-Cov, Cui et al. 2025); 1 or 0, shape (n,).

    Args:
        logprobs: log π, shape (n,).
        advantages: A, shape (n,).
        uniforms: Draws that decide which of the candidates lose it, shape (n,).
        share: Share of the n tokens that lose it, at most.
        low: Covariance above which a token is a candidate.
        high: Covariance below which it is.
    """
    logprobs = logprobs.detach()
    covariance = (advantages - advantages.mean()) * (logprobs - logprobs.mean())
    candidate = (covariance > low) & (covariance < high)
    order = torch.where(candidate, uniforms, torch.inf).argsort()
    count = min(int(share * len(logprobs)), int(candidate.sum()))
    kept = torch.ones_like(logprobs)
    kept[order[:count]] = 0.0
    return kept


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
        buffer = Buffer(config.spear.capacity if spear else config.sil.capacity)
        run.track("policy", policy.model)
        run.track("policy optimiser", trainer)
        run.track("buffer", buffer)
        judge = None if spear else Judge.of(policy, run, config.sil)
        tasks = env.task_ids()

        def play(number: int) -> Groups:
            """The episodes of an iteration; those of an earlier one are read from disk."""
            name = f"iteration-{number}"
            return play_groups(run, number, name, policy, env, tasks, online.collect)

        memory = Memory(buffer, play, online)
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
                own = OwnData.of(
                    chosen,
                    advantages,
                    reference,
                    online.collect.temperature,
                    online.optim.pass_tokens,
                )
                improve(run, number, stage, policy, trainer, own, online)
            returns = episode_returns(groups, online.dense)
            if judge is None:
                # What is replayed comes from earlier iterations: this one was just learnt from.
                self._replay(run, number, stage, policy, trainer, memory)
                better = [i for i, good in enumerate(better_steps(groups, online)) if good.any()]
                means = np.bincount(groups.group, returns) / np.bincount(groups.group)
                buffer.add(number, better, means.tolist())
            else:
                judge.fit(run, stage, groups, online)
                buffer.add(number, np.flatnonzero(returns > 0).tolist(), [])
                memory.remember(number, groups)
                self._imitate(run, number, stage, policy, trainer, judge, memory)
            memory.remember(number, groups)
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

    def _imitate(
        self,
        run: Run,
        number: int,
        stage: str,
        policy: Policy,
        trainer: Trainer,
        judge: Judge,
        memory: Memory,
    ) -> None:
        """SIL: draws from the buffer, imitated as far as they were better than expected."""
        config = self.config.sil
        online = self.config.on_policy
        entries = memory.buffer.entries

        def add_losses(update: Update) -> None:
            draw = draw_prioritised(
                np.array([e.priority for e in entries]),
                config.batch_tokens,  # An episode has at least one: there are draws enough.
                config.alpha,
                config.beta,
                run.generator(stage, "replay", update.index),
            )
            episodes: list[Trajectory] = []
            size = 0
            while size < config.batch_tokens:
                episodes.append(memory.fetch(entries[draw.chosen[len(episodes)]]).trajectory)
                size += sum(len(t.ids) for t in episodes[-1].transcripts)
            count = len(episodes)
            data = Data.of(episodes)
            returns = torch.from_numpy(
                discounted_returns(step_rewards(episodes, online.dense), data.bounds, config.gamma)
            )
            lengths = np.diff(data.bounds)
            weights = torch.from_numpy(np.repeat(draw.weights[:count], lengths) / data.steps)
            gains = np.zeros(data.steps)
            passes = bucketed(data.lengths, online.optim.pass_tokens)
            policy.model.train()
            for batch, _ in passes_of(data, passes, policy.device):
                tokens = token_figures(
                    action_logits(policy.model, batch), batch, online.collect.temperature
                )
                places = torch.searchsorted(batch.of, batch.steps)
                whole = segment_sum(tokens.logprobs, places, len(batch.of))
                of = batch.of.cpu()
                losses = sil_losses(
                    whole,
                    returns[of].to(whole),
                    judge.network(batch.ids, *batch.state),
                    weights[of].to(whole),
                    config.advantage_clip,
                )
                gains[of.numpy()] = losses.gains.double().cpu().numpy()
                update.backward(config.weight * losses.policy, batch.size)
                update.backward(
                    config.value_weight * losses.value,
                    judge.network.trained_tokens(batch),
                    of="value_",
                )
            gain = np.add.reduceat(gains, data.bounds[:-1]) / lengths
            for place, urgency in zip(draw.chosen[:count], gain, strict=True):
                entries[place].priority = max(float(urgency), LEAST_PRIORITY)
            update.figures.update(gain=float(gain.mean()), episodes=count)

        train_stage(
            run,
            f"{stage}-replay",
            config.updates if entries else 0,
            {"": trainer, "value_": judge.trainer},
            add_losses,
            labels={"stage": "replay", "iteration": number},
        )

    def _replay(
        self,
        run: Run,
        number: int,
        stage: str,
        policy: Policy,
        trainer: Trainer,
        memory: Memory,
    ) -> None:
        """SPEAR: the clipped surrogate on good episodes of the last iterations."""
        config = self.config.spear
        online = self.config.on_policy
        buffer = memory.buffer
        buffer.entries = [e for e in buffer.entries if number - e.iteration <= config.max_age]
        means = buffer.means[-config.history :]
        kept = [memory.fetch(e) for e in buffer.entries]
        kept = [k for k in kept if k.returned >= np.median(means)]
        order = run.generator(stage, "replay").permutation(len(kept))
        room = online.collect.per_task * (online.collect.tasks or len(kept))
        kept = [kept[i] for i in order[:room]]
        if not kept:
            return
        advantages = np.concatenate([(k.returned - np.median(means)) * k.better for k in kept])
        better = np.concatenate([k.better for k in kept])
        episodes = [k.trajectory for k in kept]
        data = Data.of(episodes)
        old = torch.from_numpy(behaviour_logprobs(episodes, data))
        token_advantages = torch.from_numpy(flat(data, advantages))
        token_better = flat(data, better)
        scale = config.weight * replay_weight(number, config.warmup)
        updates = draw_epochs(data.lengths, 1, online.optim, run, f"{stage}-replay")
        policy.model.train()

        def add_losses(update: Update) -> None:
            passes = updates[update.index]
            weights = torch.from_numpy(
                token_weights(data, passes, online.loss_mean, online.loss_tokens, token_better)
            )
            uniforms = torch.from_numpy(
                run.generator(stage, "replay", "cut", update.index).random(data.tokens)
            )
            for batch, _ in passes_of(data, passes, policy.device):
                logits = action_logits(policy.model, batch)
                logprobs = token_figures(logits, batch, online.collect.temperature).logprobs
                pick = batch.tokens.cpu()
                advantage = token_advantages[pick].to(logprobs)
                # Tokens of steps that are not replayed are none to choose from.
                replayed = torch.from_numpy(token_better)[pick].to(logprobs.device)
                uncut = torch.ones_like(logprobs)
                uncut[replayed] = covariance_kept(
                    logprobs[replayed],
                    advantage[replayed],
                    uniforms[pick].to(logprobs)[replayed],
                    config.cut_share,
                    config.cut_low,
                    config.cut_high,
                )
                loss, figures = surrogate_loss(
                    logprobs,
                    old[pick].to(logprobs),
                    None,
                    advantage,
                    weights[pick].to(logprobs) * uncut,
                    clip_low=online.clip_low,
                    clip_high=online.clip_high,
                    kl=0.0,
                )
                figures["cut"] = 1 - uncut.mean().item()
                update.backward(scale * loss, batch.size, figures)

        train_stage(
            run,
            f"{stage}-replay",
            len(updates),
            {"": trainer},
            add_losses,
            labels={"stage": "replay", "iteration": number, "episodes": len(kept)},
        )


@dataclass(slots=True)
class Judge:
    """V, and what it is trained with."""

    network: ValueNetwork
    trainer: Trainer
    config: SILConfig

    @classmethod
    def of(cls, policy: Policy, run: Run, config: SILConfig) -> Judge:
        """Makes V from a policy, and has the run track it."""
        network = ValueNetwork(policy, shared=config.shared)
        trainer = Trainer(network.parameters(), config.value_optim, 1, "value network")
        run.track("value network", network)
        run.track("value optimiser", trainer)
        return cls(network, trainer, config)

    def fit(self, run: Run, stage: str, groups: Groups, online: GRPOConfig) -> None:
        """Fits V to the discounted returns of an iteration's episodes: ½ (R - V)²."""
        config = self.config
        data = Data.of(groups.trajectories)
        rewards = step_rewards(groups.trajectories, online.dense)
        returns = torch.from_numpy(discounted_returns(rewards, data.bounds, config.gamma))
        name = f"{stage}-value"
        updates = draw_epochs(data.lengths, config.value_epochs, config.value_optim, run, name)
        device = self.network.head.weight.device
        self.network.train()

        def add_losses(update: Update) -> None:
            for batch, share in passes_of(data, updates[update.index], device):
                values = self.network(batch.ids, *batch.state)
                error = returns[batch.of.cpu()].to(values) - values
                loss = share.steps * error.square().mean() / 2
                update.backward(loss, self.network.trained_tokens(batch))

        trainers, labels = {"": self.trainer}, {"stage": "value"}
        train_stage(run, name, len(updates), trainers, add_losses, labels=labels)
