"""The critic: a transformer that reads the same transcripts, with heads for V and Q.

V(s_t) is read off the last token before the action of step t, Q(s_t, a_t) off the last token of the
action. One pass over a transcript gives both for all of its steps.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, bucketed, make_batch
from qevolve_baselines.model.policy import Policy


class Values(NamedTuple):
    """Of each step of a batch: V, shape (m,), and the Q of each head, shape (heads, m)."""

    v: Tensor
    q: Tensor


class Critic(nn.Module):
    """V and Q heads on a backbone.

    Args:
        policy: Gives the backbone: a copy of its weights, or the model itself when `shared`.
        q_heads: Number of Q heads; their minimum is used (Fujimoto et al. 2018).
        shared: Read the policy's own hidden states instead, without training them. The heads then
            see whatever the policy has learnt, at no cost of a second network.
        seed: Seed of the heads' weights.
    """

    def __init__(self, policy: Policy, *, q_heads: int, shared: bool, seed: int) -> None:
        super().__init__()
        width = policy.model.config.hidden_size
        backbone = policy.model.base_model
        self.shared = shared
        # A shared backbone belongs to the policy: hidden from this module's parameters.
        self._shared = [backbone] if shared else []
        self.backbone = None if shared else copy.deepcopy(backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.v_head = _head(width)
            self.q_heads = nn.ModuleList([_head(width) for _ in range(q_heads)])
        self.to(policy.device)

    @property
    def network(self) -> Any:
        """The backbone: its own, or the policy's."""
        return self._shared[0] if self.shared else self.backbone

    def forward(self, batch: Batch) -> Values:
        """Values of every step of a batch."""
        return self.at(batch.ids, batch.state, batch.action)

    def at(
        self, ids: Tensor, state: tuple[Tensor, Tensor], action: tuple[Tensor, Tensor]
    ) -> Values:
        """Values at given places of transcripts.

        Args:
            ids: Tokens, shape (rows, width).
            state: ``(rows, columns)`` where V is read off, each shape (m,).
            action: The same for Q.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.shared):
            hidden = self.network(input_ids=ids, use_cache=False).last_hidden_state
        hidden = hidden.float()
        v = self.v_head(hidden[state])[:, 0]
        actions = hidden[action]
        return Values(v, torch.stack([head(actions)[:, 0] for head in self.q_heads]))


def _head(width: int) -> nn.Sequential:
    """Two layers; the last one begins at zero, so that values begin at zero."""
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), last)


class DataValues(NamedTuple):
    """Of each step of the data, shape (steps,): V, and the smallest Q."""

    v: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]


@torch.no_grad()
def data_values(critic: Critic, data: TokenizedEpisodes, token_budget: int) -> DataValues:
    """Values of every step of the data."""
    device = next(critic.parameters()).device
    v = np.zeros(data.steps)
    q = np.zeros(data.steps)
    critic.eval()
    for indices in bucketed([len(s.ids) for s in data.sequences], token_budget):
        batch = make_batch(data, indices, device)
        values = critic(batch)
        of = batch.of.cpu().numpy()
        v[of] = values.v.double().cpu().numpy()
        q[of] = values.q.min(dim=0).values.double().cpu().numpy()
    return DataValues(v, q)
