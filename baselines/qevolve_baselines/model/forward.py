"""Forward passes over whole transcripts: one pass gives the figures of every action in it."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, bucketed, make_batch


def backbone(model: Any) -> Any:
    """Part of a causal language model that computes its hidden states."""
    inner = getattr(model, "get_base_model", lambda: model)()  # peft may wrap the model
    return inner.base_model


def hidden_states(model: Any, ids: Tensor) -> Tensor:
    """The last hidden states of a causal language model, shape (rows, width, hidden)."""
    states: Tensor = backbone(model)(input_ids=ids, use_cache=False).last_hidden_state
    return states


def head_logits(model: Any, states: Tensor) -> Tensor:
    """Logits of some hidden states, shape (..., vocabulary), as the model's own forward has them.

    The head is more than a matrix product in some families: Granite divides, Cohere multiplies,
    Gemma 2 bounds the logits.
    """
    config = model.config
    logits: Tensor = model.get_output_embeddings()(states)
    if getattr(config, "logits_scaling", None):
        logits = logits / config.logits_scaling
    if getattr(config, "logit_scale", None):
        logits = logits * config.logit_scale
    cap = getattr(config, "final_logit_softcapping", None)
    return cap * torch.tanh(logits / cap) if cap else logits


def action_logits(model: Any, batch: Batch, states: Tensor | None = None) -> Tensor:
    """Logits that predict each action token, shape (n, vocabulary).

    The head is applied where actions stand only, which for a dialogue of mostly observations is a
    fraction of the tokens.

    Args:
        model: A causal language model.
        batch: The tokens.
        states: The model's `hidden_states` of the batch, where they are known already.
    """
    if states is None:
        states = hidden_states(model, batch.ids)
    return head_logits(model, states[batch.rows, batch.columns - 1])


class TokenFigures(NamedTuple):
    """Of each action token, shape (n,): log-probability, and entropy of its distribution."""

    logprobs: Tensor
    entropy: Tensor


def token_figures(logits: Tensor, batch: Batch, temperature: float) -> TokenFigures:
    """Log-probabilities of the actions' tokens under the distribution that actions are drawn from.

    Args:
        logits: From `action_logits`.
        batch: The batch they are of.
        temperature: Temperature of sampling; it divides the logits.
    """
    logprobs = torch.log_softmax(logits.float() / temperature, dim=-1)
    chosen = logprobs.gather(1, batch.ids[batch.rows, batch.columns][:, None])[:, 0]
    return TokenFigures(chosen, -(logprobs.exp() * logprobs).sum(dim=-1))


@torch.no_grad()
def data_logprobs(
    model: Any, data: TokenizedEpisodes, *, temperature: float, token_budget: int
) -> npt.NDArray[np.float32]:
    """Log-probability of every action token of the data, shape (tokens,)."""
    model.eval()
    result = np.zeros(data.tokens, dtype=np.float32)
    for indices in bucketed([len(s.ids) for s in data.sequences], token_budget):
        batch = make_batch(data, indices, model.device)
        figures = token_figures(action_logits(model, batch), batch, temperature)
        result[batch.tokens.cpu().numpy()] = figures.logprobs.cpu().numpy()
    return result


def segment_sum(values: Tensor, segments: Tensor, count: int) -> Tensor:
    """Sums of values by segment, shape (count,)."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add_(
        0, segments, values
    )


def frozen(model: Any) -> Any:
    """A copy of a model that is not trained."""
    return copy.deepcopy(model).requires_grad_(False).eval()
