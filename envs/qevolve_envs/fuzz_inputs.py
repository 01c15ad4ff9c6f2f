"""Unexpected texts for the fuzzing checks, and a seeded mix of them with sensible commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

#: What has broken parsers before: emptiness, controls, surrogates, other scripts, format strings,
#: quoting, regular expressions, numbers that are none, a model's stop tokens, and length.
HOSTILE_INPUTS: tuple[str, ...] = (
    "",
    " ",
    "\n",
    "\t\r\n",
    "\x00",
    "look\x00",
    "\x1b[31mlook\x7f",
    "\ud800",
    "take \udfff key",
    "\ufeff\u200b\u202elook",
    "возьми ключ",
    "去厨房",
    "اذهب",
    "\U0001f511\U0001f6aa",
    "e\u0301" * 40,
    "{0}",
    "{}",
    "{x!r:>{y}}",
    "%s",
    "%n %d %(a)s",
    "${PATH}",
    "'; DROP TABLE tasks; --",
    '" or ""="',
    "(a+)+$",
    "[",
    "\\",
    "\\1 \\g<x>",
    ".*",
    "*",
    "../..",
    "None",
    "-1",
    "nan",
    "1e999",
    "9" * 5_000,
    "<|endoftext|>",
    "</action>",
    "(" * 3_000,
    "a" * 100_000,
    "take key and " * 8_000,
)

#: How many commands a mix remembers.
_MEMORY = 500

_MUTATIONS: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    lambda text: f"  {text} \n",
    lambda text: text.replace(" ", "  "),
    lambda text: text.replace(" ", ""),
    lambda text: text[: len(text) // 2],
    lambda text: text[::-1],
    lambda text: f"{text} {text}",
    lambda text: f"{text} 999999999999999999999",
    lambda text: f"{text}.",
    lambda text: f"{text}\x00",
)


def junk(rng: np.random.Generator, commands: Sequence[str] = ()) -> str:
    """A hostile input, a mutated command, or random text from all of Unicode."""
    kind = rng.random()
    if kind < 0.4:
        return HOSTILE_INPUTS[int(rng.integers(len(HOSTILE_INPUTS)))]
    if kind < 0.8 and commands:
        return _MUTATIONS[int(rng.integers(len(_MUTATIONS)))](_one_of(rng, commands))
    top = (0x80, 0x3000, 0x110000)[int(rng.integers(3))]
    return "".join(map(chr, rng.integers(top, size=int(rng.integers(40))).tolist()))


class ActionMix:
    """Draws commands that can be executed now, commands that could be earlier, and junk.

    Args:
        rng: Source of the draws.
        sensible: Probability of a command that can be executed now.
    """

    def __init__(self, rng: np.random.Generator, sensible: float = 0.75) -> None:
        self._rng = rng
        self._sensible = sensible
        self._seen: dict[str, None] = {}

    def draw(self, commands: Sequence[str]) -> str:
        """One action, given the commands that can be executed now."""
        self._seen |= dict.fromkeys(commands[: max(0, _MEMORY - len(self._seen))])
        if commands and self._rng.random() < self._sensible:
            return _one_of(self._rng, commands)
        seen = list(self._seen)
        if seen and self._rng.random() < 0.3:
            return _one_of(self._rng, seen)
        return junk(self._rng, seen)


def _one_of(rng: np.random.Generator, commands: Sequence[str]) -> str:
    return commands[int(rng.integers(len(commands)))]
