"""Substances and materials: thermal constants, resistivities, friction (``substances.toml``).

The file says where each number comes from, and which were written down from memory. Held-out
entries are what the unseen split is about; training never shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qevolve_envs.tables import read_table

ZERO_CELSIUS = 273.15


@dataclass(frozen=True, slots=True)
class Substance:
    """A pure substance, with constant heat capacities in each phase.

    Attributes:
        name: As texts call it.
        molar: Molar mass, g/mol.
        melts: Melting point, degrees C. Where a substance sublimes, or decomposes before it melts
            or boils in any of our devices, both points stand far out of reach.
        boils: Boiling point at 101.325 kPa, degrees C.
        fusion: Enthalpy of fusion, kJ/mol.
        vaporisation: Enthalpy of vaporisation at the boiling point, kJ/mol.
        solid: Molar heat capacity of the solid, J/(mol K).
        liquid: Of the liquid.
        gas: Of the gas.
        group: ``"solid"`` or ``"liquid"`` for what experiments are made with, ``"reagent"`` for
            the chemistry shelf, ``"paint"`` for paints.
        held_out: Kept for the unseen split.
    """

    name: str
    molar: float
    melts: float
    boils: float
    fusion: float
    vaporisation: float
    solid: float
    liquid: float
    gas: float
    group: str = ""
    held_out: bool = False

    # What `physics` computes with, per gram; enthalpy is counted from the solid at 0 K.

    @property
    def at_melting(self) -> float:
        """Specific enthalpy (J/g) of the solid at its melting point."""
        return self.solid / self.molar * (self.melts + ZERO_CELSIUS)

    @property
    def melted(self) -> float:
        """Specific enthalpy (J/g) of the liquid at its melting point."""
        return self.at_melting + 1000 * self.fusion / self.molar

    @property
    def at_boiling(self) -> float:
        """Specific enthalpy (J/g) of the liquid at its boiling point."""
        return self.melted + self.liquid / self.molar * (self.boils - self.melts)

    @property
    def boiled(self) -> float:
        """Specific enthalpy (J/g) of the gas at the boiling point."""
        return self.at_boiling + 1000 * self.vaporisation / self.molar


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction that goes to completion when its reagents are stirred together.

    Attributes:
        reagents: (substance, stoichiometric coefficient).
        products: The same, of what arises.
        wet: It happens only in water (which is in the vessel, or is itself a reagent).
        held_out: Kept for the unseen split.
    """

    reagents: tuple[tuple[str, int], ...]
    products: tuple[tuple[str, int], ...]
    wet: bool = True
    held_out: bool = False


@dataclass(frozen=True)
class _Reagent:
    name: str
    molar: float
    capacity: float
    gas: bool = False
    held_out: bool = False

    def substance(self) -> Substance:
        """The substance; it stays a gas, or solid or dissolved, in every device of a house."""
        melts, boils = (-250.0, -200.0) if self.gas else (9000.0, 9999.0)
        heat = (self.capacity,) * 3
        return Substance(
            self.name, self.molar, melts, boils, 1.0, 10.0, *heat, "reagent", self.held_out
        )


@dataclass(frozen=True)
class _Substances:
    experimental: tuple[Substance, ...]
    reagents: tuple[_Reagent, ...]
    colours: tuple[str, ...]
    tertiary: tuple[str, ...]
    held_out_colours: tuple[str, ...]
    paint_mixes: tuple[tuple[str, str, str], ...]
    reactions: tuple[Reaction, ...]
    resistivity: Mapping[str, tuple[float, bool]]
    friction: Mapping[str, tuple[float, bool]]


def _paint(colour: str) -> Substance:
    """Water-based paint, with the thermal constants of water."""
    return replace(_TABLES.experimental[0], name=f"{colour} paint", group="paint")


_TABLES = read_table(Path(__file__).with_suffix(".toml"), _Substances)
COLOURS, TERTIARY = _TABLES.colours, _TABLES.tertiary
SUBSTANCES: dict[str, Substance] = {
    s.name: s
    for s in (
        *_TABLES.experimental,
        *(reagent.substance() for reagent in _TABLES.reagents),
        *map(_paint, COLOURS + TERTIARY),
    )
}
REACTIONS = _TABLES.reactions
#: Two paints -> the colour of their mixture.
PAINT_MIXES = {(one, other): mix for one, other, mix in _TABLES.paint_mixes}
#: Mixtures that only the unseen split asks for.
HELD_OUT_COLOURS = _TABLES.held_out_colours
#: Electrical resistivity at 20 C, ohm m, and whether it is held out.
RESISTIVITY = _TABLES.resistivity
#: Coefficient of kinetic friction of a steel block on a surface, and whether it is held out.
FRICTION = _TABLES.friction


def substances(group: str, *, unseen: bool) -> list[Substance]:
    """The substances of a group on one side of the split, in the order of the table."""
    return [s for s in SUBSTANCES.values() if s.group == group and s.held_out is unseen]
