"""The houses: their rooms, what is built into them, and the doors between them.

A room has a role (there is always one to cook, to melt metals, to grow plants in …); the known
houses and the unseen ones call roles and devices by other names, and their devices have other
temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qevolve_envs.rng import SeedTree

#: All draws of the lab; its entropy names this version of the generator.
SEEDS = SeedTree(entropy=20261121)
KNOWN_HOUSES, HOUSES = 12, 16


@dataclass(frozen=True, slots=True)
class Fixture:
    """Something built in.

    Attributes:
        name: As texts call it.
        kind: ``surface``, ``cupboard`` (with a door), ``heater``, ``cooler`` or ``tap``.
        celsius: Temperature of a heater that is on, or of a cooler that is closed.
        conductance: Heat flow between it and what stands on or in it, W/K.
    """

    name: str
    kind: str
    celsius: float = 20.0
    conductance: float = 0.05


#: Role -> its name in a known house, and in an unseen one.
ROLES: dict[str, tuple[str, str]] = {
    "hall": ("hallway", "atrium"),
    "kitchen": ("kitchen", "canteen"),
    "foundry": ("foundry", "smithy"),
    "lab": ("chemistry lab", "apothecary"),
    "workshop": ("workshop", "garage"),
    "greenhouse": ("greenhouse", "orangery"),
    "studio": ("art studio", "atelier"),
    "store": ("storeroom", "cellar"),
    "bath": ("bathroom", "washroom"),
    "living": ("living room", "parlour"),
}

#: Role -> what is built in, in a known house and in an unseen one.
FIXTURES: dict[str, tuple[tuple[Fixture, ...], tuple[Fixture, ...]]] = {
    "hall": ((Fixture("hall table", "surface"),), (Fixture("pedestal", "surface"),)),
    "kitchen": (
        (
            Fixture("kitchen table", "surface"),
            Fixture("stove", "heater", 350.0, 0.5),
            Fixture("fridge", "cooler", 4.0, 1.0),
            Fixture("freezer", "cooler", -20.0, 1.0),
            Fixture("sink", "tap"),
        ),
        (
            Fixture("counter", "surface"),
            Fixture("hot plate", "heater", 380.0, 0.6),
            Fixture("cold cabinet", "cooler", 2.0, 1.2),
            Fixture("blast freezer", "cooler", -35.0, 1.5),
            Fixture("basin", "tap"),
        ),
    ),
    "foundry": (
        (Fixture("furnace", "heater", 1200.0, 0.5), Fixture("anvil", "surface")),
        (Fixture("kiln", "heater", 1300.0, 0.6), Fixture("stone block", "surface")),
    ),
    "lab": (
        (Fixture("lab bench", "surface"), Fixture("cabinet", "cupboard")),
        (Fixture("slate bench", "surface"), Fixture("locker", "cupboard")),
    ),
    "workshop": (
        (Fixture("work table", "surface"), Fixture("tool chest", "cupboard")),
        (Fixture("trestle", "surface"), Fixture("crate", "cupboard")),
    ),
    "greenhouse": (
        (Fixture("potting table", "surface"), Fixture("rain barrel", "tap")),
        (Fixture("planting bench", "surface"), Fixture("cistern", "tap")),
    ),
    "studio": (
        (Fixture("easel table", "surface"), Fixture("paint cupboard", "cupboard")),
        (Fixture("drawing desk", "surface"), Fixture("colour chest", "cupboard")),
    ),
    "store": (
        (Fixture("shelf", "surface"), Fixture("trunk", "cupboard")),
        (Fixture("rack", "surface"), Fixture("barrel", "cupboard")),
    ),
    "bath": (
        (Fixture("washstand", "surface"), Fixture("tub tap", "tap")),
        (Fixture("vanity", "surface"), Fixture("fountain", "tap")),
    ),
    "living": (
        (Fixture("coffee table", "surface"), Fixture("sideboard", "cupboard")),
        (Fixture("ottoman", "surface"), Fixture("chest of drawers", "cupboard")),
    ),
}

#: Instrument -> (name in a known house, in an unseen one, roles of the rooms it may be kept in).
TOOLS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "thermometer": ("thermometer", "thermocouple", ("kitchen", "lab", "store")),
    "scale": ("scale", "balance", ("kitchen", "lab", "store")),
    "stopwatch": ("stopwatch", "chronometer", ("living", "workshop", "hall")),
    "brush": ("soft brush", "feather", ("greenhouse", "studio")),
}

#: Lies around and does nothing.
CLUTTER = (
    ("mug", "pencil", "sponge", "towel", "newspaper", "spoon", "cushion", "coin", "comb", "rope"),
    ("goblet", "quill", "rag", "blanket", "poster", "ladle", "pillow", "token", "mirror", "string"),
)


@dataclass(frozen=True, slots=True)
class House:
    """A house without what a task brings along.

    Attributes:
        number: 0 to 11 are known, 12 to 15 unseen.
        doors: Pairs of roles that a door joins.
        tools: Instrument -> (role of its room, fixture it is on or in).
        clutter: (name, role, fixture).
    """

    number: int
    doors: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str, str], ...]
    clutter: tuple[tuple[str, str, str], ...]

    @property
    def unseen(self) -> bool:
        """Tells whether it belongs to the unseen split."""
        return self.number >= KNOWN_HOUSES

    def room(self, role: str) -> str:
        """The name of a role's room."""
        return ROLES[role][self.unseen]

    def fixtures(self, role: str) -> tuple[Fixture, ...]:
        """Fixtures of a role's room."""
        return FIXTURES[role][self.unseen]

    def fixture(self, role: str, kind: str) -> Fixture | None:
        """The first fixture of a kind in a role's room."""
        return next((f for f in self.fixtures(role) if f.kind == kind), None)

    def tool(self, tool: str) -> str:
        """The name of an instrument."""
        known, other, _ = TOOLS[tool]
        return other if self.unseen else known


@cache
def make_house(number: int) -> House:
    """A house: a pure function of its number."""
    rng = SEEDS.stream("house", number)
    unseen = number >= KNOWN_HOUSES
    # Most rooms open onto the hall, some onto another room.
    inner = rng.shuffled([role for role in ROLES if role != "hall"])
    core, outer = inner[:6], inner[6:]
    doors = [("hall", role) for role in core]
    doors += [(core[rng.below(len(core))], role) for role in outer]
    if rng.uniform() < 0.5:
        doors.append((core[0], core[1]))
    tools, clutter = [], []
    for tool, (*_, roles) in TOOLS.items():
        role = roles[rng.below(len(roles))]
        spots = [f.name for f in FIXTURES[role][unseen] if f.kind in ("surface", "cupboard")]
        tools.append((tool, role, spots[rng.below(len(spots))]))
    names = rng.shuffled(list(CLUTTER[unseen]))
    for name in names[:7]:
        role = list(ROLES)[rng.below(len(ROLES))]
        clutter.append((name, role, FIXTURES[role][unseen][0].name))
    return House(number, tuple(doors), tuple(tools), tuple(clutter))
