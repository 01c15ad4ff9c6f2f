"""Families "matter" (changes of state), "measure" and "thermometry"."""

from __future__ import annotations

from collections.abc import Callable

from qevolve_envs.lab.draft import Draft
from qevolve_envs.lab.physics import MATERIALS
from qevolve_envs.lab.substances import substances

LIQUID, GAS = ("liquid", "boiling", "gas"), ("gas",)


def _pick(d: Draft, group: str, fits: Callable[[str], bool]) -> str:
    names = [s.name for s in substances(group, unseen=d.unseen) if fits(s.name)]
    return d.rng.choice(names)


def _change(d: Draft, substance: str, grams: float, verb: str, how: str) -> str:
    role = d.role("kitchen", "foundry")
    d.vessel(d.rng.below(4), role, [(substance, grams, 20.0, "", "subject")])
    d.goal = (
        f"{verb}. The {substance} is in {d.room(role)}. First focus on the {substance}, then {how}."
    )
    d.variant = substance
    d.wrong.append(("focus", ("subject",)))
    d.sub(15, "event", "focus:subject")
    return role


def boil(d: Draft) -> None:
    """Task: boil a liquid away."""
    substance = _pick(d, "liquid", lambda s: MATERIALS[s].boils < 280 - 60 * d.unseen)
    grams = float(d.rng.between(20, 90))
    _change(d, substance, grams, f"Boil the {substance}", "turn all of it into a gas")
    d.sub(25, "heated", "subject")
    d.sub(25, "phase", "subject", ("boiling", "gas"))
    d.sub(35, "phase", "subject", GAS)


def melt(d: Draft) -> None:
    """Task: melt a solid."""
    substance = _pick(d, "solid", lambda s: MATERIALS[s].melts > 25)
    grams = float(d.rng.between(20, 120))
    _change(d, substance, grams, f"Melt the {substance}", "heat it until none of it is solid")
    d.sub(25, "heated", "subject")
    d.sub(25, "phase", "subject", ("melting", *LIQUID))
    d.sub(35, "phase", "subject", LIQUID)


def freeze(d: Draft) -> None:
    """Task: freeze a liquid."""
    coldest = min(f.celsius for f in d.house.fixtures("kitchen") if f.kind == "cooler")
    substance = _pick(d, "liquid", lambda s: MATERIALS[s].melts > coldest + 8)
    grams = float(d.rng.between(30, 120))
    _change(d, substance, grams, f"Freeze the {substance}", "turn all of it into a solid")
    d.sub(25, "cooled", "subject")
    d.sub(25, "phase", "subject", ("melting", "solid"))
    d.sub(35, "phase", "subject", ("solid",))


def change(d: Draft) -> None:
    """Task: bring about any change of state."""
    if d.rng.uniform() < 0.5:
        substance = _pick(d, "liquid", lambda s: MATERIALS[s].boils < 150)
        start = "liquid"
    else:
        substance = _pick(d, "solid", lambda s: MATERIALS[s].melts < 900)
        start = "solid"
    grams = float(d.rng.between(20, 90))
    _change(
        d, substance, grams, f"Change the state of the {substance}",
        f"make all of it something else than a {start}",
    )  # fmt: skip
    others = [p for p in ("solid", "liquid", "gas") if p != start]
    d.sub(45, "phase", "subject", ("melting", "boiling", *others))
    d.sub(40, "phase", "subject", tuple(others))


# ── measuring ───────────────────────────────────────────────────────────────


def _boxes(d: Draft, role: str, yes: bool, key: str, what: str, name: str, points: int) -> str:
    """Two boxes in a room, the last sub-goal, and the sentence that says which one is right."""
    boxes = d.boxes(2, role)
    d.sort(key, yes, boxes, points)
    return (
        f"If {what}, put the {name} in the {boxes[0]}, otherwise in the {boxes[1]}. "
        f"The boxes are in {d.room(role)}."
    )


def temperature(d: Draft) -> None:
    """Task: measure a temperature and act on it."""
    substance = _pick(d, "liquid", lambda s: MATERIALS[s].boils > 75)
    m = MATERIALS[substance]
    celsius = d.rng.between(max(int(m.melts) + 3, 4), min(int(m.boils) - 5, 95))
    gap = max(10, abs(celsius - 20) // 2 + 3)
    yes = d.rng.uniform() < 0.5
    limit = celsius - gap if yes else celsius + gap
    role = d.role()
    grams = float(d.rng.between(200, 400))
    name = d.vessel(d.rng.below(4), role, [(substance, grams, celsius, "", "subject")])
    tool = d.house.tool("thermometer")
    d.sub(40, "event", "measured:subject")
    rest = _boxes(d, d.role(), yes, "subject", f"it is above {limit} degrees C", name, 60)
    d.goal = (
        f"Measure the temperature of the {substance} in the {name}, in {d.room(role)}, with the "
        f"{tool}, soon: it is drifting towards the temperature of the room. {rest}"
    )
    d.variant = f"{substance} {limit // 10}"


def mass(d: Draft) -> None:
    """Task: weigh something and act on it."""
    name = ("parcel", "canister")[d.unseen]
    grams = float(d.rng.between(120, 900))
    yes = d.rng.uniform() < 0.5
    limit = round(grams * (0.8 if yes else 1.25))
    role = d.role()
    d.item(name, "block", role, portable=True, mass=grams, key="subject")
    d.sub(40, "event", "weighed:subject")
    rest = _boxes(d, d.role(), yes, "subject", f"it is heavier than {limit} g", name, 60)
    d.goal = (
        f"Weigh the {name}, which is in {d.room(role)}, with the {d.house.tool('scale')}. {rest}"
    )
    d.variant = f"{limit // 25} {role}"


def heaviest(d: Draft) -> None:
    """Task: find the heaviest of three things."""
    colours = ("copper", "silver", "golden") if d.unseen else ("red", "blue", "green")
    names = [f"{c} {'cube' if d.unseen else 'block'}" for c in d.rng.shuffled(colours)]
    role = d.role()
    base = d.rng.between(150, 600)
    masses = [float(base), float(round(base * 1.08)), float(round(base * 1.19))]
    light = d.rng.uniform() < 0.5
    for name, grams in zip(names, masses, strict=True):
        d.item(name, "block", role, portable=True, mass=grams)
        d.sub(15, "event", f"weighed:{name}")
    # In any order of weighing: the sub-goals go by the order of the list that the goal gives.
    listed = sorted(names)
    d.subgoals = [(15, "event", (f"weighed:{name}",)) for name in listed]
    right = names[0] if light else names[2]
    d.wrong.append(("focus", (right,)))
    d.sub(55, "event", f"focus:{right}")
    word = "lightest" if light else "heaviest"
    d.goal = (
        f"Weigh the {listed[0]}, the {listed[1]} and the {listed[2]}, which are in "
        f"{d.room(role)}, with the {d.house.tool('scale')}. Then focus on the {word} one."
    )
    d.variant = f"{word} {role} {base // 50}"


# ── thermometry ─────────────────────────────────────────────────────────────


def _point(d: Draft, substance: str, change_: str, label: str) -> None:
    grams = d.dose(substance, change_)
    assert grams is not None
    m = MATERIALS[substance]
    point = m.melts if change_ == "melting" else m.boils
    gap = max(8, round(abs(point) * (0.1 + 0.15 * d.rng.uniform())))
    yes = d.rng.uniform() < 0.5
    limit = round(point) + (-gap if yes else gap)
    role = d.role()
    name = d.vessel(d.rng.below(4), role, [(substance, grams, 20.0, label, "subject")])
    device_role, device = d.heater(point)
    called = label or substance
    d.sub(10, "event", "measured:subject")
    d.sub(40, "event", f"{change_}:subject")
    # Not far away: this is the longest way to go of all tasks.
    home = d.rng.choice(("hall", device_role))
    rest = _boxes(d, home, yes, "subject", f"it is above {limit} degrees C", name, 50)
    tool = d.house.tool("thermometer")
    d.goal = (
        f"Measure the {change_} point of the {called} in the {name}, in {d.room(role)}: use the "
        f"{tool} while it is {change_} on the {device.name}. {rest}"
    )
    d.variant = f"{substance} {yes} {limit}"


def _doses(d: Draft, group: str, change_: str) -> str:
    def fits(name: str) -> bool:
        m = MATERIALS[name]
        point = m.melts if change_ == "melting" else m.boils
        return (
            point < 1150
            and (change_ == "boiling" or point > 25)
            and (point < 310 if change_ == "boiling" else True)
            and d.dose(name, change_) is not None
        )

    return _pick(d, group, fits)


def melting_point(d: Draft) -> None:
    """Task: measure the melting point of a named substance."""
    _point(d, _doses(d, "solid", "melting"), "melting", "")


def unknown_melting_point(d: Draft) -> None:
    """Task: measure the melting point of an unknown substance."""
    label = f"unknown {('substance', 'sample')[d.unseen]} {d.rng.choice('bcdefg')}"
    _point(d, _doses(d, "solid", "melting"), "melting", label)


def unknown_boiling_point(d: Draft) -> None:
    """Task: measure the boiling point of an unknown liquid."""
    label = f"unknown {('liquid', 'fluid')[d.unseen]} {d.rng.choice('bcdefg')}"
    _point(d, _doses(d, "liquid", "boiling"), "boiling", label)
