"""Supervised fine-tuning, or behaviour cloning: cross-entropy on what the expert did.

    L = - mean over action tokens of log π(token | transcript so far)

Departures from ETO's recipe (Song et al. 2024; learning rate 2e-5, 3 epochs, 64 episodes a batch,
7B parameters): the defaults are for a small model made from scratch, which needs a higher rate and
more epochs; batches hold a number of tokens instead of episodes; episodes are not shortened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, passes_of
from qevolve_baselines.losses import weighted_mean
from qevolve_baselines.model.forward import action_logits, head_logits, hidden_states, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_policy
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.play import EnvConfig


@dataclass(slots=True)
class SFTConfig:
    """Supervised fine-tuning.

    Attributes:
        epochs: Passes over the demonstrations.
        reading: Weight of the cross-entropy of all other tokens, what the environment said. A model
            made from scratch has read nothing before, and learns to copy names from it; a
            pretrained one needs none. Passes count by their action tokens here too.
        optim: See `OptimConfig`.
    """

    epochs: int = 10
    reading: float = 0.0
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=3e-3, schedule="linear"))

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.reading < 0:
            raise BenchError(
                f"epochs and reading must be 0 or more, not {self.epochs} and {self.reading}."
            )


def sft_loss(logprobs: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of the action tokens: minus their mean log-probability.

    Args:
        logprobs: log π of each token, shape (n,).
        weights: Weight of each token, shape (n,).
    """
    return -weighted_mean(logprobs, weights)


def reading_loss(model: Any, states: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of every token from what stands before it: that of a language model.

    Args:
        model: Gives the head.
        states: The model's last hidden states, shape (rows, width, hidden).
        batch: The tokens; padding does not count.
    """
    logits = head_logits(model, states[:, :-1][batch.filled[:, 1:]])
    return cross_entropy(logits.float(), batch.ids[:, 1:][batch.filled[:, 1:]])


def fit(
    run: Run,
    name: str,
    policy: Policy,
    data: TokenizedEpisodes,
    config: SFTConfig,
) -> None:
    """Fits a policy to actions, as a stage of a run.

    Args:
        run: The run.
        name: Name of the stage.
        policy: The policy to train.
        data: The transcripts.
        config: Settings.
    """
    if run.done(name):
        return
    model = policy.model
    updates = draw_epochs(data.lengths, config.epochs, config.optim, run, name)

    def add_losses(update: Update) -> None:
        for batch, fraction in passes_of(data, updates[update.index], policy.device):
            states = hidden_states(model, batch.ids)
            logits = action_logits(model, batch, states)
            logprobs = token_figures(logits, batch, 1.0).logprobs
            loss = sft_loss(logprobs, torch.ones_like(logprobs))
            if config.reading:
                loss = loss + config.reading * reading_loss(model, states, batch)
            update.backward(fraction.tokens * loss, batch.size)

    train_policy(run, name, policy, config.optim, len(updates), add_losses)


class SFT:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = SFTConfig
    parallel = True

    def __init__(self, config: SFTConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Trains on the demonstrations."""
        run.track("policy", policy.model)
        fit(run, "sft", policy, demonstrations(policy, demos, run), self.config)
        run.checkpoint(policy, final=True)
        return policy


def demonstrations(policy: Policy, demos: Sequence[Episode], run: Run) -> TokenizedEpisodes:
    """Demonstrations as a policy reads them; failed ones and empty ones are left out.

    Raises:
        BenchError: When none is left.
    """
    won = [e for e in demos if e.won and e.steps and e.error is None]
    if not won:
        raise BenchError(
            f"None of the {len(demos)} demonstrations is a success, so there is nothing to imitate:"
            " give successful episodes (--demos), or more of them."
        )
    run.ledger.expert_episodes = len(won)
    return TokenizedEpisodes.of([policy.encoder.demonstration(e) for e in won])
