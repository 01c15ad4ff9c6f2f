"""Generates the games of `qevolve/Household-v0`: a task is a pure function of its id.

A room (``kitchen 07``) has fixed furniture; a task furnishes it with things and asks for one of
six jobs, those of ALFWorld. Chance comes from `SeedSequence` children that are named by what they
decide, so that no draw depends on another task.

Splits
    ``train`` and ``seen`` play in the rooms 0-25 of each kind, and ask for pairs (kind of thing,
    kind of target) that are not held out; a combination (room, job, thing, target) belongs to
    ``seen`` for one in eight, and to ``train`` otherwise, so that seen tasks are new ones.
    ``unseen`` plays in the rooms 26-29, and asks only for held-out pairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate

from qevolve_envs.errors import UnknownName
from qevolve_envs.household.kinds import (
    CROWD,
    FURNITURE,
    RECEPTACLES,
    ROOMS,
    SIZES,
    SMALL_FURNITURE,
    THINGS,
    fits,
)
from qevolve_envs.rng import RandomStream, SeedTree

#: Number of tasks of each split; the counts of the literature on ALFWorld (3,321 for training).
PANELS: dict[str, int] = {"train": 3321, "seen": 140, "unseen": 134}
JOBS = ("place", "light", "wash", "heat", "cool", "two")
#: Frequency of the jobs, near that of ALFWorld's training games.
_JOB_WEIGHTS = (0.22, 0.09, 0.19, 0.13, 0.15, 0.22)
_ROOM_WEIGHTS = (0.40, 0.16, 0.26, 0.18)
ROOMS_PER_KIND = 30
KNOWN_ROOMS = 26
_SEEDS = SeedTree(entropy=20260607)
_OPEN_AT_FIRST = 0.1
_HELD_OUT = 0.2


@dataclass(frozen=True, slots=True)
class FurnishedRoom:
    """A room and its furniture.

    Attributes:
        name: Such as ``"kitchen 07"``.
        kind: One of `ROOMS`.
        receptacles: (kind, number) of every piece, in the order of the kinds' names.
    """

    name: str
    kind: str
    receptacles: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class HouseholdTask:
    """A generated task, complete.

    Attributes:
        id: The task id.
        split: Its panel.
        size: One of `SIZES`.
        room: Where it plays.
        job: One of `JOBS`.
        thing: The kind of thing asked for.
        target: The kind of receptacle to put it (``light``: the kind of lamp to use).
        goal: The instruction.
        places: Each thing as (kind, number, index of its receptacle in the room).
        opened: Indexes of the hinged receptacles that are open at first.
    """

    id: str
    split: str
    size: str
    room: FurnishedRoom
    job: str
    thing: str
    target: str
    goal: str
    places: tuple[tuple[str, int, int], ...]
    opened: tuple[int, ...]


# ── ids ─────────────────────────────────────────────────────────────────────

_ID = re.compile(r"household(?:-(small|large))?/(train|seen|unseen)/(\d{4})")


@lru_cache(maxsize=16)
def task_ids(split: str, size: str = "standard") -> tuple[str, ...]:
    """All ids of a panel, in order. The size is part of the id; standard is not spelt out."""
    family = "household" if size == "standard" else f"household-{size}"
    return tuple(f"{family}/{split}/{index:04d}" for index in range(PANELS[split]))


def parse_id(task_id: str) -> tuple[str, str, int]:
    """(size, split, index) of a task id.

    Raises:
        UnknownName: For an id of no panel, with a close one.
    """
    found = _ID.fullmatch(task_id)
    if found:
        size, split, index = found.group(1) or "standard", found.group(2), int(found.group(3))
        if index < PANELS[split]:
            return size, split, index
        last = f"{task_id[:-4]}{PANELS[split] - 1:04d}"
        raise UnknownName(f"Unknown task id {task_id!r}: the last of its panel is {last!r}.")
    firsts = [task_ids(split, size)[0] for size in SIZES for split in PANELS]
    known = firsts if task_id.startswith("household") else []
    raise UnknownName.of("task id", task_id, known, "ids look like 'household/unseen/0013'.")


# ── rooms ───────────────────────────────────────────────────────────────────


@cache
def make_room(kind: str, number: int, size: str) -> FurnishedRoom:
    """The furniture of a room."""
    plan = SMALL_FURNITURE[kind] if size == "small" else FURNITURE[kind]
    for attempt in range(1000):
        rng = _SEEDS.stream("room", size, kind, number, attempt)
        pieces: list[tuple[str, int]] = []
        for name in sorted(plan):
            low, high = plan[name]
            if size == "large":
                # Half as much again of what there may be several of.
                low, high = (low, high) if high == 1 else (low + high // 2, high + high // 2)
            pieces += [(name, i) for i in range(1, rng.between(low, high) + 1)]
        room = FurnishedRoom(f"{kind} {number:02d}", kind, tuple(pieces))
        # A room of the unseen split is furnished like none of the known ones.
        if number < KNOWN_ROOMS or room.receptacles not in _known_furniture(kind, size):
            return room
    raise AssertionError(f"every furnishing of a {size} {kind} is a known room")


@cache
def _known_furniture(kind: str, size: str) -> frozenset[tuple[tuple[str, int], ...]]:
    return frozenset(make_room(kind, i, size).receptacles for i in range(KNOWN_ROOMS))


@dataclass(frozen=True)
class _Layout:
    """Facts about a room that generation needs, computed once.

    Attributes:
        room: The room.
        kinds: Kinds of receptacles that are there.
        spots: Kind of thing -> (receptacle indexes, running sums of their weights).
        crowd: Kinds of things, and running sums of how common they are.
    """

    room: FurnishedRoom
    kinds: frozenset[str]
    spots: Mapping[str, tuple[list[int], list[float]]]
    crowd: tuple[list[str], list[float]]


@cache
def _layout(kind: str, number: int, size: str) -> _Layout:
    room = make_room(kind, number, size)
    count: dict[str, int] = {}
    for name, _ in room.receptacles:
        count[name] = count.get(name, 0) + 1
    spots: dict[str, tuple[list[int], list[float]]] = {}
    for thing in THINGS.values():
        here = [i for i, (name, _) in enumerate(room.receptacles) if name in thing.spots]
        weights = [
            thing.spots[room.receptacles[i][0]] / count[room.receptacles[i][0]] for i in here
        ]
        if here and kind in thing.rooms:
            spots[thing.name] = (here, list(accumulate(weights)))
    names = sorted(spots)
    common = list(accumulate(THINGS[name].rooms[kind] for name in names))
    return _Layout(room, frozenset(count), spots, (names, common))


# ── jobs ────────────────────────────────────────────────────────────────────


@cache
def held_out(thing: str, target: str) -> bool:
    """Tells whether a pair of thing and target belongs to the unseen split."""
    return _SEEDS.fraction("pair", thing, target) < _HELD_OUT


@cache
def _choices(
    kind: str, number: int, size: str, job: str, unseen: bool
) -> tuple[tuple[str, str], ...]:
    """The (thing, target) pairs that a job can be about in a room, for one side of the split."""
    layout = _layout(kind, number, size)
    devices = {
        "wash": any(RECEPTACLES[k].washes for k in layout.kinds),
        "heat": any(RECEPTACLES[k].heats for k in layout.kinds),
        "cool": any(RECEPTACLES[k].cools for k in layout.kinds),
    }
    if not devices.get(job, True):
        return ()
    lamps = [name for name in sorted(layout.spots) if THINGS[name].lamp]
    pairs: list[tuple[str, str]] = []
    for name in sorted(layout.spots):
        thing = THINGS[name]
        able = {"wash": thing.wash, "heat": thing.heat, "cool": thing.cool}
        if thing.lamp or not able.get(job, True):
            continue
        targets = lamps if job == "light" else [k for k in sorted(layout.kinds) if fits(name, k)]
        for target in targets:
            # The thing must be able to start elsewhere than where it has to go.
            elsewhere = job == "light" or any(k != target for k in layout.kinds & set(thing.spots))
            if elsewhere and held_out(name, target) is unseen:
                pairs.append((name, target))
    return tuple(pairs)


def make_task(task_id: str) -> HouseholdTask:
    """Generates a task from its id.

    Raises:
        UnknownName: For an id of no panel.
    """
    size, split, index = parse_id(task_id)
    rng = _SEEDS.stream("task", size, split, index)
    unseen = split == "unseen"
    job_sums, room_sums = list(accumulate(_JOB_WEIGHTS)), list(accumulate(_ROOM_WEIGHTS))
    job = JOBS[rng.weighted(job_sums)]
    while True:
        kind = ROOMS[rng.weighted(room_sums)]
        low, high = (KNOWN_ROOMS, ROOMS_PER_KIND) if unseen else (0, KNOWN_ROOMS)
        number = rng.between(low, high - 1)
        pairs = _choices(kind, number, size, job, unseen)
        if not pairs:
            continue
        thing, target = rng.choice(pairs)
        # One in eight combinations is kept from training and makes the seen split.
        if unseen or (_SEEDS.fraction("seen", kind, number, job, thing, target) < 0.125) == (
            split == "seen"
        ):
            break
    layout = _layout(kind, number, size)
    places = _furnish(rng, layout, size, job, thing, target)
    hinged = [i for i, (name, _) in enumerate(layout.room.receptacles) if RECEPTACLES[name].hinged]
    opened = tuple(i for i in hinged if rng.bernoulli(_OPEN_AT_FIRST))
    goal = _goal(rng, job, thing, target)
    return HouseholdTask(
        task_id, split, size, layout.room, job, thing, target, goal, places, opened
    )


def _furnish(
    rng: RandomStream, layout: _Layout, size: str, job: str, thing: str, target: str
) -> tuple[tuple[str, int, int], ...]:
    """Places the things of a task: the ones it is about, then whatever else lies around."""
    where: dict[str, list[int]] = {}
    count = 2 + rng.bernoulli(0.3) if job == "two" else 1 + rng.bernoulli(0.25)
    if job == "light":
        # The lamp may stand anywhere; the thing too.
        where[target] = [_spot(rng, layout, target)]
        where[thing] = [_spot(rng, layout, thing) for _ in range(count)]
    else:
        # No thing of the kind begins where it has to go, so that nothing is done by chance.
        where[thing] = [_spot(rng, layout, thing, avoid=target) for _ in range(count)]
    names, sums = layout.crowd
    low, high = CROWD[size][layout.room.kind]
    for _ in range(rng.between(low, high) - count):
        name = names[rng.weighted(sums)]
        lamp_again = THINGS[name].lamp and name in where
        if name != thing and not lamp_again:
            where.setdefault(name, []).append(_spot(rng, layout, name))
    places: list[tuple[str, int, int]] = []
    for name in sorted(where):
        places += [(name, i, spot) for i, spot in enumerate(where[name], 1)]
    return tuple(places)


def _spot(rng: RandomStream, layout: _Layout, thing: str, avoid: str | None = None) -> int:
    indexes, sums = layout.spots[thing]
    while True:
        index = indexes[rng.weighted(sums)]
        if layout.room.receptacles[index][0] != avoid:
            return index


def more_things(
    spec: HouseholdTask, count: int, rng: RandomStream
) -> tuple[tuple[str, int, int], ...]:
    """Further places for a task: things of kinds that the task is not about, and no lamps.

    Args:
        spec: The task.
        count: How many things.
        rng: Decides which, and where.
    """
    layout = _layout(spec.room.kind, int(spec.room.name.rpartition(" ")[2]), spec.size)
    names, sums = layout.crowd
    numbers: dict[str, int] = {}
    for name, number, _ in spec.places:
        numbers[name] = max(number, numbers.get(name, 0))
    places: list[tuple[str, int, int]] = []
    while len(places) < count:
        name = names[rng.weighted(sums)]
        if name != spec.thing and not THINGS[name].lamp:
            numbers[name] = numbers.get(name, 0) + 1
            places.append((name, numbers[name], _spot(rng, layout, name)))
    return tuple(places)


# ── wording ─────────────────────────────────────────────────────────────────

#: Job -> instructions; {a_thing}, {things}, {a_target} and {preposition} are filled in.
_GOALS: dict[str, tuple[str, ...]] = {
    "place": (
        "put {a_thing} {preposition} {a_target}",
        "find {a_thing} and put it {preposition} {a_target}",
        "{a_thing} belongs {preposition} {a_target}: bring it there",
    ),
    "light": (
        "look at {a_thing} in the light of {a_target}",
        "hold {a_thing} next to {a_target} that is switched on",
    ),
    "wash": (
        "put a clean {thing} {preposition} {a_target}",
        "wash {a_thing} and put it {preposition} {a_target}",
    ),
    "heat": (
        "put a hot {thing} {preposition} {a_target}",
        "heat {a_thing} and put it {preposition} {a_target}",
    ),
    "cool": (
        "put a cold {thing} {preposition} {a_target}",
        "cool {a_thing} and put it {preposition} {a_target}",
    ),
    "two": (
        "put two {things} {preposition} {a_target}",
        "find two {things} and put both {preposition} the same {target}",
    ),
}


def _goal(rng: RandomStream, job: str, thing: str, target: str) -> str:
    templates = _GOALS[job]
    inside = target in RECEPTACLES and RECEPTACLES[target].inside
    return rng.choice(templates).format(
        thing=thing,
        a_thing=_article(thing),
        things=THINGS[thing].plural,
        target=target,
        a_target=_article(target),
        preposition="in" if inside else "on",
    )


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
