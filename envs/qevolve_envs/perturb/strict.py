"""Commands to the letter: what a world understands out of kindness is malformed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qevolve_envs.household.kinds import RECEPTACLES
from qevolve_envs.perturb.layer import Layer, Moment
from qevolve_envs.shop.actions import ALIASES

_ARTICLES = re.compile(r"\b(?:the|a|an|some) (?=[a-z])")


@dataclass(frozen=True)
class Language:
    """The documented commands of a world.

    Attributes:
        pattern: Matches them, and only them.
        readings: For each severity, how a command is read before it is matched.
    """

    pattern: re.Pattern[str]
    readings: tuple[Callable[[str], str], Callable[[str], str], Callable[[str], str]]

    def accepts(self, command: str, severity: int) -> bool:
        """Whether a command is understood at a severity."""
        return self.pattern.fullmatch(self.readings[severity - 1](command)) is not None


def _exact(command: str) -> str:
    return "" if _ARTICLES.search(command) else command


def _plainly(command: str) -> str:
    return _exact(_lower(command))


def _lower(command: str) -> str:
    return " ".join(command.lower().split())


def _forgiving(command: str) -> str:
    return _ARTICLES.sub("", _lower(command).rstrip(".! "))


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_NAME = r"[a-z]+(?: [a-z]+)* \d+"


def _kinds(*, inside: bool) -> str:
    return "(?:" + "|".join(k.name for k in RECEPTACLES.values() if k.inside is inside) + r") \d+"


_HOUSEHOLD = _any_of(
    "look|inventory",
    rf"(?:go to|open|close|examine|switch on|switch off) {_NAME}",
    rf"take {_NAME} from {_NAME}",
    rf"put {_NAME} in {_kinds(inside=True)}",
    rf"put {_NAME} on {_kinds(inside=False)}",
    rf"(?:wash|heat|cool) {_NAME} in {_NAME}",
)
_LAB = _any_of(
    "look around|inventory",
    r"(?:examine|look in|go to|open|close|pick up|drop|mix|activate|deactivate|disconnect) .+",
    r"(?:focus on|read) .+",
    r"put .+ (?:in|on) .+",
    r"pour .+ into .+",
    r"connect .+ to .+",
    r"use .+ on .+",
    r"wait(?: \d{1,4} (?:minutes?|hours?|days?))?",
    r"\d{1,3}",
)
_PLAIN = (_forgiving, _plainly, _exact)


def _buttons(command: str) -> str:
    """A bracketed command without what the shop forgives; other words for a button are refused."""
    text = _brackets(command)
    return "" if text.removeprefix("click[").removesuffix("]") in ALIASES else text


def _brackets(command: str) -> str:
    """A bracketed command, in lower case and without blank space around its parts."""
    text = re.sub(r"^(search|click) ?\[ ?", r"\1[", _lower(command))
    return text[: text.rfind("]") + 1].replace(" ]", "]") if "]" in text else text


def _letters(command: str) -> str:
    """To the letter; buttons may be written as pages show them, "Buy Now"."""
    return command if _buttons(command) else ""


_SHOP = Language(
    re.compile(r"(?:search|click)\[\S(?:[^\n]*\S)?\]"), (_brackets, _buttons, _letters)
)

LANGUAGES: Mapping[str, Language] = {
    "qevolve/Household-v0": Language(_HOUSEHOLD, _PLAIN),
    "qevolve/Lab-v0": Language(_LAB, _PLAIN),
    "qevolve/Shop-v0": _SHOP,
    "qevolve/WebShop-v0": _SHOP,
}


class Strict(Layer):
    """Only the documented commands are understood; anything else is malformed and costs the step.

    Severity 1 refuses other words for a command ("grab", "turn on", "find a lamp"); 2 also articles
    and a full stop (in a shop: other words for a button, "click[buy]"); 3 also capitals and blank
    space, so that a command has to be right to the letter.
    """

    def __init__(self, severity: int, env_id: str) -> None:
        super().__init__(severity, env_id)
        self._language = LANGUAGES[env_id]

    def act(self, command: str, moment: Moment) -> str:
        """The command, or nothing: an empty command is malformed in every world."""
        return command if self._language.accepts(command, self.severity) else ""
