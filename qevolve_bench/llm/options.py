"""Options of an agent, as the fields of dataclasses: names, types and ranges are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from qevolve_bench.schema import convert, place
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
    """Makes a dataclass of options; kinds and ranges are those of its annotations.

    Raises:
        BenchError: For a field that is missing, or a value of the wrong kind or out of its range.
    """
    values = dict(options)
    for name, hint in get_type_hints(config).items():
        # The command line reads 7 as a number, also where it is the name of something.
        if str in (hint, *get_args(hint)) and values.get(name) is not None:
            values[name] = str(values[name])
    for field in _fields(config):
        if field.name not in options and field.default is dataclasses.MISSING:
            # The model has a flag of its own (`commands.agent_options`).
            option = "--model NAME" if field.name == "model" else f"--agent-arg {field.name}=VALUE"
            raise BenchError(f"Cannot make {purpose}: give {option}.")
    with place(f"Cannot make {purpose}"):
        made: C = convert(values, config, purpose)
        return made


def _fields(config: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(config)
