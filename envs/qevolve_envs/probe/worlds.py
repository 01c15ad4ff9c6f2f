"""The probes: small worlds of rooms, commands and outcomes, and a policy of stated quality on each.

A probe asks one question of a learner, in the manner of bsuite (Osband et al. 2020). Its world is a
finite Markov decision process, so that `qevolve_envs.probe.theory` computes what every policy
reaches and what one round of an operator can gain. `behaviour` is the policy that a learner starts
from, once it has cloned episodes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qevolve_envs.core import Feedback
from qevolve_envs.errors import BenchError, UnknownName

WON, LOST = "won", "lost"
#: A policy: in each room, the probability of each command; a room's probabilities sum to 1.
Policy = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Move:
    """The result of a command.

    Attributes:
        outcomes: Rooms that it may lead to (`WON` and `LOST` end the episode), each with its
            probability.
        text: Answer of the world, put before the description of the room that is entered.
        feedback: `Feedback.INVALID` for a command that is refused, which then changes nothing.
    """

    outcomes: Mapping[str, float]
    text: str
    feedback: Feedback = Feedback.OK


@dataclass(frozen=True, slots=True)
class Room:
    """A state of a probe, which its text tells completely.

    Attributes:
        text: Description.
        moves: Commands that are understood here.
        behaviour: Probability of each command under the policy of stated quality.
    """

    text: str
    moves: Mapping[str, Move]
    behaviour: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe at one level of its dial.

    Attributes:
        kind: Its name.
        level: The dial.
        question: The question that it asks of a learner, in a sentence.
        rooms: The states.
        starts: Rooms that episodes begin in, in turn by task number.
        horizon: Most steps of an episode.
        distractions: Number of sentences without meaning in each observation.
    """

    kind: str
    level: int
    question: str
    rooms: Mapping[str, Room]
    starts: tuple[str, ...]
    horizon: int
    distractions: int = 0

    @property
    def behaviour(self) -> Policy:
        """The policy of stated quality."""
        return {name: room.behaviour for name, room in self.rooms.items()}

    @property
    def commands(self) -> list[str]:
        """All commands of all rooms, sorted."""
        return sorted({command for room in self.rooms.values() for command in room.moves})


def _to(room: str, text: str) -> Move:
    return Move({room: 1.0}, text)


def _refused(room: str, text: str) -> Move:
    return Move({room: 1.0}, text, Feedback.INVALID)


def _uniform(moves: Mapping[str, Move]) -> dict[str, float]:
    return {command: 1 / len(moves) for command in moves}


METALS = ("iron", "brass", "zinc", "tin", "lead", "gold", "steel", "nickel")


def _levers(chances: Mapping[str, float]) -> Room:
    """A room with a lever of each metal, which wins with the given probability."""
    moves = {
        f"pull {metal}": Move({WON: p, LOST: 1 - p}, f"You pull the {metal} lever.")
        for metal, p in chances.items()
    }
    return Room(f"A room with levers: {', '.join(chances)}.", moves, _uniform(moves))


def _bandit(level: int) -> Probe:
    room = _levers({metal: float(i == 1) for i, metal in enumerate(METALS[:level])})
    question = f"Does it find the one of {level} levers that wins?"
    return Probe("bandit", level, question, {"levers": room}, ("levers",), 1)


def _noise(level: int) -> Probe:
    # The best lever wins in 90 % of pulls, the other in 90 % less ten points for each step.
    room = _levers({"iron": 0.9 - 0.1 * level, "brass": 0.9})
    question = f"Does it prefer 90 % to {90 - 10 * level} %, where both levers often win?"
    return Probe("noise", level, question, {"levers": room}, ("levers",), 1)


def _distract(level: int) -> Probe:
    room = _levers({metal: float(metal == "brass") for metal in METALS[:4]})
    question = f"Does it find the lever beside {level} sentences that mean nothing?"
    return Probe("distract", level, question, {"levers": room}, ("levers",), 1, level)


def _delay(level: int) -> Probe:
    doors = {
        "go left": _to("left 1", "You go left."),
        "go right": _to("right 1", "You go right."),
    }
    rooms = {"doors": Room("A hall with a left and a right door.", doors, _uniform(doors))}
    for side, end in (("left", LOST), ("right", WON)):
        for number in range(1, level + 1):
            following = f"{side} {number + 1}" if number < level else end
            moves = {"walk": _to(following, "You walk on.")}
            # Both corridors look alike: only the first choice counts.
            rooms[f"{side} {number}"] = Room(f"Corridor, part {number}.", moves, {"walk": 1.0})
    question = f"Does it credit a choice that decides the end {level} steps later?"
    return Probe("delay", level, question, rooms, ("doors",), level + 1)


def _trap(level: int) -> Probe:
    rooms = {}
    for number in range(1, level + 1):
        following = f"ledge {number + 1}" if number < level else WON
        moves = {"walk": _to(following, "You walk on."), "jump": _to(LOST, "You jump, and fall.")}
        behaviour = {"walk": 0.75, "jump": 0.25}
        rooms[f"ledge {number}"] = Room(f"Ledge {number} of {level}.", moves, behaviour)
    question = f"Does it drop the step that ruins an episode, in any of {level} places?"
    return Probe("trap", level, question, rooms, ("ledge 1",), level)


def _refusal(level: int) -> Probe:
    rooms = {}
    for number in range(1, level + 1):
        here, following = f"door {number}", f"door {number + 1}" if number < level else WON
        moves = {
            "open": _to(following, "The door opens."),
            "push": _refused(here, "The door does not move."),
        }
        behaviour = {"open": 0.4, "push": 0.6}
        rooms[here] = Room(f"Door {number} of {level}.", moves, behaviour)
    question = "Does it stop sending a command that is refused, though won episodes hold it too?"
    return Probe("refusal", level, question, rooms, ("door 1",), 3 * level)


def _recovery(level: int) -> Probe:
    rooms = {}
    for number in range(level + 1):
        found = number == level
        here = f"searched {number}"
        moves = {
            "search": _to(f"searched {min(number + 1, level)}", "You search."),
            "unlock": _to(WON, "The door opens.") if found else _refused(here, "It is locked."),
        }
        if found:
            moves["search"] = _refused(here, "There is nothing left to search.")
        text = "A locked door. You hold the key." if found else f"A locked door. Box {number + 1}."
        behaviour = {"search": 0.1, "unlock": 0.9} if found else {"search": 0.3, "unlock": 0.7}
        rooms[here] = Room(text, moves, behaviour)
    question = f"Does it leave a refused command for {level} searches, instead of repeating it?"
    return Probe("recovery", level, question, rooms, ("searched 0",), 3 * level + 1)


def _explore(level: int) -> Probe:
    rooms = {}
    for number in range(1, level + 1):
        following = f"fork {number + 1}" if number < level else WON
        right = METALS[number % 3]
        moves = {
            f"take {metal}": _to(following if metal == right else LOST, f"You take {metal}.")
            for metal in METALS[:3]
        }
        rooms[f"fork {number}"] = Room(f"Fork {number} of {level}.", moves, _uniform(moves))
    question = f"Does it find a win that chance finds once in {3**level} episodes?"
    return Probe("explore", level, question, rooms, ("fork 1",), level)


def _stitch(level: int) -> Probe:
    # Whoever comes from the north turns back in the middle; from the south most go on, and win. So
    # no episode goes from the north to the win, though the middle looks the same.
    middle_moves = {"go on": _to(WON, "You go on."), "turn back": _to(LOST, "You turn back.")}
    rooms = {}
    for side, on in (("north", 0.0), ("south", 0.9)):
        for number in range(1, level + 1):
            following = f"{side} {number + 1}" if number < level else f"middle from {side}"
            moves = {"walk": _to(following, "You walk on.")}
            rooms[f"{side} {number}"] = Room(f"The {side} way, part {number}.", moves, {"walk": 1})
        behaviour = {"go on": on, "turn back": 1 - on}
        rooms[f"middle from {side}"] = Room("The middle.", middle_moves, behaviour)
    question = "Does it join the way of one episode to the end of another?"
    return Probe("stitch", level, question, rooms, ("north 1", "south 1"), level + 1)


#: Probes by name: the maker, and the levels that the card plays.
KINDS: dict[str, tuple[Callable[[int], Probe], tuple[int, ...]]] = {
    "bandit": (_bandit, (2, 4, 8)),
    "delay": (_delay, (1, 4, 8)),
    "trap": (_trap, (1, 3, 6)),
    "refusal": (_refusal, (1, 2, 4)),
    "recovery": (_recovery, (1, 2, 4)),
    "stitch": (_stitch, (1, 2, 4)),
    "explore": (_explore, (1, 2, 4)),
    "distract": (_distract, (1, 4, 8)),
    "noise": (_noise, (1, 3, 6)),
}


def make_probe(kind: str, level: int) -> Probe:
    """Makes a probe.

    Args:
        kind: One of `KINDS`.
        level: The dial, from 1 (``bandit`` from 2) to 8.

    Raises:
        UnknownName: For another kind, with close matches.
        BenchError: For a level that is out of range.
    """
    if kind not in KINDS:
        raise UnknownName.of("kind of probe", kind, KINDS)
    least = 2 if kind == "bandit" else 1
    if not (isinstance(level, int) and least <= level <= 8):
        raise BenchError(f"The level of {kind} is a whole number from {least} to 8, not {level!r}.")
    return KINDS[kind][0](level)
