"""Parsers made from dataclasses, and the command line of a dataclass.

The fields are the options: the name of a field becomes its flag, its annotation is checked, its
line under ``Attributes:`` is the help, and its default is shown. `command_line` is the inverse:
parsing what it returns gives an equal value. `Flag` says what the annotation cannot.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union

from qevolve_bench.schema import Bounds
from qevolve_envs.docstrings import described, summary
from qevolve_envs.errors import BenchError

T = TypeVar("T")
Subparsers = Any  # argparse._SubParsersAction, which cannot be subscripted at run time.


class Flag(NamedTuple):
    """Spelling of a field on the command line; metadata of ``Annotated``.

    Attributes:
        names: The flag, such as ``--env``, with a short form before it where there is one; by
            default the name of the field. Empty for an argument without a flag.
        metavar: Name of the value in the help.
        comma: A list is one value with commas in it, instead of several values.
        repeat: A list is given by repeating the flag.
        nested: The values of a mapping are YAML, and their names have dots: ``optim.lr=1e-3``.
        exclusive: The flag excludes all others that are marked so.
        hidden: The field is no option of the command line.
    """

    names: str | None = None
    metavar: str | None = None
    comma: bool = False
    repeat: bool = False
    nested: bool = False
    exclusive: bool = False
    hidden: bool = False


# Fields that many commands have.
Seed = Annotated[int, Bounds(0), Flag(metavar="K")]
Count = Annotated[int, Bounds(1), Flag(metavar="N")]
Level = Annotated[float, Bounds(0, 1, within=True), Flag(metavar="L")]
Seconds = Annotated[float, Bounds(0, within=True), Flag(metavar="S")]
Pairs = Annotated[dict[str, Any], Flag(metavar="NAME=VALUE")]
Nested = Annotated[dict[str, Any], Flag(metavar="NAME=VALUE", nested=True)]


class _Field(NamedTuple):
    """A field of a dataclass, as the command line knows it."""

    name: str
    kind: Any
    flag: Flag
    bounds: Bounds | None
    default: Any
    required: bool

    @property
    def names(self) -> list[str]:
        """The flags, the long one last; none for an argument without a flag."""
        if self.flag.names is None:
            return [f"--{self.name.replace('_', '-')}"]
        return self.flag.names.split()

    @property
    def origin(self) -> Any:
        """``dict``, ``list`` or ``tuple`` for a field of several values."""
        origin = typing.get_origin(self.kind)
        return dict if origin is Mapping else origin


def _fields(kind: type) -> Iterator[_Field]:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(typing.cast(Any, kind)):
        annotation, flag, bounds = hints[field.name], Flag(), None
        default, required = field.default, False
        if default is dataclasses.MISSING:
            make: Any = field.default_factory
            required = make is dataclasses.MISSING
            default = None if required else make()
        for _ in range(3):  # Annotated and None, in any order.
            if typing.get_origin(annotation) is Annotated:
                annotation, *metadata = typing.get_args(annotation)
                for one in metadata:
                    flag = one if isinstance(one, Flag) else flag
                    bounds = one if isinstance(one, Bounds) else bounds
            if typing.get_origin(annotation) in (Union, types.UnionType):
                kinds = [k for k in typing.get_args(annotation) if k is not type(None)]
                annotation = kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007
        if not flag.hidden:
            yield _Field(field.name, annotation, flag, bounds, default, required)


# ── parsers ─────────────────────────────────────────────────────────────────


def add_command(
    subparsers: Subparsers,
    name: str,
    run: Callable[[T], int],
    kind: type[T],
    *,
    help: str,
    epilog: str | None = None,
    help_action: type[argparse.Action] | None = None,
) -> argparse.ArgumentParser:
    """Adds a command whose options are the fields of a dataclass.

    Args:
        subparsers: Of the parser that the command belongs to.
        name: Name of the command.
        run: Called with the dataclass; returns the exit code.
        kind: The dataclass; its docstring is the description.
        help: One line for the list of commands.
        epilog: Printed under the options, as it is.
        help_action: Action of ``--help``, instead of the usual one.

    Returns:
        The parser of the command.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help,
        description="\n\n".join(
            textwrap.fill(_without_markup(part), 80) for part in summary(kind).split("\n\n")
        ),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=help_action is None,
    )
    if help_action is not None:
        parser.add_argument(
            "-h", "--help", action=help_action, nargs=0, help="show this help and exit"
        )
    add_arguments(parser, kind)
    parser.set_defaults(run=lambda args: run(from_arguments(kind, args)))
    return parser


def add_group(
    subparsers: Subparsers, name: str, run: Callable[[T], int], kind: type[T], *, help: str
) -> Subparsers:
    """Adds a command that has commands of its own.

    Args:
        subparsers: Of the parser that the command belongs to.
        name: Name of the command.
        run: Called without one of its commands.
        kind: Options of that call.
        help: One line for the list of commands.

    Returns:
        The subparsers of its commands.
    """
    parser = add_command(subparsers, name, run, kind, help=help)
    actions: Subparsers = parser.add_subparsers(metavar="ACTION")
    return actions


def add_arguments(
    parser: argparse.ArgumentParser, kind: type, *, all_optional: bool = False
) -> None:
    """Adds the fields of a dataclass to a parser.

    Args:
        parser: The parser.
        kind: The dataclass. A class with a ``GROUP`` gathers the fields that it defines under it.
        all_optional: Let the command look for what is missing.
    """
    said = described(kind)
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    exclusive: argparse._MutuallyExclusiveGroup | None = None
    for field in _fields(kind):
        title = next(vars(base).get("GROUP", "") for base in kind.__mro__
                     if field.name in vars(base).get("__annotations__", {}))  # fmt: skip
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        container = groups[title]
        if field.flag.exclusive:
            exclusive = exclusive or parser.add_mutually_exclusive_group()
            container = exclusive
        options = _options(field)
        text = _without_markup(said.get(field.name, "")).rstrip(".")
        text = text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
        if field.default not in (None, False, "", (), [], {}) and "default" not in text:
            shown = f"{field.default:g}" if isinstance(field.default, float) else field.default
            text += f" (default {shown})"
        options["help"] = text.replace("%", "%%")
        if not field.names:
            container.add_argument(field.name, **options)
            continue
        options.setdefault("default", argparse.SUPPRESS)
        required = field.required and not all_optional
        container.add_argument(*field.names, dest=field.name, required=required, **options)


def _options(field: _Field) -> dict[str, Any]:
    """Makes the arguments of ``add_argument``."""
    metavar = field.flag.metavar or (None if field.names else field.name.upper())
    options: dict[str, Any] = {"metavar": metavar}
    kind: Any = field.kind
    if kind is bool:
        return {"action": "store_true"}
    if field.origin is dict or field.flag.repeat:
        return {**options, "action": "append"}
    if field.origin in (list, tuple):
        kind = typing.get_args(kind)[0]
        if field.flag.comma:
            return options
        options["nargs"] = "+"
    elif not field.names and not field.required:
        options |= {"nargs": "?", "default": field.default}
    if typing.get_origin(kind) is Literal:
        return {**options, "choices": typing.get_args(kind)}
    return {**options, "type": _type(kind, field.bounds)}


def _type(kind: Any, bounds: Bounds | None) -> Callable[[str], Any]:
    kinds = typing.get_args(kind) or (kind,)

    def parse(text: str) -> Any:
        for number in (k for k in (int, float) if k in kinds):
            try:
                value = number(text)
            except ValueError:
                if str in kinds:
                    continue
                value = None
            if value is None or value not in (bounds or Bounds()):
                raise argparse.ArgumentTypeError(f"need {_wanted(kinds, bounds)}, not {text!r}")
            return value
        return Path(text) if kind is Path else text

    return parse


def _wanted(kinds: Sequence[Any], bounds: Bounds | None) -> str:
    words = "an integer" if int in kinds else "a number"
    if bounds is not None:
        first = str(bounds).partition(" ")[0]
        words += {"at": " of", "more": " that is"}.get(first, "") + f" {bounds}"
    return f"{words} or a file" if str in kinds else words


def from_arguments(kind: type[T], args: argparse.Namespace) -> T:
    """Makes a dataclass of the arguments that were given.

    Raises:
        BenchError: For what is missing, or a mapping that is not NAME=VALUE.
    """
    values: dict[str, Any] = {}
    for field in _fields(kind):
        if hasattr(args, field.name):
            value = getattr(args, field.name)
            if field.origin is dict:
                value = _mapping(field, value)
            elif field.flag.comma:
                value = [part for part in value.split(",") if part]
            values[field.name] = tuple(value) if field.origin is tuple else value
        elif field.required:
            raise BenchError(f"Give {field.names[-1]} (see --help).")
    return kind(**values)


def _mapping(field: _Field, pairs: Sequence[str]) -> dict[str, Any]:
    flag = field.names[-1]
    if field.flag.nested:
        from qevolve_baselines.run.config import parse_overrides

        return parse_overrides(pairs)
    values = named_values(flag, pairs)
    if typing.get_args(field.kind)[1] is float:
        for name, value in values.items():
            try:
                values[name] = float(str(value).replace("_", ""))
            except ValueError:
                raise BenchError(f"{flag} {name} needs a number, not {value!r}.") from None
    return values


def named_values(flag: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Reads the NAME=VALUE pairs of a repeated option; values are JSON scalars, or else text.

    Args:
        flag: The option, for errors.
        pairs: The values that it was given.

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
    """A JSON scalar; the text itself where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value


def _without_markup(text: str) -> str:
    return text.replace("`", "")


# ── command lines ───────────────────────────────────────────────────────────


def command_line(value: Any) -> list[str]:
    """Spells the fields of a dataclass that differ from their defaults, as arguments."""
    positional: list[str] = []
    flags: list[str] = []
    for field in _fields(type(value)):
        given = getattr(value, field.name)
        if given is None or (given == field.default and not field.required):
            continue
        if field.kind is bool:
            flags += field.names[-1:]
            continue
        words = _words(field, given)
        if not field.names:
            positional += words
        elif field.flag.repeat or field.origin is dict:
            flags += [part for word in words for part in (field.names[-1], word)]
        elif len(words) == 1 and words[0].startswith("-"):
            flags.append(f"{field.names[-1]}={words[0]}")
        else:
            flags += [field.names[-1], *words]
    # Behind a flag with several values, an argument without a flag would be taken for one more.
    return [*positional, *flags]


def _words(field: _Field, given: Any) -> list[str]:
    if field.origin is dict:
        return [f"{name}={_spelt(one, field.flag.nested)}" for name, one in _flat(given)]
    if field.origin in (list, tuple):
        words = [_spelt_plain(one) for one in given]
        return [",".join(words)] if field.flag.comma else words
    return [_spelt_plain(given)]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as ``optim.lr``, value."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _spelt_plain(value: Any) -> str:
    return f"{value:.17g}" if isinstance(value, float) and value.is_integer() else str(value)


def _spelt(value: Any, nested: bool) -> str:
    """A value of NAME=VALUE: JSON, except for text that could not be taken for anything else."""
    if not isinstance(value, str):
        return json.dumps(value)
    if nested:  # YAML, of which JSON is a part.
        plain = re.fullmatch(r"[A-Za-z_/][\w./-]*", value, re.ASCII) and value.lower() not in _YAML
        return value if plain else json.dumps(value, ensure_ascii=False)
    return (
        value if _scalar(value) == value and isinstance(_scalar(value), str) else json.dumps(value)
    )


_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
