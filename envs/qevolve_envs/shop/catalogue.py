"""Products and goals: the records that both shops share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Product:
    """One product.

    Attributes:
        ident: Its unique code (WebShop: the ASIN).
        title: Its name, as results and the item page show it.
        department: The first search term under which it is filed (WebShop: ``query``).
        category: The path from the general to the particular (WebShop: ``"a › b › c"`` split).
        description: Prose for the Description page.
        bullets: Sentences for the Features page.
        attributes: What may be asked of it ("water resistant"), lower case.
        options: Option name -> values, both lower case; the buyer may choose one of each.
        price: What it costs, after the rules of the shop have turned ranges into one number.
        price_text: What the pages print.
    """

    ident: str
    title: str
    department: str
    category: tuple[str, ...]
    description: str
    bullets: tuple[str, ...]
    attributes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    price: float
    price_text: str


@dataclass(frozen=True, slots=True)
class Goal:
    """The product that a customer wants, by its attributes, options and price.

    Attributes:
        ident: Code of the product that the goal was made from.
        instruction: The words of the customer.
        title: Title of that product.
        department: Its department.
        category: Its category path.
        attributes: Attributes that are asked for.
        options: Option name -> value that is asked for.
        budget: The most that may be paid, or None.
    """

    ident: str
    instruction: str
    title: str
    department: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    budget: float | None = None
