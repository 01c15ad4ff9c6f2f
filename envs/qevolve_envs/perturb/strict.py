"""Strict commands: only documented ones are understood."""

from __future__ import annotations

import re

from qevolve_envs.language import Commands, Language
from qevolve_envs.perturb.layer import Layer, Moment

_ARTICLES = re.compile(r"\b(?:the|a|an|some) (?=[a-z])")


class Strict(Layer):
    """Refuses all but the documented commands: anything else is malformed and costs the step.

    Severity 1 refuses other words for a command ("grab", "turn on", "find a lamp"); 2 also articles
    and a full stop, and what `Commands.undocumented` lists ("click[buy]"); 3 also capitals and
    blank space, so that a command has to be right to the letter. A label in brackets may always be
    written as pages show it, "Buy Now".
    """

    def __init__(self, severity: int, language: Language) -> None:
        super().__init__(severity, language)
        self._commands = language.commands or Commands((), frozenset(), False)

    def act(self, command: str, moment: Moment) -> str:
        """The command, or nothing: an empty command is malformed in every world."""
        return command if accepts(self._commands, command, self.severity) else ""


def accepts(commands: Commands, command: str, severity: int) -> bool:
    """Tells whether a command is understood at a severity."""
    plain = " ".join(command.lower().split())
    if commands.brackets:
        plain = _brackets(plain)
    elif severity == 1:
        plain = _ARTICLES.sub("", plain.rstrip(".! "))
    elif _ARTICLES.search(plain):
        return False
    if severity > 1 and plain in commands.undocumented:
        return False
    said = command if severity == 3 else plain
    return any(re.fullmatch(pattern, said) for pattern in commands.patterns)


def _brackets(command: str) -> str:
    """A command up to its last bracket, without blank space around its parts."""
    text = re.sub(r"^(\w+) ?\[ ?", r"\1[", command)
    return text[: text.rfind("]") + 1].replace(" ]", "]")
