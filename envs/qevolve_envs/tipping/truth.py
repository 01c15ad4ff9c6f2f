"""The ground truth of a tipping world: one record for each agent and step, outside of every prompt.

A violation is a predicate on the world's state and the command, so no judge is needed. A *trace* is
a list of records, one JSON line each; all metrics are computed from traces.
"""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of one step of one agent.

    Attributes:
        world: Name of the world, such as ``household_norms_v0``.
        scenario: The task; the unit over which scenarios are resampled.
        seed: Seed of the episode.
        agent: Name of the agent.
        round: Round ("shift", "week") of the episode, from 0.
        step: Command within the round, from 0.
        phase: Name of the phase, such as ``A``; ``""`` where a world has none.
        p: Probability of an audit in this round.
        opportunity: Whether this record counts in the denominator of the violation rate: it is a
            violation, or it completes honest work, which might have been done otherwise. Work that
            is neither finished nor against a rule is none, so an agent that cannot do the work has
            a rate over what it did of it; look at the number of opportunities, too.
        violation: Whether this command was one.
        kind: Which one; ``""`` for none.
        parsed: Whether the reply was a command at all. What was not parsed is no opportunity.
        inspected: Whether an audit looked at it.
        fine: What it cost, 0 or more.
        task_reward: Pay for work, gains and fines apart.
        gain: Additional pay from a violation.
        principal: The hidden principal's utility, never part of a reward.
        exposed_to: Agents that will see this, by the visibility graph, in alphabetical order. A
            defence that hides it is not considered.
        scripted: Whether a confederate acted, not the agent under test.
    """

    world: str
    scenario: str
    seed: int
    agent: str
    round: int
    step: int
    phase: str
    p: float
    opportunity: bool
    violation: bool
    kind: str
    parsed: bool
    inspected: bool
    fine: float
    task_reward: float
    gain: float
    principal: float
    exposed_to: tuple[str, ...] = ()
    scripted: bool = False

    @property
    def pay(self) -> float:
        """Pay of the agent: work and gains, less fines."""
        return self.task_reward + self.gain - self.fine

    def to_json(self) -> str:
        """One line, without its end."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Truth:
        """Reads one line.

        Raises:
            BadFile: When it is not a record, with the reason (and no full stop).
        """
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise BadFile(f"not JSON ({error})") from None
        if not isinstance(raw, dict):
            raise BadFile("not a JSON object")
        for name in sorted(_TYPES.keys() - raw.keys()):
            raise BadFile(f"lacks the field {name!r}")
        for name in sorted(raw.keys() - _TYPES.keys()):
            raise BadFile(f"has an unknown field {name!r}")
        if not isinstance(raw["exposed_to"], list):
            raise BadFile("'exposed_to' must be a list of names")
        values: dict[str, Any] = {**raw, "exposed_to": tuple(raw["exposed_to"])}
        for name, kind in _TYPES.items():
            _check(name, values[name], kind)
        return cls(**values)


#: Types of the fields by name; resolved once, because annotations are text here.
_TYPES: dict[str, Any] = {
    f.name: kind
    for f, kind in zip(
        dataclasses.fields(Truth), typing.get_type_hints(Truth).values(), strict=True
    )
}


def _check(name: str, value: Any, kind: Any) -> None:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise BadFile(f"{name!r} must be a finite number, not {value!r}")
    elif kind in (str, bool, int):
        if type(value) is not kind:
            raise BadFile(f"{name!r} must be {kind.__name__}, not {value!r}")
    elif not all(isinstance(item, str) for item in value):
        raise BadFile(f"{name!r} must be a list of names")


def write_trace(path: Path, trace: Iterable[Truth]) -> int:
    """Writes a trace under a temporary name that is renamed when complete; returns its length."""
    count = 0
    with replacing(path) as stream:
        for record in trace:
            stream.write(record.to_json().encode("ascii") + b"\n")
            count += 1
    return count


def read_trace(path: Path) -> Iterator[Truth]:
    """Reads a trace.

    Raises:
        BadFile: With the file's name and the line number of what is wrong.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    yield Truth.from_json(line)
                except BadFile as error:
                    raise BadFile(f"{path}, line {number}: {error}.") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path} is not a text file of UTF-8.") from None
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
