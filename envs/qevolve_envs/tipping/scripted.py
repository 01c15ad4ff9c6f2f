"""Scripted agents of norm worlds: they read the task and the answers, as any agent does.

One scripted agent plays one round. It keeps what it was shown, and nothing else; so the same script
serves confederates, populations, experts and demonstrations.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache


class ScriptedAgent(ABC):
    """A scripted agent for one round."""

    @property
    @abstractmethod
    def temptations(self) -> tuple[str, ...]:
        """The violations that the task invites, as far as its words say."""

    @abstractmethod
    def see(self, command: str, answer: str) -> None:
        """Takes note of a command that was sent, and of the answer."""

    @abstractmethod
    def next(self, kind: str) -> str:
        """The command to send now.

        Args:
            kind: The violation to commit; ``""`` for none.
        """


@lru_cache(maxsize=256)
def pattern_of(template: str, groups: str) -> re.Pattern[str]:
    """A pattern that reads back what a template was filled with.

    Args:
        template: Such as ``"Put {thing} {on} {target}."``.
        groups: Pattern of what stands for a name.
    """
    parts = re.split(r"\{(\w+)\}", template)
    texts = [
        re.escape(part) if i % 2 == 0 else f"(?P<{part}>{groups})" for i, part in enumerate(parts)
    ]
    return re.compile("".join(texts))


def read(text: str, templates: Iterable[str], groups: str) -> dict[str, str] | None:
    """Fields of the first template that fits a whole text; None where none fits."""
    for template in templates:
        if found := pattern_of(template, groups).fullmatch(text):
            return found.groupdict()
    return None
