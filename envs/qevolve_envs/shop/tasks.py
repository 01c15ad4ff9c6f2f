"""The goals of `qevolve/Shop-v0`: a task is a pure function of its id.

A goal is made from a product of the catalogue: some of its attributes, some of its option values,
and a budget above its price. Where the product has near-duplicates, the goal prefers to ask for
what sets it apart from them.

Splits
    ``unseen`` asks for things of the categories that are held out (`ProductKind.held_out`);
    ``train`` and ``seen`` for things of all others. A family of near-duplicates belongs to ``seen``
    for one in ten, and to ``train`` otherwise, so that seen goals are new ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from qevolve_envs.errors import UnknownName
from qevolve_envs.rng import RandomStream
from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.generate import SEEDS, Catalogue, Family, catalogue
from qevolve_envs.shop.vocabulary import KINDS
from qevolve_envs.shop.wording import (
    ATTRIBUTES,
    CHOICES,
    COLOUR_CHOICES,
    LIMITS,
    REQUESTS,
)

#: Number of tasks of each split; 1,938 for training as in the literature.
PANELS: dict[str, int] = {"train": 1938, "seen": 200, "unseen": 160}
_SEEN_SHARE = 0.1
#: Running sums of the shares of goals with 1, 2, 3 attributes, and with 0, 1, 2, 3 options.
_ATTRIBUTE_SUMS = (0.12, 0.6, 1.0)
_OPTION_SUMS = (0.04, 0.4, 0.88, 1.0)
_SET_APART = 0.8


@dataclass(frozen=True, slots=True)
class ShopTask:
    """A task, complete.

    Attributes:
        id: The task id.
        split: Its panel.
        product: The product that the goal was made from.
        goal: What the customer wants.
    """

    id: str
    split: str
    product: Product
    goal: Goal


# ── ids ─────────────────────────────────────────────────────────────────────

_ID = re.compile(r"shop/(train|seen|unseen)/(\d{4})", re.ASCII)


@lru_cache(maxsize=8)
def task_ids(split: str) -> tuple[str, ...]:
    """All ids of a panel, in order."""
    return tuple(f"shop/{split}/{index:04d}" for index in range(PANELS[split]))


def parse_id(task_id: str) -> tuple[str, int]:
    """(split, index) of a task id.

    Raises:
        UnknownName: For an id of no panel, with a close one.
    """
    found = _ID.fullmatch(task_id)
    if found:
        split, index = found.group(1), int(found.group(2))
        if index < PANELS[split]:
            return split, index
        last = f"{task_id[:-4]}{PANELS[split] - 1:04d}"
        raise UnknownName(f"Unknown task id {task_id!r}: the last of its panel is {last!r}.")
    known = [task_ids(split)[0] for split in PANELS] if task_id.startswith("shop") else []
    raise UnknownName.of("task id", task_id, known, "ids look like 'shop/unseen/0013'.")


# ── goals ───────────────────────────────────────────────────────────────────


@cache
def _panel(split: str) -> tuple[tuple[int, Family], ...]:
    """The product and its family for each task of a split; no product serves two tasks."""
    eligible = [
        (number, family)
        for family in catalogue().families
        if split_of(family) == split
        for number in family.members
    ]
    order = SEEDS.generator("panel", split).permutation(len(eligible))[: PANELS[split]]
    return tuple(eligible[int(place)] for place in order)


def split_of(family: Family) -> str:
    """The split that goals about a family belong to."""
    kind = KINDS[family.kind]
    if kind.held_out:
        return "unseen"
    return (
        "seen" if SEEDS.fraction("seen", *kind.category, family.number) < _SEEN_SHARE else "train"
    )


def make_task(task_id: str) -> ShopTask:
    """Generates a task from its id.

    Raises:
        UnknownName: For an id of no panel.
    """
    split, index = parse_id(task_id)
    number, family = _panel(split)[index]
    product = catalogue().products[number]
    siblings = _siblings(catalogue(), family, number)
    rng = SEEDS.stream("task", split, index)
    attributes = _attributes(rng, product, siblings)
    options = _options(rng, product, siblings)
    budget = _budget(rng, product, siblings)
    goal = Goal(
        ident=product.ident,
        instruction=_instruction(rng, family, attributes, options, budget),
        title=product.title,
        department=product.department,
        category=product.category,
        attributes=tuple(attributes),
        options=options,
        budget=float(budget),
    )
    return ShopTask(task_id, split, product, goal)


def _siblings(shop: Catalogue, family: Family, number: int) -> list[Product]:
    return [shop.products[other] for other in family.members if other != number]


def _attributes(rng: RandomStream, product: Product, siblings: Sequence[Product]) -> list[str]:
    count = 1 + rng.weighted(_ATTRIBUTE_SUMS)
    apart = [a for a in product.attributes if any(a not in s.attributes for s in siblings)]
    chosen = [rng.choice(apart)] if apart and rng.bernoulli(_SET_APART) else []
    rest = [a for a in product.attributes if a not in chosen]
    return chosen + rng.sample(rest, count - len(chosen))


def _options(rng: RandomStream, product: Product, siblings: Sequence[Product]) -> dict[str, str]:
    count = rng.weighted(_OPTION_SUMS)
    chosen: dict[str, str] = {}
    for name in rng.sample(tuple(product.options), count):
        values = product.options[name]
        apart = [v for v in values if any(v not in s.options[name] for s in siblings)]
        chosen[name] = rng.choice(apart if apart and rng.bernoulli(_SET_APART) else values)
    return chosen


def _budget(rng: RandomStream, product: Product, siblings: Sequence[Product]) -> int:
    """A round sum above the price, if possible below that of a dearer near-duplicate."""
    step = 1 if product.price < 10 else 5 if product.price < 40 else 10
    lowest = math.ceil(product.price / step) * step
    sums = [lowest + step * more for more in range(4)]
    dearer = [s.price for s in siblings if s.price > lowest]
    if dearer and rng.bernoulli(_SET_APART):
        sums = [total for total in sums if total < min(dearer)]
    return rng.choice(sums)


# ── wording ─────────────────────────────────────────────────────────────────


def _instruction(
    rng: RandomStream,
    family: Family,
    attributes: Sequence[str],
    options: dict[str, str],
    budget: int,
) -> str:
    many = KINDS[family.kind].number == "many"
    words = [ATTRIBUTES[name] for name in attributes]
    before: list[str] = []
    after: list[str] = []
    for word in words:
        if word.adjective and len(before) < 2 and rng.bernoulli(0.6):
            before.append(word.phrase)
        elif word.adjective:
            after.append(f"that {'are' if many else 'is'} {word.phrase}")
        else:
            after.append(word.phrase)
    wish = " ".join(part for part in (", ".join(before), family.noun) if part)
    if KINDS[family.kind].number == "one":
        wish = f"{article(wish)} {wish}"
    for place, phrase in enumerate(after):
        link = " " if place == 0 else " and " if place == len(after) - 1 else ", "
        wish += link + phrase
    for name, value in options.items():
        # "In the 9 size" is not said.
        forms = CHOICES[:2] if value[0].isdigit() else CHOICES
        forms = COLOUR_CHOICES if name == "color" else forms
        wish += ", " + rng.choice(forms).format(name=name, value=value)
    limit = rng.choice(LIMITS).format(sum=budget)
    return rng.choice(REQUESTS).format(wish=wish, limit=limit)


def article(words: str) -> str:
    """The indefinite article before some words."""
    return "an" if words[0] in "aeio" or words.startswith("un") else "a"
