"""Suites: named, versioned sets of cells, which say exactly what is played.

A cell is an environment with its arguments, a split, a horizon, seeds and how many tasks. A suite
is data (`suite_data/<name>-v<N>.json`, or a JSON file of your own); a change of what is played is a
new version. Its digest covers the cells and the digests of their panels, but not the anchors, which
are measured on the same panels (`qevolve-bench suites measure`) and only normalise scores.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from qevolve_envs.errors import BadFile, UnknownName
from qevolve_envs.factory import PERTURBATION
from qevolve_envs.registration import local_arguments

SCHEMA = 1
#: Whose means are stored as anchors: normalised scores are 0 at the first and 1 at the second.
ANCHORS = ("random", "expert")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")
_VERSIONED = re.compile(r"(.+)-v(\d+)")


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a reference agent reached over the whole panel of a cell, at its horizon.

    Attributes:
        success: Rate of won episodes.
        score: Mean final score.
        episodes: How many episodes were measured.
    """

    success: float
    score: float
    episodes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a suite: a panel, and how it is played.

    Attributes:
        name: Names the file of its episodes; letters, digits, dots and hyphens.
        env_id: Gymnasium id, or ``module:id``.
        split: The panel.
        horizon: Most steps of an episode.
        env_kwargs: Further arguments of the environment (JSON scalars), and ``perturbation``.
        episodes: How many for each seed, drawn by `runner.evaluate.draw_tasks`; None plays each
            task of the panel once.
        seeds: Seeds of the draws, played one after the other.
        tasks: Size of the panel; None where it was not measured yet.
        panel: SHA-256 over the panel's tasks; None where it was not measured yet.
        anchors: By the name of the agent (`ANCHORS`); empty where they were not measured.
    """

    name: str
    env_id: str
    split: str
    horizon: int
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    episodes: int | None = None
    seeds: tuple[int, ...] = (0,)
    tasks: int | None = None
    panel: str | None = None
    anchors: Mapping[str, Anchor] = field(default_factory=dict)

    @property
    def perturbation(self) -> str | None:
        """How the environment is perturbed, such as ``"typos:2"``; None where it is clean."""
        return self.env_kwargs.get(PERTURBATION)

    @property
    def count(self) -> int | None:
        """How many episodes the cell has over all seeds; None while the panel is unknown."""
        each = self.tasks if self.episodes is None else self.episodes
        return None if each is None else each * len(self.seeds)

    def to_json(self) -> dict[str, Any]:
        """The cell as plain data, the same for equal cells.

        Where this machine keeps an environment's data is no part of it.
        """
        local = local_arguments(self.env_id)
        return {
            "name": self.name,
            "env_id": self.env_id,
            "env_kwargs": {k: v for k, v in sorted(self.env_kwargs.items()) if k not in local},
            "split": self.split,
            "horizon": self.horizon,
            "episodes": self.episodes,
            "seeds": list(self.seeds),
            "tasks": self.tasks,
            "panel": self.panel,
            "anchors": {
                name: {
                    "success": anchor.success,
                    "score": anchor.score,
                    "episodes": anchor.episodes,
                }
                for name, anchor in sorted(self.anchors.items())
            },
        }

    @classmethod
    def from_json(cls, raw: Any) -> Cell:
        """Parses what `to_json` wrote, strictly.

        Raises:
            BadFile: Naming what is wrong, without the file.
        """
        raw = _fields("a cell", raw, _CELL)
        name = raw["name"]
        if not _NAME.fullmatch(name):
            raise BadFile(f"the cell name {name[:80]!r} is not of the form a-z, 0-9, dot, hyphen")
        for key, value in raw["env_kwargs"].items():
            if not (value is None or isinstance(value, str | int | float)) or _odd(value):
                raise BadFile(f"cell {name} has an env_kwargs {key!r} that is no JSON scalar")
        if PERTURBATION in raw["env_kwargs"] and not isinstance(
            raw["env_kwargs"][PERTURBATION], str
        ):
            raise BadFile(f"cell {name} has a perturbation that is not text")
        for key in ("horizon", "episodes", "tasks"):
            if raw[key] is not None and raw[key] < 1:
                raise BadFile(f"cell {name} has {key} {raw[key]}, which is less than 1")
        seeds = raw["seeds"]
        if not seeds or any(type(s) is not int or not 0 <= s < 2**63 for s in seeds):
            raise BadFile(f"cell {name} needs a list of seeds that are not negative")
        if len(set(seeds)) < len(seeds):
            raise BadFile(f"cell {name} names a seed twice")
        if raw["panel"] is not None and not re.fullmatch(r"[0-9a-f]{64}", raw["panel"]):
            raise BadFile(f"cell {name} has a panel digest that is no SHA-256")
        anchors = {}
        for agent, values in raw["anchors"].items():
            values = _fields(f"anchor {agent[:80]!r} of cell {name}", values, _ANCHOR)
            if _odd(values["success"]) or _odd(values["score"]):
                raise BadFile(f"cell {name} has an anchor that is not finite")
            anchors[agent] = Anchor(**values)
        return cls(**{**raw, "seeds": tuple(seeds), "anchors": anchors})


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of cells under a versioned name.

    Attributes:
        name: Such as ``"core-v0"``.
        cells: In the order in which they are played.
        description: A sentence for `qevolve-bench suites list`.
    """

    name: str
    cells: tuple[Cell, ...]
    description: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over the name and the cells with their panels, without the anchors."""
        cells = [cell.to_json() for cell in self.cells]
        for cell in cells:
            del cell["anchors"]
        text = json.dumps([self.name, cells], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The suite as plain data, with its digest."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "description": self.description,
            "digest": self.digest,
            "cells": [cell.to_json() for cell in self.cells],
        }

    @classmethod
    def from_json(cls, raw: Any) -> Suite:
        """Parses what `to_json` wrote, strictly; the digest has to be the one of the cells.

        Raises:
            BadFile: Naming what is wrong, without the file.
        """
        if not isinstance(raw, dict) or "schema" not in raw:
            raise BadFile("it is not a suite, because it names no schema version")
        if raw["schema"] != SCHEMA:
            version = raw["schema"]
            raise BadFile(f"a suite of schema version {version!r}, this release reads {SCHEMA}")
        raw = _fields("a suite", {"digest": None, **raw}, _SUITE)
        if not _NAME.fullmatch(raw["name"]):
            raise BadFile(f"the suite name {raw['name'][:80]!r} is not of the form name-v0")
        cells = tuple(Cell.from_json(cell) for cell in raw["cells"])
        names = [cell.name for cell in cells]
        if not names or len(set(names)) < len(names):
            raise BadFile(f"suite {raw['name']} has no cells, or two of the same name")
        suite = cls(raw["name"], cells, raw["description"])
        if raw["digest"] not in (None, suite.digest):
            raise BadFile(f"the digest of suite {suite.name} is not that of its cells")
        return suite


def suite_names() -> list[str]:
    """The suites that come with the package, with their versions, sorted."""
    return sorted(
        file.name.removesuffix(".json")
        for file in _folder().iterdir()
        if file.name.endswith(".json")
    )


def load_suite(name: str) -> Suite:
    """Finds a suite.

    Args:
        name: ``"core-v0"``; ``"core"`` for its newest version; or the path of a JSON file.

    Raises:
        UnknownName: For a name that is neither, with close matches.
        BadFile: For a file that is no suite.
    """
    if name.endswith(".json"):
        return read_suite(Path(name))
    versions: dict[str, list[tuple[int, str]]] = {}
    for known in suite_names():
        if match := _VERSIONED.fullmatch(known):
            versions.setdefault(match[1], []).append((int(match[2]), known))
    newest = {base: max(found)[1] for base, found in versions.items()}
    full = newest.get(name, name)
    if full not in suite_names():
        hint = "a suite of your own is given as the path of a .json file."
        raise UnknownName.of("suite", name, [*newest, *suite_names()], hint)
    return _parse(f"suite {full}", (_folder() / f"{full}.json").read_bytes())


def read_suite(path: Path) -> Suite:
    """Reads a suite from a JSON file.

    Raises:
        BadFile: When it cannot be read, or is no suite.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot read {path}: {reason}.") from None
    return _parse(str(path), data)


def _parse(where: str, data: bytes) -> Suite:
    try:
        return Suite.from_json(json.loads(data))
    except BadFile as error:
        raise BadFile(f"{where}: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{where}: not JSON ({error}).") from None


def _folder() -> Any:
    return resources.files("qevolve_bench") / "suite_data"


_CELL: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "env_id": (str,),
    "env_kwargs": (dict,),
    "split": (str,),
    "horizon": (int,),
    "episodes": (int, type(None)),
    "seeds": (list,),
    "tasks": (int, type(None)),
    "panel": (str, type(None)),
    "anchors": (dict,),
}
_ANCHOR: dict[str, tuple[type, ...]] = {
    "success": (int, float),
    "score": (int, float),
    "episodes": (int,),
}
_SUITE: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "name": (str,),
    "description": (str,),
    "digest": (str, type(None)),
    "cells": (list,),
}


def _fields(what: str, raw: Any, fields: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """The object, once it has exactly these fields, of these types."""
    if not isinstance(raw, dict):
        raise BadFile(f"{what} is a {type(raw).__name__}, not an object")
    for name in sorted(fields.keys() - raw.keys()):
        raise BadFile(f"{what} lacks {name!r}")
    for name in sorted(raw.keys() - fields.keys()):
        raise BadFile(f"{what} has an unknown field {name[:80]!r}")
    for name, types in fields.items():
        # bool is an int in Python; a number must not be a truth value here.
        if not isinstance(raw[name], types) or isinstance(raw[name], bool):
            raise BadFile(f"{what} has a {type(raw[name]).__name__} as {name!r}")
    return raw


def _odd(number: Any) -> bool:
    return isinstance(number, float) and not math.isfinite(number)
