"""Reads question files in the paper's format: a JSON list of objects, each with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from qevolve_envs.core import to_text
from qevolve_envs.errors import BadFile, MissingData

T = TypeVar("T")


class Fields:
    """The fields of one item; what is missing or of another type is refused by name.

    Args:
        raw: The JSON object.
        where: Says where it stands inside of its item, such as ``"params"``.
    """

    def __init__(self, raw: Mapping[str, Any], where: str = "") -> None:
        self._raw = raw
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._raw.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty, in the characters of observations."""
        value = self._get(name, default)
        if not isinstance(value, str) or not (value.strip() or value == default):
            raise BadFile(f"{self._name(name)} must be a text that says something, not {value!r}")
        return to_text(value)

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number of at least 0."""
        value = self._get(name, default)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise BadFile(f"{self._name(name)} must be a number of at least 0, not {value!r}")
        return float(value)

    def count(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._get(name, default)
        if type(value) is not int or value < 1:
            raise BadFile(f"{self._name(name)} must be a whole number of at least 1, not {value!r}")
        return value

    def inner(self, name: str) -> Fields:
        """The fields of an object that stands in a field."""
        value = self._get(name, None)
        if not isinstance(value, dict):
            raise BadFile(f"{self._name(name)} must be an object, not {value!r}")
        return Fields(value, name)

    def _get(self, name: str, default: object) -> Any:
        value = self._raw.get(name)
        if value is None:
            if default is None:
                raise BadFile(f"{self._name(name)} is missing")
            return default
        return value

    def _name(self, name: str) -> str:
        return repr(f"{self._where}.{name}" if self._where else name)


def read_items(path: str | Path, build: Callable[[Fields], T]) -> tuple[T, ...]:
    """Reads the items of a question file.

    Args:
        path: The file.
        build: Makes an item of its fields; may raise `BadFile` without a full stop.

    Raises:
        MissingData: Where there is no such file.
        BadFile: With the file and the number of the item (from 1) that is wrong.
    """
    path = Path(path)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingData(f"There is no question file {path}: give the path of one.") from None
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path} is not a text file of UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadFile(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from None
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} is not JSON ({error}).") from None
    if not isinstance(raw, list) or not raw:
        raise BadFile(f"{path} must be a list of questions with at least one item.")
    items = []
    for number, one in enumerate(raw, 1):
        if not isinstance(one, dict):
            raise BadFile(f"{path}, item {number}: not an object.")
        try:
            items.append(build(Fields(one)))
        except BadFile as error:
            raise BadFile(f"{path}, item {number}: {error}.") from None
    return tuple(items)


def check_labels(one: str, other: str) -> None:
    """Tells whether two labels can be told apart in a reply.

    Raises:
        BadFile: Where they cannot.
    """
    for label in (one, other):
        if '"' in label or "\\" in label or "\n" in label or label != label.strip():
            raise BadFile(f"the label {label!r} cannot be written as a decision")
    if one.lower() == other.lower():
        raise BadFile(f"both labels are {one!r}")
