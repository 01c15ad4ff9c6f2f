"""Renamed entities: other names for the same things, everywhere at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from qevolve_envs.language import EntityNames, Language
from qevolve_envs.perturb.layer import SEEDS, Layer, Moment

#: Share of the names that severity 1 replaces by synonyms.
SHARE = 0.25
NO_NAMES = EntityNames({}, {}, frozenset())


class Rename(Layer):
    """Calls entities by other names, in instructions, observations and commands alike.

    Names are swapped: what is called A is now called B, and, should anything have been called B, it
    is now called A. So nothing is ever confused, what the agent says turns back by the same swap,
    and the old names are not understood any more. Which names a world has, `Language.names` says.

    Severity 1 replaces a quarter of the names by synonyms, 2 all that have one, 3 all of them by
    invented words, except those whose meaning is needed to know what to do.
    """

    def __init__(self, severity: int, language: Language) -> None:
        super().__init__(severity, language)
        self._words = language.names or NO_NAMES
        self._swap: Mapping[str, str] = {}

    def begin(self, task_id: str, goal: str) -> None:
        """Draws the names of the task."""
        super().begin(task_id, goal)
        self._swap = self._names(task_id)

    def goal(self, task_id: str, goal: str) -> str:
        """The instruction in the task's names."""
        return swap_names(goal, self._names(task_id), self._words)

    def observe(self, text: str, moment: Moment) -> str:
        """The text in the task's names."""
        return swap_names(text, self._swap, self._words)

    def act(self, command: str, moment: Moment) -> str:
        """The command in the world's names."""
        return swap_names(command, self._swap, self._words)

    def say(self, command: str) -> str:
        """The command in the task's names."""
        return swap_names(command, self._swap, self._words)

    def _names(self, task_id: str) -> Mapping[str, str]:
        return draw_names(task_id, self.severity, self._words)


def draw_names(task_id: str, severity: int, words: EntityNames) -> dict[str, str]:
    """The names of a task, old to new and new to old."""
    rng = SEEDS.stream("rename", task_id)
    pairs: dict[str, str] = {}
    if severity < 3:
        for name, (synonym, synonyms) in words.synonyms.items():
            if rng.bernoulli(SHARE) or severity == 2:
                pairs |= {name: synonym, words.plurals[name]: synonyms}
                if words.plurals[name] == name:
                    pairs[name] = synonym
    else:
        # Words come in twos, beginning with a consonant and with a vowel; a name takes one of two.
        numbers = rng.shuffled(range(len(words.plurals)))
        for number, (name, plural) in zip(numbers, words.plurals.items(), strict=True):
            if name not in words.kept:
                word = inventions(words)[2 * number + (name[0] in "aeiou")]
                pairs |= {plural: word + "s", name: word}
    return pairs | {new: old for old, new in pairs.items()}


@cache
def inventions(words: EntityNames) -> tuple[str, ...]:
    """Words that mean nothing: for each name one with a consonant first, and one with a vowel."""
    rng = SEEDS.stream("inventions")
    made: set[str] = set()
    while len(made) < len(words.plurals):
        first, second = (rng.choice("bdfgkmnprtvz") + rng.choice("aeiou") for _ in range(2))
        made.add(first + second + rng.choice(("x", "k", "zh", "ff")))
    return tuple(w for word in sorted(made) for w in (word, rng.choice("aeiou") + word[0] + word))


@cache
def _pattern(words: EntityNames) -> re.Pattern[str]:
    """Any name, old or new, as whole words; the longest first, so that none is part of another."""
    known = {*words.plurals, *words.plurals.values(), *inventions(words)}
    known |= {f"{word}s" for word in inventions(words)}
    known |= {name for pair in words.synonyms.values() for name in pair}
    names = "|".join(re.escape(name) for name in sorted(known, key=lambda n: (-len(n), n)))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", re.IGNORECASE)


def swap_names(text: str, names: Mapping[str, str], words: EntityNames) -> str:
    """Replaces names by what they are swapped with, in lower case, Capitals or UPPER CASE."""

    def other(found: re.Match[str]) -> str:
        name = found[0]
        new = names.get(name.lower())
        if new is None:
            return name
        if name.islower():
            return new
        if name.isupper():
            return new.upper()
        return new.title() if name.istitle() and " " in name else new.capitalize()

    return _pattern(words).sub(other, text)
