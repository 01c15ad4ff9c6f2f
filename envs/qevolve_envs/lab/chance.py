"""Chance: generators named by what they decide, so that no draw depends on another task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_ENTROPY = 20261121  # Names this version of the generator; a change of it is a new -vN.


def generator(*names: str | int) -> np.random.Generator:
    """A generator for what `names` say, independent of all others."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.default_rng(np.random.SeedSequence([_ENTROPY, *words]))


def share(*names: str | int) -> float:
    """A fixed number in [0, 1) for what `names` say."""
    digest = hashlib.sha256("/".join(map(str, (_ENTROPY, *names))).encode()).digest()
    return int.from_bytes(digest[:6], "little") / 2**48


class Dice:
    """A stream of uniform numbers, drawn in blocks because single draws are slow."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._stream = self._draw(generator)

    @staticmethod
    def _draw(generator: np.random.Generator) -> Iterator[float]:
        while True:
            yield from generator.random(64).tolist()

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return next(self._stream)

    def below(self, n: int) -> int:
        """A number in 0 .. n - 1."""
        return int(next(self._stream) * n)

    def between(self, low: int, high: int) -> int:
        """A number in low .. high."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in random order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Different ones of the options, in random order."""
        return self.shuffled(options)[:count]
