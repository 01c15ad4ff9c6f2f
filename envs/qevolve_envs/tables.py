"""Tables of words and numbers as TOML files, read strictly into dataclasses.

A file that does not fit its dataclass is refused with its name and the entry that is wrong.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from qevolve_envs.errors import BadFile, UnknownName

T = TypeVar("T")


def read_table(file: Path, kind: type[T]) -> T:
    """Reads a TOML file as a dataclass.

    Fields may be text, numbers, true or false, dataclasses, `tuple`, `frozenset` and `Mapping` of
    those. A tuple of fixed length is an array, and a dataclass is a table or, where all of it is
    given in order, an array.

    Args:
        file: Where it lies.
        kind: The dataclass. Fields without a default must be in the file, and no others.

    Raises:
        BadFile: When the file cannot be read, or an entry is missing, unknown or of another type.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot read {file}: {reason}.") from None
    try:
        table: T = _build(raw, kind, "")
    except _Wrong as error:
        raise BadFile(f"{file}: {error}") from None
    return table


class _Wrong(Exception):
    """An entry that does not fit."""


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(value: Any, kind: Any, where: str) -> Any:
    """The value as `kind`; `where` is the name of the entry."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:  # TOML has no null: what may be absent is there.
        return _build(value, next(one for one in arguments if one is not NoneType), where)
    if is_dataclass(kind):
        return _build_dataclass(value, kind, where)
    if origin in (tuple, frozenset):
        return _build_array(value, origin, arguments, where)
    if origin is not None and issubclass(origin, Mapping):
        table = _expect(value, dict, "a table", where)
        return {name: _build(item, arguments[1], _at(where, name)) for name, item in table.items()}
    if kind is float and type(value) is int:
        return float(value)
    return _expect(value, kind, {str: "text", bool: "true or false"}.get(kind, "a number"), where)


def _build_array(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    items = _expect(value, list, "an array", where)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise _Wrong(f"{where} must have {len(arguments)} items, not {len(items)}.")
        kinds = arguments
    else:
        kinds = (arguments[0],) * len(items)
    pairs = enumerate(zip(items, kinds, strict=True), 1)
    return origin(_build(item, kind, f"{where}[{number}]") for number, (item, kind) in pairs)


def _build_dataclass(value: Any, kind: Any, where: str) -> Any:
    known = {field.name: field for field in fields(kind)}
    if isinstance(value, list):
        if len(value) > len(known):
            raise _Wrong(f"{where} has more than {len(known)} items.")
        value = dict(zip(known, value, strict=False))
    table = _expect(value, dict, "a table", where)
    for name in table:
        if name not in known:
            raise _Wrong(str(UnknownName.of("entry", _at(where, name), known)))
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise _Wrong(f"{_at(where, name)} is missing.")
    hints = _hints(kind)
    return kind(**{n: _build(item, hints[n], _at(where, n)) for n, item in table.items()})


def _expect(value: Any, kind: Any, words: str, where: str) -> Any:
    # type() rather than isinstance(), because True is an int.
    if type(value) is not kind:
        raise _Wrong(f"{where} must be {words}, not {value!r:.60}.")
    return value


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
