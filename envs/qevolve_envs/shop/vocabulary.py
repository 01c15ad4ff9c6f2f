"""Kinds of products of the generated shop, and what may be asked of each (``vocabulary.toml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table


@dataclass(frozen=True, slots=True)
class ProductKind:
    """A category of products.

    Attributes:
        category: Path from the general to the particular.
        nouns: What such a product is called.
        prices: (lowest, highest) usual price.
        attributes: What may be asked of it; names of `wording.ATTRIBUTES`.
        options: What the buyer chooses: option name -> all values.
        uses: What it is good for, for the prose.
        number: ``"one"`` (a lamp), ``"many"`` (jeans), ``"mass"`` (shampoo).
        held_out: Only the unseen split asks for it.
    """

    category: tuple[str, str, str]
    nouns: tuple[str, ...]
    prices: tuple[float, float]
    attributes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    uses: tuple[str, ...]
    number: str = "one"
    held_out: bool = False


@dataclass(frozen=True)
class _Vocabulary:
    kinds: tuple[ProductKind, ...]


KINDS = read_table(Path(__file__).with_suffix(".toml"), _Vocabulary).kinds
