"""Things: all that stands, lies, is poured or lives in the house."""

from __future__ import annotations

from collections.abc import Iterator

from qevolve_envs.lab.life import SPECIES
from qevolve_envs.lab.physics import phase, temperature

#: Kinds that other things can be put in or on.
HOLDERS = frozenset(
    {"surface", "cupboard", "heater", "cooler", "box", "plane", "pot", "tap", "terrarium"}
)
#: Kinds that liquids and powders can be poured into.
VESSELS = frozenset({"vessel", "pot"})
#: Kinds whose content is "in" rather than "on" them.
_INSIDE = frozenset({"cupboard", "cooler", "box", "pot", "tap", "terrarium", "vessel"})


class Thing:
    """One thing; fields that its kind does not use keep their default.

    Attributes:
        name: Its name; unique, except for samples, which are called by their substance or label.
        kind: See `HOLDERS`; others are room, hands, vessel, sample, tool, part, block, creature,
            growing, document, clutter.
        key: What sub-goals call it.
        parent: What it is in or on.
        things: What is in or on it.
        portable: It can be picked up.
        open: Whether its lid is open; None without a lid.
        on: Whether it is switched on; None without a switch.
        celsius: Temperature of a working heater or cooler.
        conductance: Heat flow to what is in or on it, W/K.
        substance: What a sample is made of.
        mass: Of a sample, block or other solid thing, g.
        h: Specific enthalpy of a sample, J/g.
        role: Of a tool: which; of a part: battery, wire, lamp, switch or rod.
        volts: Of a battery.
        ohms: Resistance of a part.
        rated: Power that a lamp, motor … needs to work, W.
        charge: Energy left in a battery, J.
        ends: What a part is connected to (two at most).
        species: Of a growing thing.
        days: Good days that it has lived.
        dry: Days that a plant has stood in dry soil.
        dead: It has died.
        pollinated: It can bear fruit.
        angle: Of a plane, degrees.
        friction: Of a plane with the steel block.
        text: What reading a document, or looking at a thing, says.
        lit: A room with daylight.
    """

    __slots__ = (
        "angle", "celsius", "charge", "conductance", "days", "dead", "dry", "ends", "friction",
        "h", "key", "kind", "lit", "mass", "name", "ohms", "on", "open", "parent", "pollinated",
        "portable", "rated", "role", "species", "substance", "text", "things", "volts",
    )  # fmt: skip

    def __init__(self, name: str, kind: str, *, key: str = "", portable: bool = False) -> None:
        self.name, self.kind, self.key, self.portable = name, kind, key or name, portable
        self.parent: Thing | None = None
        self.things: list[Thing] = []
        self.ends: list[Thing] = []
        self.open: bool | None = None
        self.on: bool | None = None
        self.celsius, self.conductance = 20.0, 0.05
        self.substance = self.role = self.species = self.text = ""
        self.mass = self.h = self.volts = self.ohms = self.rated = self.charge = 0.0
        self.days = self.dry = self.angle = self.friction = 0.0
        self.dead = self.pollinated = self.lit = False

    def move(self, to: Thing) -> None:
        """Moves the thing into `to`."""
        if self.parent is not None:
            self.parent.things.remove(self)
        self.parent = to
        to.things.append(self)

    def remove(self) -> None:
        """Takes the thing out of the world."""
        if self.parent is not None:
            self.parent.things.remove(self)
            self.parent = None

    @property
    def inside(self) -> bool:
        """Tells whether things are in it rather than on it."""
        return self.kind in _INSIDE

    @property
    def shut(self) -> bool:
        """Tells whether its content is out of sight and reach."""
        return self.open is False

    def within(self, other: Thing) -> bool:
        """Tells whether it is somewhere in or on another thing."""
        place = self.parent
        while place is not None:
            if place is other:
                return True
            place = place.parent
        return False

    def walk(self) -> Iterator[Thing]:
        """All things in or on it that are in sight, nearest first."""
        for thing in self.things:
            yield thing
            if thing.things and thing.open is not False:
                yield from thing.walk()

    # samples

    @property
    def temperature(self) -> float:
        """Temperature of a sample, degrees C."""
        return temperature(self.substance, self.h)

    @property
    def phase(self) -> str:
        """Phase of a sample; see `physics.phase`."""
        return phase(self.substance, self.h)

    # growing things

    @property
    def stage(self) -> int:
        """Index of a growing thing's stage of life."""
        return SPECIES[self.species].stage(self.days)

    @property
    def title(self) -> str:
        """The name that the agent uses for it now."""
        if self.species:
            stage = SPECIES[self.species].stages[self.stage]
            return f"dead {stage}" if self.dead else stage
        return self.name
