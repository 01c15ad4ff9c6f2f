"""Families "electricity", "chemistry" and "forces"."""

from __future__ import annotations

from qevolve_envs.lab.draft import Draft
from qevolve_envs.lab.physics import Slide, resistance
from qevolve_envs.lab.substances import (
    FRICTION,
    HELD_OUT_COLOURS,
    PAINT_MIXES,
    REACTIONS,
    RESISTIVITY,
)

_LAMPS = (
    (("bulb", 10.0), ("buzzer", 12.0), ("motor", 8.0)),
    (("lantern", 11.0), ("siren", 14.0), ("fan", 9.0)),
)
_WIRES = (("red wire", "black wire", "yellow wire"), ("white wire", "brown wire", "grey wire"))


def _parts(d: Draft, batteries: int, wires: int) -> tuple[str, str]:
    """Batteries, wires and a lamp in the workshop and one more room; returns (lamp, that room)."""
    role = d.role("workshop")
    names = ("small battery", "big battery") if not d.unseen else ("flat cell", "round cell")
    for name in names[:batteries]:
        d.item(
            name, "part", "workshop", d.house.fixtures("workshop")[0].name, portable=True,
            role="battery", volts=1.5, ohms=0.5, charge=9000.0,
        )  # fmt: skip
    for name in _WIRES[d.unseen][:wires]:
        d.item(
            name, "part", "workshop", d.house.fixtures("workshop")[0].name, portable=True,
            role="wire", ohms=0.01,
        )  # fmt: skip
    lamp, ohms = d.rng.choice(_LAMPS[d.unseen])
    needs = 0.8 * (1.5 * batteries / (ohms + 0.5 * batteries)) ** 2 * ohms
    d.item(lamp, "part", role, portable=True, role="lamp", ohms=ohms, rated=round(needs, 2))
    return lamp, role


def power(d: Draft) -> None:
    """Task: a lamp, one battery and two wires."""
    lamp, role = _parts(d, 1, 2)
    d.goal = (
        f"Make the {lamp} work. The {lamp} is in {d.room(role)}; a battery and wires are in "
        f"{d.room('workshop')}."
    )
    d.variant = f"{lamp} {role}"
    d.sub(10, "carried", lamp)
    d.sub(30, "wired", lamp)
    d.sub(60, "works", lamp)


def series(d: Draft) -> None:
    """Task: a lamp that needs more than one battery."""
    lamp, role = _parts(d, 2, 3)
    d.goal = (
        f"Make the {lamp} work: one battery is too weak for it, so connect both in series. The "
        f"{lamp} is in {d.room(role)}; two batteries and wires are in {d.room('workshop')}."
    )
    d.variant = f"{lamp} {role}"
    d.sub(10, "carried", lamp)
    d.sub(30, "wired", lamp)
    d.sub(60, "works", lamp)


def switched(d: Draft) -> None:
    """Task: a lamp with a switch."""
    lamp, role = _parts(d, 1, 3)
    switch = ("switch", "push button")[d.unseen]
    d.item(
        switch, "part", "workshop", d.house.fixtures("workshop")[0].name, portable=True,
        role="switch", ohms=0.01, on=False,
    )  # fmt: skip
    d.goal = (
        f"Make the {lamp} work in a circuit with the {switch}, switched on. The {lamp} is in "
        f"{d.room(role)}; a battery, wires and the {switch} are in {d.room('workshop')}."
    )
    d.variant = f"{lamp} {role}"
    d.sub(10, "carried", lamp)
    d.sub(20, "wired", lamp)
    d.sub(20, "wired", switch)
    d.sub(50, "switched", lamp, switch)


def _conducts(d: Draft, hidden: bool) -> None:
    lamp, _ = _parts(d, 1, 3)
    # The lamp lies with the other parts here: the piece to be tested is what has to be found.
    d.items[-1] = {**d.items[-1], "at": ["workshop", d.house.fixtures("workshop")[0].name]}
    material = d.rng.choice([m for m, (_, out) in RESISTIVITY.items() if out is d.unseen])
    ohms = resistance(RESISTIVITY[material][0])
    if hidden:
        name = f"unknown {('rod', 'bar')[d.unseen]} {d.rng.choice('bcdefg')}"
    else:
        name = (
            f"{material} {d.rng.choice((('rod', 'spoon', 'ruler'), ('bar', 'needle'))[d.unseen])}"
        )
    role = d.role("workshop")
    d.item(name, "part", role, portable=True, role="rod", ohms=ohms, key="subject")
    home = d.rng.choice(("workshop", "hall"))
    boxes = d.boxes(2, home)
    d.sub(10, "carried", "subject")
    d.sub(45, "event", "tested:subject")
    d.sort("subject", ohms < 1e3, boxes, 45)
    d.goal = (
        f"Test whether the {name} conducts electricity: put it in a closed circuit with a battery "
        f"and the {lamp}. The {name} is in {d.room(role)}, the parts are in "
        f"{d.room('workshop')}. If it conducts, put it in the {boxes[0]}, otherwise in the "
        f"{boxes[1]}. The boxes are in {d.room(home)}."
    )
    d.variant = f"{material} {name.split()[1]} {role}"


def conductivity(d: Draft) -> None:
    """Task: find out whether a thing of a known material conducts."""
    _conducts(d, hidden=False)


def unknown_conductivity(d: Draft) -> None:
    """Task: find out whether a thing of an unknown material conducts."""
    _conducts(d, hidden=True)


# ── chemistry ───────────────────────────────────────────────────────────────

#: Reagents that stand on the shelf dry; the others are dissolved in water.
_DRY = ("baking soda", "quicklime", "zinc powder", "iron powder", "sodium carbonate")
_JARS = (
    ("jar 1", "jar 2", "jar 3", "jar 4"),
    ("tub 1", "tub 2", "tub 3", "tub 4"),
)


def _jar(d: Draft, number: int, substance: str, grams: float, role: str, water: float) -> str:
    rows: list[list[object]] = [[substance, grams, 20.0, "", ""]] if grams else []
    if water:
        rows.append(["water", water, 20.0, "", ""])
    spot = d.house.fixtures(role)[0].name
    return d.item(_JARS[d.unseen][number], "vessel", role, spot, portable=True, samples=rows)


def product(d: Draft) -> None:
    """Task: make a substance from the reagents on the shelf."""
    reaction = d.rng.choice([r for r in REACTIONS if r.held_out is d.unseen])
    reagents = [name for name, _ in reaction.reagents]
    target = reaction.products[0][0]
    used = set(reagents)
    spare = [
        name
        for r in REACTIONS
        if r.held_out is d.unseen
        for name, _ in r.reagents
        if name not in used and name != "water"
    ]
    names = d.rng.shuffled([*reagents, *d.rng.shuffled(sorted(set(spare)))[:1]])
    for number, name in enumerate(names):
        grams = float(d.rng.between(5, 20))
        if name == "water":
            _jar(d, number, name, 0.0, "lab", float(d.rng.between(60, 120)))
        else:
            _jar(d, number, name, grams, "lab", 0.0 if name in _DRY else 80.0)
    d.sub(20, "together", *reagents)
    d.sub(50, "made", target, 0.01)
    d.sub(30, "event", f"focus:{target}")
    d.wrong.append(("focus", (target,)))
    d.goal = (
        f"Make {target} from {reagents[0]} and {reagents[1]}, then focus on it. The reagents are "
        f"in {d.room('lab')}."
    )
    d.variant = f"{target} {reagents[0]} {spare[0]} {d.rng.below(12)}"


def _colours(*, unseen: bool, tertiary: bool) -> list[tuple[str, str, str]]:
    primary = ("red", "yellow", "blue")
    found = []
    for (a, b), colour in PAINT_MIXES.items():
        both = a in primary and b in primary
        if both is not tertiary and (colour in HELD_OUT_COLOURS) is unseen:
            found.append((a, b, colour))
    return found


def _paint(d: Draft, colour: str) -> None:
    d.sub(50, "made", f"{colour} paint", 0.01)
    d.sub(50, "event", f"focus:{colour} paint")
    d.wrong.append(("focus", (f"{colour} paint",)))
    d.goal = (
        f"Mix paints to make {colour} paint, then focus on it. Jars of red, yellow and blue paint "
        f"are in {d.room('studio')}."
    )
    d.variant = f"{colour} {d.rng.below(60)}"


def _paint_jars(d: Draft, paints: list[str]) -> None:
    for number, paint in enumerate(d.rng.shuffled(paints)):
        grams = float(d.rng.between(20, 60))
        _jar(d, number, f"{paint} paint", grams, "studio", 0.0)


def paint(d: Draft) -> None:
    """Task: mix a secondary colour."""
    _paint_jars(d, ["red", "yellow", "blue"])
    *_, colour = d.rng.choice(_colours(unseen=d.unseen, tertiary=False))
    _paint(d, colour)


def tertiary(d: Draft) -> None:
    """Task: mix a colour that takes two mixtures."""
    a, b, colour = d.rng.choice(_colours(unseen=d.unseen, tertiary=True))
    primary = a if a in ("red", "yellow", "blue") else b
    # Two jars of the primary colour that is needed twice.
    _paint_jars(d, ["red", "yellow", "blue", primary])
    _paint(d, colour)


# ── forces ──────────────────────────────────────────────────────────────────


def _planes(d: Draft, planes: list[tuple[str, float, float]], word: str, right: int) -> None:
    """Two planes and a block in one room; (name, angle, friction) of each plane."""
    role = d.role("kitchen", "foundry")
    block = ("steel block", "steel weight")[d.unseen]
    d.item(block, "block", role, portable=True, mass=500.0)
    names = [name for name, _, _ in planes]
    for name, angle, friction in planes:
        d.item(name, "plane", role, "", angle=angle, friction=friction,
               text="It is 2 m long, and steep.")  # fmt: skip
        d.sub(25, "event", f"timed:{name}")
    d.sub(50, "event", f"focus:{names[right]}")
    d.wrong.append(("focus", (names[right],)))
    d.goal = (
        f"Time how the {block} slides down the {names[0]}, then the {names[1]}, with the "
        f"{d.house.tool('stopwatch')}. Then focus on the plane that {word}. The planes and the "
        f"block are in {d.room(role)}."
    )


def _surfaces(d: Draft, *, hidden: bool) -> None:
    angle = float(d.rng.between(25, 45))
    known = [(name, mu) for name, (mu, out) in FRICTION.items() if out is d.unseen]
    while True:
        (a, mu_a), (b, mu_b) = d.rng.shuffled(known)[:2]
        times = sorted((Slide(angle, mu_a).seconds, Slide(angle, mu_b).seconds))
        if times[0] < 60 and times[1] - times[0] >= 0.05:
            break
    word = ("plane", "ramp")[d.unseen]
    letters = d.rng.shuffled("bcdefg")[:2]
    names = [f"{word} {x}" for x in letters] if hidden else [f"{a} {word}", f"{b} {word}"]
    most = d.rng.uniform() < 0.5
    right = int((mu_b > mu_a) is most)
    word = "has the most friction" if most else "has the least friction"
    _planes(d, [(names[0], angle, mu_a), (names[1], angle, mu_b)], word, right)
    d.variant = f"{a} {b} {most} {angle // 5}"


def friction(d: Draft) -> None:
    """Task: compare the friction of two named surfaces."""
    _surfaces(d, hidden=False)


def unknown_friction(d: Draft) -> None:
    """Task: compare the friction of two unknown surfaces."""
    _surfaces(d, hidden=True)


def steepness(d: Draft) -> None:
    """Task: find the steeper of two planes of one surface."""
    known = [(name, mu) for name, (mu, out) in FRICTION.items() if out is d.unseen]
    name, mu = d.rng.choice(known)
    while True:
        angles = [float(d.rng.between(25, 50)) for _ in range(2)]
        times = sorted(Slide(angle, mu).seconds for angle in angles)
        if times[0] < 60 and times[1] - times[0] >= 0.05:
            break
    word = ("plane", "ramp")[d.unseen]
    letters = d.rng.shuffled("bcdefg")[:2]
    planes = [(f"{name} {word} {x}", a, mu) for x, a in zip(letters, angles, strict=True)]
    steeper = d.rng.uniform() < 0.5
    right = int((angles[1] > angles[0]) is steeper)
    _planes(d, planes, "is steeper" if steeper else "is less steep", right)
    d.variant = f"{name} {steeper} {angles[0] // 5} {angles[1] // 5}"
