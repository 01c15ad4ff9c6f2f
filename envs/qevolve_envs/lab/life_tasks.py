"""Families "classify" and "growth"."""

from __future__ import annotations

from qevolve_envs.lab.draft import Draft
from qevolve_envs.lab.life import creatures, species


def _classify(d: Draft, word: str, right: tuple[str, ...]) -> None:
    wrong = tuple(k for k in ("animal", "plant", "") if k not in right)
    good = [n for k in right for n in creatures(k, unseen=d.unseen)]
    bad = [n for k in wrong for n in creatures(k, unseen=d.unseen)]
    first = d.role()
    second = d.role(first)
    one = d.rng.choice(good)
    others = d.rng.shuffled(bad)[:3]
    places = [first, second, first, second] if d.rng.uniform() < 0.5 else [second, first] * 2
    for name, role in zip([one, *others], places, strict=True):
        surface = d.house.fixture(role, "surface")
        d.item(name, "creature", role, surface.name if surface else "", portable=True)
    home = d.role(first, second)
    (box,) = d.boxes(1, home)
    d.sub(50, "event", f"focus:{one}")
    d.sub(50, "in", one, box)
    d.wrong.append(("focus", (one,)))
    d.wrong += [("in", (name, box)) for name in others]
    d.goal = (
        f"Find {word}, focus on it, and put it in the {box} in {d.room(home)}. Look around in "
        f"{d.room(first)} and in {d.room(second)}."
    )
    d.variant = f"{one} {home}"


def living(d: Draft) -> None:
    """Task: find a living thing."""
    _classify(d, "a living thing", ("animal", "plant"))


def non_living(d: Draft) -> None:
    """Task: find a thing that does not live."""
    _classify(d, "a non-living thing", ("",))


def plant(d: Draft) -> None:
    """Task: find a plant."""
    _classify(d, "a plant", ("plant",))


def animal(d: Draft) -> None:
    """Task: find an animal."""
    _classify(d, "an animal", ("animal",))


# ── growth ──────────────────────────────────────────────────────────────────


def _seed(d: Draft) -> str:
    """A seed, and what it needs; returns the name of the species."""
    kind = d.rng.choice(species(plant=True, unseen=d.unseen))
    role = d.role("greenhouse")
    pot = ("flower pot", "planter")[d.unseen]
    can = ("watering can", "jug")[d.unseen]
    spot = d.house.fixtures("greenhouse")[0].name
    d.item(pot, "pot", "greenhouse", spot, portable=True, samples=[["soil", 800.0, 20.0, "", ""]])
    d.item(can, "vessel", "greenhouse", spot, portable=True)
    d.item(kind.stages[0], "growing", role, portable=True, species=kind.name, key="seed", mass=1.0)
    d.goal = (
        f"The {kind.stages[0]} is in {d.room(role)}; a pot of soil, the {can} and water are in "
        f"{d.room('greenhouse')}, where there is daylight."
    )
    d.variant = f"{kind.name} {role} {d.rng.below(3)}"
    d.sub(10, "in", "seed", pot)
    d.sub(20, "wet", pot)
    return kind.name


def flower(d: Draft) -> None:
    """Task: grow a plant until it flowers."""
    name = _seed(d)
    d.goal = f"Grow the {name} until it flowers, then focus on it. {d.goal}"
    d.sub(40, "stage", "seed", 2)
    d.sub(30, "event", "focus:seed@2")
    d.wrong.append(("focus", ("seed@2",)))


def fruit(d: Draft) -> None:
    """Task: grow a plant until it bears fruit."""
    name = _seed(d)
    brush = d.house.tool("brush")
    d.goal = (
        f"Grow the {name} until it bears fruit, then focus on it. Its flowers have "
        f"to be pollinated with the {brush}. {d.goal}"
    )
    d.sub(20, "stage", "seed", 2)
    d.sub(30, "stage", "seed", 3)
    d.sub(20, "event", "focus:seed@3")
    d.wrong.append(("focus", ("seed@3",)))


def plant_stages(d: Draft) -> None:
    """Task: focus on each stage of a plant's life."""
    name = _seed(d)
    d.subgoals = [(10, "event", ("focus:seed@0",)), *d.subgoals]
    d.goal = (
        f"Focus on the stages of life of the {name}, in order: seed, seedling and "
        f"flowering plant. {d.goal}"
    )
    d.sub(30, "event", "focus:seed@1")
    d.sub(30, "event", "focus:seed@2")
    d.wrong.append(("focus", ("seed@0", "seed@1", "seed@2")))


def animal_stages(d: Draft) -> None:
    """Task: focus on each stage of an animal's life."""
    kind = d.rng.choice(species(plant=False, unseen=d.unseen))
    role = d.role()
    home = ("terrarium", "vivarium")[d.unseen]
    d.item(home, "terrarium", role, "", text="It has leaves, water and air for what lives in it.")
    d.item(kind.stages[0], "growing", "", home, species=kind.name, key="animal")
    for stage in range(4):
        d.sub(25, "event", f"focus:animal@{stage}")
    d.wrong.append(("focus", tuple(f"animal@{i}" for i in range(4))))
    names = ", ".join(kind.stages)
    d.goal = (
        f"Focus on the stages of life of the {kind.name}, in order: {names}. It lives in the "
        f"{home} in {d.room(role)}."
    )
    d.variant = f"{kind.name} {role} {d.rng.below(3)}"
