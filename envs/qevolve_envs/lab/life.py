"""What lives: who is a plant, an animal or neither, and how long the stages of a life take.

Durations are our own rounded guesses at typical ones at room temperature, in whole days; they were
not looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

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


def _plant(name: str, sprouts: float, flowers: float, fruits: float, out: bool = False) -> Species:
    stages = (f"{name} seed", f"{name} seedling", f"flowering {name}", f"fruiting {name}")
    return Species(name, stages, (0.0, sprouts, flowers, fruits), True, out)


def _animal(name: str, stages: tuple[str, ...], days: tuple[float, ...], out: bool) -> Species:
    starts = tuple(sum(days[:i]) for i in range(len(stages)))
    return Species(name, stages, starts, False, out)


# fmt: off
SPECIES: dict[str, Species] = {s.name: s for s in (
    _plant("pea plant", 9, 45, 60),
    _plant("bean plant", 8, 40, 55),
    _plant("cucumber plant", 6, 40, 52),
    _plant("tomato plant", 8, 55, 85),
    _plant("sunflower", 8, 65, 90),
    _plant("squash plant", 7, 42, 55),
    _plant("pepper plant", 10, 60, 80, True),
    _plant("pumpkin plant", 7, 50, 92, True),
    _plant("melon plant", 8, 45, 85, True),
    _animal("painted lady", ("painted lady egg", "painted lady caterpillar",
            "painted lady chrysalis", "painted lady butterfly"), (4, 10, 9), False),
    _animal("ladybird", ("ladybird egg", "ladybird larva", "ladybird pupa", "adult ladybird"),
            (5, 14, 6), False),
    _animal("honey bee", ("honey bee egg", "honey bee larva", "honey bee pupa", "adult honey bee"),
            (3, 6, 12), False),
    _animal("frog", ("frog spawn", "tadpole", "froglet", "adult frog"), (14, 60, 30), False),
    _animal("mealworm beetle", ("mealworm beetle egg", "mealworm", "mealworm beetle pupa",
            "adult mealworm beetle"), (10, 55, 14), False),
    _animal("silk moth", ("silk moth egg", "silkworm", "silk moth cocoon", "adult silk moth"),
            (10, 28, 16), True),
    _animal("monarch", ("monarch egg", "monarch caterpillar", "monarch chrysalis",
            "monarch butterfly"), (4, 12, 11), True),
    _animal("newt", ("newt egg", "newt larva", "eft", "adult newt"), (18, 60, 40), True),
)}

#: name -> (kind, held out); kind is "animal", "plant" or "" for what does not live.
CREATURES: dict[str, tuple[str, bool]] = {
    "parrot": ("animal", False), "hedgehog": ("animal", False), "rabbit": ("animal", False),
    "tortoise": ("animal", False), "hamster": ("animal", False), "crab": ("animal", False),
    "gecko": ("animal", True), "ferret": ("animal", True), "dove": ("animal", True),
    "snail": ("animal", True),
    "fern": ("plant", False), "cactus": ("plant", False), "ivy": ("plant", False),
    "orchid": ("plant", False), "rose bush": ("plant", False), "moss": ("plant", False),
    "bonsai": ("plant", True), "tulip": ("plant", True), "bamboo": ("plant", True),
    "toy robot": ("", False), "pebble": ("", False), "marble statue": ("", False),
    "alarm clock": ("", False), "plastic duck": ("", False), "candle": ("", False),
    "music box": ("", True), "seashell": ("", True), "snow globe": ("", True),
}
# fmt: on


def creatures(kind: str, *, unseen: bool) -> list[str]:
    """Names of a kind on one side of the split, in the order of the table."""
    return [name for name, (k, out) in CREATURES.items() if k == kind and out is unseen]


def species(*, plant: bool, unseen: bool) -> list[Species]:
    """Species on one side of the split."""
    return [s for s in SPECIES.values() if s.plant is plant and s.held_out is unseen]
