"""The world of the lab over time: nothing appears, nothing vanishes, and effects have causes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.core import Feedback
from qevolve_envs.lab.commands import Interpreter
from qevolve_envs.lab.spec import build_world
from qevolve_envs.lab.tasks import KINDS, make_task, task_ids
from qevolve_envs.lab.world import ROOM_CELSIUS


def of_kind(kind, split="train"):
    """A task of a kind: they take turns."""
    names = [k for _, k in KINDS]
    return make_task(task_ids(split)[names.index(kind)])


def begin(kind, *, split="train"):
    world = build_world(of_kind(kind, split), easy=True)
    return world, Interpreter(world)


def run(interpreter, *commands):
    """Runs commands that all have to work; returns the last answer."""
    text = ""
    for command in commands:
        text, feedback = interpreter.run(command)
        assert feedback is Feedback.OK, f"{command}: {text}"
    return text


def energy(world):
    return sum(s.mass * s.h for s in world.samples)


def matter(world):
    return sum(s.mass for s in world.samples)


def check_books(world, energy0, matter0):
    heat = sum(v for k, v in world.ledger.items() if k.startswith("heat:"))
    assert energy(world) - energy0 == pytest.approx(heat, rel=1e-9, abs=1e-3)
    water = sum(world.ledger.get(k, 0.0) for k in ("mains", "drain", "plants"))
    assert matter(world) - matter0 == pytest.approx(water, abs=1e-6)
    assert all(s.mass > 0 for s in world.samples)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(KINDS) - 1),
    st.sampled_from(["train", "unseen"]),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=30, max_size=60),
)
def test_energy_and_matter_are_conserved(number, split, choices):
    """Whatever is done: all heat and water comes from, or goes to, a source or sink with a name."""
    world = build_world(make_task(task_ids(split)[number]), easy=True)
    interpreter = Interpreter(world)
    energy0, matter0 = energy(world), matter(world)
    sources = [ROOM_CELSIUS, *(s.temperature for s in world.samples)]
    sources += [t.celsius for room in world.rooms.values() for t in room.things]
    charge = sum(p.charge for p in world.parts)
    for choice in choices:
        commands = interpreter.commands()
        run(interpreter, commands[int(choice * len(commands))])
        check_books(world, energy0, matter0)
        for sample in world.samples:
            assert min(sources) - 1e-6 <= sample.temperature <= max(sources) + 1e-6
    left = sum(p.charge for p in world.parts)
    assert charge - left == pytest.approx(world.ledger.get("light and heat", 0.0), abs=1e-6)


def test_water_boils_on_the_stove_in_the_time_of_the_formula():
    world, lab = begin("boil")
    vessel = next(t for t in world.keys["subject"].parent.parent.things if t.kind == "vessel")
    world.pour(vessel, world.keys["sink"])
    lab.world.fill(vessel, 100.0, world.keys["sink"])
    world.here = world.rooms["kitchen"]
    vessel.move(world.keys["stove"])
    world.keys["stove"].on = True
    world.touched()
    water = vessel.things[0]
    world.advance(230)
    assert water.temperature == pytest.approx(99.5, abs=0.6) and water.phase == "liquid"
    world.advance(10)
    assert water.phase == "boiling"
    world.advance(1810)
    assert water.phase == "gas"
    world.keys["stove"].on = False
    world.touched()
    world.advance(10 * 86_400)
    assert water.phase == "liquid" and water.temperature == pytest.approx(ROOM_CELSIUS)


def test_a_cooler_works_only_closed():
    world, _ = begin("freeze")
    sample = world.keys["subject"]
    freezer = world.keys["freezer"]
    sample.parent.move(freezer)
    freezer.open = True
    world.touched()
    world.advance(86_400)
    assert sample.temperature == pytest.approx(ROOM_CELSIUS)
    freezer.open = False
    world.touched()
    world.advance(86_400)
    assert sample.phase == "solid" and sample.temperature == pytest.approx(-20)


# ── circuits ────────────────────────────────────────────────────────────────


def test_one_battery_is_too_weak_where_two_are_asked_for():
    world, lab = begin("power-in-series")
    parts = {p.role: p for p in world.parts}
    lamp = parts["lamp"]
    world.here = world.room_of(lamp)
    run(lab, f"pick up {lamp.name}")
    run(lab, "go to workshop")
    small, big = (p.name for p in world.parts if p.role == "battery")
    red, black, yellow = (p.name for p in world.parts if p.role == "wire")
    run(lab, f"connect {small} to {red}", f"connect {red} to {lamp.name}")
    text = run(lab, f"connect {lamp.name} to {black}", f"connect {black} to {small}")
    assert "working weakly" in text
    run(lab, f"disconnect {black}", f"connect {lamp.name} to {black}", f"connect {black} to {big}")
    text = run(lab, f"connect {big} to {yellow}", f"connect {yellow} to {small}")
    assert f"{lamp.name} is working." in text
    # Ohm's law, by hand.
    expected = (3.0 / (1.0 + 3 * 0.01 + lamp.ohms)) ** 2 * lamp.ohms
    assert world.power(lamp) == pytest.approx(expected)
    # What the batteries lose is what the circuit turns into light and heat.
    before = world.ledger["light and heat"]
    run(lab, "wait 1 hour")
    turned = world.ledger["light and heat"] - before
    assert turned == pytest.approx(3.0 * 3.0 / (1.03 + lamp.ohms) * 3600)
    assert world.ledger["batteries"] == pytest.approx(-world.ledger["light and heat"])


def test_batteries_run_down():
    world, lab = begin("power")
    lamp = next(p for p in world.parts if p.role == "lamp")
    battery = next(p for p in world.parts if p.role == "battery")
    world.here = world.rooms["workshop"]
    lamp.move(world.here)
    one, two = (p for p in world.parts if p.role == "wire")
    run(lab, f"connect {battery.name} to {one.name}", f"connect {one.name} to {lamp.name}")
    run(lab, f"connect {lamp.name} to {two.name}", f"connect {two.name} to {battery.name}")
    assert world.works(lamp)
    run(lab, "wait 3 days")
    assert battery.charge == 0.0 and world.power(lamp) == 0.0
    assert "flat" in run(lab, f"examine {battery.name}")


def test_a_circuit_does_not_stretch_through_the_house():
    world, lab = begin("power")
    battery, wire = (next(p for p in world.parts if p.role == r) for r in ("battery", "wire"))
    world.here = world.rooms["workshop"]
    run(lab, f"pick up {wire.name}", f"connect {wire.name} to {battery.name}", "go to hallway")
    assert not wire.ends and not battery.ends


# ── chemistry ───────────────────────────────────────────────────────────────


def test_acid_and_base_make_salt_and_water():
    """10 g of HCl and 10 g of NaOH: NaOH limits, 10 / 39.997 mol make 14.61 g of salt."""
    world, _ = begin("make-product")
    vessel = next(t for t in world.samples).parent
    for sample in list(vessel.things):
        world.discard(sample)
    world.sample("water", 100.0, 20.0, vessel)
    world.sample("hydrochloric acid", 10.0, 20.0, vessel)
    world.sample("sodium hydroxide", 10.0, 20.0, vessel)
    assert world.react(vessel) == ["sodium chloride", "water"]
    masses = {s.substance: s.mass for s in vessel.things}
    assert masses["sodium chloride"] == pytest.approx(14.61, abs=0.01)
    assert masses["water"] == pytest.approx(100 + 4.504, abs=0.01)
    assert masses["hydrochloric acid"] == pytest.approx(10 - 9.116, abs=0.01)
    assert "sodium hydroxide" not in masses
    assert sum(masses.values()) == pytest.approx(120.0)


def test_dry_powders_do_not_react():
    world, _ = begin("make-product")
    vessel = next(t for t in world.samples).parent
    for sample in list(vessel.things):
        world.discard(sample)
    world.sample("calcium chloride", 10.0, 20.0, vessel)
    world.sample("sodium carbonate", 10.0, 20.0, vessel)
    assert world.react(vessel) == []
    world.sample("water", 50.0, 20.0, vessel)
    assert "calcium carbonate" in world.react(vessel)


# ── growth ──────────────────────────────────────────────────────────────────


def plant(world):
    seed, pot = world.keys["seed"], world.keys["flower pot"]
    seed.move(pot)
    world.here = world.rooms["greenhouse"]
    return seed, pot


def test_plants_need_soil_water_and_light():
    world, _ = begin("grow-flower")
    seed, pot = plant(world)
    world.advance(40 * 86_400)
    assert seed.days == 0.0, "dry"
    world.sample("water", 200.0, 20.0, pot)
    pot.move(world.rooms["storeroom"])
    world.advance(40 * 86_400)
    assert seed.days == 0.0, "dark"
    pot.move(world.rooms["greenhouse"])
    world.advance(10 * 86_400)
    assert seed.days == pytest.approx(10.0)
    assert world.ledger["plants"] == pytest.approx(-20.0), "2 g a day"


def test_fruit_needs_pollination():
    world, lab = begin("grow-fruit")
    seed, pot = plant(world)
    world.sample("water", 400.0, 20.0, pot)
    world.advance(150 * 86_400)
    assert seed.stage == 2
    brush = next(t for t in world.keys.values() if t.role == "brush")
    brush.move(world.hands)
    run(lab, f"use {brush.name} on {seed.title}", "wait 30 days")
    assert seed.stage == 3 and "fruiting" in seed.title


def test_plants_die_of_thirst():
    world, _ = begin("grow-flower")
    seed, pot = plant(world)
    world.sample("water", 40.0, 20.0, pot)
    world.advance(20 * 86_400)
    assert seed.stage == 1 and not seed.dead
    world.advance(11 * 86_400)
    assert seed.dead and seed.title.startswith("dead ")


# ── instruments ─────────────────────────────────────────────────────────────


def test_instruments_have_the_precision_that_they_state():
    world, lab = begin("temperature")
    sample = world.keys["subject"]
    sample.parent.move(world.hands)
    world.keys["thermometer"].move(world.hands)
    text = run(lab, f"use thermometer on {sample.title}")
    shown = float(text.split(" reads ")[1].split()[0])
    assert shown * 2 == int(shown * 2) and abs(shown - sample.temperature) <= 0.26
    assert "nearest 0.5 degrees" in run(lab, "examine thermometer")
    world.keys["scale"].move(world.hands)
    text = run(lab, f"use scale on {sample.parent.title}")
    assert f" {sample.mass:.0f} g " in text
