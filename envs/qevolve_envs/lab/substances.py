"""What things are made of: thermal constants, resistivities, friction, and where they come from.

Not every number was looked up: the comment on each table says which were compared with a source,
and which were written down from memory and name only where such values are tabulated.

Held-out entries (`held_out=True`) are what the unseen split is about; training never shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

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


# Compared with the CRC tables as a public package mirrors them: enthalpies of fusion, most of
# vaporisation, boiling points, heat capacities of the experimental substances. From memory, not
# looked up: melting points of the metals, heat capacities of the reagents.
# Tabulated in: CRC Handbook of Chemistry and Physics, 95th ed. (2014): "Enthalpy
# of Fusion", "Enthalpy of Vaporization", "Standard Thermodynamic Properties of Chemical Substances"
# (heat capacities at 25 C), "Physical Constants" (melting and boiling points). Where the handbook
# has no heat capacity for a phase, that of the nearest phase of the substance stands in (for metals
# the liquid's differs by less than 15 %); ice is its value near 0 C. The enthalpies of vaporisation
# of tin, zinc, antimony, silver, indium, magnesium, copper and of benzoic and stearic acid are not
# in that edition's table and are rounded from general references; no task boils any of them.
# fmt: off
_EXPERIMENTAL = (
    #          name               M        melts    boils   fusion  vap.    c(s)   c(l)   c(g)
    Substance("water",            18.015,     0.0,   100.0,  6.01,   40.65,  37.8,  75.3,  33.6,
              "liquid"),
    Substance("ethanol",          46.068,  -114.14,   78.29, 4.931,  38.56, 111.5, 112.3,  65.6,
              "liquid"),
    Substance("methanol",         32.042,   -97.53,   64.6,  3.215,  35.21,  81.1,  81.1,  44.1,
              "liquid"),
    Substance("acetone",          58.079,   -94.7,    56.05, 5.77,   29.1,  126.3, 126.3,  74.5,
              "liquid"),
    Substance("acetic acid",      60.052,    16.64,  117.9, 11.73,   23.7,  123.3, 123.3,  63.4,
              "liquid"),
    Substance("glycerol",         92.094,    18.1,   290.0, 18.3,    61.0,  218.9, 218.9, 218.9,
              "liquid"),
    Substance("cyclohexane",      84.159,     6.59,   80.73, 2.68,   29.97, 154.9, 154.9, 154.9,
              "liquid", True),
    Substance("isopropanol",      60.095,   -87.9,    82.3,  5.41,   39.85, 156.5, 156.5,  89.3,
              "liquid", True),
    Substance("dimethyl sulfoxide", 78.133,  17.89,  189.0, 14.37,   43.1,  153.0, 153.0, 153.0,
              "liquid", True),
    Substance("bromine",         159.808,    -7.2,    58.8, 10.57,   29.96,  75.7,  75.7,  36.0,
              "liquid", True),
    Substance("hexane",           86.175,   -95.35,   68.73, 13.08,  28.85, 195.6, 195.6, 195.6,
              "liquid", True),
    Substance("naphthalene",     128.171,    80.26,  217.9, 19.01,   43.2,  165.7, 165.7, 131.9,
              "solid"),
    Substance("phenol",           94.111,    40.89,  181.87, 11.51,  45.69, 127.4, 127.4, 127.4,
              "solid"),
    Substance("iodine",          253.809,   113.7,   184.4, 15.52,   41.57,  54.4,  54.4,  36.9,
              "solid"),
    Substance("sulfur",           32.065,   115.21,  444.61, 1.721,  45.0,   22.6,  22.6,  23.7,
              "solid"),
    Substance("gallium",          69.723,    29.77, 2229.0,  5.585, 254.0,   26.1,  26.1,  25.3,
              "solid"),
    Substance("tin",             118.71,    231.93, 2586.0,  7.15,  296.1,   27.0,  27.0,  21.3,
              "solid"),
    Substance("bismuth",         208.98,    271.41, 1564.0, 11.106, 151.0,   25.5,  25.5,  20.8,
              "solid"),
    Substance("lead",            207.2,     327.46, 1749.0,  4.774, 179.5,   26.4,  26.4,  20.8,
              "solid"),
    Substance("zinc",             65.38,    419.53,  907.0,  7.068, 115.0,   25.4,  25.4,  20.8,
              "solid"),
    Substance("antimony",        121.76,    630.63, 1587.0, 19.79,  165.0,   25.2,  25.2,  20.8,
              "solid"),
    Substance("aluminium",        26.982,   660.32, 2519.0, 10.71,  294.0,   24.2,  24.2,  21.4,
              "solid"),
    Substance("silver",          107.868,   961.78, 2162.0, 11.3,   255.0,   25.4,  25.4,  20.8,
              "solid", True),
    Substance("benzoic acid",    122.121,   122.35,  249.2, 18.02,   50.6,  146.8, 146.8, 146.8,
              "solid", True),
    Substance("indium",          114.818,   156.6,  2027.0,  3.291, 231.8,   26.7,  26.7,  20.8,
              "solid", True),
    Substance("stearic acid",    284.478,    69.3,   350.0, 61.2,    84.0,  501.5, 501.5, 501.5,
              "solid", True),
    Substance("magnesium",        24.305,   650.0,  1090.0,  8.48,  128.0,   24.9,  24.9,  20.8,
              "solid", True),
    Substance("copper",           63.546,  1084.62, 2560.0, 13.26,  300.4,   24.4,  24.4,  20.8,
              "solid"),
    Substance("gold",            196.967,  1064.18, 2836.0, 12.55,  324.0,   25.4,  25.4,  20.8,
              "solid", True),
)

_FAR = (9000.0, 9999.0)
_COLD_GAS = (-250.0, -200.0)


def _reagent(
    name: str, molar: float, c: float, out: bool = False, *, gas: bool = False
) -> Substance:
    melts, boils = _COLD_GAS if gas else _FAR
    return Substance(name, molar, melts, boils, 1.0, 10.0, c, c, c, "reagent", out)


# Heat capacities from the same table; phase changes of reagents and products are not modelled (the
# solids of this list stay solid or dissolved, its gases stay gases, in every device of the house).
_REAGENTS = (
    _reagent("hydrochloric acid", 36.461, 29.1),
    _reagent("sodium hydroxide", 39.997, 59.5),
    _reagent("sodium chloride", 58.443, 50.5),
    _reagent("vinegar acid", 60.052, 123.3),
    _reagent("baking soda", 84.007, 87.6),
    _reagent("sodium acetate", 82.034, 79.9),
    _reagent("carbon dioxide", 44.010, 37.1, gas=True),
    _reagent("calcium chloride", 110.98, 72.9),
    _reagent("sodium carbonate", 105.988, 112.3),
    _reagent("calcium carbonate", 100.087, 83.5),
    _reagent("quicklime", 56.077, 42.0),
    _reagent("slaked lime", 74.093, 87.5),
    _reagent("zinc powder", 65.38, 25.4),
    _reagent("zinc chloride", 136.286, 71.3),
    _reagent("hydrogen", 2.016, 28.8, gas=True),
    _reagent("silver nitrate", 169.873, 93.1, True),
    _reagent("potassium bromide", 119.002, 52.3, True),
    _reagent("silver bromide", 187.772, 52.4, True),
    _reagent("potassium nitrate", 101.103, 96.4, True),
    _reagent("copper sulfate", 159.609, 100.0, True),
    _reagent("iron powder", 55.845, 25.1, True),
    _reagent("copper powder", 63.546, 24.4, True),
    _reagent("iron sulfate", 151.908, 100.6, True),
    _reagent("barium chloride", 208.233, 75.1, True),
    _reagent("sodium sulfate", 142.043, 128.2, True),
    _reagent("barium sulfate", 233.39, 101.8, True),
    _reagent("sulfuric acid", 98.079, 138.9, True),
    _reagent("soil", 60.084, 44.4),
)
# fmt: on

COLOURS = ("red", "yellow", "blue", "orange", "green", "violet")
TERTIARY = ("vermilion", "amber", "chartreuse", "teal", "indigo", "magenta")
# Water-based paint has the thermal constants of water.
_PAINTS = tuple(
    Substance(f"{c} paint", 18.015, 0.0, 100.0, 6.01, 40.65, 37.8, 75.3, 33.6, "paint")
    for c in COLOURS + TERTIARY
)

SUBSTANCES: dict[str, Substance] = {s.name: s for s in _EXPERIMENTAL + _REAGENTS + _PAINTS}


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


# Source: Zumdahl & Zumdahl, Chemistry, 9th ed., chapter 4 (reactions in aqueous solution) and the
# activity series there; the stoichiometry is checked by a test on molar masses.
REACTIONS: tuple[Reaction, ...] = (
    Reaction(
        (("hydrochloric acid", 1), ("sodium hydroxide", 1)), (("sodium chloride", 1), ("water", 1))
    ),
    Reaction(
        (("vinegar acid", 1), ("baking soda", 1)),
        (("sodium acetate", 1), ("water", 1), ("carbon dioxide", 1)),
    ),
    Reaction(
        (("hydrochloric acid", 1), ("baking soda", 1)),
        (("sodium chloride", 1), ("water", 1), ("carbon dioxide", 1)),
    ),
    Reaction(
        (("calcium chloride", 1), ("sodium carbonate", 1)),
        (("calcium carbonate", 1), ("sodium chloride", 2)),
    ),
    Reaction((("quicklime", 1), ("water", 1)), (("slaked lime", 1),)),
    Reaction(
        (("hydrochloric acid", 2), ("zinc powder", 1)), (("zinc chloride", 1), ("hydrogen", 1))
    ),
    Reaction(
        (("silver nitrate", 1), ("potassium bromide", 1)),
        (("silver bromide", 1), ("potassium nitrate", 1)),
        held_out=True,
    ),
    Reaction(
        (("copper sulfate", 1), ("iron powder", 1)),
        (("copper powder", 1), ("iron sulfate", 1)),
        held_out=True,
    ),
    Reaction(
        (("barium chloride", 1), ("sodium sulfate", 1)),
        (("barium sulfate", 1), ("sodium chloride", 2)),
        held_out=True,
    ),
    Reaction(
        (("sulfuric acid", 1), ("sodium hydroxide", 2)),
        (("sodium sulfate", 1), ("water", 2)),
        held_out=True,
    ),
)

#: Two paints -> the colour of their mixture. Source: J. Itten, The Art of Color (1961), the
#: twelve-part colour circle.
PAINT_MIXES: dict[tuple[str, str], str] = {
    ("red", "yellow"): "orange",
    ("blue", "yellow"): "green",
    ("blue", "red"): "violet",
    ("orange", "red"): "vermilion",
    ("orange", "yellow"): "amber",
    ("green", "yellow"): "chartreuse",
    ("blue", "green"): "teal",
    ("blue", "violet"): "indigo",
    ("red", "violet"): "magenta",
}
#: Mixtures that only the unseen split asks for.
HELD_OUT_COLOURS = ("violet", "indigo", "magenta")

#: Electrical resistivity at 20 C, ohm m; from memory, not looked up (orders of magnitude for the
#: insulators). Tabulated in the CRC Handbook, 95th ed., "Electrical Resistivity of Pure Metals",
#: and in textbooks of physics. (value, held out)
RESISTIVITY: dict[str, tuple[float, bool]] = {
    "copper": (1.68e-8, False),
    "iron": (9.61e-8, False),
    "aluminium": (2.65e-8, False),
    "brass": (6.4e-8, False),
    "graphite": (8e-6, False),
    "lead": (2.08e-7, False),
    "glass": (1e12, False),
    "rubber": (1e13, False),
    "wood": (1e10, False),
    "plastic": (1e16, False),
    "porcelain": (1e11, False),
    "silver": (1.59e-8, True),
    "nickel": (6.93e-8, True),
    "tungsten": (5.28e-8, True),
    "titanium": (4.2e-7, True),
    "quartz": (7.5e17, True),
    "mica": (1e13, True),
    "paraffin": (1e15, True),
    "cork": (1e9, True),
}

#: Coefficient of kinetic friction of a steel block on a surface (dry, unless said otherwise); from
#: memory, not looked up: plausible values, whose order is what the tasks ask for. Tabulated in
#: textbooks of physics and engineering. (value, held out)
FRICTION: dict[str, tuple[float, bool]] = {
    "teflon": (0.04, False),
    "ice": (0.02, False),
    "waxed wood": (0.10, False),
    "graphite": (0.15, False),
    "oak": (0.25, False),
    "brass": (0.36, False),
    "steel": (0.42, False),
    "concrete": (0.45, False),
    "aluminium": (0.47, False),
    "oiled steel": (0.06, True),
    "bronze": (0.18, True),
    "polyethylene": (0.20, True),
    "cast iron": (0.30, True),
    "leather": (0.40, True),
    "nickel": (0.64, True),
}


def substances(group: str, *, unseen: bool) -> list[Substance]:
    """The substances of a group on one side of the split, in the order of the table."""
    return [s for s in SUBSTANCES.values() if s.group == group and s.held_out is unseen]
