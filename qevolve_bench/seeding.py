"""Named streams of chance: every source of randomness is a child of one seed, with a name."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.SeedSequence:
    """The child of `seed` at `path`; different paths give independent streams.

    Args:
        seed: A non-negative integer.
        path: Names and non-negative numbers, from the general to the particular, such as
            ``("episode", task_id, 0)``.
    """
    # Names go through SHA-256 because Python's own hash differs from process to process.
    key = tuple(
        part
        if isinstance(part, int)
        else int.from_bytes(hashlib.sha256(part.encode()).digest()[:16], "big")
        for part in path
    )
    return np.random.SeedSequence(seed, spawn_key=key)


def child_seed(seed: int, *path: str | int) -> int:
    """A 32-bit seed drawn from `stream`, for whatever wants a number instead of a sequence."""
    return int(stream(seed, *path).generate_state(1)[0])
