"""Lists in another order, with the same items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

from qevolve_envs.core import TextEnv
from qevolve_envs.language import Language
from qevolve_envs.perturb.layer import Layer, Moment, outside
from qevolve_envs.rng import RandomStream

#: Severity -> probability that a list is shuffled.
SHUFFLED = (1 / 3, 2 / 3, 1.0)

_SEPARATOR = re.compile(r"(, and |, )(?![^()]*\))")
#: Two or more lines of one list.
_BULLETS = re.compile(r"(?m)^- .*(?:\n- .*)+")


@runtime_checkable
class Shuffles(Protocol):
    """A world that reorders what it shows by itself, rather than as text."""

    def shuffle(self, probability: float, rng: RandomStream) -> str:
        """Shuffles each list of the last observation with a probability, and shows it again."""


class Reorder(Layer):
    """Shuffles the lists of an observation, each with a probability.

    These are the lists that follow what `Language.lists` names, and lines that begin with a dash;
    a world with a method `shuffle` does it itself. The instruction stays, and so do numbered
    questions.
    """

    def __init__(self, severity: int, language: Language) -> None:
        super().__init__(severity, language)
        self._world: Shuffles | None = None

    def enter(self, world: TextEnv, task_id: str) -> None:
        """Notes whether the world shuffles by itself."""
        self._world = world if isinstance(world, Shuffles) else None

    def observe(self, text: str, moment: Moment) -> str:
        """The text in another order."""
        rng = moment.stream("reorder")
        probability = SHUFFLED[self.severity - 1]
        if self._world is not None:
            return self._world.shuffle(probability, rng)
        heads = self.language.lists
        return outside(
            text, self._instruction, lambda part: reorder_text(part, heads, probability, rng)
        )


def reorder_text(text: str, heads: Sequence[str], probability: float, rng: RandomStream) -> str:
    """Shuffles each list of a text with a probability.

    Args:
        text: Any text.
        heads: Regular expressions of what stands before a list (`Language.lists`).
        probability: Of each list.
        rng: The draws.
    """

    def items(found: re.Match[str]) -> str:
        parts = _SEPARATOR.split(found["list"])
        parts[::2] = rng.maybe_shuffled(parts[::2], probability)
        return found["head"] + "".join(parts)

    def lines(found: re.Match[str]) -> str:
        return "\n".join(rng.maybe_shuffled(found[0].split("\n"), probability))

    return _BULLETS.sub(lines, _list_after(tuple(heads)).sub(items, text))


@cache
def _list_after(heads: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?P<head>{'|'.join(heads) or '(?!)'})(?P<list>[^.:;\n]+)(?=[.;])")
