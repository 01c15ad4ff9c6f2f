"""A key-value cache whose rows have lengths of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache


class RaggedCache(Cache):  # type: ignore[misc]
    """Keys and values of rows of different lengths, in buffers that grow.

    A forward pass writes the tokens of row ``b`` behind its first ``lengths[b]`` ones. What a
    shorter row has there as padding lies behind its end, is masked, and is overwritten later.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self.layers: list[Any] = []  # The base class looks here; we keep plain buffers instead.
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._slots = torch.empty(0, 0, dtype=torch.long, device=device)
        self._view = 0

    def plan(self, width: int, longest: int) -> None:
        """Announces a forward pass over `width` tokens per row, the longest row then `longest`."""
        steps = torch.arange(width, device=self.lengths.device)
        self._slots = self.lengths[:, None] + steps  # (rows, width)
        self._view = longest

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """Stores new keys and values, shape (rows, heads, width, size); returns all in view."""
        if layer_idx == len(self._keys):
            self._keys.append(self._buffer(key_states))
            self._values.append(self._buffer(value_states))
        if self._keys[layer_idx].shape[2] < self._view:
            self._keys[layer_idx] = self._grown(self._keys[layer_idx])
            self._values[layer_idx] = self._grown(self._values[layer_idx])
        for buffer, new in (
            (self._keys[layer_idx], key_states),
            (self._values[layer_idx], value_states),
        ):
            index = self._slots[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3])
            buffer.scatter_(2, index, new)
        return self._keys[layer_idx][:, :, : self._view], self._values[layer_idx][
            :, :, : self._view
        ]

    def _buffer(self, like: Tensor) -> Tensor:
        rows, heads, _, size = like.shape
        return like.new_zeros(rows, heads, self._capacity(), size)

    def _grown(self, buffer: Tensor) -> Tensor:
        rows, heads, length, size = buffer.shape
        grown = buffer.new_zeros(rows, heads, self._capacity(), size)
        grown[:, :, :length] = buffer
        return grown

    def _capacity(self) -> int:
        """Room for the view and a good deal more, so that growing stays rare."""
        return -(-(self._view + 64) // 128) * 128

    def keep(self, rows: Tensor) -> None:
        """Drops all rows but these."""
        self.lengths = self.lengths[rows]
        self._keys = [keys[rows] for keys in self._keys]
        self._values = [values[rows] for values in self._values]

    def part(self, rows: Tensor) -> RaggedCache:
        """A copy of some rows."""
        made = RaggedCache(len(rows), self.lengths.device)
        made.lengths = self.lengths[rows]
        filled = int(made.lengths.max())
        made._view = filled
        capacity = made._capacity()
        for mine, other in ((self._keys, made._keys), (self._values, made._values)):
            for buffer in mine:
                other.append(buffer[rows, :, : min(capacity, buffer.shape[2])])
        return made

    def absorb(self, rows: Tensor, other: RaggedCache) -> None:
        """Takes back what was read in a copy that `part` made of these rows."""
        filled = int(other.lengths.max())
        self._view = max(self._view, filled)
        for mine, theirs in ((self._keys, other._keys), (self._values, other._values)):
            for layer, buffer in enumerate(theirs):
                if mine[layer].shape[2] < filled:
                    mine[layer] = self._grown(mine[layer])
                mine[layer][rows, :, :filled] = buffer[:, :, :filled]
        self.lengths[rows] = other.lengths

    @property
    def empty(self) -> bool:
        """True before anything was read."""
        return not self._keys

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Part of the interface; positions are always given, so nothing depends on it."""
        return 0

    def get_mask_sizes(self, query_length: Any, layer_idx: int = 0) -> tuple[int, int]:
        """Part of the interface; the mask is always given."""
        return self._view, 0
