"""Builds the engine's games from generated tasks, without going through PDDL text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from qevolve_envs.household.engine import Game, Rules
from qevolve_envs.household.facts import Relation, Row
from qevolve_envs.household.grammar import read_grammar
from qevolve_envs.household.kinds import RECEPTACLES, THINGS, fits
from qevolve_envs.household.pddl import (
    Atom,
    Condition,
    Equal,
    Junction,
    Problem,
    Quantified,
)
from qevolve_envs.household.pddl_reader import read_domain
from qevolve_envs.household.tasks import HouseholdTask

AGENT = "you"
MIDDLE = "middle"
#: What the household's facts call lying somewhere and being carried, for the score.
PLACED, HELD = "in", "holds"


@cache
def household_rules() -> Rules:
    """The compiled domain and grammar of the household."""
    here = files("qevolve_envs.household")
    domain = read_domain((here / "household.pddl").read_text(encoding="utf-8"))
    return Rules(domain, read_grammar((here / "household.twl2").read_text(encoding="utf-8")))


@cache
def _kinds() -> tuple[dict[str, str], dict[str, Relation]]:
    """The objects that stand for kinds, and the facts about them, which all games share."""
    things = {_slug(name): kind for name, kind in THINGS.items()}
    receptacles = {_slug(name): kind for name, kind in RECEPTACLES.items()}
    objects = dict.fromkeys(things, "tkind") | dict.fromkeys(receptacles, "rkind")
    rows: dict[str, Iterable[Row]] = {
        "hinged": [(i,) for i, k in receptacles.items() if k.hinged],
        "inside": [(i,) for i, k in receptacles.items() if k.inside],
        "washes": [(i,) for i, k in receptacles.items() if k.washes],
        "heats": [(i,) for i, k in receptacles.items() if k.heats],
        "cools": [(i,) for i, k in receptacles.items() if k.cools],
        "washable": [(i,) for i, k in things.items() if k.wash],
        "heatable": [(i,) for i, k in things.items() if k.heat],
        "coolable": [(i,) for i, k in things.items() if k.cool],
        "portable": [(i,) for i, k in things.items() if not k.lamp],
        "switchable": [(i,) for i, k in things.items() if k.lamp],
        "fits": [
            (i, j)
            for i, thing in things.items()
            for j, receptacle in receptacles.items()
            if fits(thing.name, receptacle.name)
        ],
    }
    return objects, {name: Relation(content) for name, content in rows.items()}


def build_game(spec: HouseholdTask) -> Game:
    """The game of a generated task."""
    rules = household_rules()
    kinds, shared = _kinds()
    objects = dict(kinds)
    objects[AGENT] = "agent"
    objects[MIDDLE] = "place"
    names: dict[str, str] = {}

    receptacles: list[str] = []
    rkindof: list[Row] = []
    stands: list[Row] = []
    for kind, number in spec.room.receptacles:
        name = f"{kind} {number}"
        ident = f"{_slug(kind)}-{number:02d}"
        place = f"at-{ident}"
        objects[ident], objects[place] = "receptacle", "place"
        names[ident] = name
        receptacles.append(ident)
        rkindof.append((ident, _slug(kind)))
        stands.append((ident, place))

    tkindof: list[Row] = []
    lies: list[Row] = []
    lamps: list[Row] = []
    for kind, number, index in spec.places:
        ident = f"{_slug(kind)}-{number:02d}"
        objects[ident] = "thing"
        names[ident] = f"{kind} {number}"
        tkindof.append((ident, _slug(kind)))
        lies.append((ident, receptacles[index]))
        if THINGS[kind].lamp:
            lamps.append((ident, stands[index][1]))

    init = {
        "at": frozenset([(AGENT, MIDDLE)]),
        "rkindof": frozenset(rkindof),
        "tkindof": frozenset(tkindof),
        "stands": frozenset(stands),
        "lampplace": frozenset(lamps),
        "in": frozenset(lies),
        "open": frozenset([(receptacles[index],) for index in spec.opened]),
    }
    problem = Problem(objects, init, goal_of(spec.job, spec.thing, spec.target))
    return Game(rules, problem, names, shared)


@cache
def goal_of(job: str, thing: str, target: str) -> Condition:
    """The condition that a job asks for."""
    kind = Atom("tkindof", ("?o", _slug(thing)))
    if job == "light":
        lamp = (
            Atom("tkindof", ("?l", _slug(target))),
            Atom("lampplace", ("?l", "?p")),
            Atom("lit", ("?l",)),
            Atom("at", (AGENT, "?p")),
        )
        return _exists(("?o thing", "?l thing", "?p place"), kind, Atom(HELD, (AGENT, "?o")), *lamp)
    there = (Atom("rkindof", ("?r", _slug(target))), Atom(PLACED, ("?o", "?r")))
    if job == "two":
        other = Atom("tkindof", ("?q", _slug(thing)))
        both = (other, Atom(PLACED, ("?q", "?r")), Equal("?o", "?q", False))
        return _exists(("?o thing", "?q thing", "?r receptacle"), kind, *there, *both)
    treated = {"wash": "clean", "heat": "hot", "cool": "cold"}
    state = (Atom(treated[job], ("?o",)),) if job in treated else ()
    return _exists(("?o thing", "?r receptacle"), kind, *there, *state)


def _exists(variables: tuple[str, ...], *parts: Condition) -> Condition:
    typed = tuple((name, type_) for name, type_ in (v.split() for v in variables))
    return Quantified("exists", typed, Junction("and", parts))


@cache
def _slug(kind: str) -> str:
    return kind.replace(" ", "-")
