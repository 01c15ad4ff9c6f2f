"""SIL: replay of rewarded episodes, as far as they turned out better than expected.

**SIL** (Oh, Guo, Singh, Lee: "Self-Imitation Learning", ICML 2018). Episodes that were rewarded go
into a prioritised buffer. After the on-policy step of each iteration, `updates` draws from it are
imitated as far as they turned out better than expected:

    L = L_policy + 0.01 L_value
    L_policy = - log π(a_t | s_t) (R_t - V(s_t))₊,      L_value = ½ (R_t - V(s_t))₊²

with R_t the discounted return, priorities (R - V)₊ to the power α, importance weights
(1 / (N P))^β, and advantages of at most 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qevolve_baselines.data.batches import TokenizedEpisodes, bucketed, passes_of
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.grpo import GRPOConfig
from qevolve_baselines.learners.on_policy import (
    Groups,
    step_rewards,
)
from qevolve_baselines.learners.self_imitation.replay_buffer import (
    LEAST_PRIORITY,
    EpisodeStore,
    draw_prioritised,
)
from qevolve_baselines.losses import discounted_returns
from qevolve_baselines.model.forward import action_logits, segment_sum, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.model.value import ValueNetwork
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage


@dataclass(slots=True)
class SILConfig:
    """Oh et al.'s self-imitation.

    Attributes:
        capacity: Episodes in the buffer; the oldest leave it.
        updates: Number of draws from the buffer after each on-policy step.
        batch_tokens: Tokens of a draw.
        weight: Weight of L against the on-policy loss.
        alpha: α of the priorities.
        beta: β of the importance weights.
        advantage_clip: Largest (R - V)₊.
        value_weight: Weight of L_value in L.
        gamma: Discount of R, per step.
        shared: Read V off the policy's own hidden states, without training them.
        value_epochs: Passes of the fit of V over an iteration's episodes.
        value_optim: Settings of V's optimiser.
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


@dataclass(slots=True)
class ValueTrainer:
    """The value network V and its optimiser.

    Attributes:
        network: V.
        trainer: Optimiser of V.
        config: Settings of SIL.
    """

    network: ValueNetwork
    trainer: Trainer
    config: SILConfig

    @classmethod
    def of(cls, policy: Policy, run: Run, config: SILConfig) -> ValueTrainer:
        """Makes V from a policy, and has the run track it."""
        network = ValueNetwork(policy, shared=config.shared)
        trainer = Trainer(network.parameters(), config.value_optim, 1, "value network")
        run.track("value network", network)
        run.track("value optimiser", trainer)
        return cls(network, trainer, config)

    def fit(self, run: Run, stage: str, groups: Groups, online: GRPOConfig) -> None:
        """Fits V to the discounted returns of an iteration's episodes: ½ (R - V)²."""
        config = self.config
        data = TokenizedEpisodes.of(groups.trajectories)
        rewards = step_rewards(groups.trajectories, online.dense)
        returns = torch.from_numpy(discounted_returns(rewards, data.bounds, config.gamma))
        name = f"{stage}-value"
        updates = draw_epochs(data.lengths, config.value_epochs, config.value_optim, run, name)
        device = self.network.head.weight.device
        self.network.train()

        def add_losses(update: Update) -> None:
            for batch, fraction in passes_of(data, updates[update.index], device):
                values = self.network(batch.ids, *batch.state)
                error = returns[batch.of.cpu()].to(values) - values
                loss = fraction.steps * error.square().mean() / 2
                update.backward(loss, self.network.trained_tokens(batch))

        trainers, labels = {"": self.trainer}, {"stage": "value"}
        train_stage(run, name, len(updates), trainers, add_losses, labels=labels)


def imitate(
    run: Run,
    number: int,
    stage: str,
    policy: Policy,
    trainer: Trainer,
    value: ValueTrainer,
    store: EpisodeStore,
    config: SILConfig,
    online: GRPOConfig,
) -> None:
    """Imitates draws from the buffer, as far as they turned out better than expected.

    Args:
        run: The run.
        number: Number of the iteration.
        stage: Name of the iteration's stage.
        policy: The policy to train.
        trainer: Optimiser of the policy, which all iterations share.
        value: V.
        store: The buffer, and the episodes of its entries.
        config: Settings of SIL.
        online: Settings of the on-policy step.
    """
    entries = store.buffer.entries

    def add_losses(update: Update) -> None:
        draw = draw_prioritised(
            np.array([e.priority for e in entries]),
            config.batch_tokens,  # An episode has at least one: there are draws enough.
            config.alpha,
            config.beta,
            run.rng(stage, "replay", update.index),
        )
        episodes: list[Trajectory] = []
        size = 0
        while size < config.batch_tokens:
            episodes.append(store.fetch(entries[draw.chosen[len(episodes)]]).trajectory)
            size += sum(len(t.ids) for t in episodes[-1].transcripts)
        count = len(episodes)
        data = TokenizedEpisodes.of(episodes)
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
                value.network(batch.ids, *batch.state),
                weights[of].to(whole),
                config.advantage_clip,
            )
            gains[of.numpy()] = losses.gains.double().cpu().numpy()
            update.backward(config.weight * losses.policy, batch.size)
            update.backward(
                config.value_weight * losses.value,
                value.network.trained_tokens(batch),
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
        {"": trainer, "value_": value.trainer},
        add_losses,
        labels={"stage": "replay", "iteration": number},
    )
