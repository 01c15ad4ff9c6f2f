"""Lists in another order: what is there stays there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from qevolve_envs.core import TextEnv
from qevolve_envs.perturb.layer import Layer, Moment, outside
from qevolve_envs.rng import Dice
from qevolve_envs.shop.base import ShopBase
from qevolve_envs.shop.pages import Element, Kind, Page

#: Severity -> probability that a list is shuffled.
SHUFFLED = (1 / 3, 2 / 3, 1.0)

#: What stands before a list in the texts of households and labs.
_LIST = re.compile(
    r"(?P<head>\b[Yy]ou see:? |\b(?:[Ii]n it|(?:[Ii]n|[Oo]n) the [^:.,\n]+): |\bYou carry: |"
    r"\bDoors: |\bkept here: |\): )(?P<list>[^.:;\n]+)(?=[.;])"
)
_SEPARATOR = re.compile(r"(, and |, )(?![^()]*\))")
#: Two or more lines of one list.
_BULLETS = re.compile(r"(?m)^- .*(?:\n- .*)+")
T = TypeVar("T")


class Reorder(Layer):
    """Shuffles the lists of an observation, each with a probability.

    In a household and a lab these are the things, receptacles, doors and lines that a text lists;
    in a shop the results of a page, and the values of each option. The instruction stays, and so
    do numbered questions.
    """

    def __init__(self, severity: int, env_id: str = "") -> None:
        super().__init__(severity, env_id)
        self._shop: ShopBase | None = None

    def enter(self, world: TextEnv, task_id: str) -> None:
        """Shuffles pages, rather than their text, where the world has pages."""
        self._shop = world if isinstance(world, ShopBase) else None

    def observe(self, text: str, moment: Moment) -> str:
        """The text in another order."""
        dice = moment.dice("reorder")
        chance = SHUFFLED[self.severity - 1]
        if self._shop is not None:
            return self._shop.rewrite(lambda page: reorder_page(page, chance, dice))
        return outside(text, self._instruction, lambda part: reorder_text(part, chance, dice))


def reorder_text(text: str, chance: float, dice: Dice) -> str:
    """Shuffles each list of a text with a probability."""

    def items(found: re.Match[str]) -> str:
        parts = _SEPARATOR.split(found["list"])
        parts[::2] = _shuffled(parts[::2], chance, dice)
        return found["head"] + "".join(parts)

    def lines(found: re.Match[str]) -> str:
        return "\n".join(_shuffled(found[0].split("\n"), chance, dice))

    return _BULLETS.sub(lines, _LIST.sub(items, text))


def reorder_page(page: Page, chance: float, dice: Dice) -> Page:
    """Shuffles the results and the values of each option of a page with a probability."""
    rows: list[list[Element]] = []
    lists: list[list[int]] = []
    group: str | None = None
    for element in page.elements:
        # A result is its code with the two texts that follow.
        if rows and rows[-1][0].kind is Kind.PRODUCT and len(rows[-1]) < 3:
            rows[-1].append(element)
            continue
        listed = element.kind in (Kind.PRODUCT, Kind.OPTION)
        this = f"{element.kind}/{element.group}" if listed else None
        if this is not None and this == group:
            lists[-1].append(len(rows))
        elif this is not None:
            lists.append([len(rows)])
        group = this
        rows.append([element])
    for places in lists:
        moved = _shuffled([rows[place] for place in places], chance, dice)
        for place, row in zip(places, moved, strict=True):
            rows[place] = row
    return Page(page.notices, [element for row in rows for element in row])


def _shuffled(items: Sequence[T], chance: float, dice: Dice) -> list[T]:
    # Drawn in any case, so that a higher severity shuffles the same lists and more.
    moved = dice.uniform() < chance
    order = dice.shuffled(items)
    return order if moved else list(items)
