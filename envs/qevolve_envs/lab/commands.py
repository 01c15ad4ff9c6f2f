"""Interpreter of commands: finds the things that phrases name, runs actions, lets time pass.

A phrase that fits several things in sight is answered by a numbered question; a bare number then
chooses, and any other command drops the question.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qevolve_envs.core import ActionResult, Feedback
from qevolve_envs.lab import actions, wording
from qevolve_envs.lab.grammar import parse, seconds
from qevolve_envs.lab.life import POT_HOLDS
from qevolve_envs.lab.things import HOLDERS, VESSELS, Thing
from qevolve_envs.lab.world import LabWorld

_MALFORMED = ActionResult("That is not something you know how to do.", Feedback.MALFORMED)
_FOCUSABLE = frozenset(
    {"sample", "creature", "growing", "plane", "block", "part", "tool", "clutter", "vessel", "box"}
)
#: Waits that are listed among the admissible commands.
_WAITS = ("wait", "wait 10 minutes", "wait 1 hour", "wait 1 day", "wait 10 days")


@dataclass
class Question:
    """An ambiguous command that waits for a number.

    Attributes:
        verb: The verb.
        phrases: Its phrases; those before the ambiguous one are things already.
        options: What the ambiguous phrase may mean.
    """

    verb: str
    phrases: list[Thing | str]
    options: list[Thing] = field(default_factory=list)


class Interpreter:
    """Runs commands in a world.

    Attributes:
        world: The world.
        question: What the agent has been asked, if anything.
    """

    def __init__(self, world: LabWorld) -> None:
        self.world = world
        self.question: Question | None = None

    def run(self, command: str) -> ActionResult:
        """Executes one command; accepts any string."""
        readings = parse(command)
        question, self.question = self.question, None
        if not readings:
            return _MALFORMED
        if readings[0][0] == "choose":
            return self._choose(question, readings[0][1][0])
        outcome = _MALFORMED
        for verb, phrases in readings:
            outcome = self._run(verb, list(phrases))
            if outcome.feedback is Feedback.OK or self.question is not None:
                return outcome
        return outcome

    def _choose(self, question: Question | None, phrase: str) -> ActionResult:
        if question is None:
            return ActionResult(
                "There is no question to be answered by a number.", Feedback.INVALID
            )
        number = int(phrase)
        if not 1 <= number <= len(question.options):
            self.question = question
            return ActionResult(self._ask(question), Feedback.INVALID)
        phrases = list(question.phrases)
        place = next(i for i, p in enumerate(phrases) if isinstance(p, str))
        phrases[place] = question.options[number - 1]
        return self._run(question.verb, phrases)

    def _run(self, verb: str, phrases: list[Thing | str]) -> ActionResult:
        world = self.world
        if verb == "look":
            return self._done(wording.room(world))
        if verb == "inventory":
            return self._done(wording.inventory(world))
        if verb == "wait":
            return self._wait(str(phrases[0]) if phrases else "1")
        if verb == "go":
            return self._go(str(phrases[0]))
        if verb in ("open", "close") and isinstance(phrases[0], str):
            door = self._door(phrases[0])
            if door:
                return self._move_door(verb, door)
        if verb == "examine" and isinstance(phrases[0], str) and phrases[0] in (
            "room", "around", world.here.name,
        ):  # fmt: skip
            return self._done(wording.room(world))
        things: list[Thing] = []
        for place, phrase in enumerate(phrases):
            if isinstance(phrase, Thing):
                things.append(phrase)
                continue
            found = self.find(phrase)
            if not found:
                return ActionResult(f"You see no {_cut(phrase)} here.", Feedback.INVALID)
            if len(found) > 1:
                rest: list[Thing | str] = [*things, *phrases[place:]]
                self.question = Question(verb, rest, found)
                return ActionResult(self._ask(self.question), Feedback.INVALID)
            things.append(found[0])
        if verb == "examine":
            return self._done(wording.examine(world, things[0]))
        if verb == "look in":
            return self._look_in(things[0])
        if len(things) == 1:
            text, done = actions.ONE[verb](world, things[0])
        else:
            text, done = actions.TWO[verb](world, things[0], things[1])
        return self._done(text) if done else ActionResult(text, Feedback.INVALID)

    def _done(self, text: str) -> ActionResult:
        self.world.advance(actions.MINUTE)
        return ActionResult(text, Feedback.OK)

    def _look_in(self, thing: Thing) -> ActionResult:
        if thing.shut:
            return ActionResult(f"The {thing.title} is closed.", Feedback.INVALID)
        lines = wording.content(self.world, thing)
        if not lines and thing.kind not in HOLDERS | VESSELS:
            return ActionResult(f"One cannot look into the {thing.title}.", Feedback.INVALID)
        return self._done("\n".join(lines) or f"The {thing.title} is empty.")

    def _wait(self, phrase: str) -> ActionResult:
        time = seconds(phrase)
        if not time:
            return ActionResult("You can wait for 1 minute to 100 days.", Feedback.INVALID)
        self.world.advance(float(time))
        text = f"Time passes: {clock(self.world.seconds)} since you began."
        if self.world.easy:
            text = "\n".join([wording.room(self.world), text])
        return ActionResult(text, Feedback.OK)

    # ── rooms and doors ─────────────────────────────────────────────────────

    def _go(self, phrase: str) -> ActionResult:
        world = self.world
        here = world.here.name
        name = phrase.removeprefix("door to ")
        if name not in world.rooms:
            return ActionResult(f"There is no {_cut(phrase)} to go to.", Feedback.INVALID)
        if name == here:
            return ActionResult(f"You are in the {here} already.", Feedback.INVALID)
        if not world.easy:
            if name not in world.beside[here]:
                return ActionResult(f"No door leads from here to the {name}.", Feedback.INVALID)
            if not wording.is_open(world, here, name):
                return ActionResult(f"The door to the {name} is closed.", Feedback.INVALID)
        for part in [t for t in world.hands.things if t.ends]:
            # What stays behind is torn off.
            if any(not other.within(world.hands) for other in part.ends):
                world.disconnect(part)
        world.here = world.rooms[name]
        world.events.setdefault(f"entered:{name}")
        world.advance(actions.MINUTE)
        return ActionResult(wording.room(world), Feedback.OK)

    def _door(self, phrase: str) -> str:
        """The room behind the door that a phrase names, or nothing."""
        beside = self.world.beside[self.world.here.name]
        if phrase == "door" and len(beside) == 1:
            return beside[0]
        name = phrase.removeprefix("door to ").removesuffix(" door")
        return name if name in beside and name != phrase else ""

    def _move_door(self, verb: str, room: str) -> ActionResult:
        world, here = self.world, self.world.here.name
        pair = (here, room) if here < room else (room, here)
        if world.doors[pair] is (verb == "open"):
            return ActionResult(f"The door to the {room} is {verb} already.", Feedback.INVALID)
        world.doors[pair] = verb == "open"
        return self._done(f"You {verb} the door to the {room}.")

    # ── names ───────────────────────────────────────────────────────────────

    def find(self, phrase: str) -> list[Thing]:
        """The things in sight that a phrase may mean."""
        exact: list[Thing] = []
        loose: list[Thing] = []
        words = phrase.split()
        for thing in self.world.visible():
            title = thing.title
            if title == phrase or wording.alias(thing) == phrase:
                exact.append(thing)
            elif phrase.startswith(title) and phrase == full_name(thing):
                return [thing]
            elif len(words) <= 4 and all(w in title.split() for w in words):
                loose.append(thing)
        return exact or loose

    def _ask(self, question: Question) -> str:
        lines = [f"{n}. {full_name(t)}" for n, t in enumerate(question.options, 1)]
        return "\n".join(["Which one do you mean? Answer with a number.", *lines])

    # ── what can be done ────────────────────────────────────────────────────

    def commands(self) -> list[str]:
        """Commands that would be executed now, sorted and unique."""
        world = self.world
        things = list(world.visible())
        titles = [t.title for t in things]
        names = {id(t): t.title if titles.count(t.title) == 1 else full_name(t) for t in things}
        out = ["look around", "inventory", *_WAITS]
        if self.question is not None:
            out += [str(n) for n in range(1, len(self.question.options) + 1)]
        here = world.here.name
        for room in world.beside[here]:
            opened = wording.is_open(world, here, room)
            out.append(f"close door to {room}" if opened else f"open door to {room}")
            if opened and not world.easy:
                out.append(f"go to {room}")
        if world.easy:
            out += [f"go to {room}" for room in world.rooms if room != here]
        held = list(world.hands.things)
        for thing in things:
            out += self._about(thing, names[id(thing)])
            for other in held:
                out += self._with(other, thing, names)
        # Two things of one full name cannot be told apart without a question.
        return sorted(set(out))

    def _about(self, thing: Thing, name: str) -> list[str]:
        world = self.world
        out = [f"examine {name}"]
        if thing.open is not None:
            out.append(f"close {name}" if thing.open else f"open {name}")
        if thing.kind in HOLDERS | VESSELS and not thing.shut:
            out.append(f"look in {name}")
        if thing.portable:
            held = thing.parent is world.hands
            out.append(f"drop {name}" if held else f"pick up {name}")
        if thing.on is not None:
            out.append(f"deactivate {name}" if thing.on else f"activate {name}")
        if thing.kind in _FOCUSABLE:
            out.append(f"focus on {name}")
        if thing.kind == "document":
            out.append(f"read {name}")
        if thing.kind == "vessel" and sum(s.kind == "sample" for s in thing.things) > 1:
            out.append(f"mix {name}")
        if thing.kind == "part":
            if thing.ends:
                out.append(f"disconnect {name}")
            out += [
                f"connect {name} to {other.title}"
                for other in world.visible()
                if other.kind == "part"
                and thing.title < other.title
                and not actions.can_connect(thing, other)
            ]
        return out

    def _with(self, held: Thing, thing: Thing, names: dict[int, str]) -> list[str]:
        """Commands that use something carried on something in sight."""
        one, two = names[id(held)], names[id(thing)]
        out = []
        if thing.kind in HOLDERS and thing.kind != "terrarium" and thing is not held:
            free = not (thing.shut or (held.things and thing.within(held)))
            fits = {
                "pot": held.kind == "growing",
                "plane": held.kind == "block" and not thing.things,
            }.get(thing.kind, True)
            if free and fits and held.parent is not thing:
                out.append(f"put {one} {'in' if thing.inside else 'on'} {two}")
        if held.kind == "vessel" and thing is not held:
            samples = [s for s in held.things if s.kind == "sample"]
            watered = thing.kind == "pot" and self._waters(samples, thing)
            if samples and (thing.kind in ("vessel", "tap") or watered):
                out.append(f"pour {one} into {two}")
            if thing.kind == "tap" and not any(
                s.substance == "water" and s.mass > actions.TAP_GRAMS for s in held.things
            ):
                out.append(f"use {two} on {one}")
        if held.kind == "tool" and _fits(held, thing):
            out.append(f"use {one} on {two}")
        return out

    @staticmethod
    def _waters(samples: list[Thing], pot: Thing) -> bool:
        water = sum(s.mass for s in samples + pot.things if s.substance == "water")
        return all(s.substance == "water" for s in samples) and (water <= 2 * POT_HOLDS)


def _fits(tool: Thing, thing: Thing) -> bool:
    """Tells whether a tool can be used on a thing."""
    if tool is thing:
        return False
    if tool.role == "thermometer":
        return thing.kind in ("sample", "heater", "cooler") or (
            thing.kind == "vessel" and bool(thing.things)
        )
    if tool.role == "scale":
        weighed = actions.carried(thing)
        grams = weighed.mass + sum(s.mass for s in weighed.things)
        return weighed.portable and grams > 0 and thing.kind != "sample"
    if tool.role == "stopwatch":
        return thing.kind == "plane" and bool(thing.things)
    return bool(thing.species) and "flowering" in thing.title and not thing.dead


def full_name(thing: Thing) -> str:
    """Name that tells a thing from others of its kind."""
    place = thing.parent
    if place is None or place.kind in ("room", "hands"):
        return thing.title
    return f"{thing.title} {'in' if place.inside else 'on'} {place.title}"


def clock(time: float) -> str:
    """A duration in words, such as "2 days 3 hours 5 minutes"."""
    minutes = round(time / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    return " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in parts if n) or "no time"


def _cut(phrase: Thing | str) -> str:
    return str(phrase)[:60]
