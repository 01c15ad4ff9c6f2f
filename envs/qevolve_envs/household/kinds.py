"""Kinds of receptacles and things, and where things usually are (``kinds.toml``).

The expert searches by the same common sense as the generator; it never sees where the generator
put anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table

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
        plural: For texts.
        rooms: Room -> how common it is there.
        spots: Receptacle kind -> how likely it is found there. It fits there, and nowhere else.
        wash: It can be washed.
        heat: It can be heated.
        cool: It can be cooled.
        lamp: It is a lamp: switched on and off where it stands, never carried.
    """

    name: str
    plural: str
    rooms: Mapping[str, float]
    spots: Mapping[str, float]
    wash: bool
    heat: bool
    cool: bool
    lamp: bool


Counts = tuple[tuple[str, int, int], ...]
Weights = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class _ThingRow:
    name: str
    rooms: Mapping[str, float]
    plural: str = ""
    usual: str = ""
    spots: Weights = ()
    can: frozenset[str] = frozenset()
    lamp: bool = False


@dataclass(frozen=True)
class _Kinds:
    receptacles: tuple[ReceptacleKind, ...]
    furniture: Mapping[str, Counts]
    small_furniture: Mapping[str, Counts]
    crowd: Mapping[str, Mapping[str, tuple[int, int]]]
    usual: Mapping[str, Weights]
    things: tuple[_ThingRow, ...]


_KINDS = read_table(Path(__file__).with_suffix(".toml"), _Kinds)


def _thing(row: _ThingRow) -> ThingKind:
    return ThingKind(
        name=row.name,
        plural=row.plural or row.name + "s",
        rooms=row.rooms,
        spots=dict(_KINDS.usual[row.usual] if row.usual else ()) | dict(row.spots),
        wash="wash" in row.can,
        heat="heat" in row.can,
        cool="cool" in row.can,
        lamp=row.lamp,
    )


def _counts(rooms: Mapping[str, Counts]) -> dict[str, dict[str, tuple[int, int]]]:
    return {room: {name: (low, high) for name, low, high in c} for room, c in rooms.items()}


RECEPTACLES = {kind.name: kind for kind in _KINDS.receptacles}
THINGS = {row.name: _thing(row) for row in _KINDS.things}
#: Room -> receptacle kind -> (fewest, most) in a standard room.
FURNITURE = _counts(_KINDS.furniture)
#: What a small room keeps; everything else is left out there.
SMALL_FURNITURE = _counts(_KINDS.small_furniture)
#: Size -> room -> (fewest, most) things.
CROWD = _KINDS.crowd


def fits(thing: str, receptacle: str) -> bool:
    """Tells whether a kind of thing may be put into, or onto, a kind of receptacle."""
    kind = THINGS[thing]
    if kind.lamp:
        return False
    return (
        receptacle in kind.spots
        or (kind.heat and RECEPTACLES[receptacle].heats)
        or (kind.cool and RECEPTACLES[receptacle].cools)
        or (kind.wash and RECEPTACLES[receptacle].washes)
    )
