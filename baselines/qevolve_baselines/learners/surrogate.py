"""The clipped surrogate on own episodes, which GRPO, PPO and self-imitation minimise.

    L = Σ w (- min(ρ A, clip(ρ, 1 - ε_low, 1 + ε_high) A) + β (r - log r - 1))

over action tokens, with ρ = π / π_old and r = π_ref / π. The learners differ in A and in w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, flat
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.losses import Floats, clipped_surrogate, kl_estimate
from qevolve_baselines.model.forward import action_logits, data_logprobs, token_figures
from qevolve_baselines.model.policy import Policy
from qevolve_envs.errors import BenchError

LOSS_MEANS = ("token", "episode", "constant")


class Loss(NamedTuple):
    """A loss, and figures of it; all are sums under the weights."""

    loss: Tensor
    figures: dict[str, float]


def surrogate_loss(
    logprobs: Tensor,
    old: Tensor,
    reference: Tensor | None,
    advantages: Tensor,
    weights: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    kl: float,
) -> Loss:
    """Σ w (- surrogate + β KL) over action tokens; all tensors of shape (n,).

    Args:
        logprobs: log π.
        old: log π_old.
        reference: log π_ref; None where β is 0.
        advantages: A of each token.
        weights: From `token_weights`; over an update they add up to one.
        clip_low: ε_low.
        clip_high: ε_high.
        kl: β.
    """
    surrogate = clipped_surrogate(logprobs - old, advantages, clip_low, clip_high)
    loss = -(weights * surrogate.objective).sum()
    figures = {
        "clipped": (weights * surrogate.clipped).sum().item(),
        # The tokens were drawn from π_old, so it is KL(π_old ‖ π) that they estimate.
        "kl_old": (weights * kl_estimate(old, logprobs)).sum().item(),
    }
    if reference is not None:
        divergence = (weights * kl_estimate(logprobs, reference)).sum()
        loss = loss + kl * divergence
        figures["kl"] = divergence.item()
    return Loss(loss, figures)


def behaviour_logprobs(
    trajectories: Sequence[Trajectory], data: TokenizedEpisodes
) -> npt.NDArray[np.float32]:
    """Log-probability with which each action token of the data was drawn, shape (tokens,).

    Raises:
        BenchError: When some of the tokens were not drawn from a policy of ours.
    """
    drawn = [p for t in trajectories for transcript in t.transcripts for p in transcript.logprobs]
    if len(drawn) != data.tokens:
        raise BenchError("The episodes hold tokens whose log-probability is not known.")
    return np.array(drawn, dtype=np.float32)


def token_weights(
    data: TokenizedEpisodes,
    update: Sequence[Sequence[int]],
    mean: str,
    constant: int,
    counted: npt.NDArray[np.bool_] | None = None,
) -> Floats:
    """Weight of each action token in the mean loss of an update; shape (tokens,).

    - ``token``: all alike (DAPO, Yu et al. 2025); long episodes count for more.
    - ``episode``: each episode alike, whatever its length (GRPO, Shao et al. 2024).
    - ``constant``: the sum over an episode's tokens, divided by a constant (Dr. GRPO, Liu et al.
      2025); its scale does not vary with the lengths that an update happens to hold.

    Args:
        data: The transcripts.
        update: Its passes, as indices of sequences; tokens of other sequences have weight 0.
        mean: One of `LOSS_MEANS`.
        constant: The constant.
        counted: True for the action tokens that count, shape (tokens,); all by default.
    """
    lengths = np.diff(data.bounds)
    episode_of = np.repeat(np.arange(len(lengths)), lengths)[data.token_steps]
    whole = np.ones(data.tokens) if counted is None else counted.astype(np.float64)
    # Of its episode, which may be split up.
    share = whole / np.maximum(np.bincount(episode_of, weights=whole), 1.0)[episode_of]
    chosen = np.zeros(data.tokens)
    here = data.tokens_of(update)
    chosen[here] = whole[here]
    by_episode = chosen * share
    if not chosen.any():
        return chosen
    weights: Floats = {
        "token": chosen / chosen.sum(),
        "episode": by_episode / by_episode.sum(),
        "constant": chosen / (by_episode.sum() * constant),
    }[mean]
    return weights


@dataclass(slots=True)
class OnPolicyData:
    """Own episodes as training data; arrays with an entry for each action token have (tokens,).

    Attributes:
        data: The transcripts.
        old: log π_old, of the policy that sampled them.
        reference: log π_ref; None without a KL.
        advantages: A of each token.
        temperature: Temperature of sampling.
    """

    data: TokenizedEpisodes
    old: Tensor
    reference: Tensor | None
    advantages: Tensor
    temperature: float

    @classmethod
    def of(
        cls,
        chosen: Sequence[Trajectory],
        advantages: Floats,
        reference: Any,
        temperature: float,
        pass_tokens: int,
    ) -> OnPolicyData:
        """Lays episodes out, with the advantages of their steps, shape (steps,).

        Args:
            chosen: The episodes.
            advantages: Advantages of their steps.
            reference: The model π_ref, or None.
            temperature: Temperature of sampling.
            pass_tokens: Padded tokens of a forward pass of π_ref.
        """
        data = TokenizedEpisodes.of(chosen)
        kept = None
        if reference is not None:
            found = data_logprobs(
                reference, data, temperature=temperature, token_budget=pass_tokens
            )
            kept = torch.from_numpy(found)
        old = torch.from_numpy(behaviour_logprobs(chosen, data))
        return cls(data, old, kept, torch.from_numpy(flat(data, advantages)), temperature)

    def loss(
        self,
        policy: Policy,
        batch: Batch,
        weights: Floats,
        *,
        clip_low: float,
        clip_high: float,
        kl: float,
    ) -> Loss:
        """The loss of a batch of these episodes; see `surrogate_loss`."""
        logits = action_logits(policy.model, batch)
        logprobs, entropy = token_figures(logits, batch, self.temperature)
        pick = batch.tokens.cpu()
        share = torch.from_numpy(weights)[pick].to(logprobs)
        loss, figures = surrogate_loss(
            logprobs,
            self.old[pick].to(logprobs),
            None if self.reference is None else self.reference[pick].to(logprobs),
            self.advantages[pick].to(logprobs),
            share,
            clip_low=clip_low,
            clip_high=clip_high,
            kl=kl,
        )
        return Loss(loss, {**figures, "entropy": (share * entropy.detach()).sum().item()})
