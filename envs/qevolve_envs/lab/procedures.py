"""Procedures: one for each kind of task, for the expert and for the gold oracle.

A procedure is a generator that yields commands and is sent observations. Its hand (`Hand`) gets
about and decides how long to wait; the expert's hand has to look and measure, the oracle's knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias, TypeVar

from qevolve_envs.lab.life import CREATURES, SPECIES
from qevolve_envs.lab.substances import PAINT_MIXES, REACTIONS

T = TypeVar("T")
Talk: TypeAlias = Generator[str, str, T]


class Hand(Protocol):
    """Senses and actions that a procedure works with; see `expert.Explorer`."""

    here: str
    doors: dict[str, bool]
    devices: list[tuple[str, str, float, str]]
    tools: dict[str, str]
    sight: list[str]
    inside: dict[str, list[str]]

    def see(self, text: str) -> None: ...  # noqa: D102
    def prepare(self) -> Talk[None]: ...  # noqa: D102
    def device(self, does: str) -> tuple[str, str]: ...  # noqa: D102
    def route(self, room: str) -> list[str]: ...  # noqa: D102
    def holders(self, name: str) -> list[str]: ...  # noqa: D102
    def let(self, subject: str, change: str) -> Talk[None]: ...  # noqa: D102
    def catch(self, tool: str, subject: str, change: str) -> Talk[str]: ...  # noqa: D102


Groups: TypeAlias = dict[str, str]


def script(goal: str, hand: Hand) -> Talk[None]:
    """The procedure that a goal asks for."""
    for pattern, procedure in _PROCEDURES:
        found = pattern.match(goal)
        if found:
            yield from hand.prepare()
            yield from procedure(hand, {k: v or "" for k, v in found.groupdict().items()})
            return


# ── moves ───────────────────────────────────────────────────────────────────


def do(hand: Hand, command: str) -> Talk[str]:
    """Sends a command; returns its answer, which the expert has seen."""
    text = yield command
    hand.see(text)
    return text


def visit(hand: Hand, room: str) -> Talk[None]:
    """Goes to a room, opening doors."""
    if hand.here == room:
        return
    for step in hand.route(room):
        if hand.doors.get(step) is False:
            yield f"open door to {step}"
        yield from do(hand, f"go to {step}")


def find(hand: Hand, name: str, room: str) -> Talk[None]:
    """Goes to a room and opens what may hide a thing."""
    yield from visit(hand, room)
    for place in hand.holders(name):
        if name in hand.sight:
            return
        yield from do(hand, f"open {place}")


def fetch(hand: Hand, name: str, room: str) -> Talk[None]:
    """Finds a thing and picks it up."""
    yield from find(hand, name, room)
    yield f"pick up {name}"


def tool(hand: Hand, name: str) -> Talk[None]:
    """Fetches an instrument from where it is kept."""
    yield from fetch(hand, name, hand.tools[name])


def deliver(hand: Hand, name: str, g: Groups, yes: bool) -> Talk[None]:
    """Puts something into one of two boxes."""
    yield from visit(hand, g["home"])
    yield f"put {name} in {g['yes'] if yes else g['no']}"


def ring(parts: list[str]) -> Talk[str]:
    """Connects parts in a ring; returns the last answer."""
    text = ""
    for one, two in zip(parts, [*parts[1:], parts[0]], strict=True):
        text = yield f"connect {one} to {two}"
    return text


def _number(text: str) -> float:
    found = re.search(r"-?\d+(?:\.\d+)?(?= (?:degrees|g |s,))", text)
    return float(found[0]) if found else float("inf")


# ── matter, measure, thermometry ────────────────────────────────────────────


def matter(hand: Hand, g: Groups) -> Talk[None]:
    """Changes of state: focus, carry, heat or cool, wait."""
    subject = g["s"]
    yield from find(hand, subject, g["room"])
    yield f"focus on {subject}"
    yield f"pick up {subject}"
    cold = g["verb"] == "Freeze"
    device, room = hand.device("cools" if cold else "heats")
    yield from visit(hand, room)
    if cold:
        yield from do(hand, f"open {device}")
        yield f"put {subject} in {device}"
        yield f"close {device}"
    else:
        yield f"put {subject} on {device}"
        yield f"activate {device}"
    yield from hand.let(subject, g["verb"])


def measure(hand: Hand, g: Groups) -> Talk[None]:
    """Measurements: take the temperature or mass, then use a box."""
    yield from tool(hand, g["tool"])
    yield from fetch(hand, g["thing"], g["room"])
    text = yield f"use {g['tool']} on {g['thing']}"
    yield from deliver(hand, g["thing"], g, _number(text) > float(g["limit"]))


def heaviest(hand: Hand, g: Groups) -> Talk[None]:
    """Comparison of weights: weigh three things, then focus on one."""
    yield from tool(hand, g["tool"])
    grams: dict[str, float] = {}
    for name in (g["a"], g["b"], g["c"]):
        yield from find(hand, name, g["room"])
        text = yield f"use {g['tool']} on {name}"
        grams[name] = _number(text)
    best = (min if g["word"] == "lightest" else max)(grams, key=lambda n: grams[n])
    yield f"focus on {best}"


def point(hand: Hand, g: Groups) -> Talk[None]:
    """Transition points: take a reading during a change of state, then use a box."""
    yield from tool(hand, g["tool"])
    yield from fetch(hand, g["thing"], g["room"])
    room = next(room for name, _, _, room in hand.devices if name == g["device"])
    yield from visit(hand, room)
    yield f"put {g['thing']} on {g['device']}"
    yield f"activate {g['device']}"
    text = yield from hand.catch(g["tool"], g["s"], g["change"])
    yield f"pick up {g['thing']}"
    yield from deliver(hand, g["thing"], g, _number(text) > float(g["limit"]))


# ── electricity ─────────────────────────────────────────────────────────────


def _parts(hand: Hand) -> tuple[list[str], list[str]]:
    wires = [n for n in hand.sight if n.endswith(" wire")]
    return [n for n in hand.sight if n.endswith((" battery", " cell"))], wires


def power(hand: Hand, g: Groups) -> Talk[None]:
    """Circuits: connect one or two batteries, a lamp and perhaps a switch in a ring."""
    yield from fetch(hand, g["lamp"], g["room"])
    yield from visit(hand, g["home"])
    batteries, wires = _parts(hand)
    parts = [*batteries, g["lamp"], *([g["switch"]] if g.get("switch") else [])]
    if g.get("switch"):
        yield f"activate {g['switch']}"
    yield from ring([p for pair in zip(parts, wires, strict=False) for p in pair])


def conductivity(hand: Hand, g: Groups) -> Talk[None]:
    """Conductivity: connect battery, thing and lamp in a ring, then use a box."""
    thing = g["thing"]
    yield from fetch(hand, thing, g["room"])
    yield from visit(hand, g["place"])
    batteries, wires = _parts(hand)
    parts = [batteries[0], wires[0], thing, wires[1], g["lamp"], wires[2]]
    text = yield from ring(parts)
    yield from deliver(hand, thing, g, "is working" in text)


# ── classify, chemistry ─────────────────────────────────────────────────────


def classify(hand: Hand, g: Groups) -> Talk[None]:
    """Classification: look in both rooms."""
    wanted = {
        "a living thing": ("animal", "plant"), "a non-living thing": ("",),
        "a plant": ("plant",), "an animal": ("animal",),
    }[g["what"]]  # fmt: skip
    rooms = sorted((g["one"], g["two"]), key=lambda room: len(hand.route(room)))
    for room in rooms:
        yield from visit(hand, room)
        named = [n for n in hand.sight if n in CREATURES and CREATURES[n][0] in wanted]
        if named:
            yield f"focus on {named[0]}"
            yield f"pick up {named[0]}"
            yield from visit(hand, g["home"])
            yield f"put {named[0]} in {g['box']}"
            return


def _jars(hand: Hand) -> dict[str, list[str]]:
    """Main substance of each jar -> the jars."""
    jars: dict[str, list[str]] = {}
    for holder, names in hand.inside.items():
        if re.search(r" \d$", holder):
            main = next((n for n in names if n != "water"), "water")
            jars.setdefault(main, []).append(holder)
    return jars


def product(hand: Hand, g: Groups) -> Talk[None]:
    """Chemistry: pour, mix, focus."""
    yield from visit(hand, g["room"])
    reaction = next(
        r for r in REACTIONS if r.reagents[0][0] == g["a"] and r.reagents[1][0] == g["b"]
    )
    jars = _jars(hand)
    one, two = (jars[name][0] for name, _ in reaction.reagents)
    yield f"pour {one} into {two}"
    yield f"mix {two}"
    yield f"focus on {g['product']}"


def paint(hand: Hand, g: Groups) -> Talk[None]:
    """Paint: one mixture, or two."""
    yield from visit(hand, g["room"])
    colour = g["colour"]
    jars = {name.removesuffix(" paint"): found for name, found in _jars(hand).items()}
    one, two = next(pair for pair, made in PAINT_MIXES.items() if made == colour)
    for first in (one, two):
        if first not in jars:  # It has to be mixed itself.
            a, b = next(pair for pair, made in PAINT_MIXES.items() if made == first)
            # Keep one jar of what is needed again.
            yield f"pour {jars[a][0]} into {jars[b][0]}"
            yield f"mix {jars[b][0]}"
            jars[first] = [jars[b].pop(0)]
            jars[a].pop(0)
    yield f"pour {jars[one][0]} into {jars[two][0]}"
    yield f"mix {jars[two][0]}"
    yield f"focus on {colour} paint"


# ── growth ──────────────────────────────────────────────────────────────────


def grow(hand: Hand, g: Groups) -> Talk[None]:
    """Growth: sow, water, wait."""
    species = SPECIES[g["species"]]
    stages = "order" in g["what"]
    fruit = "fruit" in g["what"]
    if fruit:
        yield from tool(hand, g["tool"])
    yield from find(hand, species.stages[0], g["room"])
    if stages:
        yield f"focus on {species.stages[0]}"
    yield f"pick up {species.stages[0]}"
    yield from visit(hand, g["home"])
    pot = next(n for n in hand.sight if n in ("flower pot", "planter"))
    taps = [n for n in hand.sight if n in ("rain barrel", "cistern")]
    yield f"put {species.stages[0]} in {pot}"
    yield f"use {taps[0]} on {g['can']}"
    yield f"pour {g['can']} into {pot}"
    day = 0.0
    for stage in (1, 2, 3) if fruit else (1, 2):
        if stage == 1 and not stages:
            continue
        yield f"wait {species.starts[stage] - day:.0f} days"
        day = species.starts[stage]
        if fruit and stage == 2:
            yield f"use {g['tool']} on {species.stages[2]}"
        elif stages or stage == (3 if fruit else 2):
            yield f"focus on {species.stages[stage]}"


def animal(hand: Hand, g: Groups) -> Talk[None]:
    """Stages of life: focus, wait for the next stage, focus again."""
    species = SPECIES[g["species"]]
    yield from visit(hand, g["room"])
    for stage, name in enumerate(species.stages):
        if stage:
            yield f"wait {species.starts[stage] - species.starts[stage - 1]:.0f} days"
        yield f"focus on {name}"


# ── forces ──────────────────────────────────────────────────────────────────


def forces(hand: Hand, g: Groups) -> Talk[None]:
    """Inclined planes: measure the time of both."""
    yield from tool(hand, g["tool"])
    yield from find(hand, g["block"], g["room"])
    times = {}
    for plane in (g["a"], g["b"]):
        yield f"put {g['block']} on {plane}"
        text = yield f"use {g['tool']} on {plane}"
        times[plane] = _number(text)
    slow = g["word"] in ("has the most friction", "is less steep")
    best = (max if slow else min)(times, key=lambda n: times[n])
    yield f"focus on {best}"


_BOX = (
    r"(?P<limit>-?\d+)(?: degrees C| g), put the .+? in the (?P<yes>.+?), otherwise in the "
    r"(?P<no>.+?)\. The boxes are in the (?P<home>.+?)\."
)
_SEED = (
    r"The .+? is in the (?P<room>.+?); a pot of soil, the (?P<can>.+?) and water are in the "
    r"(?P<home>.+?), where"
)
_PROCEDURES: tuple[tuple[re.Pattern[str], Callable[[Hand, Groups], Talk[None]]], ...] = tuple(
    (re.compile(pattern), procedure)
    for pattern, procedure in (
        (r"(?P<verb>Boil|Melt|Freeze|Change the state of) the (?P<s>.+?)\. The .+? is in the "
         r"(?P<room>.+?)\. First", matter),
        (r"Measure the temperature of the .+? in the (?P<thing>.+?), in the (?P<room>.+?), with "
         r"the (?P<tool>.+?), soon: .+?\. If it is above " + _BOX, measure),
        (r"Weigh the (?P<thing>[^,]+?), which is in the (?P<room>.+?), with the (?P<tool>.+?)\. If "
         r"it is heavier than " + _BOX, measure),
        (r"Weigh the (?P<a>.+?), the (?P<b>.+?) and the (?P<c>.+?), which are in the "
         r"(?P<room>.+?), with the (?P<tool>.+?)\. Then focus on the (?P<word>\w+)", heaviest),
        (r"Measure the (?P<change>melting|boiling) point of the (?P<s>.+?) in the (?P<thing>.+?), "
         r"in the (?P<room>.+?): use the (?P<tool>.+?) while it is \w+ on the (?P<device>.+?)\. If "
         r"it is above " + _BOX, point),
        (r"Make the (?P<lamp>.+?) work(?: in a circuit with the (?P<switch>.+?), switched on)?"
         r"(?:: [^.]*)?\. The .+? is in the (?P<room>.+?); .* are in the (?P<home>.+?)\.$", power),
        (r"Test whether the (?P<thing>.+?) conducts electricity: .* and the (?P<lamp>.+?)\. The "
         r".+? is in the (?P<room>.+?), the parts are in the (?P<place>.+?)\. If it conducts, "
         r"put it in the (?P<yes>.+?), otherwise in the (?P<no>.+?)\. The boxes are in the "
         r"(?P<home>.+?)\.",
         conductivity),
        (r"Find (?P<what>.+?), focus on it, and put it in the (?P<box>.+? box) in the "
         r"(?P<home>.+?)\. Look around in the (?P<one>.+?) and in the (?P<two>.+?)\.", classify),
        (r"Make (?P<product>.+?) from (?P<a>.+?) and (?P<b>.+?), then focus on it\. The reagents "
         r"are in the (?P<room>.+?)\.", product),
        (r"Mix paints to make (?P<colour>.+?) paint, .* are in the (?P<room>.+?)\.", paint),
        (r"Grow the (?P<species>.+?) until it (?P<what>flowers|bears fruit), then focus on it\. "
         r"(?:Its flowers have to be pollinated with the (?P<tool>.+?)\. )?" + _SEED, grow),
        (r"Focus on the stages of life of the (?P<species>.+?), in (?P<what>order): seed, .+?\. "
         + _SEED, grow),
        (r"Focus on the stages of life of the (?P<species>.+?), in order: .+?\. It lives in the "
         r".+? in the (?P<room>.+?)\.", animal),
        (r"Time how the (?P<block>.+?) slides down the (?P<a>.+?), then the (?P<b>.+?), with the "
         r"(?P<tool>.+?)\. Then focus on the plane that (?P<word>.+?)\. The planes and the block "
         r"are in the (?P<room>.+?)\.", forces),
    )
)  # fmt: skip
