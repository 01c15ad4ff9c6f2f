"""Forgives the wording of commands: what a person would understand becomes the game's own command.

The world stays strict about *what* is asked; only articles, capitals, a closing full stop, common
synonyms of the verbs and the choice between "in" and "on" are forgiven.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qevolve_envs.household.kinds import RECEPTACLES

_NAME = r"(?P<{}>[a-z ]+ \d+)"
_THING = _NAME.format("thing")
_PLACE = _NAME.format("place")


def _put(found: re.Match[str]) -> str:
    kind = found["place"].rsplit(" ", 1)[0]
    inside = kind in RECEPTACLES and RECEPTACLES[kind].inside
    return f"put {found['thing']} {'in' if inside else 'on'} {found['place']}"


def _plain(template: str) -> Callable[[re.Match[str]], str]:
    return lambda found: template.format(**found.groupdict())


_INTO = r"(?:in|into|inside|on|onto|in/on|to|at)"
_WITH = r"(?:in|with|at|using|inside)"
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), rewrite)
    for pattern, rewrite in (
        (r"l|look(?: around)?", _plain("look")),
        (r"i|inv|inventory|check inventory", _plain("inventory")),
        (rf"(?:go|walk|move|head)(?: over)? to {_PLACE}", _plain("go to {place}")),
        (rf"(?:examine|inspect|look (?:at|in|into|inside|on)|check) {_THING}",
         _plain("examine {thing}")),
        (rf"open(?: up)? {_PLACE}", _plain("open {place}")),
        (rf"(?:close|shut) {_PLACE}", _plain("close {place}")),
        (rf"(?:take|pick up|grab|get|remove) {_THING} (?:from|out of|off)(?: of)? {_PLACE}",
         _plain("take {thing} from {place}")),
        (rf"(?:put(?: down)?|place|leave|set|lay|move|drop) {_THING} {_INTO} {_PLACE}", _put),
        (rf"(?:wash|clean|rinse) {_THING} {_WITH} {_PLACE}", _plain("wash {thing} in {place}")),
        (rf"(?:heat|warm|microwave)(?: up)? {_THING} {_WITH} {_PLACE}",
         _plain("heat {thing} in {place}")),
        (rf"(?:cool|chill)(?: down)? {_THING} {_WITH} {_PLACE}",
         _plain("cool {thing} in {place}")),
        (rf"(?:switch|turn) on {_THING}|use (?P<lamp>[a-z ]+ \d+)", lambda found:
         f"switch on {found['thing'] or found['lamp']}"),
        (rf"(?:switch|turn) off {_THING}", _plain("switch off {thing}")),
    )
)  # fmt: skip

_ARTICLES = re.compile(r"\b(?:the|a|an) (?=[a-z])")
#: Longer than any command; what is longer is not worth a pattern's time.
_LONGEST = 200


def canonical(command: str) -> str:
    """The game's wording of a command, or the command unchanged where nothing is recognised."""
    if len(command) > _LONGEST:
        return command
    text = " ".join(command.lower().split()).rstrip(".! ")
    text = _ARTICLES.sub("", text)
    for pattern, rewrite in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return rewrite(found)
    return command
