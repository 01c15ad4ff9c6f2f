"""The specification of a task, and the world that is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from qevolve_envs.lab.houses import ROLES, House, make_house
from qevolve_envs.lab.things import Thing
from qevolve_envs.lab.world import LabWorld

#: (points, kind, arguments): what `goals` checks. All values are JSON.
SubGoal = tuple[int, str, tuple[Any, ...]]
Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LabTask:
    """A generated task, complete.

    Attributes:
        id: The task id.
        split: Its panel.
        family: One of the eight families.
        kind: The kind of task, such as ``"boil"``.
        variant: What it is about, in words; the seen split keeps some of them from training.
        house: Number of its house.
        start: Role of the room in which it begins.
        closed: The doors that are closed at first, as pairs of roles.
        goal: The instruction.
        items: What the task brings into the house: name, kind, place and properties of each.
        subgoals: What has to be done, in order; the points add up to 100.
        wrong: What ends the episode in failure.
    """

    id: str
    split: str
    family: str
    kind: str
    variant: str
    house: int
    start: str
    closed: tuple[tuple[str, str], ...]
    goal: str
    items: tuple[Item, ...]
    subgoals: tuple[SubGoal, ...]
    wrong: tuple[tuple[str, tuple[Any, ...]], ...]


_TOOL_NOTES = {
    "thermometer": "It reads to the nearest 0.5 degrees C, from -60 to 1400 degrees C.",
    "scale": "It shows grams, to the nearest 1 g.",
    "stopwatch": "It shows seconds, to the nearest 0.01 s: use it on an inclined plane.",
    "brush": "It pollinates flowers.",
}


def plan_text(house: House) -> str:
    """The house plan: rooms, doors, what is built in, and where the instruments are kept."""
    lines = ["House plan:"]
    for role in ROLES:
        beside = sorted(house.room(b if a == role else a) for a, b in house.doors if role in (a, b))
        fixtures = []
        for f in house.fixtures(role):
            note = {"heater": "heats", "cooler": "cools"}.get(f.kind)
            if note:
                fixtures.append(f"{f.name} ({note} to {f.celsius:.0f} C)")
            else:
                fixtures.append(f"{f.name} (water)" if f.kind == "tap" else f.name)
        kept = [
            f"{house.tool(tool)} ({spot})" for tool, where, spot in house.tools if where == role
        ]
        more = f"; kept here: {', '.join(kept)}" if kept else ""
        light = "; daylight" if role == "greenhouse" else ""
        doors = ", ".join(beside)
        lines.append(
            f"- {house.room(role)} (doors to {doors}): {', '.join(fixtures)}{more}{light}."
        )
    return "\n".join(lines)


def build_world(spec: LabTask, *, easy: bool = False) -> LabWorld:
    """The initial state of a task."""
    house = make_house(spec.house)
    world = LabWorld(easy=easy)
    spots: dict[tuple[str, str], Thing] = {}
    for role in ROLES:
        room = Thing(house.room(role), "room")
        room.lit = role == "greenhouse"
        world.rooms[room.name] = spots[role, ""] = room
        for f in house.fixtures(role):
            fixture = Thing(f.name, f.kind)
            if f.kind in ("cupboard", "cooler"):
                fixture.open = False
            if f.kind == "heater":
                fixture.on = False
            fixture.celsius, fixture.conductance = f.celsius, f.conductance
            spots[role, f.name] = world.add(fixture, room)
    beside: dict[str, list[str]] = {name: [] for name in world.rooms}
    for one, two in house.doors:
        a, b = sorted((house.room(one), house.room(two)))
        world.doors[a, b] = easy or (one, two) not in spec.closed
        beside[a].append(b)
        beside[b].append(a)
    world.beside = {name: sorted(rooms) for name, rooms in beside.items()}
    world.here = spots[spec.start, ""]
    for tool, role, spot in house.tools:
        thing = Thing(house.tool(tool), "tool", portable=True)
        thing.role, thing.text, thing.mass = tool, _TOOL_NOTES[tool], 80.0
        world.add(thing, spots[role, spot])
    for name, role, spot in house.clutter:
        world.add(Thing(name, "clutter", portable=True), spots[role, spot])
    for item in spec.items:
        _add(world, item, spots)
    plan = Thing("house plan", "document", portable=True)
    plan.text = _plan_of(spec.house)
    world.add(plan, world.hands)
    return world


@cache
def _plan_of(number: int) -> str:
    return plan_text(make_house(number))


_PLAIN = frozenset({"name", "kind", "at", "samples", "key", "portable"})


def _add(world: LabWorld, item: Item, spots: Mapping[tuple[str, str], Thing]) -> None:
    thing = Thing(
        item["name"], item["kind"], key=item.get("key", ""), portable=item.get("portable", False)
    )
    for name, value in item.items():
        if name not in _PLAIN:
            setattr(thing, name, value)
    role, spot = item["at"]
    place = spots.get((role, spot))
    world.add(thing, world.keys[spot] if place is None else place)
    for substance, grams, celsius, label, key in item.get("samples", ()):
        world.sample(substance, grams, celsius, thing, label=label, key=key)
