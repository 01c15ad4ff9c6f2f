"""Effects of commands: functions of the world and the named things that return (text, done)."""

from __future__ import annotations

import math
from collections.abc import Callable

from qevolve_envs.lab import wording
from qevolve_envs.lab.life import POT_HOLDS
from qevolve_envs.lab.physics import Slide
from qevolve_envs.lab.things import HOLDERS, Thing
from qevolve_envs.lab.world import LabWorld, is_vessel

Answer = tuple[str, bool]
#: A command takes a minute, except for waiting.
MINUTE = 60.0
#: Grams that a tap gives at a time, and steps of the instruments.
TAP_GRAMS = 200.0
THERMOMETER_STEP, SCALE_STEP, STOPWATCH_STEP = 0.5, 1.0, 0.01
THERMOMETER_RANGE = (-60.0, 1400.0)


def no(text: str) -> Answer:
    """Result of a command that is refused: the text, and False."""
    return text, False


def carried(thing: Thing) -> Thing:
    """The thing to take hold of: for a sample, its vessel."""
    return thing.parent if thing.kind == "sample" and thing.parent is not None else thing


def open_(world: LabWorld, thing: Thing) -> Answer:
    """Opens the lid or door of a thing."""
    if thing.open is None:
        return no(f"The {thing.title} cannot be opened.")
    if thing.open:
        return no(f"The {thing.title} is open already.")
    thing.open = True
    world.touched()
    return "\n".join([f"You open the {thing.title}.", *wording.content(world, thing)]), True


def close(world: LabWorld, thing: Thing) -> Answer:
    """Closes the lid or door of a thing."""
    if thing.open is None:
        return no(f"The {thing.title} cannot be closed.")
    if not thing.open:
        return no(f"The {thing.title} is closed already.")
    thing.open = False
    world.touched()
    return f"You close the {thing.title}.", True


def take(world: LabWorld, thing: Thing) -> Answer:
    """Picks up a thing with its content."""
    thing = carried(thing)
    if not thing.portable:
        return no(f"The {thing.title} cannot be carried.")
    if thing.parent is world.hands:
        return no(f"You carry the {thing.title} already.")
    if thing.ends:
        world.disconnect(thing)
    thing.move(world.hands)
    world.touched()
    return f"You pick up the {thing.title}.", True


def drop(world: LabWorld, thing: Thing) -> Answer:
    """Puts a carried thing down on the floor."""
    thing = carried(thing)
    if thing.parent is not world.hands:
        return no(f"You do not carry the {thing.title}.")
    thing.move(world.here)
    world.touched()
    return f"You put down the {thing.title}.", True


def put(world: LabWorld, thing: Thing, holder: Thing) -> Answer:
    """Puts a carried thing into or onto another."""
    thing = carried(thing)
    if not thing.portable:
        return no(f"The {thing.title} cannot be carried.")
    if holder.kind not in HOLDERS or holder is thing or holder.within(thing):
        return no(f"Nothing can be put there: {holder.title}.")
    if thing.parent is holder:
        return no(f"The {thing.title} is there already.")
    if holder.shut:
        return no(f"The {holder.title} is closed.")
    if holder.kind == "pot" and thing.kind != "growing":
        return no("Only seeds are planted in pots.")
    if holder.kind == "plane" and (thing.kind != "block" or holder.things):
        return no(f"Only one block at a time slides on the {holder.title}.")
    if holder.kind == "terrarium":
        return no(f"You had better not disturb the {holder.title}.")
    if thing.ends:
        world.disconnect(thing)
    thing.move(holder)
    world.touched()
    return f"You put the {thing.title} {'in' if holder.inside else 'on'} the {holder.title}.", True


def pour(world: LabWorld, vessel: Thing, to: Thing) -> Answer:
    """Pours all content of a vessel into another one, or down a sink."""
    vessel, to = carried(vessel), carried(to)
    if not is_vessel(vessel) or not (is_vessel(to) or to.kind == "tap") or vessel is to:
        return no(f"You cannot pour the {vessel.title} into the {to.title}.")
    if vessel.kind == "pot":
        return no("The soil of a pot is not poured.")
    samples = [s for s in vessel.things if s.kind == "sample"]
    if not samples:
        return no(f"The {vessel.title} is empty.")
    if to.kind == "pot" and any(s.substance != "water" for s in samples):
        return no("Only water is poured into pots.")
    if to.kind == "pot" and sum(s.mass for s in samples + to.things if s.substance == "water") > (
        2 * POT_HOLDS
    ):
        return no(f"The {to.title} is wet enough.")
    names = ", ".join(s.title for s in samples)
    world.pour(vessel, to)
    return f"You pour the {names} from the {vessel.title} into the {to.title}.", True


def mix(world: LabWorld, vessel: Thing) -> Answer:
    """Stirs the content of a vessel."""
    vessel = carried(vessel)
    samples = [s for s in vessel.things if s.kind == "sample"]
    if vessel.kind != "vessel" or len(samples) < 2:
        return no(f"There is nothing to mix in the {vessel.title}.")
    made = world.react(vessel)
    new = f"Something happens: {', '.join(made)} appears." if made else "Nothing else happens."
    return "\n".join([f"You stir. {new}", *wording.content(world, vessel)]), True


def activate(world: LabWorld, thing: Thing) -> Answer:
    """Switches a device on."""
    if thing.on is None:
        return no(f"The {thing.title} has no switch.")
    if thing.on:
        return no(f"The {thing.title} is on already.")
    thing.on = True
    world.touched()
    return _news(world, f"You switch on the {thing.title}.", thing), True


def deactivate(world: LabWorld, thing: Thing) -> Answer:
    """Switches a device off."""
    if thing.on is None:
        return no(f"The {thing.title} has no switch.")
    if not thing.on:
        return no(f"The {thing.title} is off already.")
    thing.on = False
    world.touched()
    return f"You switch off the {thing.title}.", True


def can_connect(one: Thing, two: Thing) -> str:
    """Reason why two parts cannot be connected, or an empty text."""
    if one.kind != "part" or two.kind != "part" or one is two:
        return f"You cannot connect the {one.title} to the {two.title}."
    if "wire" not in (one.role, two.role):
        return "That takes a wire in between."
    for part in (one, two):
        if len(part.ends) >= 2:
            return f"Both ends of the {part.title} are taken."
    return ""


def connect(world: LabWorld, one: Thing, two: Thing) -> Answer:
    """Joins two free ends."""
    if reason := can_connect(one, two):
        return no(reason)
    one.ends.append(two)
    two.ends.append(one)
    world.touched()
    return _news(world, f"You connect the {one.title} to the {two.title}.", one), True


def disconnect(world: LabWorld, part: Thing) -> Answer:
    """Takes a part out of its circuit."""
    if not part.ends:
        return no(f"The {part.title} is not connected to anything.")
    world.disconnect(part)
    return f"You disconnect the {part.title}.", True


def _news(world: LabWorld, text: str, part: Thing) -> str:
    """Adds the effect of a circuit that has just been closed, and records which thing it tests."""
    for circuit in world.circuits():
        if part not in circuit.parts:
            continue
        lamps = [p for p in circuit.parts if p.role == "lamp"]
        closed = all(p.on is not False for p in circuit.parts if p.role == "switch")
        if closed and lamps:
            for rod in circuit.parts:
                if rod.role == "rod":
                    world.events[f"tested:{rod.key}"] = None
        states = [f"The {lamp.title} is {wording.glow(world, lamp)}." for lamp in lamps]
        return " ".join([text, "The circuit is closed.", *states])
    return text


def focus(world: LabWorld, thing: Thing) -> Answer:
    """Records the thing that the agent declares to be working on."""
    key = f"{thing.key}@{thing.stage}" if thing.species else thing.key
    world.events[f"focus:{key}"] = None
    world.focused.append(key)
    return f"You focus on the {thing.title}.", True


def read(world: LabWorld, thing: Thing) -> Answer:
    """Shows the text of a document."""
    if thing.kind != "document":
        return no(f"There is nothing to read on the {thing.title}.")
    return thing.text, True


# ── instruments ─────────────────────────────────────────────────────────────


def use(world: LabWorld, tool: Thing, thing: Thing) -> Answer:
    """Applies a tool to a thing."""
    if tool.kind == "tap":
        return _fill(world, tool, carried(thing))
    method = _TOOLS.get(tool.role if tool.kind == "tool" else "")
    if method is None or tool is thing:
        return no(f"The {tool.title} is of no use for that.")
    return method(world, tool, thing)


def _fill(world: LabWorld, tap: Thing, vessel: Thing) -> Answer:
    if vessel.kind != "vessel":
        return no(f"The {vessel.title} cannot be filled.")
    if any(s.substance == "water" and s.mass > TAP_GRAMS for s in vessel.things):
        return no(f"The {vessel.title} is full.")
    world.fill(vessel, TAP_GRAMS, tap)
    return f"You fill the {vessel.title} with water from the {tap.title}.", True


def _thermometer(world: LabWorld, tool: Thing, thing: Thing) -> Answer:
    samples = [thing] if thing.kind == "sample" else [s for s in thing.things if s.kind == "sample"]
    if not samples:
        celsius, state = _device_temperature(thing), ""
        if celsius is None:
            return no(f"The {tool.title} finds nothing to measure there.")
    else:
        celsius = samples[0].temperature
        state = "".join(f" The {s.title} is {wording.phase_of(s)}." for s in samples)
    low, high = THERMOMETER_RANGE
    if not low <= celsius <= high:
        side = "below" if celsius < low else "above"
        return f"The {tool.title} cannot say: it is {side} its scale.{state}", True
    for sample in samples:
        world.events[f"measured:{sample.key}"] = None
        if sample.phase in ("melting", "boiling"):
            world.events[f"{sample.phase}:{sample.key}"] = None
    value = round_to(celsius, THERMOMETER_STEP)
    return f"The {tool.title} reads {value:.1f} degrees C.{state}", True


def _device_temperature(thing: Thing) -> float | None:
    """Temperature of a heater or cooler as it is now."""
    if thing.kind == "heater":
        return thing.celsius if thing.on else 20.0
    if thing.kind == "cooler":
        return thing.celsius if thing.shut else 20.0
    return None


def _scale(world: LabWorld, tool: Thing, thing: Thing) -> Answer:
    weighed = carried(thing)
    grams = weighed.mass + sum(s.mass for s in weighed.things)
    if not weighed.portable or grams <= 0:
        return no(f"The {thing.title} does not fit on the {tool.title}.")
    world.events[f"weighed:{weighed.key}"] = None
    what = f"what is in the {weighed.title}" if weighed.things else f"the {weighed.title}"
    return f"The {tool.title} shows {round_to(grams, SCALE_STEP):.0f} g for {what}.", True


def _stopwatch(world: LabWorld, tool: Thing, plane: Thing) -> Answer:
    if plane.kind == "block" and plane.parent is not None:
        plane = plane.parent
    if plane.kind != "plane" or not plane.things:
        return no(f"There is nothing to time: the {tool.title} wants a block on a plane.")
    block = plane.things[0]
    time = Slide(plane.angle, plane.friction).seconds
    world.events[f"timed:{plane.key}"] = None
    if math.isinf(time):
        return f"You let go. The {block.title} stays at the top of the {plane.title}.", True
    time = round_to(time, STOPWATCH_STEP)
    return (
        f"You let go. The {block.title} slides down the {plane.title} in {time:.2f} s, "
        "and you put it back at the top.",
        True,
    )


def _brush(world: LabWorld, tool: Thing, plant: Thing) -> Answer:
    if not plant.species or "flowering" not in plant.title or plant.dead:
        return no(f"The {tool.title} finds no flower there.")
    plant.pollinated = True
    return f"You pollinate the {plant.title} with the {tool.title}.", True


def round_to(value: float, step: float) -> float:
    """The nearest value that an instrument can show."""
    return math.floor(value / step + 0.5) * step


_TOOLS: dict[str, Callable[[LabWorld, Thing, Thing], Answer]] = {
    "thermometer": _thermometer,
    "scale": _scale,
    "stopwatch": _stopwatch,
    "brush": _brush,
}
ONE: dict[str, Callable[[LabWorld, Thing], Answer]] = {
    "open": open_,
    "close": close,
    "take": take,
    "drop": drop,
    "mix": mix,
    "activate": activate,
    "deactivate": deactivate,
    "disconnect": disconnect,
    "focus": focus,
    "read": read,
}
TWO: dict[str, Callable[[LabWorld, Thing, Thing], Answer]] = {
    "put": put,
    "pour": pour,
    "connect": connect,
    "use": use,
}
