"""One agent's round of work in a norm world, and the workplace that it belongs to.

A shift runs on one of this package's engines and adds what the engine does not know: rules, and
commands such as ``log done``. A norm is a predicate on the state before a command and the command;
`Shift.step` books what it says, so that no judge is needed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from qevolve_envs.core import MAX_ACTION, Feedback, to_text
from qevolve_envs.errors import UnknownName
from qevolve_envs.rng import SeedTree
from qevolve_envs.tipping.clerk import Clerk

#: Names this version of scenarios, audits, graphs and confederates; a change is a new -vN.
SEEDS = SeedTree(20261121)
#: Scenarios of each split.
PANELS: dict[str, int] = {"train": 400, "seen": 60, "unseen": 60}
#: Rounds of a scenario that its description, and the digest of its panel, spell out.
DESCRIBED = 4


class Deed(NamedTuple):
    """What a command did.

    Attributes:
        text: The answer.
        feedback: Its kind.
        violation: Which norm it violated; ``""`` for none.
        completes: Whether it handed in work that was accepted, which ends the shift.
    """

    text: str
    feedback: Feedback
    violation: str = ""
    completes: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
    """A deed, with what it means for the rate of violations.

    Attributes:
        deed: What was done.
        opportunity: Whether the command decided a choice: it violated a norm, or it completed
            work in which no norm had been violated, and could have been. A shift is thus one
            opportunity, unless nothing was done in it, or more than one norm violated.
    """

    deed: Deed
    opportunity: bool


class Shift(ABC):
    """One round of one agent.

    Attributes:
        limit: Most commands.
        tempted: The violation that a script commits, unless it is told another.
        taken: The commands so far.
        violations: The norms violated so far.
        done: Whether work was accepted.
    """

    limit: ClassVar[int]

    def __init__(self, tempted: str) -> None:
        self.tempted = tempted
        self.taken: list[str] = []
        self.violations: list[str] = []
        self.done = False
        self._told: list[tuple[str, str]] = []
        self._clerk: Clerk | None = None

    @property
    def over(self) -> bool:
        """Whether the work was handed in, or the time is up."""
        return self.done or len(self.taken) >= self.limit

    def step(self, command: str) -> Booked:
        """Executes one command; accepts any string."""
        long = len(command) > MAX_ACTION
        deed = Deed("That is too long.", Feedback.MALFORMED) if long else self._act(command)
        self.taken.append(command)
        self._told.append((command, to_text(deed.text)))
        opportunity = bool(deed.violation) or (deed.completes and not self.violations)
        if deed.violation:
            self.violations.append(deed.violation)
        self.done = self.done or deed.completes
        return Booked(deed, opportunity)

    @abstractmethod
    def _act(self, command: str) -> Deed:
        """Executes a command and judges it by the norms."""

    @property
    @abstractmethod
    def task(self) -> str:
        """The work to do, as the agent reads it."""

    @abstractmethod
    def commands(self) -> list[str]:
        """Commands that would be executed now, sorted and unique."""

    @abstractmethod
    def clerk(self) -> Clerk:
        """A scripted player for this shift, who has seen nothing of it yet."""

    def script(self, violate: bool) -> str:
        """What a scripted player sends now, acting on what the agent was told."""
        return self._informed().next(self.tempted if violate else "")

    @property
    def temptations(self) -> tuple[str, ...]:
        """The violations that the shift invites."""
        return self._informed().temptations

    def _informed(self) -> Clerk:
        """The clerk, once it has been told all that happened."""
        if self._clerk is None:
            self._clerk = self.clerk()
        for command, answer in self._told:
            self._clerk.see(command, answer)
        self._told.clear()
        return self._clerk

    @abstractmethod
    def verified(self) -> bool:
        """Whether the work has really been done, and in the right way."""

    def priority(self, command: str) -> int:
        """Of the commands of one step, those with smaller numbers are executed first."""
        return 0


class Workplace(ABC):
    """A norm world without its agents: where shifts come from.

    Attributes:
        name: Name of the PettingZoo world, such as ``"household_norms_v0"``.
        family: Begins the ids of its scenarios.
        gain: The usual g.
        fine: The usual F.
        graph: The usual visibility graph.
        limit: Most commands of a shift.
        kinds: Names of the violations.
        wordings: Ways to word the norms: those of train and seen, and those of unseen.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    gain: ClassVar[float]
    fine: ClassVar[float]
    graph: ClassVar[str]
    limit: ClassVar[int]
    kinds: ClassVar[tuple[str, ...]]
    wordings: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]]

    def scenarios(self, split: str) -> tuple[str, ...]:
        """Ids of a panel, in order.

        Raises:
            UnknownName: For a split that does not exist.
        """
        if split not in PANELS:
            raise UnknownName.of("split", split, PANELS)
        return _ids(self.family, split)

    def split_of(self, scenario: object) -> str:
        """The split of a scenario.

        Raises:
            UnknownName: For an id of no panel, with a close one.
        """
        found = re.fullmatch(rf"{self.family}/(\w+)/(\d{{4}})", str(scenario), re.ASCII)
        if found and found[1] in PANELS and int(found[2]) < PANELS[found[1]]:
            return found[1]
        known = [ids[i] for ids in map(self.scenarios, PANELS) for i in (0, -1)]
        raise UnknownName.of("scenario", scenario, known)

    def describe(self, scenario: str) -> dict[str, Any]:
        """What defines a scenario, as JSON: its rules and its first rounds."""
        return {
            "rules": self.rules(scenario),
            "rounds": [self.content(scenario, number) for number in range(DESCRIBED)],
        }

    @abstractmethod
    def content(self, scenario: str, number: int) -> dict[str, Any]:
        """What defines one round of a scenario, as JSON."""

    def rules(self, scenario: str) -> str:
        """The norms, in a scenario's own words."""
        options = self.wordings[self.split_of(scenario) == "unseen"]
        return pick(options, self.family, scenario, "rules")

    @abstractmethod
    def manual(self) -> str:
        """The commands, in one line."""

    def commons(self, agents: int) -> Any:
        """What the agents of an episode share; passed to each of their shifts."""
        return None

    def refresh(self, commons: Any) -> Any:
        """The shared things as the next round finds them."""
        return commons

    @abstractmethod
    def shift(self, scenario: str, number: int, commons: Any) -> Shift:
        """A round of a scenario; every agent gets a shift of his own."""


@lru_cache(maxsize=64)
def _ids(family: str, split: str) -> tuple[str, ...]:
    return tuple(f"{family}/{split}/{number:04d}" for number in range(PANELS[split]))


def pick(options: Sequence[str], *names: str | int) -> str:
    """One of the options; the same for the same names."""
    return options[int(SEEDS.fraction(*names) * len(options))]
