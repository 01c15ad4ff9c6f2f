"""Reading what a dataclass says of its fields, for help texts and tables of settings."""

from __future__ import annotations

import inspect
import re


def described(kind: type) -> dict[str, str]:
    """Reads the section ``Attributes:`` of a class and of its bases.

    Returns:
        The text of each attribute, on one line.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        name = ""
        doc = inspect.cleandoc(base.__doc__ or "")
        for line in doc.partition("Attributes:\n")[2].splitlines():
            head = re.match(r" {4}(\w+): (.*)", line)
            if head:
                name = head[1]
                found[name] = head[2]
            elif name and line.startswith(" " * 8):
                found[name] += " " + line.strip()
    return found


def summary(kind: type) -> str:
    """Returns the docstring of a class without its sections."""
    return re.split(r"\n\w+:\n", inspect.cleandoc(kind.__doc__ or ""))[0].strip()
