"""Texts that the agent reads: rooms, things, readings."""

from __future__ import annotations

from qevolve_envs.lab.life import SPECIES
from qevolve_envs.lab.substances import SUBSTANCES
from qevolve_envs.lab.things import Thing
from qevolve_envs.lab.world import LabWorld

_PHASE_NAMES = {("water", "solid"): "ice", ("water", "gas"): "steam"}


def phase_of(sample: Thing) -> str:
    """The state of a sample as it looks: a reagent in water is dissolved."""
    phase = sample.phase
    vessel = sample.parent
    if phase == "solid" and vessel is not None and len(vessel.things) > 1 and is_reagent(sample):
        wet = any(s.substance == "water" and s.phase != "solid" for s in vessel.things)
        if wet and sample.substance != "soil":
            return "in water"
    return phase


def is_reagent(sample: Thing) -> bool:
    """Tells whether a sample comes from the chemistry shelf."""
    return SUBSTANCES[sample.substance].group == "reagent"


def alias(sample: Thing) -> str:
    """Another name of a sample in its present state, such as ice, or its own name."""
    if sample.kind != "sample" or sample.name != sample.substance:
        return sample.title
    return _PHASE_NAMES.get((sample.substance, sample.phase), sample.title)


def short(world: LabWorld, thing: Thing) -> str:
    """Entry of a thing in a list, with the state that one sees at a glance."""
    title = thing.title
    if thing.kind == "sample":
        return f"{title} ({phase_of(thing)})"
    notes = []
    if thing.open is not None:
        notes.append("open" if thing.open else "closed")
    if thing.on is not None:
        notes.append("on" if thing.on else "off")
    if thing.role == "lamp" and thing.ends:
        notes.append(glow(world, thing))
    return f"{title} ({', '.join(notes)})" if notes else title


def glow(world: LabWorld, lamp: Thing) -> str:
    """Words for how well a lamp, motor or buzzer works now."""
    power = world.power(lamp)
    if power >= lamp.rated:
        return "working"
    return "working weakly" if power >= 0.1 * lamp.rated else "not working"


def content(world: LabWorld, holder: Thing) -> list[str]:
    """Lines about the things in or on a thing, and in or on those."""
    lines = []
    if holder.things and not holder.shut:
        names = ", ".join(short(world, t) for t in holder.things)
        lines.append(f"{'In' if holder.inside else 'On'} the {holder.title}: {names}.")
        for thing in holder.things:
            lines += content(world, thing)
    return lines


def room(world: LabWorld) -> str:
    """Text about the room that the agent is in."""
    here = world.here
    names = ", ".join(short(world, t) for t in here.things)
    lines = [f"You are in the {here.name}.", f"You see: {names}." if names else "It is empty."]
    for thing in here.things:
        lines += content(world, thing)
    doors = [
        f"{name} ({'open' if is_open(world, here.name, name) else 'closed'})"
        for name in world.beside[here.name]
    ]
    lines.append(f"Doors: {', '.join(doors)}.")
    return "\n".join(lines)


def is_open(world: LabWorld, one: str, two: str) -> bool:
    """Tells whether the door between two rooms is open."""
    return world.doors[(one, two) if one < two else (two, one)]


def inventory(world: LabWorld) -> str:
    """Text about the things that the agent carries."""
    if not world.hands.things:
        return "You carry nothing."
    names = ", ".join(short(world, t) for t in world.hands.things)
    lines = [f"You carry: {names}."]
    for thing in world.hands.things:
        lines += content(world, thing)
    return "\n".join(lines)


def examine(world: LabWorld, thing: Thing) -> str:
    """Text about a closer look at a thing."""
    title, kind = thing.title, thing.kind
    lines = []
    if kind == "sample":
        lines.append(f"The {title} is {phase_of(thing)}.")
    elif kind == "growing" and SPECIES[thing.species].plant:
        pot = thing.parent
        water = pot is not None and any(s.substance == "water" for s in pot.things)
        soil = "in moist soil" if water else "in dry soil"
        planted = pot is not None and pot.kind == "pot"
        lines.append(f"The {title} is {soil if planted else 'not planted'}.")
    elif kind == "part":
        ends = " and ".join(f"the {other.title}" for other in thing.ends)
        lines.append(f"The {title} is connected to {ends or 'nothing'}.")
        if thing.role == "lamp":
            lines.append(f"It needs {thing.rated:.1f} W, and is {glow(world, thing)}.")
        if thing.role == "battery":
            lines.append(f"It gives {thing.volts:.1f} V." if thing.charge > 0 else "It is flat.")
    elif kind in ("heater", "cooler"):
        verb = "heats up" if kind == "heater" else "cools"
        lines.append(f"The {short(world, thing)} {verb} to {thing.celsius:.0f} degrees C.")
    else:
        lines.append(thing.text or f"It is a plain {title}.")
    if thing.shut:
        lines.append("It is closed.")
    return "\n".join(lines + content(world, thing))
