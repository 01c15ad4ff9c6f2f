"""Sub-goals and failures: checks of the world, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qevolve_envs.lab.spec import LabTask
from qevolve_envs.lab.world import LabWorld


def _event(world: LabWorld, *names: Any) -> bool:
    """Checks whether any of these events happened."""
    return any(name in world.events for name in names)


def _phase(world: LabWorld, key: Any, phases: Any) -> bool:
    thing = world.keys[key]
    return thing.kind == "sample" and thing.phase in phases


def _inside(world: LabWorld, key: Any, holder: Any) -> bool:
    return world.keys[key].within(world.keys[holder])


def _any_inside(world: LabWorld, keys: Any, holder: Any) -> bool:
    return any(_inside(world, key, holder) for key in keys)


def _carried(world: LabWorld, key: Any) -> bool:
    return world.keys[key].within(world.hands)


def _heated(world: LabWorld, key: Any) -> bool:
    return world.source(world.keys[key])[0].kind == "heater"


def _cooled(world: LabWorld, key: Any) -> bool:
    return world.source(world.keys[key])[0].kind == "cooler"


def _wired(world: LabWorld, key: Any) -> bool:
    return len(world.keys[key].ends) == 2


def _works(world: LabWorld, key: Any) -> bool:
    return world.works(world.keys[key])


def _switched(world: LabWorld, lamp: Any, switch: Any) -> bool:
    one, two = world.keys[lamp], world.keys[switch]
    return any(one in c.parts and two in c.parts for c in world.circuits()) and world.works(one)


def _made(world: LabWorld, substance: Any, grams: Any) -> bool:
    return any(s.substance == substance and s.mass >= grams for s in world.samples)


def _together(world: LabWorld, one: Any, two: Any) -> bool:
    """Checks whether two substances are, or have been, in one vessel."""
    homes = [s.parent for s in world.samples if s.substance == one]
    return any(s.parent is home for home in homes for s in world.samples if s.substance == two)


def _wet(world: LabWorld, pot: Any) -> bool:
    return any(s.substance == "water" for s in world.keys[pot].things)


def _stage(world: LabWorld, key: Any, stage: Any) -> bool:
    thing = world.keys[key]
    return thing.stage >= stage and not thing.dead


_CHECKS: dict[str, Callable[..., bool]] = {
    "event": _event,
    "phase": _phase,
    "in": _inside,
    "any in": _any_inside,
    "carried": _carried,
    "heated": _heated,
    "cooled": _cooled,
    "wired": _wired,
    "works": _works,
    "switched": _switched,
    "made": _made,
    "together": _together,
    "wet": _wet,
    "stage": _stage,
}


class Meter:
    """Follows the sub-goals of an episode: they count in order, and stay reached.

    Attributes:
        reached: Number of sub-goals reached.
        points: Their points.
        failed: The task cannot be done any more, by the agent's own doing.
    """

    def __init__(self, spec: LabTask) -> None:
        self._subgoals = spec.subgoals
        self._wrong = spec.wrong
        self.reached = 0
        self.points = 0
        self.failed = False

    def update(self, world: LabWorld) -> None:
        """Checks the world after a command."""
        while self.reached < len(self._subgoals):
            points, kind, arguments = self._subgoals[self.reached]
            done = _CHECKS[kind](world, *arguments)
            # Two substances that were brought together may already have become the product.
            if not done and not (kind == "together" and self._next_done(world)):
                break
            self.points += points
            self.reached += 1
        if self.reached < len(self._subgoals):
            self.failed = self.failed or any(self._is_wrong(world, *rule) for rule in self._wrong)

    def _next_done(self, world: LabWorld) -> bool:
        _, kind, arguments = self._subgoals[self.reached + 1]
        return _CHECKS[kind](world, *arguments)

    @staticmethod
    def _is_wrong(world: LabWorld, kind: str, arguments: tuple[Any, ...]) -> bool:
        if kind == "focus":  # On anything but these.
            return any(key not in arguments for key in world.focused)
        key, holder = arguments
        return _inside(world, key, holder)

    @property
    def won(self) -> bool:
        """Tells whether all sub-goals are reached."""
        return self.reached == len(self._subgoals)
