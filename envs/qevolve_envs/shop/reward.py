"""The reward of a purchase, as the official WebShop gives it.

Source: S. Yao et al., "WebShop: Towards Scalable Real-World Web Interaction with Grounded Language
Agents", NeurIPS 2022, section 3 and the released code::

    r = r_type * (matched attributes + matched options + [price <= budget])
               / (attributes + options + 1)

Two matters of detail: nouns come from rules instead of spaCy (`nouns.py`), and token-set ratios
from rapidfuzz, rounded to whole numbers as upstream's library rounds them before comparing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz, utils

from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.nouns import nouns_of

#: Two texts are the same when their token-set ratio is above this.
SAME = 85
#: Upstream's base colours, in its order: the first that occurs anywhere in a text stands for it.
_COLOURS = """
alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee
cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold
granite grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon
leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom
mustard natural navy nude olive orange peach pewter pink plum purple rainbow red rose royal rust
sand sapphire seashell silver skull slate steel stone stonewash sunflower tan taupe teal tiger
turquoise violet walnut wheat white wine yellow
"""
COLOURS = tuple(_COLOURS.split())


@dataclass(frozen=True, slots=True)
class Reward:
    """The worth of a purchase, and its parts.

    Attributes:
        total: The reward, in [0, 1].
        kind: r_type: whether it is the kind of thing that was wanted.
        attributes: How many of the attributes asked for it has.
        options: How many of the options asked for were chosen.
        affordable: Whether it is within the budget.
    """

    total: float
    kind: float
    attributes: int
    options: int
    affordable: bool


def reward_of(product: Product, chosen: Iterable[str], goal: Goal) -> Reward:
    """The reward for buying a product with the chosen option values."""
    kind = type_factor(product, goal)
    attributes = count_attributes(product, goal.attributes)
    options = count_options(chosen, goal.options.values())
    affordable = goal.budget is None or product.price <= goal.budget
    wanted = len(goal.attributes) + len(goal.options) + 1
    total = (attributes + options + affordable) / wanted * kind
    return Reward(total, kind, attributes, options, affordable)


def type_factor(product: Product, goal: Goal) -> float:
    """r_type: 1, or 0.5, 0.1 and 0 for what is less and less the kind of thing wanted."""
    share = title_share(product.title, goal.title)
    if share == 0:
        return 0.0
    if share < 0.1:
        return 0.1
    same_department = product.department == goal.department
    same_category = len(set(product.category) & set(goal.category)) >= 2
    return 1.0 if same_department or same_category or share > 0.2 else 0.5


def title_share(bought: str, wanted: str) -> float:
    """Different nouns that both titles have, over all nouns of the wanted one; 0.2 if it has none.

    Upstream counts repeated nouns below the line only, so that the share of a title with itself
    may be less than 1.
    """
    below = nouns_of(wanted)
    return len(set(nouns_of(bought)) & set(below)) / len(below) if below else 0.2


def count_attributes(product: Product, wanted: Iterable[str]) -> int:
    """Number of attributes that the product has, or says in its title, bullets or description."""
    prose: tuple[str, ...] | None = None
    count = 0
    for attribute in wanted:
        if any(same(own, attribute) for own in product.attributes):
            count += 1
            continue
        if prose is None:
            bullets = " ".join(product.bullets)
            prose = tuple(s.lower() for s in (product.title, bullets, product.description))
        count += any(attribute in text for text in prose)
    return count


def count_options(chosen: Iterable[str], wanted: Iterable[str]) -> int:
    """Number of the wanted values that were chosen, under whatever option's name."""
    have = [base_colour(value) for value in chosen]
    return sum(any(same(own, value) for own in have) for value in map(base_colour, wanted))


def base_colour(text: str) -> str:
    """The first base colour that occurs in a text, even within a word; else the text itself."""
    return next((colour for colour in COLOURS if colour in text), text)


def same(one: str, other: str) -> bool:
    """Tells whether the token-set ratio of two texts is above `SAME`; never without letters."""
    if one == other:
        return True
    ratio = fuzz.token_set_ratio(_plain(one), _plain(other), processor=utils.default_process)
    return round(ratio) > SAME


def _plain(text: str) -> str:
    return text if text.isascii() else text.encode("ascii", "ignore").decode()
