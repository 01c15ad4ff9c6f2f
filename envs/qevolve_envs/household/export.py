"""Writes a generated household task as an ALFWorld game, for the official engine to play.

The domain and the grammar are taken from the user's own `alfworld` installation: they are not
ours to ship. The problem is written here; its objects carry ALFRED-like ids, chosen so that
ALFWorld's naming gives every object the number that it has in `qevolve/Household-v0`.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from qevolve_envs.errors import BadFile, MissingData
from qevolve_envs.files import write_file
from qevolve_envs.household.alfworld import GAME_FILE
from qevolve_envs.household.kinds import RECEPTACLES, THINGS, fits
from qevolve_envs.household.tasks import HouseholdTask

_PLACEHOLDER = "UNKNOWN GOAL"
_TASK_TYPES = {
    "place": "pick_and_place_simple",
    "light": "look_at_obj_in_light",
    "wash": "pick_clean_then_place_in_recep",
    "heat": "pick_heat_then_place_in_recep",
    "cool": "pick_cool_then_place_in_recep",
    "two": "pick_two_obj_and_place",
}
#: The sentence in which ALFWorld asks for each job; {thing} and {target} are filled in.
_SENTENCES = {
    "place": "put a {thing} in {target}.",
    "light": "look at {thing} under the {target}.",
    "wash": "put a clean {thing} in {target}.",
    "heat": "put a hot {thing} in {target}.",
    "cool": "put a cool {thing} in {target}.",
    "two": "put two {thing} in {target}.",
}


def alfworld_logic() -> tuple[str, str]:
    """Domain and grammar of the user's `alfworld` installation.

    Raises:
        MissingData: When `alfworld` is not installed.
    """
    spec = importlib.util.find_spec("alfworld")
    for folder in spec.submodule_search_locations or [] if spec else []:
        domain, grammar = Path(folder) / "data/alfred.pddl", Path(folder) / "data/alfred.twl2"
        if domain.is_file() and grammar.is_file():
            return domain.read_text(encoding="utf-8"), grammar.read_text(encoding="utf-8")
    raise MissingData(
        "ALFWorld's domain and grammar are missing: install them with 'pip install alfworld', or "
        "name the two files yourself."
    )


def task_type(spec: HouseholdTask) -> str:
    """ALFWorld's name of a task's job."""
    return _TASK_TYPES[spec.job]


def to_alfworld(spec: HouseholdTask, domain: str, grammar: str) -> dict[str, Any]:
    """The contents of a ``game.tw-pddl`` for a generated task.

    Args:
        spec: The task.
        domain: Text of ALFWorld's ``alfred.pddl``.
        grammar: Text of ALFWorld's ``alfred.twl2``.

    Raises:
        BadFile: When the grammar has no place for the goal.
    """
    if _PLACEHOLDER not in grammar:
        raise BadFile(f"The grammar is not ALFWorld's template: it lacks {_PLACEHOLDER!r}.")
    names = {"thing": _word(spec.thing), "target": _word(spec.target)}
    sentence = _SENTENCES[spec.job].format(**names)
    return {
        "pddl_domain": domain,
        "grammar": grammar.replace(f"{_PLACEHOLDER}.", sentence),
        "pddl_problem": _problem(spec),
        "solvable": True,
    }


def export_task(spec: HouseholdTask, folder: Path, domain: str, grammar: str) -> Path:
    """Writes ``game.tw-pddl`` and ``traj_data.json`` where ALFWorld's loader looks for a trial.

    Returns:
        The path of the game file.

    Raises:
        BadFile: When the folder cannot be written.
    """
    trajectory = {
        "task_id": spec.id,
        "task_type": task_type(spec),
        "pddl_params": {
            "object_target": _camel(spec.thing),
            "parent_target": "" if spec.job == "light" else _camel(spec.target),
            "toggle_target": _camel(spec.target) if spec.job == "light" else "",
            "mrecep_target": "",
            "object_sliced": False,
        },
        "turk_annotations": {"anns": [{"task_desc": spec.goal, "high_descs": []}]},
    }
    game = to_alfworld(spec, domain, grammar)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"Cannot write to {folder}: {error.strerror or error}.") from None
    write_file(folder / "traj_data.json", json.dumps(trajectory))
    write_file(folder / GAME_FILE, json.dumps(game))
    return folder / GAME_FILE


# ── the problem ─────────────────────────────────────────────────────────────


def _problem(spec: HouseholdTask) -> str:
    receptacles = [_ident(kind, number) for kind, number in spec.room.receptacles]
    places = [f"loc_bar_{index:02d}" for index in range(len(receptacles))]
    things = [(_ident(kind, number), kind, spot) for kind, number, spot in spec.places]
    kinds = [kind for kind, _ in spec.room.receptacles]

    objects = ["agent1 - agent", "loc_bar_start - location"]
    objects += [f"{place} - location" for place in places]
    objects += [f"{ident} - receptacle" for ident in receptacles]
    objects += [f"{ident} - object" for ident, _, _ in things]
    rtypes = dict.fromkeys([*kinds, "sink", "microwave", "fridge"])
    otypes = dict.fromkeys([*THINGS, "butter knife"])
    objects += [f"{_rtype(kind)} - rtype" for kind in rtypes]
    objects += [f"{_otype(kind)} - otype" for kind in otypes]

    init = ["(atLocation agent1 loc_bar_start)", "(= (total-cost) 0)"]
    for ident, kind, place in zip(receptacles, kinds, places, strict=True):
        init.append(f"(receptacleType {ident} {_rtype(kind)})")
        init.append(f"(receptacleAtLocation {ident} {place})")
        if RECEPTACLES[kind].hinged:
            init.append(f"(openable {ident})")
    init += [f"(opened {receptacles[index]})" for index in spec.opened]
    for ident, name, spot in things:
        thing = THINGS[name]
        init.append(f"(objectType {ident} {_otype(name)})")
        init.append(f"(inReceptacle {ident} {receptacles[spot]})")
        init.append(f"(objectAtLocation {ident} {places[spot]})")
        affordances = {
            "pickupable": not thing.lamp,
            "toggleable": thing.lamp,
            "cleanable": thing.wash,
            "heatable": thing.heat,
            "coolable": thing.cool,
        }
        init += [f"({word} {ident})" for word, able in affordances.items() if able]
    init += [
        f"(canContain {_rtype(kind)} {_otype(name)})"
        for kind in dict.fromkeys(kinds)
        for name in THINGS
        if fits(name, kind)
    ]
    lines = [
        "(define (problem qevolve)",
        "(:domain alfred)",
        "(:objects",
        *(f"    {line}" for line in objects),
        ")",
        "(:init",
        *(f"    {line}" for line in init),
        ")",
        f"(:goal {_goal(spec)})",
        ")",
    ]
    return "\n".join(lines) + "\n"


def _goal(spec: HouseholdTask) -> str:
    thing = f"(objectType ?o {_otype(spec.thing)})"
    if spec.job == "light":
        return (
            "(exists (?l - object ?r - receptacle ?a - agent ?p - location) (and"
            f" (objectType ?l {_otype(spec.target)}) (toggleable ?l) (isToggled ?l)"
            " (receptacleAtLocation ?r ?p) (atLocation ?a ?p) (inReceptacle ?l ?r)"
            f" (exists (?o - object) (and {thing} (holds ?a ?o)))))"
        )
    target = f"(receptacleType ?r {_rtype(spec.target)})"
    if spec.job == "two":
        other = f"(objectType ?q {_otype(spec.thing)})"
        return (
            f"(exists (?r - receptacle) (and {target} (exists (?o - object) (and {thing}"
            f" (inReceptacle ?o ?r) (exists (?q - object) (and (not (= ?o ?q)) {other}"
            " (inReceptacle ?q ?r)))))))"
        )
    treated = {"wash": "(isClean ?o)", "heat": "(isHot ?o)", "cool": "(isCool ?o)"}
    state = treated.get(spec.job, "")
    return (
        f"(exists (?r - receptacle) (exists (?o - object) (and {thing} {target} {state}"
        " (inReceptacle ?o ?r))))"
    )


def _camel(kind: str) -> str:
    """``"coffee table"`` -> ``"CoffeeTable"``; ALFRED's word for a sink is its basin."""
    return "SinkBasin" if kind == "sink" else kind.title().replace(" ", "")


def _word(kind: str) -> str:
    return _camel(kind).lower()


def _ident(kind: str, number: int) -> str:
    # ALFWorld numbers the ids of a kind from the last to the first in sorted order.
    place = f"{99 - number:02d}"
    return f"Sink_bar_{place}_bar_SinkBasin" if kind == "sink" else f"{_camel(kind)}_bar_{place}"


def _rtype(kind: str) -> str:
    return f"{_camel(kind)}Type"


def _otype(kind: str) -> str:
    return f"{_camel(kind)}Type"
