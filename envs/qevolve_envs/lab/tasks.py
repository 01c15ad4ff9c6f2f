"""Generates the tasks of `qevolve/Lab-v0`: a task is a pure function of its id.

Splits
    ``train`` and ``seen`` play in the houses 0-11, with known substances, materials, species and
    devices; a combination (kind of task, variant, house) belongs to ``seen`` for one in four, and
    to ``train`` otherwise, so that seen tasks are new ones. ``unseen`` plays in the houses 12-15,
    whose rooms and devices have other names and temperatures, with held-out substances, materials,
    surfaces, species and reactions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from qevolve_envs.errors import UnknownName
from qevolve_envs.lab import bench_tasks as bench
from qevolve_envs.lab import heat_tasks as heat
from qevolve_envs.lab import life_tasks as life
from qevolve_envs.lab.draft import Draft
from qevolve_envs.lab.houses import HOUSES, KNOWN_HOUSES, ROLES, SEEDS, make_house
from qevolve_envs.lab.spec import Item, LabTask
from qevolve_envs.rng import RandomStream

#: Number of tasks of each split, those of the literature on ScienceWorld.
PANELS: dict[str, int] = {"train": 1483, "seen": 194, "unseen": 241}

#: Family -> kind of task -> what writes it.
FAMILIES: dict[str, dict[str, Callable[[Draft], None]]] = {
    "matter": {
        "boil": heat.boil,
        "melt": heat.melt,
        "freeze": heat.freeze,
        "change-state": heat.change,
    },
    "measure": {
        "temperature": heat.temperature,
        "mass": heat.mass,
        "heaviest": heat.heaviest,
    },
    "thermometry": {
        "melting-point": heat.melting_point,
        "unknown-melting-point": heat.unknown_melting_point,
        "unknown-boiling-point": heat.unknown_boiling_point,
    },
    "electricity": {
        "power": bench.power,
        "power-in-series": bench.series,
        "power-switched": bench.switched,
        "conductivity": bench.conductivity,
        "unknown-conductivity": bench.unknown_conductivity,
    },
    "classify": {
        "find-living": life.living,
        "find-non-living": life.non_living,
        "find-plant": life.plant,
        "find-animal": life.animal,
    },
    "chemistry": {
        "make-product": bench.product,
        "mix-paint": bench.paint,
        "mix-paint-twice": bench.tertiary,
    },
    "growth": {
        "grow-flower": life.flower,
        "grow-fruit": life.fruit,
        "plant-stages": life.plant_stages,
        "animal-stages": life.animal_stages,
    },
    "forces": {
        "friction": bench.friction,
        "unknown-friction": bench.unknown_friction,
        "steepness": bench.steepness,
    },
}
KINDS: tuple[tuple[str, str], ...] = tuple(
    (family, kind) for family, kinds in FAMILIES.items() for kind in kinds
)
_CLOSED = 0.15
_ID = re.compile(r"lab/(train|seen|unseen)/(\d{4})")


@cache
def task_ids(split: str) -> tuple[str, ...]:
    """All ids of a panel, in order; they count from 1."""
    return tuple(f"lab/{split}/{number:04d}" for number in range(1, PANELS[split] + 1))


def parse_id(task_id: str) -> tuple[str, int]:
    """(split, number) of a task id.

    Raises:
        UnknownName: For an id of no panel, with a close one.
    """
    found = _ID.fullmatch(task_id)
    if found:
        split, number = found.group(1), int(found.group(2))
        if 1 <= number <= PANELS[split]:
            return split, number
        first, last = task_ids(split)[0], task_ids(split)[-1]
        raise UnknownName(
            f"Unknown task id {task_id!r}: the ids of its panel go from {first!r} to {last!r}."
        )
    known = [task_ids(split)[0] for split in PANELS] if task_id.startswith("lab/") else []
    raise UnknownName.of("task id", task_id, known, "ids look like 'lab/unseen/0013'.")


def make_task(task_id: str) -> LabTask:
    """Generates a task from its id.

    Raises:
        UnknownName: For an id of no panel.
    """
    split, number = parse_id(task_id)
    # Kinds take turns, so that every panel has all of them in equal number.
    family, kind = KINDS[(number - 1) % len(KINDS)]
    rng = SEEDS.stream("task", split, number)
    while True:
        low, high = (KNOWN_HOUSES, HOUSES) if split == "unseen" else (0, KNOWN_HOUSES)
        house = make_house(rng.between(low, high - 1))
        draft = Draft(rng, house)
        FAMILIES[family][kind](draft)
        kept = SEEDS.fraction("seen", kind, draft.variant, house.number) < 0.25
        if split == "unseen" or kept == (split == "seen"):
            break
    start = rng.choice(list(ROLES))
    closed = tuple(door for door in house.doors if rng.uniform() < _CLOSED)
    return LabTask(
        id=task_id,
        split=split,
        family=family,
        kind=kind,
        variant=draft.variant,
        house=house.number,
        start=start,
        closed=closed,
        goal=draft.goal,
        items=tuple(draft.items),
        subgoals=tuple(draft.subgoals),
        wrong=tuple(draft.wrong),
    )


#: What `more_clutter` lets lie around; no other name of the lab has a word of these.
_CLUTTER = (
    "umbrella", "suitcase", "violin", "chessboard", "calendar", "bicycle", "trophy", "postcard",
    "tambourine", "backpack", "compass", "photograph", "hammock", "skateboard", "telephone",
    "typewriter", "trumpet", "lunchbox", "binoculars", "snowboard", "doorbell", "accordion",
    "yardstick", "ukulele", "corkscrew", "raincoat", "keychain", "dartboard", "harmonica",
    "sombrero",
)  # fmt: skip


def more_clutter(spec: LabTask, count: int, rng: RandomStream) -> tuple[Item, ...]:
    """Further items for a task: things that do nothing, in rooms that the instruction names not.

    Args:
        spec: The task.
        count: How many things, at most as many as there are names.
        rng: Decides which, and where.
    """
    house = make_house(spec.house)
    surfaces = [
        (role, fixture.name)
        for role in ROLES
        for fixture in house.fixtures(role)
        if fixture.kind == "surface" and f"the {house.room(role)}" not in spec.goal
    ]
    return tuple(
        {"name": name, "kind": "clutter", "at": list(rng.choice(surfaces)), "portable": True}
        for name in rng.sample(_CLUTTER, count)
    )
