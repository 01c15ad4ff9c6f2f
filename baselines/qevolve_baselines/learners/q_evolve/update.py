"""Behaviour-proximal policy optimisation: (7) of `qevolve_baselines.learners.q_evolve.learner`.

    maximise E[min(η_t A_t, clip(η_t, 1 - ε_low, 1 + ε_high) A_t)] - α KL(π ‖ π_ref),
    η_t = π / π_old on the data's actions

on a fixed D whose advantages and behaviour log-probabilities are known before the first update.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, flat, passes_of
from qevolve_baselines.learners.sft import sft_loss
from qevolve_baselines.losses import Floats, clipped_surrogate, exact_kl, kl_estimate
from qevolve_baselines.model.forward import action_logits, segment_sum, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_policy

OBJECTIVES = ("clipped", "awr")
RATIOS = ("token", "action")
REFERENCES = ("bc", "old")


@dataclass(slots=True)
class PolicyConfig:
    """Settings of behaviour-proximal policy optimisation, (7).

    Attributes:
        epochs: Passes over D.
        optim: See `OptimConfig`.
        objective: ``clipped``, or ``awr``: exp(A/β) log π (Peng et al. 2019).
        ratio: η of each ``token``, or of the whole ``action``, the product over its tokens. Where
            η is 1, both have the same gradient.
        clip_low: ε_low.
        clip_high: ε_high.
        kl: α.
        reference: π_ref: the policy after ``bc``, or ``old``, the one that collected.
        awr_beta: β of the objective ``awr``.
        awr_clip: Largest weight of the objective ``awr``.
        anchor: Weight of cross-entropy on expert tokens; 0 is the paper's form.
        negative_weight: Scale of negative advantages; 1 is the paper's form.
        kl_stop: A mean KL to π_ref beyond which a round ends early.
    """

    epochs: int = 3
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=2e-4))
    objective: str = "clipped"
    ratio: str = "token"
    clip_low: float = 0.8
    clip_high: float = 0.4
    kl: float = 0.1
    reference: str = "bc"
    awr_beta: float = 1.0
    awr_clip: float = 20.0
    anchor: float = 0.0
    negative_weight: float = 1.0
    kl_stop: float = 1.0


def awr_objective(logprobs: Tensor, advantages: Tensor, beta: float, clip: float) -> Tensor:
    """min(exp(A/β), clip) log π of each token (Peng et al. 2019, equation 9); shape (n,)."""
    return (advantages / beta).exp().clamp(max=clip) * logprobs


def improve(
    run: Run,
    name: str,
    policy: Policy,
    reference: Any,
    data: TokenizedEpisodes,
    config: PolicyConfig,
    *,
    advantages: Floats,
    old: Tensor,
    expert: npt.NDArray[np.bool_],
    temperature: float,
) -> None:
    """Trains the policy on D against the frozen behaviour policy.

    Args:
        run: Keeps the ledger, the log, and what a resume needs.
        name: The stage's name in the run.
        policy: The policy to train.
        reference: π_ref.
        data: D.
        config: See `PolicyConfig`.
        advantages: A_t of each step of D, shape (steps,).
        old: log π_old of each action token of D, shape (tokens,).
        expert: True for the expert's steps, shape (steps,).
        temperature: The one that D_self was sampled at, under which all probabilities are taken.
    """
    if run.done(name):
        return
    model = policy.model
    updates = draw_epochs(data.lengths, config.epochs, config.optim, run, name)
    if config.negative_weight != 1:
        advantages = np.where(advantages < 0, advantages * config.negative_weight, advantages)
    token_advantages = torch.from_numpy(flat(data, advantages))
    expert_tokens = torch.from_numpy(flat(data, expert).astype(np.float64))

    def add_losses(update: Update) -> None:
        passes = updates[update.index]
        anchors = expert_tokens[data.tokens_of(passes)].sum() if config.anchor else 0.0
        for batch, fraction in passes_of(data, passes, policy.device):
            logits = action_logits(model, batch)
            with torch.no_grad():
                reference_logits = action_logits(reference, batch)
            figures = token_figures(logits, batch, temperature)
            kl = exact_kl(
                torch.log_softmax(logits.float() / temperature, dim=-1),
                torch.log_softmax(reference_logits.float() / temperature, dim=-1),
            )
            pick = batch.tokens.cpu()
            loss, drift = policy_loss(
                figures.logprobs,
                old[pick].to(figures.logprobs),
                token_advantages[pick].to(figures.logprobs),
                kl,
                batch,
                config,
            )
            drift["entropy"] = figures.entropy.mean().item()
            loss = fraction.tokens * loss
            if anchors and fraction.tokens:
                # A mean over the update's expert tokens, of which a pass may hold few or none.
                anchored = expert_tokens[pick].to(figures.logprobs)
                part = anchored.sum() / anchors
                loss = loss + config.anchor * part * sft_loss(figures.logprobs, anchored)
            update.backward(loss, batch.size, {k: fraction.tokens * v for k, v in drift.items()})

    def too_far(figures: dict[str, float]) -> bool:
        if figures["kl_reference"] <= config.kl_stop:
            return False
        run.log(stage=name, stopped=f"KL to the reference above {config.kl_stop}")
        return True

    train_policy(run, name, policy, config.optim, len(updates), add_losses, after=too_far)


def policy_loss(
    logprobs: Tensor,
    old: Tensor,
    advantages: Tensor,
    kl: Tensor,
    batch: Batch,
    config: PolicyConfig,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of (7) for a batch of action tokens, and how far the policy has drifted.

    Args:
        logprobs: log π of each token, shape (n,).
        old: log π_old, shape (n,).
        advantages: A_t of each token's step, shape (n,).
        kl: KL(π ‖ π_ref) at each token, shape (n,).
        batch: Says which tokens form an action.
        config: See `PolicyConfig`.

    Returns:
        The loss to minimise; KL estimates, percentiles of the ratio, and the share clipped.
    """
    log_ratio = logprobs - old
    clipped = torch.zeros_like(logprobs)
    if config.objective == "awr":
        objective = awr_objective(logprobs, advantages, config.awr_beta, config.awr_clip)
    elif config.ratio == "action":
        places = torch.searchsorted(batch.of, batch.steps)
        whole = segment_sum(log_ratio, places, len(batch.of))
        surrogate = clipped_surrogate(whole[places], advantages, config.clip_low, config.clip_high)
        # An action's term counts once: each of its tokens has an equal part of it.
        parts = segment_sum(torch.ones_like(log_ratio), places, len(batch.of))
        objective, clipped = surrogate.objective / parts[places], surrogate.clipped
    else:
        objective, clipped = clipped_surrogate(
            log_ratio, advantages, config.clip_low, config.clip_high
        )
    loss = -objective.mean() + config.kl * kl.mean()
    ratios = log_ratio.detach().exp()
    low, middle, high = torch.quantile(
        ratios.float(), torch.tensor([0.05, 0.5, 0.95], device=ratios.device)
    ).tolist()
    drift = {
        "kl_reference": kl.mean().item(),
        "kl_data": kl_estimate(old, logprobs).mean().item(),
        "ratio_p05": low,
        "ratio_p50": middle,
        "ratio_p95": high,
        "clipped": clipped.mean().item(),
    }
    return loss, drift
