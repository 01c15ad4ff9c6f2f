"""A scripted expert that searches like a person.

It reads what an agent reads: the goal and the observations. It knows where such things usually
are (the common sense of `kinds`), remembers what it has seen, and never looks at the game. One
expert serves both the generated household and ALFWorld's games; a `Dialect` holds the wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qevolve_envs.agent import PerEpisode, TaskView
from qevolve_envs.household.kinds import RECEPTACLES, THINGS

#: A thing that may be anywhere gets this weight where common sense says nothing.
_ANYWHERE = 0.15
_NOT_A_THING = frozenset({"nothing", ""})


@dataclass(frozen=True)
class Dialect:
    """Wording of goals, observations and commands in a family of games.

    Attributes:
        goals: Patterns of goals: job -> regular expressions with the groups ``thing``, ``target``.
        devices: Job -> the kind of receptacle that does it.
        commands: Command templates by name.
        article: What stands before every name in a list.
    """

    goals: Mapping[str, tuple[str, ...]]
    devices: Mapping[str, str]
    commands: Mapping[str, str]
    article: str = ""

    def goal(self, text: str) -> tuple[str, str, str]:
        """(job, kind of thing, kind of target or lamp); job is ``""`` where nothing fits."""
        plain = text.strip().rstrip(".").lower()
        for job, patterns in self.goals.items():
            for pattern in patterns:
                found = re.fullmatch(pattern, plain)
                if found:
                    return job, singular(found["thing"]), found["target"]
        return "", "", ""


_A = r"(?:a|an|some|the)"
_IN = r"(?:in|on|in/on)"

HOUSEHOLD = Dialect(
    goals={
        "two": (
            rf"put two (?P<thing>.+?) {_IN} {_A} (?P<target>.+)",
            rf"find two (?P<thing>.+?) and put both {_IN} the same (?P<target>.+)",
        ),
        "wash": (
            rf"put a clean (?P<thing>.+?) {_IN} {_A} (?P<target>.+)",
            rf"wash {_A} (?P<thing>.+?) and put it {_IN} {_A} (?P<target>.+)",
        ),
        "heat": (
            rf"put a hot (?P<thing>.+?) {_IN} {_A} (?P<target>.+)",
            rf"heat {_A} (?P<thing>.+?) and put it {_IN} {_A} (?P<target>.+)",
        ),
        "cool": (
            rf"put a cold (?P<thing>.+?) {_IN} {_A} (?P<target>.+)",
            rf"cool {_A} (?P<thing>.+?) and put it {_IN} {_A} (?P<target>.+)",
        ),
        "light": (
            rf"look at {_A} (?P<thing>.+?) in the light of {_A} (?P<target>.+)",
            rf"hold {_A} (?P<thing>.+?) next to {_A} (?P<target>.+) that is switched on",
        ),
        "place": (
            rf"find {_A} (?P<thing>.+?) and put it {_IN} {_A} (?P<target>.+)",
            rf"put {_A} (?P<thing>.+?) {_IN} {_A} (?P<target>.+)",
            rf"{_A} (?P<thing>.+?) belongs {_IN} {_A} (?P<target>.+): bring it there",
        ),
    },
    devices={"wash": "sink", "heat": "microwave", "cool": "fridge"},
    commands={
        "go": "go to {place}",
        "open": "open {place}",
        "take": "take {thing} from {place}",
        "put": "put {thing} in {place}",
        "put on": "put {thing} on {place}",
        "wash": "wash {thing} in {place}",
        "heat": "heat {thing} in {place}",
        "cool": "cool {thing} in {place}",
        "light": "switch on {thing}",
        "look": "look",
    },
)

ALFWORLD = Dialect(
    goals={
        "two": (
            r"(?:put|find) two (?P<thing>\w+)(?: and put them)? in (?P<target>\w+)",
        ),
        "wash": (
            r"put a clean (?P<thing>\w+) in (?P<target>\w+)",
            r"clean some (?P<thing>\w+) and put it in (?P<target>\w+)",
        ),
        "heat": (
            r"put a hot (?P<thing>\w+) in (?P<target>\w+)",
            r"heat some (?P<thing>\w+) and put it in (?P<target>\w+)",
        ),
        "cool": (
            r"put a cool (?P<thing>\w+) in (?P<target>\w+)",
            r"cool some (?P<thing>\w+) and put it in (?P<target>\w+)",
        ),
        "light": (
            r"look at (?P<thing>\w+) under the (?P<target>\w+)",
            r"examine the (?P<thing>\w+) with the (?P<target>\w+)",
        ),
        "place": (r"put (?:a|some) (?P<thing>\w+) (?:in|on) (?P<target>\w+)",),
    },
    devices={"wash": "sinkbasin", "heat": "microwave", "cool": "fridge"},
    commands={
        "go": "go to {place}",
        "open": "open {place}",
        "take": "take {thing} from {place}",
        "put": "move {thing} to {place}",
        "put on": "move {thing} to {place}",
        "wash": "clean {thing} with {place}",
        "heat": "heat {thing} with {place}",
        "cool": "cool {thing} with {place}",
        "light": "use {thing}",
        "look": "look",
    },
    article="a ",
)  # fmt: skip

_SINGULAR = {kind.plural: kind.name for kind in THINGS.values()}


def singular(noun: str) -> str:
    """The kind that a plural names; anything else stays as it is."""
    return _SINGULAR.get(noun, noun)


def make_expert(dialect: Dialect) -> PerEpisode:
    """The expert as an agent of the harness."""
    return PerEpisode(lambda task: Searcher(dialect, task))


# ── reading ─────────────────────────────────────────────────────────────────

_SEES = re.compile(r"(?:you see|In it:|(?:In|On) the [^:.]+?:)\s*([^.]*)\.")
_CLOSED = re.compile(r"The ([^.]+?) is closed\.")
_OPEN = re.compile(r"The ([^.]+?) is open\.|You open the ([^.]+?)\.")


def kind_of(name: str) -> str:
    """``"mug 2"`` -> ``"mug"``."""
    head, _, number = name.rpartition(" ")
    return head if number.isdigit() else name


def read_names(text: str, article: str) -> list[str] | None:
    """The names that an observation lists, or None when it lists nothing."""
    found = _SEES.search(text)
    if found is None:
        return None
    items = re.split(r", and |, ", found.group(1).strip())
    names = [item.removeprefix(article).strip() for item in items]
    return [name for name in names if name not in _NOT_A_THING]


# ── one episode ─────────────────────────────────────────────────────────────


@dataclass
class Searcher:
    """Plays one episode."""

    dialect: Dialect
    task: TaskView
    here: str = ""
    holding: str = ""
    treated: bool = False
    home: str = ""
    goal: tuple[str, str, str] = ("", "", "")
    places: list[str] = field(default_factory=list)
    #: What was last seen in each receptacle that was looked into.
    seen: dict[str, list[str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    lamp: str = ""
    _intent: tuple[str, str, str] = ("", "", "")

    def __call__(self, observation: str) -> str:
        """The next command."""
        if not self.places:
            self._arrive(observation)
        else:
            self._read(observation)
        name, thing, place = self._intent = self._plan()
        return self.dialect.commands[name].format(thing=thing, place=place)

    # reading what happened

    def _arrive(self, observation: str) -> None:
        self.goal = self.dialect.goal(self.task.goal)
        self.places = read_names(observation, self.dialect.article) or [""]

    def _read(self, observation: str) -> None:
        name, thing, place = self._intent
        if name == "go":
            self.here = place
        if name in ("go", "open"):
            self._read_content(observation, place)
        elif name == "take" and re.match("You (?:take|pick up)", observation):
            self.holding, self.treated = thing, False
            self.seen[place] = [other for other in self.seen.get(place, []) if other != thing]
        elif name in ("put", "put on") and re.match("You (?:put|move)", observation):
            self.holding = ""
            self.delivered.add(thing)
            self.home = place
            self.seen.setdefault(place, []).append(thing)
        elif name == self.goal[0]:
            self.treated = True

    def _read_content(self, observation: str, place: str) -> None:
        if _CLOSED.search(observation):
            self.closed.add(place)
            return
        if _OPEN.search(observation):
            self.closed.discard(place)
        names = read_names(observation, self.dialect.article)
        if names is not None:
            self.seen[place] = names
            lamps = [name for name in names if kind_of(name) == self.goal[2]]
            if self.goal[0] == "light" and lamps and not self.lamp:
                self.lamp = lamps[0]

    # deciding what to do

    def _plan(self) -> tuple[str, str, str]:
        job, thing, target = self.goal
        if not job:
            return ("look", "", "")
        if not self.holding:
            return self._fetch(thing, target, job)
        if job == "light":
            return self._light(target)
        device = self.dialect.devices.get(job)
        if device is not None and not self.treated:
            place = self._nearest(device)
            return self._at(place, (job, self.holding, place), needs_open=False)
        place = self.home or self._nearest(target)
        inside = kind_of(place) in RECEPTACLES and RECEPTACLES[kind_of(place)].inside
        return self._at(place, ("put" if inside else "put on", self.holding, place))

    def _fetch(self, thing: str, target: str, job: str) -> tuple[str, str, str]:
        """Takes a thing of the kind that was seen, or searches on."""
        for place, names in self.seen.items():
            for name in names:
                if kind_of(name) != thing or name in self.delivered:
                    continue
                if job in ("place", "two") and kind_of(place) == target and not self.delivered:
                    if job == "two":  # One is there already: bring the other to it.
                        self.delivered.add(name)
                        self.home = place
                    continue
                return self._at(place, ("take", name, place))
        return self._search(thing, avoid=target if job == "place" else "")

    def _light(self, lamp: str) -> tuple[str, str, str]:
        for place, names in self.seen.items():
            if self.lamp and self.lamp in names:
                return self._at(place, ("light", self.lamp, place), needs_open=False)
        return self._search(lamp, avoid="")

    def _search(self, thing: str, avoid: str) -> tuple[str, str, str]:
        """Looks where the thing is most likely, weighing the steps that it costs."""
        if self.here in self.closed and self.here not in self.seen and kind_of(self.here) != avoid:
            return ("open", "", self.here)
        unseen = [p for p in self.places if p not in self.seen and p and kind_of(p) != avoid]
        if not unseen:
            self.seen.clear()  # Everything was looked at: something was missed, begin again.
            return ("look", "", "")
        counts = {
            kind: sum(kind_of(p) == kind for p in self.places) for kind in map(kind_of, unseen)
        }
        spots = _spots(thing)

        def worth(place: str) -> float:
            kind = kind_of(place)
            hidden = _hinged(kind)
            return spots.get(_squeeze(kind), _ANYWHERE) / counts[kind] / (2 if hidden else 1)

        return ("go", "", max(unseen, key=worth))

    def _at(
        self, place: str, act: tuple[str, str, str], *, needs_open: bool = True
    ) -> tuple[str, str, str]:
        """The act if the agent stands at an open place, else what leads there."""
        if self.here != place:
            return ("go", "", place)
        if needs_open and place in self.closed:
            return ("open", "", place)
        return act

    def _nearest(self, kind: str) -> str:
        """A receptacle of a kind: here if possible, else one that is known to be open."""
        options = [place for place in self.places if kind_of(place) == kind]
        for place in options:
            if place == self.here:
                return place
        return min(options, key=lambda p: (p not in self.seen, p), default=kind)


def _squeeze(kind: str) -> str:
    """ALFWorld writes "countertop" and "coffeetable" where we write "coffee table"."""
    return kind.replace(" ", "")


def _spots(thing: str) -> Mapping[str, float]:
    for kind in THINGS.values():
        if _squeeze(kind.name) == _squeeze(thing):
            return {_squeeze(spot): weight for spot, weight in kind.spots.items()}
    return {}


def _hinged(kind: str) -> bool:
    return _squeeze(kind) in _HINGED


def _squeezed(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_squeeze(name) for name in names)


_HINGED = _squeezed(name for name, kind in RECEPTACLES.items() if kind.hinged)
