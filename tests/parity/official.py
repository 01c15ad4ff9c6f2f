"""The official engine, wrapped so that a test can put it beside ours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.envs.pddl import PddlEnv

from qevolve_envs.household.pddl import Domain, Problem

#: (text, admissible commands, won)
Sight = tuple[str, list[str], bool]


class OfficialGame:
    """A game on TextWorld's PddlEnv with ALFWorld's naming of objects."""

    def __init__(self, path: Path) -> None:
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        self._env = AlfredDemangler(PddlEnv(infos))
        self._env.load(str(path))

    def reset(self) -> Sight:
        return self._sight(self._env.reset())

    def step(self, command: str) -> Sight:
        state, _, _ = self._env.step(command)
        return self._sight(state)

    @staticmethod
    def _sight(state: Any) -> Sight:
        return state.feedback, state["admissible_commands"], bool(state["won"])


def single_agent(game: dict[str, Any], domain: str, grammar: str) -> dict[str, Any]:
    """The real game with its second and third agent removed, under the package's own logic."""
    lines = game["pddl_problem"].split("\n")
    problem = "\n".join(line for line in lines if not re.search(r"\b(bob|charlie)\b", line))
    return {"pddl_domain": domain, "grammar": grammar, "pddl_problem": problem}


def write_problem(domain: Domain, problem: Problem, goal: str, statics: dict[str, Any]) -> str:
    """PDDL text of one of our own problems, so that the official engine can read it."""
    lines = ["(define (problem p)", f"(:domain {domain.name})", "(:objects"]
    lines += [f"{name} - {type_}" for name, type_ in problem.objects.items()]
    lines += [")", "(:init"]
    facts = {name: sorted(relation.rows) for name, relation in statics.items()}
    facts.update({name: sorted(rows) for name, rows in problem.init.items()})
    lines += [f"({' '.join((name, *row))})" for name in facts for row in facts[name]]
    lines += [")", f"(:goal {goal})", ")"]
    return "\n".join(lines)


def save(path: Path, game: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(game), encoding="utf-8")
    return path
