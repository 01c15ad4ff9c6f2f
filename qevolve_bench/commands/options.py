"""Options that several commands share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qevolve_envs.errors import BenchError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def at_least(least: int) -> Callable[[str], int]:
    """An argument type: an integer that is not less than `least`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"need an integer of at least {least}, not {text!r}")
        return number

    return parse


def positive(text: str) -> float:
    """An argument type: a finite number that is more than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"need a number that is more than 0, not {text!r}")
    return number


def add_env_arg(parser: argparse._ActionsContainer) -> None:
    """Adds ``--env-arg``, whose values `env_kwargs` collects."""
    parser.add_argument(
        "--env-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the environment, such as size=small; numbers, true, false and null"
        ' are read as such, "..." in quotes as text; may be repeated',
    )


def env_kwargs(pairs: list[str]) -> dict[str, Any]:
    """Reads the values of ``--env-arg``.

    Raises:
        BenchError: For one that is not NAME=VALUE, or for a name given twice.
    """
    return named_values("--env-arg", pairs)


def named_values(flag: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Reads the NAME=VALUE pairs of a repeated option; values are JSON scalars, or else text.

    Args:
        flag: The option, for the errors.
        pairs: What was given to it.

    Raises:
        BenchError: For one that is not NAME=VALUE, or for a name given twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise BenchError(f"{flag} needs NAME=VALUE, not {pair!r}.")
        if name in values:
            raise BenchError(f"{flag} {name} is given twice.")
        values[name] = _scalar(text)
    return values


def _scalar(text: str) -> Any:
    """A JSON scalar; whatever is none is the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value
