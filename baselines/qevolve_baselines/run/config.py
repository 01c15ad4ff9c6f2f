"""Configurations: dataclasses, presets in YAML, and ``name=value`` overrides."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml

from qevolve_envs.docstrings import described
from qevolve_envs.errors import BadFile, BenchError, UnknownName

C = TypeVar("C")


def build(config_class: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """Makes a configuration of plain values.

    Args:
        config_class: A dataclass; its fields may be dataclasses, numbers, text, true or false.
        values: Its fields, by name; missing ones keep their defaults.
        where: Prefix of the fields' names in errors.

    Raises:
        UnknownName: For a field that does not exist, with close matches.
        BenchError: For a value of the wrong kind.
    """
    hints = typing.get_type_hints(config_class)
    names = [f.name for f in dataclasses.fields(typing.cast(Any, config_class))]
    default = config_class()
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in names:
            raise UnknownName.of("setting", where + name, [where + n for n in names])
        kind = hints[name]
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, Mapping):
                raise BenchError(f"{where}{name} holds settings of its own, not {value!r}.")
            # What a preset leaves out keeps the default of this field, not of its class.
            merged = merge(dataclasses.asdict(getattr(default, name)), value)
            arguments[name] = build(typing.cast(type, kind), merged, f"{where}{name}.")
        else:
            arguments[name] = _convert(value, kind, where + name)
    for name in names:
        arguments.setdefault(name, getattr(default, name))
    return config_class(**arguments)


def _convert(value: Any, kind: Any, name: str) -> Any:
    options = typing.get_args(kind) or (kind,)
    if value is None and type(None) in options:
        return None
    if bool in options and isinstance(value, bool):
        return value
    if not isinstance(value, bool):
        if int in options and isinstance(value, int):
            return value
        if int in options and isinstance(value, float) and value == int(value):
            return int(value)
        if float in options and isinstance(value, int | float):
            return float(value)
        if str in options and isinstance(value, str):
            return value
    wanted = " or ".join(
        {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}.get(
            getattr(o, "__name__", ""), str(o)
        )
        for o in options
        if o is not type(None)
    )
    raise BenchError(f"{name} must be {wanted}, not {value!r}.")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Reads 1e-3 as a number, as YAML 1.2 does, and refuses a field that is named twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Makes a dict of a YAML mapping."""
        seen: list[Any] = []
        for key, _ in node.value:
            if (name := (key.tag, key.value)) in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the field {key.value!r} is named twice", problem_mark=key.start_mark
                )
            seen.append(name)
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings laid over one another; `over` wins."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def parse_overrides(items: Sequence[str]) -> dict[str, Any]:
    """Reads ``critic.epochs=3`` items into nested mappings.

    Raises:
        BenchError: For an item without a name or value.
    """
    values: dict[str, Any] = {}
    for item in items:
        path, equals, text = item.partition("=")
        if not equals or not path:
            raise BenchError(f"{item!r} is not a setting: write name=value, such as optim.lr=1e-3.")
        try:
            nested: Any = yaml.load(text, _Loader)
        except (yaml.YAMLError, ValueError, RecursionError):
            nested = text
        for name in reversed(path.split(".")):
            nested = {name: nested}
        values = merge(values, nested)
    return values


def flat_settings(config: Any, where: str = "") -> list[tuple[str, str, str]]:
    """Every setting of a configuration: its path, its value, and what its docstring says of it.

    Args:
        config: A dataclass, documented under ``Attributes:``.
        where: Prefix of the paths.
    """
    said = described(type(config))
    rows = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            rows += flat_settings(value, f"{where}{f.name}.")
        else:
            rows.append((where + f.name, str(value), said.get(f.name, "")))
    return rows


def presets(learner: str) -> list[str]:
    """Names of the presets that come with a learner."""
    folder = files("qevolve_baselines") / "presets" / learner
    if not folder.is_dir():
        return []
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name[-5:] == ".yaml")


def read_preset(learner: str, name: str) -> dict[str, Any]:
    """The values of a preset: of one that comes with a learner, or of a YAML file.

    Raises:
        UnknownName: For a name that is neither.
        BadFile: For a file that holds no mapping.
    """
    if name in presets(learner):
        text = (files("qevolve_baselines") / "presets" / learner / f"{name}.yaml").read_text()
        return parse_yaml(text, name)
    if name.endswith((".yaml", ".yml")):
        return read_yaml(Path(name), "the preset")
    raise UnknownName.of(
        f"preset of {learner}", name, presets(learner), "or give a file that ends in .yaml."
    )


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping.

    Args:
        path: The file.
        what: It is, for errors, such as ``"the preset"``.

    Raises:
        BadFile: With the line of what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot read {what} {path}: {reason}.") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """A YAML text that holds a mapping.

    Raises:
        BadFile: With the line of what is wrong.
    """
    try:
        values = yaml.load(text, _Loader) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise BadFile(f"{name}{line}: {getattr(error, 'problem', error)}.") from None
    except ValueError as error:  # A date or a number that there is not, such as 2024-99-99.
        raise BadFile(f"{name}: {error}.") from None
    except RecursionError:
        raise BadFile(f"{name} is nested too deeply.") from None
    if not isinstance(values, dict):
        raise BadFile(f"{name} does not hold settings (name: value).")
    return values
