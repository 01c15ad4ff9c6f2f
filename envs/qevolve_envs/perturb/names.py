"""What the entities of each world may be called instead.

A synonym means the same to a person, begins like the name it replaces (so that "a" and "an" stay
right) and is nothing else in that world. Names without a good synonym keep their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from qevolve_envs.household.kinds import RECEPTACLES, THINGS
from qevolve_envs.lab.houses import CLUTTER, FIXTURES, ROLES, TOOLS
from qevolve_envs.perturb.layer import CHANCE


@dataclass(frozen=True)
class Lexicon:
    """The names of a world.

    Attributes:
        names: Every name that may be replaced, and its plural, which may be the same.
        synonyms: Name -> another one, and its plural.
        known: Names that are never replaced by invented words, because what they mean is needed.
    """

    names: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, str]]
    known: frozenset[str] = frozenset()

    @cached_property
    def inventions(self) -> tuple[str, ...]:
        """Enough words that mean nothing; those for names that begin with a vowel do so too."""
        return tuple(_invent(len(self.names)))


def _table(text: str) -> dict[str, tuple[str, str]]:
    """Reads lines of ``name = synonym``, or ``name = synonym / plural``."""
    table: dict[str, tuple[str, str]] = {}
    for entry in text.strip().split("\n"):
        for pair in entry.split(","):
            name, _, other = (part.strip() for part in pair.partition("="))
            synonym, _, plural = (part.strip() for part in other.partition("/"))
            table[name] = (synonym, plural or synonym + "s")
    return table


def _plain(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


_HOUSEHOLD = _table("""
    mug = beaker, cup = teacup, plate = saucer, bowl = basin, glass = tumbler, jar = canister
    jug = pitcher, pan = skillet, pot = saucepan, kettle = teakettle, spatula = turner
    ladle = dipper, knife = cutter, whisk = beater, peeler = parer, grater = shredder
    chopping board = cutting slab, potato = spud, lettuce = romaine, loaf of bread = baguette
    sponge = scrubber, razor = shaver, towel = drying cloth, washcloth = flannel, candle = taper
    book = volume, notebook = jotter, newspaper = gazette, magazine = periodical
    letter = missive, pen = ballpoint, phone = mobile, laptop = portable computer
    tablet = touchscreen, remote control = zapper, key ring = keyholder, wallet = billfold
    credit card = bank card, watch = timepiece, pillow = cushion, blanket = quilt, shirt = blouse
    sock = stocking, scarf = shawl, teddy bear = cuddly toy, vase = flowerpot, statue = figurine
    watering can = sprinkler
    fridge = refrigerator, sink = washbasin, countertop = worktop, cabinet = cupboard
    stove burner = hob, coffee machine = percolator, bin = trashcan, dining table = dinner table
    shelf = ledge, pantry = larder, dish rack = draining rack, side table = pedestal
    toilet = lavatory, bathtub = tub, towel rack = towel rail, medicine cabinet = medicine chest
    laundry basket = hamper, bed = bunk, desk = writing table, dresser = commode
    nightstand = bedside table, wardrobe = closet, safe = strongbox, bookcase = bookrack
    armchair = easy chair, sofa = couch, coffee table = cocktail table, tv stand = media stand
""")

_LAB = _table("""
    hallway = corridor, kitchen = galley, foundry = metalworks, chemistry lab = laboratory
    workshop = workroom, greenhouse = glasshouse, storeroom = stockroom, bathroom = shower room
    living room = lounge, atrium = entrance, canteen = cafeteria, smithy = forge
    garage = carport, orangery = indoor garden, cellar = basement, washroom = restroom
    parlour = sitting room
    hall table = console, kitchen table = breakfast table, stove = cooker, fridge = refrigerator
    freezer = deep freeze, sink = washbowl, furnace = smelter, lab bench = workbench
    cabinet = wall unit, tool chest = toolbox, rain barrel = water butt
    paint cupboard = paint closet
    shelf = ledge, trunk = footlocker, tub tap = bath faucet, coffee table = low table
    sideboard = credenza, pedestal = plinth, counter = worktop, hot plate = hob
    cold cabinet = chiller, blast freezer = shock froster, basin = washbasin, kiln = brick oven
    locker = wardrobe, trestle = sawhorse, crate = packing case, cistern = reservoir
    drawing desk = drafting table, barrel = keg, vanity = makeup table, fountain = waterspout
    chest of drawers = dresser
    thermometer = temperature gauge, thermocouple = heat probe, scale = weighing machine
    balance = weighbridge, stopwatch = timer, chronometer = timekeeper, feather = plume
    mug = tankard, pencil = crayon, sponge = scourer, newspaper = gazette, cushion = bolster
    coin = penny, rope = cord, goblet = chalice, rag = dustcloth, blanket = quilt, poster = placard
    ladle = dipper, token = voucher, mirror = looking glass, string = twine
""")

_SHOP = _table("""
    black = sable, gray = smokey, navy = marine, white = snowy, teal = peacock, pink = rosy
    mustard = saffron, sage = thyme, red = crimson, olive = avocado, lavender = lilac
    burgundy = maroon, silver = pewter, green = viridian, orange = apricot, brown = russet
    blush = petal, terracotta = clay, ivory = alabaster, charcoal = soot, tan = beige
    blue = cobalt, purple = violet, walnut = teakwood, khaki = drab, copper = titian
    yellow = canary, coral = salmon pink
""")
_SHOP_NAMES = ("oak", "mint", "cream", "brass", "bronze", "indigo", "camo", "clear")


@cache
def lexicon(env_id: str) -> Lexicon:
    """The names of an embedded environment."""
    if env_id == "qevolve/Household-v0":
        names = {kind.name: kind.plural for kind in THINGS.values()} | _plain(RECEPTACLES)
        devices = [k.name for k in RECEPTACLES.values() if k.washes or k.heats or k.cools]
        lamps = [k.name for k in THINGS.values() if k.lamp]
        return Lexicon(names, _HOUSEHOLD, frozenset([*devices, *lamps]))
    if env_id == "qevolve/Lab-v0":
        rooms = [name for pair in ROLES.values() for name in pair]
        fixtures = [f.name for sides in FIXTURES.values() for side in sides for f in side]
        tools = [name for known, other, _ in TOOLS.values() for name in (known, other)]
        clutter = [name for side in CLUTTER for name in side]
        return Lexicon(_plain([*rooms, *fixtures, *tools, *clutter]), _LAB)
    return Lexicon(_plain([*_SHOP, *_SHOP_NAMES]), _SHOP)


def _invent(count: int) -> Iterable[str]:
    """Different words for `count` names: for each a consonant's and a vowel's beginning."""
    dice = CHANCE.dice("inventions")
    made: set[str] = set()
    while len(made) < count:
        first, second = (dice.choice("bdfgkmnprtvz") + dice.choice("aeiou") for _ in range(2))
        made.add(first + second + dice.choice(("x", "k", "zh", "ff")))
    for word in sorted(made):
        yield word
        yield dice.choice("aeiou") + word[0] + word
