"""Checks that the plans of studies share: what is wrong is said before anything is played."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qevolve_envs.errors import BenchError, UnknownName


def known(raw: Mapping[str, Any], names: Iterable[str], kind: str) -> None:
    """Refuses a field that does not exist.

    Args:
        raw: The fields.
        names: Those that there are.
        kind: What they are, for the error, such as ``"field of a study"``.
    """
    names = tuple(names)
    for name in raw:
        if name not in names:
            raise UnknownName.of(kind, name, names)


def mapping(raw: Mapping[str, Any], name: str, what: str = "") -> dict[str, Any]:
    """A part of a plan that holds names; nothing is an empty one.

    Args:
        raw: Where it stands.
        name: Its name there.
        what: What it is called in an error; its name by default.
    """
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BenchError(f"{what or name} must map names to values, not {value!r}.")
    return value


def whole(value: Any, what: str, least: int) -> int:
    """A whole number of at least `least`; true and false are none."""
    if type(value) is not int or value < least:
        raise BenchError(f"{what} must be a whole number of at least {least}, not {value!r}.")
    return value


def seeds(value: Any, what: str = "seeds") -> list[int]:
    """Different seeds, at least one."""
    if not isinstance(value, list) or not value:
        raise BenchError(f"{what} must be a list of different whole numbers.")
    found = [whole(seed, what, 0) for seed in value]
    if len(set(found)) < len(found):
        raise BenchError(f"{what} must be a list of different whole numbers: a seed counts once.")
    return found
