"""Strict reading of JSON, JSON lines and YAML into documented types; and the writing of JSON.

A type is a dataclass or a ``TypedDict``; its annotations say what a file may hold::

    @dataclass
    class Settings:
        seed: Annotated[int, Bounds(0)] = 0
        outcome: Literal["success", "score"] = "success"

Every reader refuses, in one sentence that names the file, the line and the field: an unknown field
(with the close match), a missing one, a value of the wrong kind, an unknown schema version, a field
that is named twice, a number that is not finite or out of range, and deep nesting. No file is
trusted: only ordinary files are opened, and what is quoted from them is short and printable.

There is no library underneath: msgspec and pydantic do not see a field that is named twice; msgspec
ignores unknown fields of dataclasses and does not name the key of a mapping.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import math
import os
import re
import stat
import types
import typing
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple, TypeVar, Union

from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file

T = TypeVar("T")

MAX_DEPTH = 32
#: Longest line of a file of JSON lines, and largest document.
MAX_LINE_BYTES = 16 << 20
MAX_FILE_BYTES = 256 << 20
#: Value of an argument of an environment or of an agent.
Scalar = str | int | float | bool | None


class Bounds(NamedTuple):
    """Range of a number; metadata of ``Annotated``.

    Attributes:
        least: Lower end.
        most: Upper end.
        within: The ends themselves are left out.
    """

    least: float = -math.inf
    most: float = math.inf
    within: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float):
            return False
        if self.within:
            return self.least < value < self.most
        return self.least <= value <= self.most

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"{'more than' if self.within else 'at least'} {self.least:g}"
        return f"between {self.least:g} and {self.most:g}"


class Pattern(NamedTuple):
    """Form of a text, as a regular expression and in words; metadata of ``Annotated``."""

    pattern: re.Pattern[str]
    words: str


Sha256 = Annotated[str, Pattern(re.compile(r"[0-9a-f]{64}"), "a SHA-256")]
Share = Annotated[float, Bounds(0, 1)]


# ── JSON ────────────────────────────────────────────────────────────────────


def parse_json(data: bytes | str) -> Any:
    """Parses a JSON document, strictly.

    Raises:
        BadFile: Saying what is wrong, as the rest of a sentence that begins with the file's name.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        raw = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
        _check_values(raw)
    except UnicodeDecodeError:
        raise BadFile("is not UTF-8 text") from None
    except RecursionError:
        raise BadFile(f"is nested deeper than {MAX_DEPTH}") from None
    except BadFile:
        raise
    except ValueError as error:
        raise BadFile(f"is not JSON ({error})") from None
    return raw


def _no_constant(name: str) -> float:
    raise BadFile(f"has the non-finite number {name}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    raw = dict(pairs)
    if len(raw) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadFile(f"names the field {quoted(twice)} twice in one object")
    return raw


def _check_values(raw: Any) -> None:
    """Refuses numbers that overflow, and nesting that a reader could run out of stack on."""
    level = [raw]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper.extend(value.values())
            elif isinstance(value, list):
                deeper.extend(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise BadFile("has a non-finite number")  # 1e999
            elif isinstance(value, int) and abs(value) >= 2**64:
                raise BadFile("has a number out of range")
        if not deeper:
            return
        level = deeper
    raise BadFile(f"is nested deeper than {MAX_DEPTH}")


def read_json(path: Path) -> Any:
    """Reads a file that holds one JSON document.

    Raises:
        BadFile: When it cannot be read, or is no JSON; with its name.
    """
    with opened(path) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BadFile(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        return parse_json(data)
    except BadFile as error:
        raise BadFile(sentence(f"{path} {error}")) from None


def read_record(path: Path, kind: type[T], version: int, what: str) -> T:
    """Reads a JSON file that holds one record with a schema version.

    Args:
        path: The file.
        kind: Type of the record.
        version: The schema version that this release reads.
        what: Name of such a record, such as ``"a manifest"``.

    Raises:
        BadFile: When it cannot be read, or is no such record; with its name.
    """
    raw = read_json(path)
    with place(str(path)):
        made: T = convert(check_version(raw, version, what), kind, what)
    return made


def read_lines(path: Path, parse: Callable[[Any], T]) -> Iterator[T]:
    """Reads a file of JSON lines.

    Args:
        path: The file.
        parse: Makes something of the content of a line.

    Raises:
        BadFile: When a line is wrong or truncated; with the file's name and the line's number.
    """
    for number, line in numbered_lines(path):
        with place(f"{path}, line {number}"):
            try:
                raw = parse_json(line)
            except BadFile as error:
                raise BadFile(f"the line {error}") from None
            made = parse(raw)
        yield made


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Reads the lines of a text file, each with its number, counted from 1.

    Args:
        path: The file, compressed where its name ends in ``.gz``.

    Raises:
        BadFile: When it cannot be read, or a line is truncated, too long or not UTF-8.
    """
    with (
        opened(path) as file,
        gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file as text,
    ):
        try:
            lines = iter(lambda: text.readline(MAX_LINE_BYTES + 1), b"")
            for number, line in enumerate(lines, 1):
                with place(f"{path}, line {number}"):
                    if len(line) > MAX_LINE_BYTES:
                        raise BadFile(f"longer than {MAX_LINE_BYTES:,} bytes")
                    if not line.endswith(b"\n"):
                        raise BadFile("truncated (no newline at its end)")
                    try:
                        decoded = line.decode("utf-8")
                    except UnicodeDecodeError:
                        raise BadFile("not UTF-8 text") from None
                yield number, decoded
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadFile(f"Cannot read {path}: {reason}.") from None


def read_yaml(path: Path, kind: type[T], what: str) -> T:
    """Reads a YAML file that holds a mapping of names to values.

    Args:
        path: The file.
        kind: Type that is made of it.
        what: Name of such a file, such as ``"a study"``.

    Raises:
        BadFile: When it cannot be read, or is none; with its name, and the line of bad YAML.
    """
    from qevolve_baselines.run import config

    raw = config.read_yaml(path, what)
    with place(str(path)):
        made: T = convert(raw, kind, what)
    return made


def write_json(path: Path, value: Any) -> None:
    """Writes JSON for people and machines, under a temporary name that is renamed when complete.

    Raises:
        BadFile: When the place cannot be written; nothing is left behind then.
    """
    write_file(path, json_text(value))


def json_text(value: Any) -> str:
    """JSON as every file of a run holds it."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def plain(spec: Any) -> dict[str, Any]:
    """A dataclass as plain JSON data."""
    record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(spec), allow_nan=False))
    return record


# ── files ───────────────────────────────────────────────────────────────────


def opened(path: Path) -> BinaryIO:
    """Opens an ordinary file for reading; a pipe or a device could keep a reader for ever.

    Raises:
        BadFile: For anything else, and for what cannot be opened.
    """
    try:
        # Not blocking, because opening a pipe waits for a writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        stream = os.fdopen(fd, "rb")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name.
        raise BadFile(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        stream.close()
        raise BadFile(f"Cannot read {path}: it is not an ordinary file.")
    return stream


@contextmanager
def place(name: str) -> Iterator[None]:
    """Puts the name of a file (and a line) in front of each `BadFile` raised in the block."""
    try:
        yield
    except BadFile as error:
        raise BadFile(sentence(f"{name}: {error}")) from None


def sentence(text: str) -> str:
    """A text with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?")) else f"{text}."


def quoted(value: object, limit: int = 60) -> str:
    """Foreign text, fit to be printed: ASCII without control characters, of bounded length."""
    text = ascii(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit + 2 else text[: limit - 3] + "...'"


# ── types ───────────────────────────────────────────────────────────────────


def check_version(raw: Any, version: int, what: str) -> dict[str, Any]:
    """Returns an object with the schema version that this release reads.

    Raises:
        BadFile: For anything else.
    """
    if not isinstance(raw, dict):
        raise BadFile(f"{what} must be an object, not {_kind_of(raw)}")
    if "schema" not in raw:
        raise BadFile(f"it is not {what}, because it names no schema version")
    found = raw["schema"]
    if type(found) is not int or found != version:
        raise BadFile(f"{what} has schema version {quoted(found)}, this release reads {version}")
    return raw


def convert(raw: Any, kind: Any, what: str) -> Any:
    """Checks plain data against a type.

    Args:
        raw: As a JSON or YAML reader gives it.
        kind: A dataclass, a ``TypedDict``, or any annotation made of them.
        what: Name of the whole, for errors.

    Returns:
        A dataclass of the data; for a ``TypedDict``, the data as they are.

    Raises:
        BadFile: Naming the first field that is wrong, without the file and without a full stop.
    """
    return _convert(raw, kind, "", what)


def _convert(raw: Any, kind: Any, path: str, what: str) -> Any:
    if kind is Any:
        return raw
    name = path or what
    origin = typing.get_origin(kind)
    if origin is Annotated:
        kind, *limits = typing.get_args(kind)
        value = _convert(raw, kind, path, what)
        for limit in limits if value is not None else ():
            _check_limit(value, limit, name)
        return value
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return _object(raw, kind, path, what)
    if origin in (Union, types.UnionType):
        return _union(raw, typing.get_args(kind), path, what)
    if origin is Literal:
        if raw not in typing.get_args(kind) or isinstance(raw, bool):
            known = [str(choice) for choice in typing.get_args(kind)]
            raise BadFile(f"{name} must be {' or '.join(known)}, not {quoted(raw)}")
        return raw
    if origin in (dict, Mapping):
        if not isinstance(raw, dict):
            raise BadFile(f"{name} must be an object, not {_kind_of(raw)}")
        _, values = typing.get_args(kind)
        made = {k: _convert(v, values, _join(path, str(k)), what) for k, v in raw.items()}
        return raw if typing.is_typeddict(values) else made
    if origin in (list, tuple):
        return _list(raw, kind, path, what)
    if isinstance(raw, float) and not math.isfinite(raw):
        raise BadFile(f"{name} must be a finite number")
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is not kind:
        raise BadFile(f"{name} must be {_WORDS.get(kind, str(kind))}, not {_kind_of(raw)}")
    return raw


def _object(raw: Any, kind: Any, path: str, what: str) -> Any:
    name = path or what
    if not isinstance(raw, dict):
        raise BadFile(f"{name} must be an object, not {_kind_of(raw)}")
    known, needed = _fields(kind)
    for field in sorted(needed - raw.keys()):
        raise BadFile(f"{name} lacks the field {field!r}")
    made = {}
    for field, value in raw.items():
        if field not in known:
            if field == "schema" and not path:
                continue
            raise BadFile(f"{name} has an {unknown_field(field, known)}")
        made[field] = _convert(value, known[field], _join(path, field), what)
    return raw if typing.is_typeddict(kind) else kind(**made)


def unknown_field(name: object, known: typing.Iterable[str]) -> str:
    """Words about a field that there is not, with the close match."""
    close = get_close_matches(str(name)[:80], list(known), n=1)
    return f"unknown field {quoted(name)}" + (f": did you mean {close[0]!r}?" if close else "")


@functools.cache
def _fields(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The annotations of a type by field, and the fields that must be there."""
    hints = typing.get_type_hints(kind, include_extras=True)
    if typing.is_typeddict(kind):
        inner = {n: typing.get_args(h)[0] for n, h in hints.items()
                 if typing.get_origin(h) is typing.NotRequired}  # fmt: skip
        # With annotations that are text, `__required_keys__` holds those fields as well.
        return {**hints, **inner}, kind.__required_keys__ - inner.keys()
    fields = [f for f in dataclasses.fields(kind) if f.init]
    missing = dataclasses.MISSING
    return {f.name: hints[f.name] for f in fields}, frozenset(
        f.name for f in fields if f.default is missing and f.default_factory is missing
    )


def _list(raw: Any, kind: Any, path: str, what: str) -> Any:
    name = path or what
    if not isinstance(raw, list | tuple):
        raise BadFile(f"{name} must be a list, not {_kind_of(raw)}")
    kinds = typing.get_args(kind)
    make = list if typing.get_origin(kind) is list else tuple
    if make is list or kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(raw)
    if len(raw) != len(kinds):
        raise BadFile(f"{name} must have {len(kinds)} members, not {len(raw)}")
    pairs = enumerate(zip(raw, kinds, strict=True))
    return make(_convert(value, one, f"{path}[{i}]", what) for i, (value, one) in pairs)


def _union(raw: Any, kinds: tuple[Any, ...], path: str, what: str) -> Any:
    if raw is None and type(None) in kinds:
        return None
    if type(raw) in kinds:
        return _convert(raw, type(raw), path, what)
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if len(kinds) == 1:
        return _convert(raw, kinds[0], path, what)
    for kind in kinds:
        try:
            return _convert(raw, kind, path, what)
        except BadFile:
            continue
    if float in kinds:
        kinds = tuple(kind for kind in kinds if kind is not int)
    *others, last = (_WORDS.get(kind, "a list or an object") for kind in kinds)
    words = f"{', '.join(others)} or {last}" if others else last
    raise BadFile(f"{path or what} must be {words}, not {_kind_of(raw)}")


def _check_limit(value: Any, limit: Any, name: str) -> None:
    if isinstance(limit, Bounds) and isinstance(value, int | float) and value not in limit:
        # The far end of a wide range says nothing about a number that is below it.
        nearer = limit if limit.within or limit.most < 2**53 else Bounds(limit.least)
        words = limit if value > limit.least else nearer
        raise BadFile(f"{name} must be {words}, not {quoted(value)}")
    if isinstance(limit, Pattern) and not limit.pattern.fullmatch(value):
        raise BadFile(f"{name} must be {limit.words}, not {quoted(value)}")


def _join(path: str, name: str) -> str:
    return f"{path}.{_plain_name(name)}" if path else _plain_name(name)


def _plain_name(name: str) -> str:
    return name if re.fullmatch(r"[\w./:+-]{1,80}", name, re.ASCII) else quoted(name)


def _kind_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return quoted(value)


_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
