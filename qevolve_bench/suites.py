"""Suites: named, versioned sets of cells, which define exactly what is played.

A cell is an environment with its arguments, a split, a horizon, seeds and how many tasks. A suite
is data (`suite_data/<name>-v<N>.json`, or a JSON file of your own); a change of what is played is a
new version. Its digest covers the cells and the digests of their panels, but not the anchors, which
are measured on the same panels (`qevolve-bench suites measure`) and only normalise scores.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, cast

from qevolve_bench.schema import (
    Bounds,
    Pattern,
    Scalar,
    Sha256,
    check_version,
    convert,
    parse_json,
    place,
    read_json,
)
from qevolve_envs.errors import BadFile, MissingData, UnknownName
from qevolve_envs.factory import PERTURBATION, make_env, text_env
from qevolve_envs.play import EnvConfig, panel_of
from qevolve_envs.registration import local_arguments

SCHEMA = 1
#: Agents whose means are the anchors: normalised scores are 0 at the first, 1 at the second.
ANCHORS = ("random", "expert")
_Name = Annotated[
    str, Pattern(re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}"), "a name of a-z, 0-9, dot, hyphen")
]
_Count = Annotated[int, Bounds(1)]
_VERSIONED = re.compile(r"(.+)-v(\d+)")


@dataclass(frozen=True, slots=True)
class Anchor:
    """Result of a reference agent over the whole panel of a cell, at its horizon.

    Attributes:
        success: Rate of won episodes.
        score: Mean final score.
        episodes: Number of episodes that were measured.
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
        episodes: Number for each seed, drawn by `draw_tasks`; None plays each
            task of the panel once.
        seeds: Seeds of the draws, played one after the other.
        tasks: Size of the panel; None where it was not measured yet.
        panel: SHA-256 over the panel's tasks; None where it was not measured yet.
        anchors: By the name of the agent (`ANCHORS`); empty where they were not measured.
    """

    name: _Name
    env_id: str
    split: str
    horizon: _Count
    env_kwargs: Mapping[str, Scalar] = field(default_factory=dict)
    episodes: _Count | None = None
    seeds: tuple[Annotated[int, Bounds(0, 2**63 - 1)], ...] = (0,)
    tasks: _Count | None = None
    panel: Sha256 | None = None
    anchors: Mapping[str, Anchor] = field(default_factory=dict)

    @property
    def perturbation(self) -> str | None:
        """Perturbation of the environment, such as ``"typos:2"``; None where it is clean."""
        return cast("str | None", self.env_kwargs.get(PERTURBATION))

    @property
    def env(self) -> EnvConfig:
        """The environment, with the cell's settings."""
        return EnvConfig(self.env_id, self.split, dict(self.env_kwargs), self.horizon)

    @property
    def count(self) -> int | None:
        """Number of episodes over all seeds; None while the panel is unknown."""
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
        cell: Cell = convert(raw, cls, "a cell")
        cell.check()
        return cell

    def check(self) -> None:
        """Refuses what the kinds of the fields do not exclude.

        Raises:
            BadFile: Naming what is wrong, without the file.
        """
        if not isinstance(self.perturbation, str | None):
            raise BadFile(f"cell {self.name} has a perturbation that is not text")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise BadFile(f"cell {self.name} needs seeds, each once")


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
        file: _SuiteFile = convert(check_version(raw, SCHEMA, "a suite"), _SuiteFile, "the suite")
        names = [cell.name for cell in file.cells]
        if not names or len(set(names)) < len(names):
            raise BadFile(f"suite {file.name} has no cells, or two of the same name")
        for cell in file.cells:
            cell.check()
        suite = cls(file.name, file.cells, file.description)
        if file.digest not in (None, suite.digest):
            raise BadFile(f"the digest of suite {suite.name} is not that of its cells")
        return suite


@dataclass(frozen=True, slots=True)
class _SuiteFile:
    """Content of the file of a suite, besides its schema version."""

    name: _Name
    cells: tuple[Cell, ...]
    description: str = ""
    digest: str | None = None


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
    data = (_folder() / f"{full}.json").read_bytes()
    with place(f"suite {full}"):
        return Suite.from_json(parse_json(data))


def read_suite(path: Path) -> Suite:
    """Reads a suite from a JSON file.

    Raises:
        BadFile: When it cannot be read, or is no suite.
    """
    raw = read_json(path)
    with place(str(path)):
        return Suite.from_json(raw)


def _folder() -> Any:
    return resources.files("qevolve_bench") / "suite_data"


def adhoc_suite(
    env_id: str,
    *,
    split: str,
    episodes: int | None = None,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
) -> Suite:
    """Makes a suite of one cell, for an evaluation that no suite describes.

    Args:
        env_id: Gymnasium id, or ``module:id``.
        split: The panel.
        episodes: Number of episodes; None plays each task of the panel once.
        seed: Seed of the draw.
        env_kwargs: Further arguments of the environment; JSON scalars.
        max_episode_steps: The horizon; the registered one when None.

    Raises:
        BenchError: When there is no such environment, or it has no horizon.
    """
    with closing(
        make_env(env_id, split=split, env_kwargs=env_kwargs, max_episode_steps=max_episode_steps)
    ) as env:
        horizon = max_episode_steps or (env.spec.max_episode_steps if env.spec else None)
    assert horizon is not None
    name = re.sub(r"[^a-z0-9.]+", "-", f"{env_id.rpartition('/')[2]} {split}".lower()).strip("-.")
    cell = Cell(
        name=name[:80] or "cell",
        env_id=env_id,
        split=split,
        horizon=horizon,
        env_kwargs=dict(env_kwargs or {}),
        episodes=episodes,
        seeds=(seed,),
    )
    return Suite("adhoc", (cell,), "One environment, as given on the command line.")


def survey(suite: Suite) -> tuple[Suite, list[Sequence[str]], dict[str, str]]:
    """Looks at every cell of a suite before anything is played.

    Returns:
        The suite with the panels as they are here; the task ids of each cell that can be played;
        and why others cannot, by the cell's name.

    Raises:
        BenchError: When a panel is not the suite's, when no cell can be played, or for a mistake in
            the suite.
    """
    cells, panels, skipped = [], [], {}
    for cell in suite.cells:
        try:
            seen, panel = with_panel(cell)
        except MissingData as error:
            if len(suite.cells) == 1:
                raise
            skipped[cell.name] = " ".join(str(error).split())
            cells.append(cell)
            continue
        if cell.panel not in (None, seen.panel):
            raise BadFile(
                f"The tasks of {cell.name} are not those of {suite.name}: the panel's digest is"
                f" {str(seen.panel)[:12]} instead of {str(cell.panel)[:12]}. Use the release that"
                " the suite belongs to."
            )
        cells.append(seen)
        panels.append(panel)
    if not panels:
        reason = next(iter(skipped.values()))
        raise MissingData(f"No cell of {suite.name} can be played here. {reason}")
    return dataclasses.replace(suite, cells=tuple(cells)), panels, skipped


def with_panel(cell: Cell) -> tuple[Cell, Sequence[str]]:
    """Looks at the panel of a cell as it is here, under the perturbation of the cell.

    Returns:
        The cell with the size and the digest of its panel, and the ids of its tasks.

    Raises:
        BenchError: When its environment cannot be made, or has no such tasks.
    """
    with closing(cell.env.make()) as env:
        panel = panel_of(env, cell.env_id, cell.split)
        digest = text_env(env).panel_digest(cell.split)
    return dataclasses.replace(cell, tasks=len(panel), panel=digest), panel
