"""The one grammar of the lab: text -> (verb, phrases). Verbs are those of `actions`."""

from __future__ import annotations

import re
from functools import lru_cache

#: Longer than any command; what is longer is not worth a pattern's time.
LONGEST = 200

_IN = r"(?:in|on|into|onto|inside|in to|on to|in/on)"
#: Verb -> its wordings; groups are the phrases, in order.
_WORDINGS: tuple[tuple[str, str], ...] = (
    ("look", r"l|look|look around|look about"),
    ("inventory", r"i|inv|inventory|check inventory"),
    ("go", r"(?:go|walk|move|run|head|teleport)(?: over)? (?:in)?to (.+)"),
    ("look in", r"look (?:in|inside|into|on) (.+)"),
    ("examine", r"(?:look at|examine|inspect|x|check) (.+)"),
    ("open", r"open(?: up)? (.+)"),
    ("close", r"(?:close|shut) (.+)"),
    ("put", rf"(?:put|place|set|move|insert|drop|plant|lay) (.+) {_IN} (.+)"),
    ("put", r"move (.+) to (.+)"),
    ("take", r"(?:pick up|take|get|grab|collect) (.+)"),
    ("take", r"pick (.+) up"),
    ("drop", r"(?:drop|put down|set down|lay down) (.+)"),
    ("drop", r"put (.+) down"),
    ("pour", rf"(?:pour|tip|empty|dump) (.+) {_IN} (.+)"),
    ("mix", r"(?:mix|stir|shake) (.+)"),
    ("activate", r"(?:activate|turn on|switch on|start) (.+)"),
    ("activate", r"(?:turn|switch) (.+) on"),
    ("deactivate", r"(?:deactivate|turn off|switch off|stop) (.+)"),
    ("deactivate", r"(?:turn|switch) (.+) off"),
    ("connect", r"(?:connect|attach|join|wire) (.+) (?:to|and|with) (.+)"),
    ("disconnect", r"(?:disconnect|detach|unplug) (.+)"),
    ("use", r"use (.+) (?:on|with|for) (.+)"),
    ("use", r"fill (?P<b>.+) (?:from|at|with|in) (?P<a>.+)"),
    ("focus", r"focus(?: on)? (.+)"),
    ("read", r"read (.+)"),
    ("wait", r"wait|pass time|do nothing"),
    ("wait", r"(?:wait|sleep)(?: for)? (\d{1,4} ?(?:m|min|mins|minutes?|h|hours?|d|days?)?)"),
    ("choose", r"(\d{1,3})"),
)
_PATTERNS = tuple((verb, re.compile(pattern)) for verb, pattern in _WORDINGS)
_ARTICLES = re.compile(r"\b(?:the|a|an|some) (?=[a-z])")
_WAIT = re.compile(r"(\d+) ?([mhd]?)")
_UNITS = {"": 60, "m": 60, "h": 3600, "d": 86_400}
#: The longest single wait, days.
LONGEST_WAIT = 100


def normal(text: str) -> str:
    """Lower case, single spaces, no articles, no closing full stop."""
    return _ARTICLES.sub("", " ".join(text.lower().split()).rstrip(".! "))


@lru_cache(maxsize=4096)
def parse(command: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """All readings of a command, the likeliest first; empty where it is no command."""
    if len(command) > LONGEST or not command.isascii() or not command.isprintable():
        return ()
    text = normal(command)
    readings = []
    for verb, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            named = found.groupdict()
            phrases = (named["a"], named["b"]) if named else found.groups()
            readings.append((verb, tuple(phrases)))
    return tuple(readings)


def seconds(phrase: str) -> int:
    """Seconds of ``"10"`` (minutes), ``"2 hours"`` or ``"5 days"``; 0 where it is out of range."""
    found = _WAIT.match(phrase)
    if found is None:
        return 0
    total = int(found[1]) * _UNITS[found[2]]
    return total if total <= LONGEST_WAIT * 86_400 else 0
