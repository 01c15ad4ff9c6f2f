"""The formulas of the lab: worked numbers, and laws that hold for every number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.lab.physics import (
    MATERIALS,
    Slide,
    current,
    duration,
    enthalpy,
    equalise,
    exchange,
    phase,
    resistance,
    temperature,
)
from qevolve_envs.lab.substances import PAINT_MIXES, REACTIONS, RESISTIVITY, SUBSTANCES

NAMES = [s.name for s in SUBSTANCES.values() if s.group in ("solid", "liquid")]
names = st.sampled_from(NAMES)
grams = st.floats(1, 1000)
celsius = st.floats(-200, 2000)


@st.composite
def bodies(draw):
    """A substance, its mass, and its enthalpy, often in the middle of a change of state."""
    name = draw(names)
    m = MATERIALS[name]
    if draw(st.booleans()):
        low, high = draw(st.sampled_from([(m.melt0, m.melt1), (m.boil0, m.boil1)]))
        h = low + draw(st.floats(0, 1)) * (high - low)
    else:
        h = enthalpy(name, draw(celsius))
    return name, draw(grams), h


# ── worked numbers ──────────────────────────────────────────────────────────


def test_heating_water_takes_the_time_of_newtons_law():
    """100 g from 20 to 100 C on a stove of 350 C with 0.5 W/K: C/k ln((350-20)/(350-100))."""
    heat = 75.3 / 18.015 * 100  # 418 J/K
    by_hand = heat / 0.5 * math.log(330 / 250)
    water = MATERIALS["water"]
    computed = duration("water", 100, enthalpy("water", 20), water.boil0, 350, 0.5)
    assert computed == pytest.approx(by_hand) == pytest.approx(232.1, abs=0.1)
    h = exchange("water", 100, enthalpy("water", 20), 350, 0.5, by_hand)
    assert temperature("water", h) == pytest.approx(100)
    assert phase("water", h) == "liquid"


def test_boiling_water_away_takes_its_latent_heat():
    """100 g x 2256 J/g over (350 - 100) K x 0.5 W/K = 1805 s."""
    water = MATERIALS["water"]
    assert water.boil1 - water.boil0 == pytest.approx(2256.5, abs=0.1)
    computed = duration("water", 100, water.boil0, water.boil1, 350, 0.5)
    assert computed == pytest.approx(1805.2, abs=0.1)
    assert phase("water", exchange("water", 100, water.boil0, 350, 0.5, 900)) == "boiling"
    assert phase("water", exchange("water", 100, water.boil0, 350, 0.5, 1806)) == "gas"


def test_ice_needs_334_joules_a_gram():
    water = MATERIALS["water"]
    assert water.melt1 - water.melt0 == pytest.approx(333.6, abs=0.1)


def test_mixing_temperatures():
    """100 g of water at 80 C and 300 g at 20 C come to 35 C."""
    pair = [("water", 100.0, enthalpy("water", 80)), ("water", 300.0, enthalpy("water", 20))]
    for name, h in zip(("water", "water"), equalise(pair), strict=True):
        assert temperature(name, h) == pytest.approx(35.0)


def test_ice_in_water_stops_at_zero():
    """50 g of ice at 0 C cool 100 g of water at 20 C to 0 C, and 8372 of 16681 J of it melts."""
    ice, water = ("water", 50.0, enthalpy("water", 0)), ("water", 100.0, enthalpy("water", 20))
    cold, warm = equalise([ice, water])
    assert temperature("water", cold) == temperature("water", warm) == 0.0
    gained = (cold - ice[2]) * 50
    lost = (water[2] - warm) * 100
    assert gained == pytest.approx(lost)


def test_a_series_circuit():
    """Two cells of 1.5 V and 0.5 ohm, a lamp of 10 ohm: 3 V / 11 ohm = 0.273 A."""
    assert current(3.0, 11.0) == pytest.approx(0.2727, abs=1e-4)


def test_a_copper_rod_conducts_and_a_wooden_one_does_not():
    """R = rho L / A of 10 cm and 1 mm^2: 1.68 milliohm, and 10^15 ohm."""
    assert resistance(RESISTIVITY["copper"][0]) == pytest.approx(1.68e-3)
    assert resistance(RESISTIVITY["wood"][0]) == pytest.approx(1e15)


def test_sliding_down_oak():
    """30 degrees, mu = 0.25: a = 9.81 (0.5 - 0.25 x 0.866) = 2.781 m/s^2, 2 m take 1.199 s."""
    slide = Slide(30, 0.25)
    assert slide.acceleration == pytest.approx(2.781, abs=1e-3)
    assert slide.seconds == pytest.approx(1.199, abs=1e-3)
    assert math.isinf(Slide(20, 0.4).seconds), "tan 20 = 0.364 < 0.4: the block stays"


# ── laws ────────────────────────────────────────────────────────────────────


@given(bodies())
def test_temperature_and_phase_follow_from_enthalpy(body):
    name, _, h = body
    m = MATERIALS[name]
    t, state = temperature(name, h), phase(name, h)
    assert math.isfinite(t)
    if state == "melting":
        assert t == m.melts
    if state == "boiling":
        assert t == m.boils
    if state == "liquid":
        assert m.melts - 1e-9 <= t <= m.boils + 1e-9


@given(bodies(), celsius, st.floats(0.01, 5), st.floats(0, 1e6))
def test_no_temperature_passes_its_source(body, source, conductance, seconds):
    name, mass, h = body
    before = temperature(name, h)
    after = temperature(name, exchange(name, mass, h, source, conductance, seconds))
    low, high = sorted((before, source))
    assert low - 1e-6 <= after <= high + 1e-6


@given(bodies(), celsius, st.floats(0.01, 5), st.floats(1, 1e5), st.floats(0.01, 0.99))
def test_time_in_one_piece_is_time_in_two(body, source, conductance, seconds, share):
    """The pieces are solved exactly: no step size changes the answer."""
    name, mass, h = body
    whole = exchange(name, mass, h, source, conductance, seconds)
    half = exchange(name, mass, h, source, conductance, seconds * share)
    rest = exchange(name, mass, half, source, conductance, seconds * (1 - share))
    assert rest == pytest.approx(whole, rel=1e-6, abs=1e-4)


@given(bodies(), st.floats(0, 1), st.floats(0.01, 5))
def test_duration_is_the_inverse_of_exchange(body, share, conductance):
    name, mass, h = body
    source = temperature(name, h) + 500
    target = h + share * (enthalpy(name, source - 50) - h)
    seconds = duration(name, mass, h, target, source, conductance)
    if math.isfinite(seconds):
        assert exchange(name, mass, h, source, conductance, seconds) == pytest.approx(
            target, rel=1e-6
        )


@settings(max_examples=200)
@given(st.lists(bodies(), min_size=1, max_size=4))
def test_touching_bodies_share_their_energy(mixture):
    after = equalise(mixture)
    before = sum(mass * h for _, mass, h in mixture)
    total = sum(mass * h for (_, mass, _), h in zip(mixture, after, strict=True))
    assert total == pytest.approx(before, rel=1e-9)
    reached = [temperature(n, h) for (n, _, _), h in zip(mixture, after, strict=True)]
    assert max(reached) - min(reached) < 1e-5
    starts = [temperature(n, h) for n, _, h in mixture]
    assert min(starts) - 1e-6 <= reached[0] <= max(starts) + 1e-6


@given(st.floats(1, 80), st.floats(1, 80), st.floats(0, 1))
def test_steeper_is_faster_and_rougher_is_slower(one, two, mu):
    low, high = sorted((one, two))
    assert Slide(high, mu).seconds <= Slide(low, mu).seconds * (1 + 1e-9)
    assert Slide(one, mu).seconds <= Slide(one, min(1.0, mu + 0.1)).seconds


# ── tables ──────────────────────────────────────────────────────────────────


def test_reactions_balance():
    for reaction in REACTIONS:
        sides = [
            sum(n * SUBSTANCES[name].molar for name, n in side)
            for side in (reaction.reagents, reaction.products)
        ]
        assert sides[0] == pytest.approx(sides[1], rel=1e-4), reaction


def test_phase_points_are_in_order():
    for s in SUBSTANCES.values():
        assert -273.15 < s.melts < s.boils, s.name
        m = MATERIALS[s.name]
        assert 0 < m.melt0 < m.melt1 < m.boil0 < m.boil1, s.name


def test_paints_are_keyed_in_order():
    assert all(one < two for one, two in PAINT_MIXES)
