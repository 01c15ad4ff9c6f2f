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
from typing import Annotated, Any, Literal, TypedDict, cast

import numpy as np

from qevolve_bench.schema import Bounds, check_version, convert, read_lines
from qevolve_bench.statistics.checks import Array
from qevolve_envs.errors import BadFile

SCHEMA = 1
#: A rate in the file may differ from the mean of its outcomes by this much (it may be rounded).
_ROUNDING = 1e-3
#: Larger numbers are no counts.
_Amount = Annotated[float, Bounds(0, 2.0**63)]
_Score = Annotated[float, Bounds(-(2.0**63), 2.0**63)]


class CurveLedger(TypedDict):
    """Cost of a run until a checkpoint; any of them can be the axis of a learning curve."""

    env_steps: _Amount
    episodes: _Amount
    expert_episodes: _Amount
    generated_tokens: _Amount
    trained_tokens: _Amount
    wall_seconds: _Amount
    accelerator_seconds: _Amount


AXES = tuple(CurveLedger.__annotations__)


class CurveResult(TypedDict):
    """Outcomes on one split, episode by episode."""

    n: Annotated[int, Bounds(1)]
    success: _Score
    score: _Score
    tasks: list[str]
    won: list[Literal[0, 1]]
    scores: list[_Score]


class CurveLine(TypedDict):
    """One line of the file."""

    schema: int
    learner: str
    env_id: str
    env_kwargs: dict[str, Any]
    seed: int
    checkpoint: int
    ledger: CurveLedger
    results: dict[str, CurveResult]


@dataclass(frozen=True, slots=True)
class Panel:
    """Outcomes of a checkpoint on one split.

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
        """Total that the whole run spent on an axis."""
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
    heads: dict[tuple[str, str, int], CurveLine] = {}

    def add(raw: Any) -> None:
        line: CurveLine = convert(check_version(raw, SCHEMA, "a checkpoint"), CurveLine, "the line")
        checkpoint = _checkpoint(line)
        world = json.dumps([line["env_id"], line["env_kwargs"]], sort_keys=True)
        key = (line["learner"], world, line["seed"])
        _check_order(found.get(key, []), checkpoint)
        heads.setdefault(key, line)
        found.setdefault(key, []).append(checkpoint)

    for _ in read_lines(path, add):
        pass
    if not found:
        raise BadFile(f"{path} is empty: it holds no checkpoint.")
    return [
        Curve(head["learner"], head["env_id"], head["env_kwargs"], head["seed"], tuple(found[key]))
        for key, head in heads.items()
    ]


def _checkpoint(line: CurveLine) -> Checkpoint:
    if not line["results"]:
        raise BadFile("there are no results")
    panels = {split: _panel(split, result) for split, result in line["results"].items()}
    spent = cast("dict[str, float]", line["ledger"])
    return Checkpoint(line["checkpoint"], {a: float(spent[a]) for a in AXES}, panels)


def _panel(split: str, raw: CurveResult) -> Panel:
    what, n = f"results.{split}", raw["n"]
    won, scores = np.array(raw["won"], float), np.array(raw["scores"], float)
    for name, number in (("tasks", len(raw["tasks"])), ("won", len(won)), ("scores", len(scores))):
        if number != n:
            raise BadFile(f"{what} has {number} {name} for n = {n}")
    for name, stated, values in (("success", raw["success"], won), ("score", raw["score"], scores)):
        if abs(stated - values.mean()) > _ROUNDING:
            raise BadFile(
                f"{what} states a {name} of {stated}, but its {n} episodes give {values.mean():.4f}"
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
