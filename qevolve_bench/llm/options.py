"""Options of an agent, as the fields of dataclasses: names, types and ranges are checked."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from qevolve_envs.errors import BenchError, UnknownName

C = TypeVar("C")


def split_options(
    options: Mapping[str, Any], configs: tuple[type, ...], purpose: str
) -> tuple[dict[str, Any], ...]:
    """Shares options out among the dataclasses that have a field of that name.

    Raises:
        UnknownName: For an option that none of them has.
    """
    shares: tuple[dict[str, Any], ...] = tuple({} for _ in configs)
    known = {f.name: share for c, share in zip(configs, shares, strict=True) for f in _fields(c)}
    for name, value in options.items():
        if name not in known:
            raise UnknownName.of(f"option of {purpose}", name, sorted(known))
        known[name][name] = value
    return shares


def make_config(config: type[C], options: Mapping[str, Any], purpose: str) -> C:
    """Makes a dataclass of options.

    Types are those of the annotations: ``str`` takes anything, a whole number will do for a
    ``float``, None only where it is allowed. Metadata ``least`` and ``most`` bound a number.

    Raises:
        BenchError: For a field that is lacking, or a value of the wrong type or out of its range.
    """
    hints = typing.get_type_hints(config)
    values: dict[str, Any] = {}
    for field in _fields(config):
        if field.name in options:
            hint, bounds = hints[field.name], field.metadata
            values[field.name] = _check(options[field.name], hint, bounds, field.name, purpose)
        elif field.default is dataclasses.MISSING:
            # The model has a flag of its own (`commands.agent_options`).
            option = "--model NAME" if field.name == "model" else f"--agent-arg {field.name}=VALUE"
            raise BenchError(f"Cannot make {purpose}: give {option}.")
    return config(**values)


def number(default: Any, least: float, most: float = math.inf) -> Any:
    """A field that holds a number within bounds."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most})


def _fields(config: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(config)


def _check(value: Any, hint: Any, bounds: Mapping[str, Any], name: str, purpose: str) -> Any:
    accepted = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in accepted:
        return None
    if str in accepted and value is not None:
        # The command line reads 7 as a number, also where it is the name of something.
        return value if isinstance(value, str) else str(value)
    if float in accepted and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) not in accepted:
        wanted = " or ".join(_WORDS[kind] for kind in accepted)
        raise BenchError(f"The {name} of {purpose} must be {wanted}, not {value!r}.")
    least, most = bounds.get("least", -math.inf), bounds.get("most", math.inf)
    if isinstance(value, int | float) and not least <= value <= most:
        limits = f"at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
        raise BenchError(f"The {name} of {purpose} must be {limits}, not {value!r}.")
    return value


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}
