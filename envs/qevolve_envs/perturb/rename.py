"""Renamed entities: other names for the same things, everywhere at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from qevolve_envs.perturb.layer import CHANCE, Layer, Moment
from qevolve_envs.perturb.names import Lexicon, lexicon

#: Share of the names that severity 1 replaces by synonyms.
SHARE = 0.25


class Rename(Layer):
    """Calls entities by other names, in instructions, observations and commands alike.

    Names are swapped: what is called A is now called B, and, should anything have been called B, it
    is now called A. So nothing is ever confused, what the agent says turns back by the same swap,
    and the old names are not understood any more. A household's names are those of its things and
    receptacles, a lab's those of rooms, furniture, instruments and what lies around (never of
    matter and creatures, because tasks ask what those are), a shop's those of colours.

    Severity 1 replaces a quarter of the names by synonyms, 2 all that have one, 3 all of them by
    invented words - except, in a household, those of lamps and of what washes, heats and cools.
    """

    def __init__(self, severity: int, env_id: str) -> None:
        super().__init__(severity, env_id)
        self._swap: Mapping[str, str] = {}

    def begin(self, task_id: str, goal: str) -> None:
        """Draws the names of the task."""
        super().begin(task_id, goal)
        self._swap = self._names(task_id)

    def goal(self, task_id: str, goal: str) -> str:
        """The instruction in the task's names."""
        return swap_names(goal, self._names(task_id), self.env_id)

    def observe(self, text: str, moment: Moment) -> str:
        """The text in the task's names."""
        return swap_names(text, self._swap, self.env_id)

    def act(self, command: str, moment: Moment) -> str:
        """The command in the world's names."""
        return swap_names(command, self._swap, self.env_id)

    def say(self, command: str) -> str:
        """The command in the task's names."""
        return swap_names(command, self._swap, self.env_id)

    def _names(self, task_id: str) -> Mapping[str, str]:
        return draw_names(task_id, self.severity, lexicon(self.env_id))


def draw_names(task_id: str, severity: int, words: Lexicon) -> dict[str, str]:
    """What is called how in a task: a map that is its own inverse."""
    dice = CHANCE.dice("rename", task_id)
    pairs: dict[str, str] = {}
    if severity < 3:
        for name, (synonym, synonyms) in words.synonyms.items():
            if dice.chance(SHARE) or severity == 2:
                pairs |= {name: synonym, words.names[name]: synonyms}
                if words.names[name] == name:
                    pairs[name] = synonym
    else:
        # Words come in twos, beginning with a consonant and with a vowel; a name takes one of two.
        numbers = dice.shuffled(range(len(words.names)))
        for number, (name, plural) in zip(numbers, words.names.items(), strict=True):
            if name not in words.known:
                word = words.inventions[2 * number + (name[0] in "aeiou")]
                pairs |= {plural: word + "s", name: word}
    return pairs | {new: old for old, new in pairs.items()}


@cache
def _pattern(env_id: str) -> re.Pattern[str]:
    """Any name, old or new, as whole words; the longest first, so that none is part of another."""
    words = lexicon(env_id)
    known = {*words.names, *words.names.values(), *words.inventions}
    known |= {f"{word}s" for word in words.inventions}
    known |= {name for pair in words.synonyms.values() for name in pair}
    names = "|".join(re.escape(name) for name in sorted(known, key=lambda n: (-len(n), n)))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", re.IGNORECASE)


def swap_names(text: str, names: Mapping[str, str], env_id: str) -> str:
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

    return _pattern(env_id).sub(other, text)
