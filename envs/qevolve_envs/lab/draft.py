"""A task under construction."""

from __future__ import annotations

from typing import Any

from qevolve_envs.lab.houses import Fixture, House
from qevolve_envs.lab.physics import MATERIALS, enthalpy
from qevolve_envs.lab.physics import duration as lasts
from qevolve_envs.lab.spec import Item, SubGoal
from qevolve_envs.rng import RandomStream

BOXES = (("red", "blue", "green", "yellow"), ("white", "black", "purple", "orange"))
VESSELS = (("beaker", "crucible", "glass jar", "flask"), ("bowl", "ampoule", "clay cup", "carafe"))
#: Rooms in which things are stored.
STORES = ("hall", "lab", "workshop", "studio", "store", "living", "bath", "greenhouse", "kitchen")


class Draft:
    """Collects the parts of a task while it is generated.

    Attributes:
        rng: The chance of this task.
        house: Its house.
        unseen: Whether to use what is held out.
    """

    def __init__(self, rng: RandomStream, house: House) -> None:
        self.rng, self.house = rng, house
        self.unseen = house.unseen
        self.items: list[Item] = []
        self.subgoals: list[SubGoal] = []
        self.wrong: list[tuple[str, tuple[Any, ...]]] = []
        self.goal = ""
        self.variant = ""

    def room(self, role: str) -> str:
        """The room's name, for the goal."""
        return "the " + self.house.room(role)

    def role(self, *but: str) -> str:
        """Draws the role of a room to store something in."""
        return self.rng.choice([r for r in STORES if r not in but])

    def spot(self, role: str) -> str:
        """Draws a piece of furniture in a room to put things on or in."""
        spots = [f.name for f in self.house.fixtures(role) if f.kind in ("surface", "cupboard")]
        return self.rng.choice(spots)

    def item(self, name: str, kind: str, role: str, spot: str | None = None, /, **more: Any) -> str:
        """Puts something into the house; returns its name."""
        at = [role, self.spot(role) if spot is None else spot]
        self.items.append({"name": name, "kind": kind, "at": at, **more})
        return name

    def vessel(
        self, number: int, role: str, samples: list[tuple[str, float, float, str, str]]
    ) -> str:
        """A vessel with samples: (substance, grams, degrees C, label, key)."""
        name = VESSELS[self.unseen][number]
        rows = [list(s) for s in samples]
        return self.item(name, "vessel", role, portable=True, samples=rows)

    def sub(self, points: int, kind: str, *arguments: Any) -> None:
        """Adds a sub-goal."""
        self.subgoals.append((points, kind, arguments))

    def boxes(self, count: int, role: str) -> list[str]:
        """Adds empty boxes on the floor of a room."""
        names = [f"{colour} box" for colour in self.rng.shuffled(BOXES[self.unseen])[:count]]
        for name in names:
            self.item(name, "box", role, "")
        return names

    def sort(self, key: str, yes: bool, boxes: list[str], points: int) -> None:
        """Adds the last sub-goal: the right one of two boxes; the wrong one ends the episode."""
        right, left = boxes if yes else boxes[::-1]
        self.sub(points, "in", key, right)
        self.wrong.append(("in", (key, left)))

    def heater(self, celsius: float) -> tuple[str, Fixture]:
        """Role and device of the gentlest heater that gets well above a temperature."""
        for role in ("kitchen", "foundry"):
            device = self.house.fixture(role, "heater")
            if device is not None and device.celsius > celsius + 60:
                return role, device
        raise ValueError(f"nothing heats above {celsius} C")

    def dose(self, substance: str, change: str) -> float | None:
        """Grams that melt (or boil) for about six minutes on the right heater.

        None where heating them up would take longer than a patient agent waits.
        """
        m = MATERIALS[substance]
        point = m.melts if change == "melting" else m.boils
        _, device = self.heater(point)
        first, last = (m.melt0, m.melt1) if change == "melting" else (m.boil0, m.boil1)
        flow = device.conductance * (device.celsius - point)
        grams = float(round(self.rng.between(6, 8) * 60 * flow / (last - first)))
        start = enthalpy(substance, 20.0)
        up = lasts(substance, grams, start, first, device.celsius, device.conductance)
        return grams if up <= 14 * 60 and grams >= 5 and m.melts + 5 < device.celsius else None


def article(noun: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
