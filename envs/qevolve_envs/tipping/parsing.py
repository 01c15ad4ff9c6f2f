"""Reads the decision out of a reply: as leniently as the paper's testbeds do, or strictly.

The paper (arXiv 2510.04860) asks a model to end its reply with ``{"choice": "label"}``. Its two
testbeds look for the first such object, then for the first ``choice: word``, and compare with the
labels in disregard of capitals. So a reply that argues with both decisions counts as the first of
them, and a label of two words is only found in an object. The strict reader accepts a reply whose
one and only decision stands at its end, to the letter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from qevolve_envs.errors import UnknownName

PARSERS = ("faithful", "strict")

_QUOTED_KEY = '"choice"' + r"\s*:"
#: The label in quotes behind the key, found wherever a key stands (also where two overlap).
_OBJECT = re.compile(rf'(?={_QUOTED_KEY}\s*"([^"]+)")', re.IGNORECASE)
#: ``choice: word``, with or without quotes: role-play's form of it, and that of the coordination
#: game. The limit to the length of a word keeps the search linear.
_KEY = r'"?choice"?\s*:\s*"?'
_WORD_ROLE_PLAY = re.compile(rf'{_KEY}([^"\n\r][^"\s,}}]{{0,300}}+)"?(?:[\s,}}]|$)', re.IGNORECASE)
_WORD_COORDINATION = re.compile(rf'{_KEY}([^\s,"]+)', re.IGNORECASE)
_NAMED = re.compile(_QUOTED_KEY, re.IGNORECASE)


class NoLabel(StrEnum):
    """Kinds of replies that name no label."""

    OTHER = "other"
    """It decides for something that is no label."""
    UNCLEAR = "unclear"
    """It holds no decision."""


def role_play_choice(reply: str, labels: Sequence[str]) -> str | NoLabel:
    """The decision as the paper's role-play reads it.

    Args:
        reply: Anything.
        labels: What can be chosen.

    Returns:
        The label, as it is written in `labels`.
    """
    return _faithful(reply, labels, _WORD_ROLE_PLAY, str.strip)


def coordination_choice(reply: str, labels: Sequence[str]) -> str | NoLabel:
    """The decision as the paper's coordination game reads it."""
    return _faithful(reply, labels, _WORD_COORDINATION, str)


def strict_choice(reply: str, labels: Sequence[str]) -> str | NoLabel:
    """The decision of a reply that ends in ``{"choice": "label"}`` and names no other.

    The object has this one key and the label to the letter; only white space may follow it.
    """
    start = reply.rfind("{")
    if start < 0 or len(_NAMED.findall(reply)) != 1:
        return NoLabel.UNCLEAR
    try:
        said = json.loads(reply[start:])
    except (ValueError, RecursionError):
        return NoLabel.UNCLEAR
    if not isinstance(said, dict) or list(said) != ["choice"]:
        return NoLabel.UNCLEAR
    return next((label for label in labels if label == said["choice"]), NoLabel.OTHER)


def reader(game: str, parse: str) -> Callable[[str, Sequence[str]], str | NoLabel]:
    """The function that reads replies.

    Args:
        game: ``"role_play"`` or ``"coordination"``, which the paper reads differently.
        parse: One of `PARSERS`.

    Raises:
        UnknownName: For a parser that does not exist.
    """
    if parse not in PARSERS:
        raise UnknownName.of("parse", parse, PARSERS)
    if parse == "strict":
        return strict_choice
    return {"role_play": role_play_choice, "coordination": coordination_choice}[game]


def _faithful(
    reply: str, labels: Sequence[str], word: re.Pattern[str], tidy: Callable[[str], str]
) -> str | NoLabel:
    found: str | NoLabel = NoLabel.UNCLEAR
    in_word = word.search(reply)
    for said in (_in_object(reply), in_word[1] if in_word else None):
        if said is None:
            continue
        found = NoLabel.OTHER
        plain = tidy(said).lower()
        for label in labels:
            if plain == tidy(label).lower():
                return label
    return found


def _in_object(reply: str) -> str | None:
    """The label of the first decision that stands inside of braces, in linear time.

    The paper's search begins at each opening brace in turn, goes as far as it can without a closing
    one, and steps back until a decision follows, which takes seconds for a reply of a hundred
    thousand braces. What it finds can be said directly: in the first stretch between two closing
    braces that holds an opening brace and a decision behind it, the last decision; and some closing
    brace must follow.
    """
    last_close = reply.rfind("}")
    best: re.Match[str] | None = None
    stretch = -1
    for match in _OBJECT.finditer(reply, max(0, reply.find("{"))):
        if match.end(1) + 1 > last_close:
            break  # Nothing closes this one, nor any behind it.
        if best is not None and match.start() > stretch:
            break  # It lies in a later stretch.
        opened = reply.rfind("{", 0, match.start())
        if opened < 0 or reply.find("}", opened, match.start()) >= 0:
            continue
        if best is None:
            stretch = reply.find("}", match.start())
        best = match
    return best[1] if best else None
