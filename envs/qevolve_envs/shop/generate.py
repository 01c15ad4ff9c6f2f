"""Generates the catalogue of `qevolve/Shop-v0`: a pure function of nothing but its version.

A category holds families of near-duplicates: the same thing of the same brand, whose members
differ in just what a customer may ask for - an attribute, the values an option comes in, the price.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from qevolve_envs.rng import RandomStream, SeedTree
from qevolve_envs.shop.catalogue import Product
from qevolve_envs.shop.vocabulary import KINDS, ProductKind
from qevolve_envs.shop.wording import (
    ACRONYMS,
    ATTRIBUTES,
    BRANDS,
    BULLETS,
    CLOSINGS,
    FILLERS,
    LINES,
    MATERIALS,
    MIDDLES,
    OPENINGS,
    REMARKS,
    RIVALS,
    TITLES,
)

SEEDS = SeedTree(20260721)  # Names this version of catalogue and goals; a change is a new -vN.
FAMILIES = 18
"""Families of each category."""
_MEMBERS = (3, 5)
_ENDINGS = (0.99, 0.95, 0.49, 0.79, 0.25)
_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_SMALL_WORDS = frozenset({"a", "an", "and", "by", "for", "in", "of", "on", "or", "up", "with"})


@dataclass(frozen=True, slots=True)
class Family:
    """Near-duplicates.

    Attributes:
        kind: Number of their category in `KINDS`.
        number: Number within the category.
        noun: What they are called.
        members: Where they stand in the catalogue.
    """

    kind: int
    number: int
    noun: str
    members: range


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the shop sells.

    Attributes:
        products: All products, by category and family.
        families: Every product belongs to one.
    """

    products: tuple[Product, ...]
    families: tuple[Family, ...]


@dataclass(frozen=True, slots=True)
class _Variant:
    """A member of a family, before it is put into words."""

    attributes: tuple[str, ...]
    options: tuple[tuple[str, tuple[str, ...]], ...]
    price: float


@cache
def catalogue() -> Catalogue:
    """The catalogue, generated when it is first asked for."""
    products: list[Product] = []
    families: list[Family] = []
    for number, kind in enumerate(KINDS):
        for index in range(FAMILIES):
            rng = SEEDS.stream("family", *kind.category, index)
            noun = rng.choice(kind.nouns)
            first = len(products)
            writer = _ProductWriter(rng, kind, noun)
            for member, facts in enumerate(_members(rng, kind)):
                products.append(writer.write(facts, f"{'/'.join(kind.category)}/{index}/{member}"))
            families.append(Family(number, index, noun, range(first, len(products))))
    return Catalogue(tuple(products), tuple(families))


# ── what things are ─────────────────────────────────────────────────────────


def _members(rng: RandomStream, kind: ProductKind) -> list[_Variant]:
    """The members of a family, no two alike."""
    low, high = map(math.log, kind.prices)
    price = math.exp(low + (high - low) * rng.uniform())
    facts = _Variant(
        _attributes(rng, kind, rng.between(3, 5)),
        tuple((name, _values(rng, values)) for name, values in kind.options.items()),
        _price(rng, price),
    )
    members = [facts]
    for _ in range(rng.between(*_MEMBERS) - 1):
        other = facts
        while other in members:
            other = _change(rng, kind, rng.choice(members))
        members.append(other)
    return members


def _change(rng: RandomStream, kind: ProductKind, facts: _Variant) -> _Variant:
    """A near-duplicate: one thing differs, or two."""
    attributes, options, price = facts.attributes, facts.options, facts.price
    for what in rng.sample(("attributes", "options", "price"), 1 + rng.bernoulli(0.3)):
        if what == "attributes":
            place = rng.below(len(attributes))
            others = attributes[:place] + attributes[place + 1 :]
            spare = [a for a in kind.attributes if a not in attributes and fits(a, others)]
            if spare:
                attributes = (*others[:place], rng.choice(spare), *others[place:])
        elif what == "options":
            place = rng.below(len(options))
            name, _ = options[place]
            changed = (name, _values(rng, kind.options[name]))
            options = (*options[:place], changed, *options[place + 1 :])
        else:
            factor = 0.55 + 0.3 * rng.uniform()
            about = price * factor if rng.bernoulli(0.5) else price / factor
            low, high = kind.prices
            price = _price(rng, min(max(about, 0.7 * low), 1.5 * high))
    return _Variant(attributes, options, price)


def fits(attribute: str, others: Sequence[str]) -> bool:
    """Tells whether a product with the other attributes can have this one too."""
    if attribute in MATERIALS and any(other in MATERIALS for other in others):
        return False
    return not any(attribute in group and group.intersection(others) for group in RIVALS)


def _attributes(rng: RandomStream, kind: ProductKind, count: int) -> tuple[str, ...]:
    chosen: list[str] = []
    for attribute in rng.sample(kind.attributes, len(kind.attributes)):
        if len(chosen) < count and fits(attribute, chosen):
            chosen.append(attribute)
    return tuple(chosen)


def _values(rng: RandomStream, values: tuple[str, ...]) -> tuple[str, ...]:
    """Draws the values that an option comes in, in their usual order."""
    least = max(1, len(values) // 2)
    kept = rng.sample(values, rng.between(least, len(values)))
    return tuple(value for value in values if value in kept)


def _price(rng: RandomStream, about: float) -> float:
    return round(max(2, int(about)) + rng.choice(_ENDINGS), 2)


# ── how they are put into words ─────────────────────────────────────────────


def title_case(text: str) -> str:
    """Capitals as in titles: ``"with a usb port"`` -> ``"with a USB Port"``."""
    words = capitals(text).split(" ")
    return " ".join(w if w in _SMALL_WORDS else w[:1].upper() + w[1:] for w in words)


def capitals(text: str) -> str:
    """Acronyms in capitals: ``"a usb port"`` -> ``"a USB port"``."""
    return " ".join(w.upper() if w in ACRONYMS else w for w in text.split(" "))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def code_of(name: str) -> str:
    """The unique code of a product: ten characters, the same for the same name."""
    number = int.from_bytes(
        hashlib.sha256(f"{SEEDS.entropy}/{name}".encode()).digest()[:8], "little"
    )
    letters = []
    for _ in range(8):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "Q0" + "".join(letters)


class _ProductWriter:
    """Words for the members of a family: the same brand, line and form of title."""

    def __init__(self, rng: RandomStream, kind: ProductKind, noun: str) -> None:
        self._rng = rng
        self._kind = kind
        self._title = rng.choice(TITLES)
        many = kind.number == "many"
        self._words = {
            "brand": rng.choice(BRANDS),
            "line": rng.choice(LINES),
            "noun": noun,
            "this": "these" if many else "this",
            "it": "they" if many else "it",
            "be": "are" if many else "is",
            "s": "" if many else "s",
        }

    def write(self, facts: _Variant, name: str) -> Product:
        department = self._kind.category[0]
        return Product(
            ident=code_of(name),
            title=self._write_title(facts),
            department=department,
            category=self._kind.category,
            description=self._write_description(facts),
            bullets=self._write_bullets(facts),
            attributes=facts.attributes,
            options=dict(facts.options),
            price=facts.price,
            price_text=f"${facts.price:.2f}",
        )

    def _write_title(self, facts: _Variant) -> str:
        first, second = (self._in_title(attribute) for attribute in facts.attributes[:2])
        noun = title_case(self._words["noun"])
        return self._title.format_map(
            {**self._words, "noun": noun, "first": first, "second": second}
        )

    @staticmethod
    def _in_title(attribute: str) -> str:
        phrase = ATTRIBUTES[attribute].phrase
        return title_case(phrase if phrase.startswith("for ") else attribute)

    def _write_description(self, facts: _Variant) -> str:
        rng = self._rng
        one, two = (capitals(ATTRIBUTES[a].phrase) for a in rng.sample(facts.attributes, 2))
        words = {**self._words, "use": rng.choice(self._kind.uses), "one": one, "two": two}
        forms = (OPENINGS, MIDDLES, REMARKS, CLOSINGS)
        parts = [rng.choice(sentences) for sentences in forms]
        return " ".join(part.format_map(words) for part in parts)

    def _write_bullets(self, facts: _Variant) -> tuple[str, ...]:
        rng = self._rng
        bullets: list[str] = []
        for name in rng.sample(facts.attributes, len(facts.attributes)):
            attribute, shown = ATTRIBUTES[name], capitals(name)
            words = {
                "name": shown,
                "Name": _sentence(shown),
                "Phrase": _sentence(capitals(attribute.phrase)),
                "praise": attribute.praise,
                "Praise": _sentence(attribute.praise),
            }
            bullets.append(rng.choice(BULLETS).format_map(words))
        if rng.bernoulli(0.5):
            bullets.insert(rng.below(len(bullets) + 1), rng.choice(FILLERS))
        return tuple(bullets)
