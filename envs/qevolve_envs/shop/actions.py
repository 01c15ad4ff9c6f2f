"""The language of the shop: ``search[words]``, ``click[button]``, and plain words for both."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from qevolve_envs.core import MAX_ACTION
from qevolve_envs.shop.pages import label_of

SEARCH_FOR = re.compile(r"(?:search for|search|look for|find)\s+(\S.*)", re.I | re.S)
CLICK_ON = re.compile(
    r"(?:(?:click|press|tap)(?: on)?|select|choose|pick|open)\s+(?:the\s+)?(\S.*?)"
    r"(?:\s+(?:button|option|link))?",
    re.I | re.S,
)
#: Upstream takes the last bracket as the end and ignores what follows it; so do we.
_BRACKETS = re.compile(r"(search|click)\s*\[(.*)\]", re.I | re.S)

#: Other words for a button -> the buttons that may be meant; the first on the page is it.
ALIASES: dict[str, tuple[str, ...]] = {
    "buy": ("buy now",),
    "buy it": ("buy now",),
    "buy this": ("buy now",),
    "purchase": ("buy now",),
    "next": ("next >",),
    "next>": ("next >",),
    "next page": ("next >",),
    "prev": ("< prev",),
    "<prev": ("< prev",),
    "previous": ("< prev",),
    "previous page": ("< prev",),
    "go back": ("< prev", "back to search"),
    "back": ("< prev", "back to search"),
    "new search": ("back to search",),
    "go back to search": ("back to search",),
}
#: Buttons that may be named without "click".
BARE = frozenset(
    {"buy now", "next >", "< prev", "back to search", "description", "features", "reviews"}
)


class ShopCommand(NamedTuple):
    """A command that was understood.

    Attributes:
        search: Whether it is a search; a click otherwise.
        words: What to search for, or the label to click, in lower case.
    """

    search: bool
    words: str


def parse(command: str) -> ShopCommand | None:
    """Reads a command; None for text that is no command.

    >>> parse("Search[ Red Shoes ]")
    Action(search=True, words='red shoes')
    >>> parse("next page")
    Action(search=False, words='next page')
    """
    if len(command) > MAX_ACTION:
        return None
    command = command.strip()
    if brackets := _BRACKETS.match(command):
        search, words = brackets[1].lower() == "search", label_of(brackets[2])
        return ShopCommand(search, words) if words else None
    plain = label_of(command).removesuffix(".").strip()
    if plain in BARE or plain in ALIASES:
        return ShopCommand(False, plain)
    if "[" in plain.split(" ")[0]:
        return None
    if found := SEARCH_FOR.fullmatch(plain):
        return ShopCommand(True, found[1])
    if found := CLICK_ON.fullmatch(plain):
        return ShopCommand(False, found[1])
    return None


def button_of(words: str, buttons: Container[str]) -> str | None:
    """The button on a page that the words of a click mean, or None."""
    for label in (words, *ALIASES.get(words, ())):
        if label in buttons:
            return label
    return None
