"""SPEAR: replay of good recent episodes by the clipped surrogate.

**SPEAR** (Qin et al. 2025, arXiv 2509.22601). Episodes with a positive advantage are stored with
the log-probabilities they were sampled with, for at most `max_age` iterations. They are replayed by
the clipped surrogate that the on-policy ones have, with an advantage that is recalibrated to what
the policy achieves now, on the steps that had A > 0:

    Â = R - median of recent group means, where that is not negative
    L = L_GRPO + γ(t) L_replay,   γ(t) = (1 - cos(π min(t, T) / T)) / 2

and without a gradient on a random 2 % of the tokens, of those whose covariance
(A - Ā)(log π - mean log π) lies within bounds: they would sharpen the policy most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qevolve_baselines.data.batches import TokenizedEpisodes, flat, passes_of
from qevolve_baselines.learners.grpo import GRPOConfig
from qevolve_baselines.learners.self_imitation.replay_buffer import (
    EpisodeStore,
)
from qevolve_baselines.learners.surrogate import (
    behaviour_logprobs,
    surrogate_loss,
    token_weights,
)
from qevolve_baselines.model.forward import action_logits, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import Trainer
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage


@dataclass(slots=True)
class SPEARConfig:
    """SPEAR's replay.

    Attributes:
        capacity: Episodes in the buffer; the oldest leave it.
        max_age: Iterations after which an episode leaves it.
        history: Group means that the median is taken of.
        weight: Largest weight of the replay.
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
        uniforms: Uniform numbers that choose the candidates that lose it, shape (n,).
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


def replay(
    run: Run,
    number: int,
    stage: str,
    policy: Policy,
    trainer: Trainer,
    store: EpisodeStore,
    config: SPEARConfig,
    online: GRPOConfig,
) -> None:
    """Minimises the clipped surrogate on good episodes of the last iterations.

    Args:
        run: The run.
        number: Number of the iteration.
        stage: Name of the iteration's stage.
        policy: The policy to train.
        trainer: Optimiser of the policy, which all iterations share.
        store: The buffer, and the episodes of its entries.
        config: Settings of SPEAR.
        online: Settings of the on-policy step.
    """
    buffer = store.buffer
    buffer.entries = [e for e in buffer.entries if number - e.iteration <= config.max_age]
    means = buffer.means[-config.history :]
    kept = [store.fetch(e) for e in buffer.entries]
    kept = [k for k in kept if k.returned >= np.median(means)]
    order = run.rng(stage, "replay").permutation(len(kept))
    most = online.collect.per_task * (online.collect.tasks or len(kept))
    kept = [kept[i] for i in order[:most]]
    if not kept:
        return
    advantages = np.concatenate([(k.returned - np.median(means)) * k.better for k in kept])
    better = np.concatenate([k.better for k in kept])
    episodes = [k.trajectory for k in kept]
    data = TokenizedEpisodes.of(episodes)
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
            run.rng(stage, "replay", "cut", update.index).random(data.tokens)
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
