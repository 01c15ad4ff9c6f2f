"""``curve.jsonl``: what a training run had spent and how it did, checkpoint by checkpoint.

One JSON line for each checkpoint::

    {"schema": 1, "learner": "rft", "env_id": "qevolve/Household-v0",
     "env_kwargs": {"size": "small"}, "seed": 0, "checkpoint": 3,
     "ledger": {"env_steps": 41200, "episodes": 1500, "expert_episodes": 500, "generated_tokens": …,
                "trained_tokens": …, "wall_seconds": …, "accelerator_seconds": …},
     "results": {"unseen": {"n": 400, "success": 0.61, "score": 0.7,
                            "tasks": [ids], "won": [0 or 1 …], "scores": […]}}}

A file usually holds one run; one that holds several (other seeds, learners or environments, in any
order) is read as several.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_envs.errors import BadFile

SCHEMA = 1
#: What a ledger counts; any of them can be the axis of a learning curve.
AXES = (
    "env_steps",
    "episodes",
    "expert_episodes",
    "generated_tokens",
    "trained_tokens",
    "wall_seconds",
    "accelerator_seconds",
)
#: A rate in the file may differ from the mean of its outcomes by this much (it may be rounded).
_ROUNDING = 1e-3
#: Larger numbers are no counts; a JSON integer may have hundreds of digits.
_LARGEST = 2.0**63


@dataclass(frozen=True, slots=True)
class Panel:
    """How a checkpoint did on one split.

    Attributes:
        tasks: Distinct task ids, sorted.
        success: Rate of success on each, over the rounds it was played: shape (tasks,).
        score: Mean score on each: shape (tasks,).
        rounds: How often each was played: shape (tasks,).
    """

    tasks: tuple[str, ...]
    success: Array
    score: Array
    rounds: Array

    def outcome(self, name: str) -> Array:
        """``success`` or ``score``."""
        return self.success if name == "success" else self.score


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One point of a training run.

    Attributes:
        number: Counts the checkpoints of the run.
        ledger: What had been spent, by axis (`AXES`).
        panels: How it did, by split.
    """

    number: int
    ledger: Mapping[str, float]
    panels: Mapping[str, Panel]


@dataclass(frozen=True, slots=True)
class Curve:
    """One training run.

    Attributes:
        learner: Its name.
        env_id: What it learned.
        env_kwargs: Further arguments of the environment.
        seed: Of the training.
        checkpoints: In order; what they spent never falls.
    """

    learner: str
    env_id: str
    env_kwargs: Mapping[str, Any]
    seed: int
    checkpoints: tuple[Checkpoint, ...]

    @property
    def world(self) -> str:
        """Environment and arguments as one comparable text."""
        return f"{self.env_id} {json.dumps(dict(self.env_kwargs), sort_keys=True)}"

    @property
    def splits(self) -> list[str]:
        """Splits that every checkpoint was evaluated on, in the order of the file."""
        first, *others = self.checkpoints
        return [s for s in first.panels if all(s in c.panels for c in others)]

    def final(self, axis: str) -> float:
        """What the whole run spent on an axis."""
        return self.checkpoints[-1].ledger[axis]


def read_curves(path: Path | str) -> list[Curve]:
    """Reads a ``curve.jsonl``, or the one of a run folder.

    Args:
        path: The file, or a folder that holds ``curve.jsonl``.

    Returns:
        The runs in the order in which they first appear.

    Raises:
        BadFile: With the file and the line of what is wrong: an unknown schema or field, a number
            that is not finite, a rate that is not the mean of its outcomes, a truncated line, a
            ledger that falls, a checkpoint that comes twice.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "curve.jsonl"
    found: dict[tuple[str, str, int], list[Checkpoint]] = {}
    heads: dict[tuple[str, str, int], dict[str, Any]] = {}
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    raw, checkpoint = _parse(line)
                    world = json.dumps([raw["env_id"], raw["env_kwargs"]], sort_keys=True)
                    key = (raw["learner"], world, raw["seed"])
                    _check_order(found.get(key, []), checkpoint)
                except BadFile as error:
                    raise BadFile(f"{path}, line {number}: {error}.") from None
                heads.setdefault(key, raw)
                found.setdefault(key, []).append(checkpoint)
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
    if not found:
        raise BadFile(f"{path} is empty: it holds no checkpoint.")
    return [
        Curve(head["learner"], head["env_id"], head["env_kwargs"], head["seed"], tuple(found[key]))
        for key, head in heads.items()
    ]


def _parse(line: bytes) -> tuple[dict[str, Any], Checkpoint]:
    if not line.endswith(b"\n"):
        raise BadFile("truncated (no newline at its end)")
    try:
        raw = json.loads(line, parse_constant=_refuse, object_pairs_hook=_distinct)
    except BadFile:
        raise
    except (ValueError, RecursionError) as error:
        raise BadFile(f"not a complete JSON line ({error})") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        version = raw.get("schema") if isinstance(raw, dict) else None
        raise BadFile(f"schema version {version!r}, this release reads {SCHEMA}")
    _fields("the line", raw, _LINE)
    ledger = raw["ledger"]
    _fields("the ledger", ledger, dict.fromkeys(AXES, (int, float)))
    for axis in AXES:
        if not 0 <= ledger[axis] < _LARGEST:
            raise BadFile(f"the ledger counts {str(ledger[axis])[:40]} {axis}")
    if not raw["results"]:
        raise BadFile("there are no results")
    panels = {split: _panel(split, panel) for split, panel in raw["results"].items()}
    return raw, Checkpoint(raw["checkpoint"], {a: float(ledger[a]) for a in AXES}, panels)


def _panel(split: str, raw: Any) -> Panel:
    what = f"the result on {split!r}"
    if not isinstance(raw, dict):
        raise BadFile(f"{what} is not a JSON object")
    _fields(what, raw, _RESULT)
    n = raw["n"]
    for name in ("tasks", "won", "scores"):
        if len(raw[name]) != n:
            raise BadFile(f"{what} has {len(raw[name])} {name} for n = {n}")
    if n == 0:
        raise BadFile(f"{what} has no episodes")
    if not all(isinstance(task, str) for task in raw["tasks"]):
        raise BadFile(f"{what} has a task id that is not text")
    if not all(type(won) is int and won in (0, 1) for won in raw["won"]):
        raise BadFile(f"{what} has a 'won' that is neither 0 nor 1")
    if not all(_is_number(score) for score in raw["scores"]):
        raise BadFile(f"{what} has a score that is not a finite number")
    won, scores = np.array(raw["won"], float), np.array(raw["scores"], float)
    for name, values in (("success", won), ("score", scores)):
        if not (_is_number(raw[name]) and abs(raw[name] - values.mean()) <= _ROUNDING):
            raise BadFile(
                f"{what} states a {name} of {raw[name]}, but its {n} episodes give"
                f" {values.mean():.4f}"
            )
    tasks, place, rounds = np.unique(raw["tasks"], return_inverse=True, return_counts=True)
    return Panel(
        tuple(tasks.tolist()),
        np.bincount(place, won) / rounds,
        np.bincount(place, scores) / rounds,
        rounds.astype(np.float64),
    )


def _check_order(before: list[Checkpoint], checkpoint: Checkpoint) -> None:
    if not before:
        return
    last = before[-1]
    if checkpoint.number <= last.number:
        raise BadFile(f"checkpoint {checkpoint.number} comes after checkpoint {last.number}")
    for axis in AXES:
        if checkpoint.ledger[axis] < last.ledger[axis]:
            raise BadFile(
                f"the ledger's {axis} falls from {last.ledger[axis]:g} to"
                f" {checkpoint.ledger[axis]:g}"
            )


_LINE: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "learner": (str,),
    "env_id": (str,),
    "env_kwargs": (dict,),
    "seed": (int,),
    "checkpoint": (int,),
    "ledger": (dict,),
    "results": (dict,),
}
_RESULT: dict[str, tuple[type, ...]] = {
    "n": (int,),
    "success": (int, float),
    "score": (int, float),
    "tasks": (list,),
    "won": (list,),
    "scores": (list,),
}


def _fields(what: str, raw: dict[str, Any], fields: Mapping[str, tuple[type, ...]]) -> None:
    for name in sorted(fields.keys() - raw.keys()):
        raise BadFile(f"{what} lacks the field {name!r}")
    for name in sorted(raw.keys() - fields.keys()):
        raise BadFile(f"{what} has an unknown field {name[:80]!r}")
    for name, types in fields.items():
        if not isinstance(raw[name], types) or isinstance(raw[name], bool):
            raise BadFile(f"{what} has a {type(raw[name]).__name__} as {name!r}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST


def _refuse(name: str) -> float:
    raise BadFile(f"non-finite number {name}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    raw = dict(pairs)
    if len(raw) != len(pairs):
        raise BadFile("a JSON object names a field twice")
    return raw
