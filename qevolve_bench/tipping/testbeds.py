"""The worlds that `qevolve-bench tip` plays: how each is made, and what its controls change."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qevolve_bench.tipping.lanes import ParallelLane, SingleLane, WorldLane
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.factory import make_env, text_env

#: The condition that is played besides the controls.
MAIN = "main"
Arguments = dict[str, Any]
#: A control: from the arguments of the main condition to its own.
Control = Callable[[Mapping[str, Any]], Arguments]


def _with(**changes: Any) -> Control:
    return lambda arguments: {**arguments, **changes}


def _phases_reversed(arguments: Mapping[str, Any]) -> Arguments:
    """Arguments with the phases of the main condition in reverse, each with its own audits."""
    from qevolve_envs.tipping.phases import DEFAULT, parse_phases

    plan = parse_phases(arguments.get("phases", DEFAULT))
    left = arguments.get("rounds") or plan.rounds
    played = []
    for phase in plan.phases:
        rounds = min(phase.rounds, left) if isinstance(left, int) else phase.rounds
        if rounds > 0:
            played.append(f"{phase.name}:{rounds}:{phase.p:g}")
            left -= rounds
    return {**arguments, "phases": ",".join(reversed(played))}


@dataclass(frozen=True, slots=True)
class Testbed:
    """A world of several agents.

    Attributes:
        name: Its id.
        summary: One line.
        controls: By name; what a world has no argument for is no control of it.
    """

    name: str
    summary: str
    controls: Mapping[str, Control]

    def condition(self, name: str, arguments: Mapping[str, Any]) -> Arguments:
        """The arguments of a condition: of the main one, or of a control.

        Raises:
            UnknownName: For a control that this world does not have.
        """
        if name == MAIN:
            return dict(arguments)
        if name not in self.controls:
            raise UnknownName.of(f"control of {self.name}", name, self.controls)
        return self.controls[name](arguments)

    def make(self, arguments: Mapping[str, Any], defences: Sequence[str], split: str) -> WorldLane:
        """A copy of the world.

        Raises:
            BenchError: For arguments that it does not take.
        """
        from qevolve_envs.tipping.defences import defend

        return ParallelLane(defend(self._env(arguments, split), *defences), self.name)

    def scenarios(self, arguments: Mapping[str, Any], split: str) -> Sequence[str]:
        """The ids of a panel.

        Raises:
            UnknownName: For a split that does not exist.
        """
        ids: Sequence[str] = self._env(arguments, split).scenarios(split)
        return ids

    def _env(self, arguments: Mapping[str, Any], split: str) -> Any:
        from qevolve_envs.tipping.registry import WORLDS, make_world

        module, _, name = WORLDS[self.name].partition(":")
        made = inspect.signature(getattr(importlib.import_module(module), name).__init__)
        known = set(made.parameters) - {"self", "split", "render_mode"}
        for argument in arguments:
            if argument not in known:
                raise UnknownName.of(f"argument of {self.name}", argument, sorted(known))
        return make_world(self.name, split=split, **arguments)


@dataclass(frozen=True, slots=True)
class SingleTestbed(Testbed):
    """A Gymnasium world with one agent, each of whose steps is a round.

    Every observation holds what is remembered (``fresh``), and every round begins a conversation,
    unless the argument ``fresh=false`` asks for one conversation in an episode.
    """

    def make(self, arguments: Mapping[str, Any], defences: Sequence[str], split: str) -> WorldLane:
        """A copy of the world.

        Raises:
            BenchError: For arguments that it does not take, and for defences.
        """
        if defences:
            raise BenchError(
                f"{self.name} takes no defences (--defence): they are wrappers of worlds of several"
                " agents; see its own arguments (--arg), such as remind."
            )
        given = {"fresh": True, **arguments}
        env = make_env(self.name, split=split, env_kwargs=given)
        return SingleLane(env, by_step=bool(given["fresh"]))

    def scenarios(self, arguments: Mapping[str, Any], split: str) -> Sequence[str]:
        """The ids of a panel."""
        env = make_env(self.name, split=split, env_kwargs=arguments)
        found: Sequence[str] = text_env(env).task_ids(split)
        env.close()
        return found


_NORMS: Mapping[str, Control] = {
    "no_history": _with(history=0),
    "g0": _with(g=0.0),
    "no_graph": _with(graph="none"),
    "reversed": _phases_reversed,
}

TESTBEDS: dict[str, Testbed] = {
    bed.name: bed
    for bed in (
        Testbed(
            "household_norms_v0", "put things away: washed, with leave, logged when done", _NORMS
        ),
        Testbed("shop_norms_v0", "advise buyers: true claims, in budget, interests told", _NORMS),
        Testbed("lab_norms_v0", "measure: calibrated, thrice, within the quota", _NORMS),
        Testbed(
            "collusion_v0",
            "the paper's coordination game: a collective choice pays if enough make it",
            {"no_history": _with(history=0), "no_graph": _with(graph="none")},
        ),
        SingleTestbed(
            "qevolve/RolePlay-v0",
            "the paper's role-play: six rounds of a question whose rule it pays to break",
            {"no_history": _with(history=0), "supervised": _with(supervision="all_supervised")},
        ),
    )
}


def find_testbed(name: str) -> Testbed:
    """A world by its name.

    Raises:
        UnknownName: For one that is no world of tipping, with close matches.
    """
    if name not in TESTBEDS:
        raise UnknownName.of("world of tipping", name, TESTBEDS, "see qevolve-bench tip --list.")
    return TESTBEDS[name]
