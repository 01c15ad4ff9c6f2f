"""Named random streams: each draw is a child of a seed and a name, the same in every process."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def seed_sequence(seed: int, *path: str | int) -> np.random.SeedSequence:
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
    """A 32-bit seed drawn from `seed_sequence`, for callers that need a number."""
    return int(seed_sequence(seed, *path).generate_state(1)[0])


@dataclass(frozen=True, slots=True)
class SeedTree:
    """Source of all generators of one environment or program, each found by its names.

    Attributes:
        entropy: Number of the version of what is generated; a change of it is a new ``-vN``.
    """

    entropy: int

    def generator(self, *names: str | int) -> np.random.Generator:
        """A NumPy generator for these names, independent of all others."""
        digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
        words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
        return np.random.default_rng(np.random.SeedSequence([self.entropy, *words]))

    def stream(self, *names: str | int) -> RandomStream:
        """A stream of single draws for these names."""
        return RandomStream(self.generator(*names))

    def fraction(self, *names: str | int) -> float:
        """A fixed number in [0, 1) for these names; it decides what is held out."""
        digest = hashlib.sha256("/".join(map(str, (self.entropy, *names))).encode()).digest()
        return int.from_bytes(digest[:6], "little") / 2**48


class RandomStream:
    """Single random draws, made from blocks of uniform numbers because that is faster.

    Args:
        generator: Source of the blocks.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._stream = self._draw(generator)

    @staticmethod
    def _draw(generator: np.random.Generator) -> Iterator[float]:
        while True:
            yield from generator.random(128).tolist()

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return next(self._stream)

    def below(self, n: int) -> int:
        """A whole number in [0, n)."""
        return int(next(self._stream) * n)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def bernoulli(self, probability: float) -> bool:
        """True with this probability."""
        return next(self._stream) < probability

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def weighted(self, sums: Sequence[float]) -> int:
        """An index, with the probabilities whose running sums are given."""
        return min(bisect(sums, next(self._stream) * sums[-1]), len(sums) - 1)

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Different items, in the order in which they were drawn."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items, in random order."""
        return self.sample(items, len(items))

    def maybe_shuffled(self, items: Sequence[T], probability: float) -> list[T]:
        """All items, in random order with a probability, and otherwise as they are.

        The order is drawn in any case, so that a higher probability shuffles the same and more.
        """
        moved = self.bernoulli(probability)
        order = self.shuffled(items)
        return order if moved else list(items)
