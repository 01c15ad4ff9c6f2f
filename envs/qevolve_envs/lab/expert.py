"""A scripted expert that experiments: it reads the goal, the plan and its instruments.

It brings the common knowledge of somebody who has been to school (what is alive, which reaction
makes what, how paints mix, how long a plant takes) and nothing of the task's hidden state.
"""

from __future__ import annotations

import re
from collections.abc import Generator

from qevolve_envs.agent import PerEpisode
from qevolve_envs.lab import procedures
from qevolve_envs.lab.procedures import Talk


def make_expert() -> PerEpisode:
    """The expert as an agent of the harness."""
    return PerEpisode(lambda task: Scripted(task.goal))


class Scripted:
    """Plays one episode.

    Args:
        goal: The instruction.
    """

    def __init__(self, goal: str) -> None:
        self._hand = Explorer()
        self._script: Generator[str, str, None] = procedures.script(goal, self._hand)
        self._begun = False

    def __call__(self, observation: str) -> str:
        """The next command."""
        try:
            if not self._begun:
                self._begun = True
                self._hand.see(observation)
                return next(self._script)
            return self._script.send(observation)
        except (StopIteration, RuntimeError, LookupError, ValueError):
            # Its script is done, or has met a text that it cannot make sense of, as in a perturbed
            # world: it is at a loss, which is not an error of the program.
            return "look around"


class Explorer:
    """The expert's knowledge of the house so far, and its ways through it.

    Attributes:
        here: The room it is in.
        doors: Room -> whether the door to it is open, of the doors of this room.
        plan: Room -> rooms beside it.
        devices: (name, what it does, degrees C, room) of heaters and coolers.
        tools: Instrument -> the room where it is kept.
        taps: Room -> where water comes from.
        sight: Names seen in this room.
        inside: Holder -> names of what was seen in or on it.
        shut: Closed cupboards and the like in this room.
    """

    def __init__(self) -> None:
        self.here = ""
        self.doors: dict[str, bool] = {}
        self.plan: dict[str, list[str]] = {}
        self.devices: list[tuple[str, str, float, str]] = []
        self.tools: dict[str, str] = {}
        self.sight: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.shut: list[str] = []

    # reading

    def see(self, text: str) -> None:
        """Takes in an observation."""
        lines = text.split("\n")
        found = re.fullmatch(r"You are in the (.+)\.", lines[0])
        if found:
            self.here = found[1]
            self.sight, self.inside, self.shut, self.doors = [], {}, [], {}
        for line in lines:
            if line.startswith("Doors: "):
                for name, state in re.findall(r"([a-z ]+?) \((open|closed)\)", line[7:]):
                    self.doors[name.strip()] = state == "open"
            listed = re.fullmatch(r"(?:You see|(?:In|On) the (.+?)): (.*)\.", line)
            if listed:
                names = [re.sub(r" \(.*\)$", "", n) for n in re.split(r", (?![^()]*\))", listed[2])]
                self.sight += names
                if listed[1]:
                    self.inside[listed[1]] = names
                self.shut += re.findall(r"([a-z ]+?) \(closed\)", listed[2])
        self.shut = [name.strip() for name in self.shut]

    def study(self, text: str) -> None:
        """Takes in the house plan."""
        for line in text.split("\n"):
            found = re.fullmatch(r"- (.+?) \(doors to (.+?)\): (.*)\.", line)
            if not found:
                continue
            room, rest = found[1], found[3]
            self.plan[room] = found[2].split(", ")
            for name, does, celsius in re.findall(
                r"([a-z ]+?) \((heats|cools) to (-?\d+) C\)", rest
            ):
                self.devices.append((name.strip(), does, float(celsius), room))
            kept = re.search(r"kept here: ([^;]*)", rest)
            for name in re.findall(r"([a-z ]+?) \(", kept[1] if kept else ""):
                self.tools[name.strip()] = room

    def device(self, does: str) -> tuple[str, str]:
        """(name, room) of the strongest heater or cooler."""
        options = [d for d in self.devices if d[1] == does]
        name, _, _, room = max(options, key=lambda d: d[2] if does == "heats" else -d[2])
        return name, room

    def route(self, room: str) -> list[str]:
        """The rooms to go through, the last one included."""
        paths = [[self.here]]
        seen = {self.here}
        for path in paths:
            if path[-1] == room:
                return path[1:]
            for beside in self.plan.get(path[-1], []):
                if beside not in seen:
                    seen.add(beside)
                    paths.append([*path, beside])
        return [room]

    # what the oracle does better

    def prepare(self) -> Talk[None]:
        """Gets to know the house."""
        self.study((yield "read house plan"))

    def holders(self, name: str) -> list[str]:
        """Places to look for a thing that is not in sight."""
        return [place for place in self.shut if not self._cold(place)]

    def _cold(self, name: str) -> bool:
        return any(device == name for device, *_ in self.devices)

    def let(self, subject: str, change: str) -> Talk[None]:
        """Waits until a change of state must be over."""
        while True:
            self.see((yield "wait 3 hours"))

    def catch(self, tool: str, subject: str, change: str) -> Talk[str]:
        """Takes readings until one falls into a change of state; returns it."""
        while True:
            text = yield f"use {tool} on {subject}"
            if f"is {change}" in text:
                return text
            yield "wait 3 minutes"
