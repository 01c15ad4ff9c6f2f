"""The formulas: heat, mixtures, circuits, sliding. Pure functions on numbers.

A body's state is its enthalpy: temperature and phase follow from it, so that energy is conserved by
adding and subtracting. Heat flows by Newton's law, ``dH/dt = k (T_source - T)``. Within a phase the
temperature then approaches the source exponentially, and during a phase change enthalpy rises
linearly; `exchange` goes through these pieces exactly, so that a day in one call equals a day in
minutes, and no temperature ever passes its source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qevolve_envs.lab.substances import SUBSTANCES, ZERO_CELSIUS, Substance

GRAVITY = 9.81


class Material:
    """A substance's constants per gram, computed once."""

    __slots__ = ("boil0", "boil1", "boils", "gas", "liquid", "melt0", "melt1", "melts", "solid")

    def __init__(self, s: Substance) -> None:
        self.solid, self.liquid, self.gas = (c / s.molar for c in (s.solid, s.liquid, s.gas))
        self.melts, self.boils = s.melts, s.boils
        self.melt0, self.melt1 = s.at_melting, s.melted
        self.boil0, self.boil1 = s.at_boiling, s.boiled


MATERIALS: dict[str, Material] = {name: Material(s) for name, s in SUBSTANCES.items()}


def temperature(substance: str, h: float) -> float:
    """Degrees C of a substance whose specific enthalpy is `h` (J/g)."""
    m = MATERIALS[substance]
    if h < m.melt0:
        return h / m.solid - ZERO_CELSIUS
    if h <= m.melt1:
        return m.melts
    if h < m.boil0:
        return m.melts + (h - m.melt1) / m.liquid
    if h <= m.boil1:
        return m.boils
    return m.boils + (h - m.boil1) / m.gas


def enthalpy(substance: str, celsius: float) -> float:
    """Specific enthalpy (J/g) at a temperature; at a transition, before it has begun."""
    m = MATERIALS[substance]
    if celsius <= m.melts:
        return m.solid * (celsius + ZERO_CELSIUS)
    if celsius <= m.boils:
        return m.melt1 + m.liquid * (celsius - m.melts)
    return m.boil1 + m.gas * (celsius - m.boils)


def phase(substance: str, h: float) -> str:
    """``solid``, ``melting`` (both present), ``liquid``, ``boiling`` or ``gas``."""
    m = MATERIALS[substance]
    if h <= m.melt0 * (1 + 1e-12):
        return "solid"
    if h < m.melt1 * (1 - 1e-12):
        return "melting"
    if h <= m.boil0 * (1 + 1e-12):
        return "liquid"
    return "boiling" if h < m.boil1 * (1 - 1e-12) else "gas"


def exchange(
    substance: str, mass: float, h: float, source: float, conductance: float, seconds: float
) -> float:
    """The specific enthalpy after touching a source of heat or cold for a time.

    Args:
        substance: What the body is made of.
        mass: Its mass, g.
        h: Its specific enthalpy, J/g.
        source: Temperature of the source, degrees C.
        conductance: k, W/K.
        seconds: For how long.
    """
    m = MATERIALS[substance]
    for _ in range(6):  # At most five pieces: three phases and two changes.
        now = temperature(substance, h)
        if seconds <= 0.0 or now == source:
            return h
        rising = source > now
        low, high, heat = _piece(m, h, rising)
        end = high if rising else low
        if not heat:
            power = conductance * (source - now) / mass
            if power == 0.0:  # A difference too small for a float to hold its flow.
                return h
            needed = (end - h) / power
            if needed > seconds:
                return h + power * seconds
            h, seconds = end, seconds - needed
            continue
        rate = conductance / (mass * heat)
        left = temperature(substance, end) if math.isfinite(end) else source
        passes = (left < source) if rising else (left > source)
        if passes:
            needed = math.log((source - now) / (source - left)) / rate
            if needed <= seconds:
                h, seconds = end, seconds - needed
                continue
        return h + heat * (source - now) * -math.expm1(-rate * seconds)
    return h


def _piece(m: Material, h: float, rising: bool) -> tuple[float, float, float]:
    """The piece of the line of enthalpies that `h` moves through: (low, high, heat capacity).

    The heat capacity (J/(g K)) is 0 during a change of state.
    """
    for low, high, heat in (
        (-math.inf, m.melt0, m.solid),
        (m.melt0, m.melt1, 0.0),
        (m.melt1, m.boil0, m.liquid),
        (m.boil0, m.boil1, 0.0),
    ):
        if (h < high) if rising else (low < h <= high):
            return low, high, heat
    return m.boil1, math.inf, m.gas


def duration(
    substance: str, mass: float, h: float, target: float, source: float, conductance: float
) -> float:
    """Seconds until the specific enthalpy reaches `target` (infinite if it never does)."""
    m = MATERIALS[substance]
    total = 0.0
    rising = target > h
    cuts = [m.melt0, m.melt1, m.boil0, m.boil1]
    stops = [c for c in cuts if min(h, target) < c < max(h, target)]
    for end in [*(stops if rising else stops[::-1]), target]:
        a, b = temperature(substance, h), temperature(substance, end)
        if (source <= max(a, b)) if rising else (source >= min(a, b)):
            return math.inf
        if a == b:
            total += (end - h) * mass / (conductance * (source - a))
        else:
            heat = (end - h) / (b - a)
            total += mass * heat / conductance * math.log((source - a) / (source - b))
        h = end
    return total


def equalise(bodies: Sequence[tuple[str, float, float]]) -> list[float]:
    """Brings bodies that touch to one temperature without loss.

    Args:
        bodies: (substance, mass, specific enthalpy) of each.

    Returns:
        Their specific enthalpies at the common temperature. The masses' total enthalpy is the same.
    """
    if len(bodies) < 2:
        return [h for _, _, h in bodies]
    temperatures = [temperature(s, h) for s, _, h in bodies]
    low, high = min(temperatures), max(temperatures)
    if high - low < 1e-9:
        return [h for _, _, h in bodies]
    total = sum(mass * h for _, mass, h in bodies)

    def bounds(t: float) -> tuple[list[float], list[float]]:
        first = [enthalpy(s, t) for s, _, _ in bodies]
        last = [
            MATERIALS[s].melt1
            if t == MATERIALS[s].melts
            else MATERIALS[s].boil1
            if t == MATERIALS[s].boils
            else h
            for (s, _, _), h in zip(bodies, first, strict=True)
        ]
        return first, last

    def weigh(values: list[float]) -> float:
        return sum(mass * h for (_, mass, _), h in zip(bodies, values, strict=True))

    # Transition points are tried first: there a range of enthalpies has one temperature.
    points = sorted({t for s, _, _ in bodies for t in (MATERIALS[s].melts, MATERIALS[s].boils)})
    for point in points:
        if not low <= point <= high:
            continue
        first, last = bounds(point)
        if weigh(last) < total:
            low = point
        elif weigh(first) > total:
            high = point
        else:
            gap = weigh(last) - weigh(first)
            share = (total - weigh(first)) / gap if gap else 0.0
            return [a + share * (b - a) for a, b in zip(first, last, strict=True)]
    # Between two transition points the total is a straight line. Just above `low` all that changes
    # there has changed.
    at_low, at_high = bounds(low)[1], bounds(high)[0]
    if low == min(temperatures) and low not in points:
        at_low = bounds(low)[0]
    gap = weigh(at_high) - weigh(at_low)
    share = (total - weigh(at_low)) / gap if gap else 0.0
    return [a + share * (b - a) for a, b in zip(at_low, at_high, strict=True)]


# ── electricity ─────────────────────────────────────────────────────────────

#: The rods and tools that conductivity is tested on: 10 cm long, 1 mm^2 thin.
TEST_LENGTH, TEST_AREA = 0.10, 1e-6


def resistance(resistivity: float) -> float:
    """Ohms of a test piece: R = rho L / A."""
    return resistivity * TEST_LENGTH / TEST_AREA


def current(volts: float, ohms: float) -> float:
    """Amperes in a series circuit: I = sum of U / sum of R."""
    return volts / ohms


# ── inclined planes ─────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Slide:
    """A block on an inclined plane.

    Attributes:
        angle: Degrees.
        friction: Coefficient of kinetic friction.
        length: Metres.
    """

    angle: float
    friction: float
    length: float = 2.0

    @property
    def acceleration(self) -> float:
        """In m/s^2: g (sin a - mu cos a), or 0 where friction holds the block."""
        a = math.radians(self.angle)
        return max(0.0, GRAVITY * (math.sin(a) - self.friction * math.cos(a)))

    @property
    def seconds(self) -> float:
        """sqrt(2 L / a) from rest; infinite where the block stays."""
        return math.sqrt(2 * self.length / self.acceleration) if self.acceleration else math.inf
