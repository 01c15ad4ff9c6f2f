"""The formulas that learners share, as pure functions; each learner's own stand in its file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean under non-negative weights; 0 where all weights are 0. Both of shape (n,)."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-8)


class Surrogate(NamedTuple):
    """The clipped surrogate of each token, and where clipping took its gradient away."""

    objective: Tensor
    clipped: Tensor


def clipped_surrogate(
    log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """PPO's clipped surrogate (Schulman et al. 2017, equation 7), with two clip ranges.

    ``min(η A, clip(η, 1 - clip_low, 1 + clip_high) A)``, ``η = exp(log_ratio)``; to be maximised.

    Args:
        log_ratio: log π - log π_old, shape (n,).
        advantages: Shape (n,).
        clip_low: Largest fall of η below 1 where A is negative.
        clip_high: Largest rise of η above 1 where A is positive.
    """
    # exp() of a ratio that has run away would be infinite, and infinity times zero is not a number.
    ratio = log_ratio.clamp(-20.0, 20.0).exp()
    bounded = ratio.clamp(1 - clip_low, 1 + clip_high)
    objective = torch.minimum(ratio * advantages, bounded * advantages)
    return Surrogate(objective, (bounded * advantages < ratio * advantages).float())


def kl_estimate(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Estimates KL(π ‖ π_ref) from tokens drawn from π: ``r - log r - 1``, r = π_ref / π.

    Never negative, and of low variance (J. Schulman, "Approximating KL divergence", 2020, the
    estimator k3). Shape (n,) in and out.
    """
    log_r = (reference - logprobs).clamp(-20.0, 20.0)
    return log_r.exp() - log_r - 1


def exact_kl(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(π ‖ π_ref) of the next-token distributions at each position; shape (n,).

    The estimate from single tokens assumes that they were drawn from π. On the tokens of older
    data, those that π has become unlikely to say make it explode; the sum over the vocabulary
    knows nothing of which token the data hold.

    Args:
        logprobs: log π of every entry of the vocabulary, shape (n, vocabulary).
        reference: log π_ref, the same shape.
    """
    return (logprobs.exp() * (logprobs - reference)).sum(dim=-1)


def discounted_returns(rewards: Floats, bounds: npt.NDArray[np.int64], gamma: float) -> Floats:
    """Return from each step to the end of its trajectory, shape (steps,).

    Args:
        rewards: Reward of each step, all trajectories one after another, shape (steps,).
        bounds: Offsets at which the trajectories begin, and the end, shape (trajectories + 1,).
        gamma: Discount.
    """
    return generalised_advantages(rewards, np.zeros_like(rewards), bounds, gamma, 1.0)


def generalised_advantages(
    rewards: Floats,
    values: Floats,
    bounds: npt.NDArray[np.int64],
    gamma: float,
    lam: float,
) -> Floats:
    """Generalised advantage estimation (Schulman et al. 2016, equation 16).

    ``δ_t = r_{t+1} + γ V(s_{t+1}) - V(s_t)`` and ``A_t = δ_t + γ λ A_{t+1}``, where the value
    behind the last step is 0: the horizon ends an episode as success does, and a transcript shows
    how much of it has passed (one that outgrew its context shows it no more). This is (6) of
    `qevolve_baselines.learners.q_evolve.learner`.

    Args:
        rewards: Reward for each step's action, shape (steps,).
        values: Value of the state before it, shape (steps,).
        bounds: Offsets at which the trajectories begin, and the end, shape (trajectories + 1,).
        gamma: Discount.
        lam: λ; 0 is the one-step advantage, 1 the return minus the value.

    Returns:
        Advantages, shape (steps,).
    """
    advantages = np.zeros_like(rewards)
    last = np.zeros(len(rewards), dtype=bool)
    last[bounds[1:][np.diff(bounds) > 0] - 1] = True
    following = 0.0
    value_after = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        if last[t]:
            following = value_after = 0.0
        delta = rewards[t] + gamma * value_after - values[t]
        following = delta + gamma * lam * following
        advantages[t] = following
        value_after = values[t]
    return advantages


def standardised(values: Floats) -> Floats:
    """Values with mean 0 and standard deviation 1; zeros where they do not differ."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-8 else np.zeros_like(values)


def explained_variance(predicted: Floats, actual: Floats) -> float:
    """1 - Var(actual - predicted) / Var(actual); 0 where nothing varies."""
    variance = actual.var()
    return float(1 - (actual - predicted).var() / variance) if variance > 1e-12 else 0.0
