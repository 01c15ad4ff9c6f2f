"""The gold procedure of a task: the expert's procedure with full knowledge of the world.

The oracle knows the house, what is in which cupboard, and how long a change of state takes; it
plays a world of its own to find out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from qevolve_envs.lab import procedures
from qevolve_envs.lab.commands import Interpreter
from qevolve_envs.lab.expert import Explorer
from qevolve_envs.lab.goals import Meter
from qevolve_envs.lab.physics import MATERIALS, duration
from qevolve_envs.lab.procedures import Talk
from qevolve_envs.lab.spec import build_world
from qevolve_envs.lab.tasks import make_task
from qevolve_envs.lab.things import Thing
from qevolve_envs.lab.wording import room
from qevolve_envs.lab.world import LabWorld


class Oracle(Explorer):
    """The expert's senses, replaced by full knowledge of the world."""

    def __init__(self, world: LabWorld) -> None:
        super().__init__()
        self._world = world
        self.study(world.keys["house plan"].text)

    def prepare(self) -> Talk[None]:
        """Does nothing, for the house is known."""
        yield from ()

    def holders(self, name: str) -> list[str]:
        """The one closed place that a thing is in."""
        for place in self._world.here.things:
            if place.shut and any(t.title == name for t in _all(place)):
                return [place.title]
        return []

    def _minutes(self, subject: str, target: float) -> int:
        world = self._world
        sample = world.keys["subject"]
        _, celsius, conductance = world.source(sample)
        seconds = duration(sample.substance, sample.mass, sample.h, target, celsius, conductance)
        return max(1, math.ceil(seconds / 60)) if math.isfinite(seconds) else 1

    def let(self, subject: str, change: str) -> Talk[None]:
        """Waits exactly as long as it takes."""
        sample = self._world.keys["subject"]
        m = MATERIALS[sample.substance]
        solid = sample.h <= m.melt1
        if change == "Freeze":
            target = m.melt0
        elif change == "Melt" or (change.startswith("Change") and solid):
            target = m.melt1
        else:
            target = m.boil1
        # A little more, because a change is over a little after its last joule.
        yield f"wait {self._minutes(subject, target) + 1}"

    def catch(self, tool: str, subject: str, change: str) -> Talk[str]:
        """Takes one reading, in the middle of the change."""
        m = MATERIALS[self._world.keys["subject"].substance]
        low, high = (m.melt0, m.melt1) if change == "melting" else (m.boil0, m.boil1)
        yield f"wait {self._minutes(subject, (low + high) / 2)}"
        return (yield f"use {tool} on {subject}")


def _all(thing: Thing) -> Iterator[Thing]:
    for inner in thing.things:
        yield inner
        yield from _all(inner)


def gold(task_id: str, *, easy: bool = False) -> list[str]:
    """Commands that win a task.

    Raises:
        AssertionError: If the procedure does not win, which would be a bug of this package.
    """
    spec = make_task(task_id)
    world = build_world(spec, easy=easy)
    interpreter, meter, oracle = Interpreter(world), Meter(spec), Oracle(world)
    oracle.see(room(world))
    script = procedures.script(spec.goal, oracle)
    commands: list[str] = []
    command = next(script, None)
    while command is not None:
        commands.append(command)
        answer = interpreter.run(command).observation
        meter.update(world)
        if meter.won:
            break
        try:
            command = script.send(answer)
        except StopIteration:
            break
    assert meter.won, f"{task_id}: {commands} does not win"
    return commands
