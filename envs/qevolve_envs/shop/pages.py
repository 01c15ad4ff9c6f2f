"""The pages of a shop and the three ways to write them down.

A page is a list of elements in reading order. ``text`` joins their texts with `` [SEP] ``,
``text_rich`` gives each a line and marks what can be clicked (both as the official WebShop does),
and ``html`` is a small valid page of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from html import escape
from typing import NamedTuple

from qevolve_envs.core import MAX_OBSERVATION, to_text
from qevolve_envs.rng import RandomStream

SEPARATOR = " [SEP] "


class ElementKind(StrEnum):
    """Kinds of elements of a page."""

    TEXT = "text"
    BUTTON = "button"
    OPTION = "option"
    PRODUCT = "product"
    FIELD = "field"


class Element(NamedTuple):
    """One piece of a page.

    Attributes:
        kind: What it is; all but texts and fields can be clicked.
        text: What it says.
        marked: An option that is chosen, or a product that was looked at before.
        group: The name of the option.
    """

    kind: ElementKind
    text: str
    marked: bool = False
    group: str = ""


class Page(NamedTuple):
    """A page as a customer sees it.

    Attributes:
        notices: What the shop has to say about the last action, and the choices made so far.
        elements: The page itself, in reading order.
    """

    notices: Sequence[str]
    elements: Sequence[Element]


def label_of(text: str) -> str:
    """Label that has to be clicked for an element that shows this text."""
    return " ".join(to_text(text).lower().split())


def write_text(page: Page) -> str:
    """The texts, joined; without the elements that are empty."""
    texts = [*page.notices, *(e.text for e in page.elements if e.kind is not ElementKind.FIELD)]
    return SEPARATOR.join(text for text in map(str.strip, texts) if text)


def write_rich(page: Page) -> str:
    """One line for each text, with the buttons marked."""
    lines = list(page.notices)
    for kind, text, marked, _ in page.elements:
        text = text.strip()
        if not text or kind is ElementKind.FIELD:
            continue
        if kind is ElementKind.TEXT:
            lines.append(text)
            continue
        name = "clicked button" if marked else "button"
        indent = {ElementKind.OPTION: "  ", ElementKind.PRODUCT: "\n"}.get(kind, "")
        lines.append(f"{indent}[{name}] {text} [{name}_]")
    return "\n".join(lines)


def write_html(page: Page) -> str:
    """A valid page; where it is too long, long texts and then the last elements are cut."""
    for longest, most in ((MAX_OBSERVATION, 10**9), (2_000, 10**9), (200, 10**9), (80, 80)):
        text = _html(page, longest, most)
        if len(text) <= MAX_OBSERVATION:
            return text
    return _html(page, 40, 40)  # pragma: no cover - needs instructions and notices beyond reason


def _html(page: Page, longest: int, most: int) -> str:
    def clip(text: str) -> str:
        text = to_text(text).strip()
        return escape(text if len(text) <= longest else text[: longest - 3] + "...")

    lines = ['<!DOCTYPE html>\n<html lang="en">\n<head><title>Shop</title></head>\n<body>']
    lines += [f'<p class="notice">{clip(notice)}</p>' for notice in page.notices]
    elements = list(page.elements)
    if len(elements) > most:
        # The buttons after the options are worth more than the last of the options.
        elements = [*elements[: most // 2], *elements[-(most - most // 2) :]]
    for kind, text, marked, group in elements:
        shown = clip(text)
        if kind is ElementKind.FIELD:
            lines.append(f'<input type="text" name="search" aria-label="{shown}">')
        elif kind is ElementKind.BUTTON:
            lines.append(f"<button>{shown}</button>")
        elif kind is ElementKind.PRODUCT:
            visited = ' class="visited"' if marked else ""
            lines.append(f'<p><a href="#{shown}"{visited}>{shown}</a></p>')
        elif kind is ElementKind.OPTION:
            checked = " checked" if marked else ""
            lines.append(
                f'<label><input type="radio" name="{clip(group)}"{checked}> {shown}</label>'
            )
        elif shown:
            lines.append(f"<p>{shown}</p>")
    return "\n".join([*lines, "</body>\n</html>"])


#: The forms of observation, by name.
WRITERS: dict[str, Callable[[Page], str]] = {
    "text": write_text,
    "text_rich": write_rich,
    "html": write_html,
}


def texts(values: Iterable[str]) -> list[Element]:
    """Plain elements."""
    return [Element(ElementKind.TEXT, value) for value in values]


def shuffle_page(page: Page, probability: float, rng: RandomStream) -> Page:
    """Shuffles the results, and the values of each option, with a probability each."""
    rows: list[list[Element]] = []
    lists: list[list[int]] = []
    group: str | None = None
    for element in page.elements:
        # A result is its code with the two texts that follow.
        if rows and rows[-1][0].kind is ElementKind.PRODUCT and len(rows[-1]) < 3:
            rows[-1].append(element)
            continue
        listed = element.kind in (ElementKind.PRODUCT, ElementKind.OPTION)
        this = f"{element.kind}/{element.group}" if listed else None
        if this is not None and this == group:
            lists[-1].append(len(rows))
        elif this is not None:
            lists.append([len(rows)])
        group = this
        rows.append([element])
    for places in lists:
        moved = rng.maybe_shuffled([rows[place] for place in places], probability)
        for place, row in zip(places, moved, strict=True):
            rows[place] = row
    return Page(page.notices, [element for row in rows for element in row])
