"""A network for values: how good it is to stand at a place of a transcript."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from qevolve_baselines.data.batches import Batch
from qevolve_baselines.model.forward import hidden_states
from qevolve_baselines.model.policy import Policy


class ValueNetwork(nn.Module):
    """One number for each place asked for; it begins at zero.

    Args:
        policy: Gives the backbone: a copy of its weights, or the model itself when `shared`.
        shared: Read the policy's own hidden states, without training them.
    """

    def __init__(self, policy: Policy, *, shared: bool) -> None:
        super().__init__()
        # A shared model belongs to the policy: hidden from this module's parameters.
        self._shared = [policy.model] if shared else []
        self.backbone = None if shared else copy.deepcopy(policy.model)
        self.head = nn.Linear(policy.model.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.to(policy.device)

    def forward(self, ids: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Values, shape (n,).

        Args:
            ids: Tokens, shape (rows, width).
            rows: The row of each place, shape (n,).
            columns: The last token that was read there, shape (n,).
        """
        if self.backbone is None:
            with torch.no_grad():
                states = hidden_states(self._shared[0], ids)
        else:
            states = hidden_states(self.backbone, ids)
        return cast(Tensor, self.head(states[rows, columns].float())[:, 0])

    def trained_tokens(self, batch: Batch) -> int:
        """Tokens that go backward through a network of this module's own."""
        return 0 if self.backbone is None else batch.size
