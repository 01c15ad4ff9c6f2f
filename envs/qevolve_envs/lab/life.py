"""Species and the stages of their lives, and other creatures (``life.toml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table

SECONDS_PER_DAY = 86_400.0
#: Water that a growing plant takes up, g a day, and what a pot holds.
DRINKS, POT_HOLDS = 2.0, 220.0
#: Days that a plant survives in dry soil.
WILTS_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Species:
    """A species whose life is watched.

    Attributes:
        name: As texts call it.
        stages: Name of each stage, in order.
        starts: Day on which each stage begins, of good days (with water and light, for a plant).
        plant: It is a plant: needs soil, water and light, and bears fruit only once pollinated.
        held_out: Kept for the unseen split.
    """

    name: str
    stages: tuple[str, ...]
    starts: tuple[float, ...]
    plant: bool = False
    held_out: bool = False

    def stage(self, days: float) -> int:
        """Index of the stage at an age."""
        return max(i for i, start in enumerate(self.starts) if days >= start)


@dataclass(frozen=True)
class _Plant:
    name: str
    sprouts: float
    flowers: float
    fruits: float
    held_out: bool = False

    def species(self) -> Species:
        name = self.name
        stages = (f"{name} seed", f"{name} seedling", f"flowering {name}", f"fruiting {name}")
        starts = (0.0, self.sprouts, self.flowers, self.fruits)
        return Species(name, stages, starts, True, self.held_out)


@dataclass(frozen=True)
class _Animal:
    name: str
    stages: tuple[str, ...]
    days: tuple[float, ...]
    held_out: bool = False

    def species(self) -> Species:
        starts = tuple(sum(self.days[:i]) for i in range(len(self.stages)))
        return Species(self.name, self.stages, starts, False, self.held_out)


@dataclass(frozen=True)
class _Creatures:
    known: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class _Life:
    plants: tuple[_Plant, ...]
    animals: tuple[_Animal, ...]
    creatures: Mapping[str, _Creatures]


_LIFE = read_table(Path(__file__).with_suffix(".toml"), _Life)
SPECIES: dict[str, Species] = {
    **{row.name: row.species() for row in _LIFE.plants},
    **{row.name: row.species() for row in _LIFE.animals},
}
#: name -> (kind, held out); kind is "animal", "plant" or "" for what does not live.
CREATURES: dict[str, tuple[str, bool]] = {
    name: ("" if kind == "neither" else kind, held_out)
    for kind, group in _LIFE.creatures.items()
    for names, held_out in ((group.known, False), (group.held_out, True))
    for name in names
}


def creatures(kind: str, *, unseen: bool) -> list[str]:
    """Names of a kind on one side of the split, in the order of the table."""
    return [name for name, (k, out) in CREATURES.items() if k == kind and out is unseen]


def species(*, plant: bool, unseen: bool) -> list[Species]:
    """Species on one side of the split."""
    return [s for s in SPECIES.values() if s.plant is plant and s.held_out is unseen]
