"""What a household holds: kinds of receptacles, kinds of things, and where things usually are.

The tables are our own common sense, written down. Weights are relative: of one kind of thing over
kinds of receptacles, and of the things of a room over one another. The expert searches by the
same common sense; it never sees where a generator put anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROOMS = ("kitchen", "bathroom", "bedroom", "living room")
SIZES = ("small", "standard", "large")


@dataclass(frozen=True, slots=True)
class ReceptacleKind:
    """A piece of furniture or a device that things can be in or on.

    Attributes:
        name: As texts call it.
        hinged: It can be opened and closed, and hides its content while closed.
        inside: Things are *in* it rather than *on* it.
        washes: Things can be washed in it.
        heats: Things can be heated in it.
        cools: Things can be cooled in it.
    """

    name: str
    hinged: bool = False
    inside: bool = False
    washes: bool = False
    heats: bool = False
    cools: bool = False


@dataclass(frozen=True, slots=True)
class ThingKind:
    """A kind of thing.

    Attributes:
        name: As texts call it.
        rooms: Room -> how common it is there.
        spots: Receptacle kind -> how likely it is found there. It fits there, and nowhere else.
        wash: It can be washed.
        heat: It can be heated.
        cool: It can be cooled.
        lamp: It is a lamp: switched on and off where it stands, never carried.
        plural: For texts.
    """

    name: str
    rooms: Mapping[str, float]
    spots: Mapping[str, float]
    wash: bool = False
    heat: bool = False
    cool: bool = False
    lamp: bool = False
    plural: str = field(default="")

    def __post_init__(self) -> None:
        if not self.plural:
            object.__setattr__(self, "plural", self.name + "s")


RECEPTACLES: dict[str, ReceptacleKind] = {
    kind.name: kind
    for kind in (
        ReceptacleKind("fridge", hinged=True, inside=True, cools=True),
        ReceptacleKind("microwave", hinged=True, inside=True, heats=True),
        ReceptacleKind("sink", inside=True, washes=True),
        ReceptacleKind("countertop"),
        ReceptacleKind("cabinet", hinged=True, inside=True),
        ReceptacleKind("drawer", hinged=True, inside=True),
        ReceptacleKind("stove burner"),
        ReceptacleKind("toaster"),
        ReceptacleKind("coffee machine"),
        ReceptacleKind("bin", inside=True),
        ReceptacleKind("dining table"),
        ReceptacleKind("shelf"),
        ReceptacleKind("pantry", hinged=True, inside=True),
        ReceptacleKind("dish rack", inside=True),
        ReceptacleKind("side table"),
        ReceptacleKind("toilet"),
        ReceptacleKind("bathtub", inside=True),
        ReceptacleKind("towel rack"),
        ReceptacleKind("medicine cabinet", hinged=True, inside=True),
        ReceptacleKind("laundry basket", inside=True),
        ReceptacleKind("bed"),
        ReceptacleKind("desk"),
        ReceptacleKind("dresser"),
        ReceptacleKind("nightstand"),
        ReceptacleKind("wardrobe", hinged=True, inside=True),
        ReceptacleKind("safe", hinged=True, inside=True),
        ReceptacleKind("bookcase"),
        ReceptacleKind("armchair"),
        ReceptacleKind("sofa"),
        ReceptacleKind("coffee table"),
        ReceptacleKind("tv stand"),
        ReceptacleKind("ottoman"),
    )
}

#: Room -> receptacle kind -> (fewest, most) in a standard room.
FURNITURE: dict[str, dict[str, tuple[int, int]]] = {
    "kitchen": {
        "fridge": (1, 1),
        "microwave": (1, 1),
        "sink": (1, 1),
        "countertop": (1, 3),
        "cabinet": (3, 6),
        "drawer": (2, 4),
        "stove burner": (2, 4),
        "toaster": (1, 1),
        "coffee machine": (1, 1),
        "bin": (1, 1),
        "dining table": (0, 1),
        "shelf": (0, 2),
        "pantry": (0, 1),
        "dish rack": (0, 1),
        "side table": (0, 1),
    },
    "bathroom": {
        "sink": (1, 2),
        "countertop": (1, 1),
        "toilet": (1, 1),
        "bathtub": (0, 1),
        "towel rack": (1, 2),
        "cabinet": (1, 4),
        "drawer": (0, 2),
        "shelf": (0, 2),
        "bin": (1, 1),
        "medicine cabinet": (0, 1),
        "laundry basket": (0, 1),
    },
    "bedroom": {
        "bed": (1, 1),
        "desk": (1, 1),
        "dresser": (0, 1),
        "drawer": (2, 4),
        "nightstand": (1, 2),
        "shelf": (1, 3),
        "wardrobe": (0, 1),
        "armchair": (0, 1),
        "bin": (1, 1),
        "laundry basket": (0, 1),
        "safe": (0, 1),
        "bookcase": (0, 1),
    },
    "living room": {
        "sofa": (1, 1),
        "armchair": (1, 2),
        "coffee table": (1, 1),
        "tv stand": (1, 1),
        "side table": (1, 2),
        "dining table": (0, 1),
        "cabinet": (0, 3),
        "drawer": (1, 3),
        "shelf": (1, 3),
        "bookcase": (0, 1),
        "ottoman": (0, 1),
        "desk": (0, 1),
        "bin": (1, 1),
        "safe": (0, 1),
    },
}

#: What a small room keeps; everything else is left out there.
SMALL_FURNITURE: dict[str, dict[str, tuple[int, int]]] = {
    "kitchen": {
        "fridge": (1, 1),
        "microwave": (1, 1),
        "sink": (1, 1),
        "countertop": (1, 1),
        "cabinet": (1, 2),
        "drawer": (0, 1),
        "dining table": (0, 1),
        "bin": (0, 1),
        "shelf": (0, 1),
        "stove burner": (0, 1),
    },
    "bathroom": {
        "sink": (1, 1),
        "countertop": (1, 1),
        "toilet": (1, 1),
        "towel rack": (0, 1),
        "cabinet": (1, 2),
        "drawer": (0, 1),
        "shelf": (0, 1),
        "bathtub": (0, 1),
        "laundry basket": (0, 1),
        "bin": (0, 1),
    },
    "bedroom": {
        "bed": (1, 1),
        "desk": (1, 1),
        "nightstand": (1, 1),
        "drawer": (1, 2),
        "shelf": (0, 1),
        "dresser": (0, 1),
        "wardrobe": (0, 1),
        "armchair": (0, 1),
        "safe": (0, 1),
        "bin": (0, 1),
    },
    "living room": {
        "sofa": (1, 1),
        "coffee table": (1, 1),
        "side table": (1, 1),
        "armchair": (0, 1),
        "drawer": (0, 1),
        "shelf": (1, 2),
        "tv stand": (0, 1),
        "bookcase": (0, 1),
        "cabinet": (0, 1),
        "bin": (0, 1),
    },
}

#: Size -> room -> (fewest, most) things.
CROWD: dict[str, dict[str, tuple[int, int]]] = {
    "small": dict.fromkeys(ROOMS, (6, 10)),
    "standard": {
        "kitchen": (30, 42),
        "bathroom": (12, 20),
        "bedroom": (16, 26),
        "living room": (14, 24),
    },
    "large": {
        "kitchen": (60, 84),
        "bathroom": (26, 40),
        "bedroom": (34, 52),
        "living room": (30, 48),
    },
}

_KITCHEN = {"kitchen": 1.0}
_DISH_SPOTS = {
    "cabinet": 3.0,
    "countertop": 3.0,
    "dining table": 2.0,
    "dish rack": 2.0,
    "shelf": 1.0,
    "sink": 1.5,
    "side table": 0.5,
}
_CUTLERY_SPOTS = {
    "drawer": 4.0,
    "countertop": 3.0,
    "dining table": 2.0,
    "sink": 1.5,
    "dish rack": 1.0,
    "side table": 0.5,
}
_PRODUCE_SPOTS = {
    "fridge": 4.0,
    "countertop": 3.0,
    "dining table": 2.0,
    "sink": 1.0,
    "bin": 0.7,
    "microwave": 0.3,
    "side table": 0.5,
    "pantry": 1.0,
}
_PAPER_SPOTS = {
    "desk": 3.0,
    "nightstand": 1.5,
    "shelf": 1.5,
    "drawer": 1.5,
    "coffee table": 2.0,
    "side table": 1.0,
    "dresser": 1.0,
    "bookcase": 2.0,
    "bed": 0.7,
    "sofa": 0.7,
    "armchair": 0.5,
}
_GADGET_SPOTS = {
    "desk": 2.5,
    "nightstand": 1.5,
    "drawer": 1.5,
    "dresser": 1.5,
    "coffee table": 2.0,
    "side table": 1.5,
    "bed": 0.8,
    "sofa": 1.0,
    "shelf": 0.8,
    "safe": 0.5,
    "tv stand": 1.0,
    "dining table": 0.8,
}
_TOILETRY_SPOTS = {
    "cabinet": 3.0,
    "countertop": 3.0,
    "medicine cabinet": 2.0,
    "sink": 1.0,
    "shelf": 1.0,
    "drawer": 1.0,
    "toilet": 0.7,
    "bathtub": 0.7,
    "bin": 0.4,
}
_CLOTH_SPOTS = {
    "laundry basket": 2.5,
    "bed": 1.5,
    "wardrobe": 2.5,
    "dresser": 1.5,
    "drawer": 2.0,
    "armchair": 1.0,
    "sofa": 0.7,
    "shelf": 0.7,
    "ottoman": 0.7,
}
_SLEEP = {"bedroom": 1.0, "living room": 0.6}
_STAY = {"living room": 1.0, "bedroom": 0.4}

THINGS: dict[str, ThingKind] = {
    kind.name: kind
    for kind in (
        # Dishes
        ThingKind("mug", _KITCHEN | {"bedroom": 0.2, "living room": 0.2},
                  _DISH_SPOTS | {"coffee machine": 1.5, "microwave": 0.3, "fridge": 0.3,
                                 "desk": 1.0, "nightstand": 0.5, "coffee table": 1.0},
                  wash=True, heat=True, cool=True),
        ThingKind("cup", _KITCHEN, _DISH_SPOTS | {"microwave": 0.3, "fridge": 0.3},
                  wash=True, heat=True, cool=True),
        ThingKind("plate", _KITCHEN, _DISH_SPOTS | {"microwave": 0.3, "fridge": 0.3},
                  wash=True, heat=True, cool=True),
        ThingKind("bowl", _KITCHEN, _DISH_SPOTS | {"microwave": 0.2, "fridge": 0.4,
                                                   "coffee table": 0.5},
                  wash=True, heat=True, cool=True),
        ThingKind("glass", _KITCHEN, _DISH_SPOTS | {"fridge": 0.4}, wash=True, cool=True,
                  plural="glasses"),
        ThingKind("jar", _KITCHEN, {"cabinet": 2.0, "pantry": 3.0, "shelf": 2.0,
                                    "countertop": 1.5, "fridge": 1.0},
                  wash=True, cool=True),
        ThingKind("jug", _KITCHEN, {"cabinet": 2.0, "fridge": 2.0, "countertop": 2.0,
                                    "dining table": 1.5, "shelf": 0.7},
                  wash=True, cool=True),
        # Pots and tools
        ThingKind("pan", _KITCHEN, {"stove burner": 3.0, "cabinet": 2.5, "countertop": 1.5,
                                    "sink": 1.0, "dish rack": 0.5, "fridge": 0.3},
                  wash=True, cool=True),
        ThingKind("pot", _KITCHEN, {"stove burner": 3.0, "cabinet": 2.5, "countertop": 1.0,
                                    "sink": 1.0, "fridge": 0.5},
                  wash=True, cool=True),
        ThingKind("kettle", _KITCHEN, {"stove burner": 2.5, "countertop": 2.5, "cabinet": 1.5,
                                       "sink": 0.5},
                  wash=True),
        ThingKind("spatula", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("ladle", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("fork", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("knife", _KITCHEN, _CUTLERY_SPOTS, wash=True, plural="knives"),
        ThingKind("spoon", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("whisk", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("peeler", _KITCHEN, _CUTLERY_SPOTS, wash=True),
        ThingKind("grater", _KITCHEN, {"cabinet": 2.0, "drawer": 1.5, "countertop": 1.5,
                                       "sink": 0.7, "dish rack": 1.0},
                  wash=True),
        ThingKind("chopping board", _KITCHEN, {"countertop": 3.0, "cabinet": 2.0, "sink": 0.7,
                                               "dish rack": 1.0, "dining table": 0.7},
                  wash=True),
        # Food
        ThingKind("apple", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True),
        ThingKind("potato", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True,
                  plural="potatoes"),
        ThingKind("tomato", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True,
                  plural="tomatoes"),
        ThingKind("lettuce", _KITCHEN, _PRODUCE_SPOTS, wash=True, cool=True),
        ThingKind("carrot", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True),
        ThingKind("onion", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True),
        ThingKind("lemon", _KITCHEN, _PRODUCE_SPOTS, wash=True, cool=True),
        ThingKind("egg", _KITCHEN, _PRODUCE_SPOTS, wash=True, heat=True, cool=True),
        ThingKind("loaf of bread", _KITCHEN, {"countertop": 3.0, "toaster": 1.0, "pantry": 2.0,
                                              "dining table": 1.5, "fridge": 0.7, "bin": 0.3,
                                              "microwave": 0.3},
                  heat=True, cool=True, plural="loaves of bread"),
        ThingKind("block of cheese", _KITCHEN, {"fridge": 4.0, "countertop": 1.5,
                                                "dining table": 1.0, "bin": 0.3,
                                                "microwave": 0.2},
                  heat=True, cool=True, plural="blocks of cheese"),
        ThingKind("wine bottle", _KITCHEN, {"cabinet": 1.5, "countertop": 1.5, "fridge": 1.5,
                                               "dining table": 1.0, "pantry": 1.0, "bin": 0.4},
                  cool=True),
        ThingKind("milk bottle", _KITCHEN, {"fridge": 4.0, "countertop": 1.5,
                                               "dining table": 0.8, "bin": 0.3,
                                               "microwave": 0.2},
                  heat=True, cool=True),
        ThingKind("salt shaker", _KITCHEN, {"cabinet": 2.0, "countertop": 2.0, "drawer": 1.0,
                                            "dining table": 2.0, "shelf": 1.0, "side table": 0.4}),
        ThingKind("pepper mill", _KITCHEN, {"cabinet": 2.0, "countertop": 2.0, "drawer": 1.0,
                                            "dining table": 2.0, "shelf": 1.0, "side table": 0.4}),
        # Cleaning and bathroom
        ThingKind("sponge", _KITCHEN | {"bathroom": 0.8},
                  {"sink": 3.0, "countertop": 1.5, "cabinet": 1.5, "drawer": 0.7, "bin": 0.5,
                   "bathtub": 0.7},
                  wash=True),
        ThingKind("soap bottle", _KITCHEN, {"sink": 2.0, "countertop": 2.0, "cabinet": 1.5,
                                          "bin": 0.3}),
        ThingKind("bar of soap", {"bathroom": 1.2}, _TOILETRY_SPOTS, wash=True,
                  plural="bars of soap"),
        ThingKind("shampoo bottle", {"bathroom": 1.0}, _TOILETRY_SPOTS),
        ThingKind("toothbrush", {"bathroom": 1.0}, _TOILETRY_SPOTS, wash=True,
                  plural="toothbrushes"),
        ThingKind("toothpaste tube", {"bathroom": 1.0}, _TOILETRY_SPOTS),
        ThingKind("razor", {"bathroom": 0.8}, _TOILETRY_SPOTS, wash=True),
        ThingKind("comb", {"bathroom": 0.8, "bedroom": 0.3},
                  _TOILETRY_SPOTS | {"dresser": 1.5, "nightstand": 1.0}, wash=True),
        ThingKind("hairbrush", {"bathroom": 0.8, "bedroom": 0.3},
                  _TOILETRY_SPOTS | {"dresser": 1.5, "nightstand": 1.0}, wash=True,
                  plural="hairbrushes"),
        ThingKind("toilet roll", {"bathroom": 1.2},
                  {"toilet": 3.0, "cabinet": 2.0, "shelf": 1.5, "countertop": 0.8, "bin": 0.5,
                   "drawer": 0.7}),
        ThingKind("towel", {"bathroom": 1.2},
                  {"towel rack": 3.0, "laundry basket": 1.5, "shelf": 1.5, "cabinet": 1.5,
                   "bathtub": 0.7, "countertop": 0.5},
                  wash=True),
        ThingKind("washcloth", {"bathroom": 1.2},
                  {"towel rack": 1.5, "laundry basket": 1.5, "sink": 1.0, "cabinet": 2.0,
                   "bathtub": 1.0, "countertop": 1.0, "drawer": 1.0},
                  wash=True),
        ThingKind("candle", {"bathroom": 0.7, "living room": 0.6, "bedroom": 0.3},
                  {"toilet": 1.0, "countertop": 1.5, "bathtub": 0.7, "shelf": 1.5,
                   "cabinet": 1.0, "coffee table": 1.5, "side table": 1.5, "dresser": 1.0,
                   "nightstand": 0.7, "tv stand": 0.5, "dining table": 1.0, "drawer": 0.7}),
        ThingKind("spray bottle", {"bathroom": 0.8, "kitchen": 0.4},
                  {"cabinet": 3.0, "countertop": 1.0, "toilet": 1.0, "shelf": 1.0, "bin": 0.4,
                   "pantry": 0.7}),
        ThingKind("tissue box", {"bathroom": 0.6, "bedroom": 0.4, "living room": 0.5},
                  {"toilet": 1.0, "countertop": 1.0, "cabinet": 1.0, "nightstand": 1.5,
                   "coffee table": 1.5, "side table": 1.0, "dresser": 1.0, "shelf": 0.7,
                   "desk": 0.5},
                  plural="tissue boxes"),
        # Bedroom and living room
        ThingKind("book", _SLEEP, _PAPER_SPOTS),
        ThingKind("notebook", _SLEEP, _PAPER_SPOTS),
        ThingKind("newspaper", _STAY, _PAPER_SPOTS | {"bin": 0.5, "ottoman": 1.0}),
        ThingKind("magazine", _STAY, _PAPER_SPOTS | {"bin": 0.4, "ottoman": 1.0}),
        ThingKind("letter", _SLEEP, _PAPER_SPOTS | {"bin": 0.4, "safe": 0.5}),
        ThingKind("pen", {"bedroom": 1.2, "living room": 0.5},
                  _PAPER_SPOTS | {"bin": 0.3, "desk": 4.0}),
        ThingKind("pencil", {"bedroom": 1.2, "living room": 0.4},
                  _PAPER_SPOTS | {"bin": 0.3, "desk": 4.0}),
        ThingKind("phone", _SLEEP, _GADGET_SPOTS),
        ThingKind("laptop", _SLEEP, {"desk": 3.0, "bed": 1.5, "sofa": 1.0, "coffee table": 1.5,
                                     "dining table": 1.0, "armchair": 0.7, "dresser": 0.5}),
        ThingKind("tablet", _SLEEP, _GADGET_SPOTS | {"armchair": 0.7}),
        ThingKind("remote control", {"living room": 1.4, "bedroom": 0.2},
                  {"coffee table": 2.0, "sofa": 2.0, "tv stand": 2.0, "armchair": 1.5,
                   "side table": 1.5, "drawer": 1.0, "ottoman": 0.8, "dining table": 0.5,
                   "bed": 1.0, "nightstand": 1.0}),
        ThingKind("alarm clock", {"bedroom": 1.0},
                  {"nightstand": 3.0, "desk": 2.0, "dresser": 1.5, "shelf": 1.5, "drawer": 0.7}),
        ThingKind("key ring", _SLEEP, _GADGET_SPOTS | {"safe": 1.0, "ottoman": 0.5}),
        ThingKind("wallet", _SLEEP, _GADGET_SPOTS | {"safe": 1.0}),
        ThingKind("credit card", _SLEEP, _GADGET_SPOTS | {"safe": 1.0, "wardrobe": 0.3}),
        ThingKind("watch", _SLEEP, _GADGET_SPOTS | {"safe": 1.0}, plural="watches"),
        ThingKind("pillow", {"bedroom": 1.2, "living room": 0.8},
                  {"bed": 4.0, "sofa": 2.5, "armchair": 1.5, "wardrobe": 0.7, "ottoman": 0.7}),
        ThingKind("blanket", {"bedroom": 0.8, "living room": 0.5},
                  {"bed": 2.5, "sofa": 2.0, "armchair": 1.0, "wardrobe": 1.5, "ottoman": 1.0,
                   "laundry basket": 0.7}),
        ThingKind("shirt", {"bedroom": 1.0}, _CLOTH_SPOTS),
        ThingKind("sock", {"bedroom": 1.0}, _CLOTH_SPOTS),
        ThingKind("scarf", {"bedroom": 0.6, "living room": 0.3}, _CLOTH_SPOTS, plural="scarves"),
        ThingKind("teddy bear", {"bedroom": 0.7, "living room": 0.2},
                  {"bed": 3.0, "armchair": 1.0, "shelf": 1.0, "wardrobe": 0.7, "sofa": 1.0}),
        ThingKind("basketball", {"bedroom": 0.5},
                  {"bed": 1.0, "wardrobe": 1.5, "shelf": 1.0, "armchair": 0.7,
                   "laundry basket": 0.4}),
        ThingKind("vase", {"living room": 1.0, "bedroom": 0.3},
                  {"shelf": 1.5, "coffee table": 1.5, "side table": 1.5, "dining table": 1.5,
                   "tv stand": 1.0, "dresser": 1.0, "bookcase": 1.0, "safe": 0.3,
                   "cabinet": 0.7}),
        ThingKind("statue", {"living room": 1.0, "bedroom": 0.3},
                  {"shelf": 1.5, "coffee table": 1.0, "side table": 1.5, "tv stand": 1.5,
                   "dresser": 1.0, "bookcase": 1.5, "safe": 0.5, "dining table": 0.5}),
        ThingKind("watering can", {"living room": 0.7},
                  {"side table": 1.5, "shelf": 1.0, "cabinet": 1.5, "dining table": 0.7,
                   "bin": 0.2}),
        # Lamps
        ThingKind("desk lamp", {"bedroom": 0.8, "living room": 0.5},
                  {"desk": 4.0, "dresser": 1.0, "shelf": 1.0, "side table": 2.0}, lamp=True),
        ThingKind("bedside lamp", {"bedroom": 0.8},
                  {"nightstand": 4.0, "dresser": 1.0, "shelf": 0.7}, lamp=True),
        ThingKind("reading lamp", {"living room": 0.8, "bedroom": 0.2},
                  {"side table": 3.0, "coffee table": 1.0, "bookcase": 1.0, "tv stand": 0.7,
                   "desk": 1.0, "shelf": 0.5, "nightstand": 0.5}, lamp=True),
    )
}  # fmt: skip


def fits(thing: str, receptacle: str) -> bool:
    """Whether a kind of thing may be put into, or onto, a kind of receptacle."""
    kind = THINGS[thing]
    if kind.lamp:
        return False
    return (
        receptacle in kind.spots
        or (kind.heat and RECEPTACLES[receptacle].heats)
        or (kind.cool and RECEPTACLES[receptacle].cools)
        or (kind.wash and RECEPTACLES[receptacle].washes)
    )
