"""A cottage of three rooms with a box, a key and a coin: a complete tw-pddl game of our own words.

For the tests of the engine; `tiny` builds even smaller games around the actions of one test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qevolve_envs.household.engine import Game, Play, read_game

DOMAIN = """
; Who is where, what lies where, and a door with a lock.
(define (domain Cottage)
  (:requirements :adl :typing :action-costs)
  (:types hero room thing - object
          box - thing)
  (:constants hall - room)
  (:predicates
    (at ?h - hero ?r - room)
    (lies ?o - thing ?r - room)
    (inside ?o - thing ?b - box)
    (holds ?h - hero ?o - thing)
    (Door ?r - room ?s - room)          ; walked both ways
    (locked ?r - room)
    (fits ?k - thing ?r - room)
    (open ?b - box)
    (seen ?o - thing)
    (precious ?o - thing)
    (rested ?h - hero)
    (dusty ?r - room))
  (:functions (total-cost) - number (steps ?from ?to))

  (:action look
    :parameters (?h - hero ?r - room)
    :precondition (at ?h ?r)
    :effect (rested ?h))

  (:action go
    :parameters (?h - hero ?from - room ?r - room)
    :precondition (and (at ?h ?from) (or (door ?from ?r) (door ?r ?from)) (not (locked ?r)))
    :effect (and (not (at ?h ?from)) (at ?h ?r) (increase (total-cost) 1)))

  (:action unlock
    :parameters (?h - hero ?k - thing ?from - room ?to - room)
    :precondition (and (at ?h ?from) (door ?from ?to) (holds ?h ?k) (fits ?k ?to) (locked ?to))
    :effect (not (locked ?to)))

  (:action open
    :parameters (?h - hero ?r - room ?b - box)
    :precondition (and (at ?h ?r) (lies ?b ?r) (not (open ?b)))
    :effect (and (open ?b)
                 (forall (?o - thing) (when (inside ?o ?b) (seen ?o)))))

  (:action take
    :parameters (?h - hero ?r - room ?o - thing)
    :precondition (and (at ?h ?r) (lies ?o ?r)
                       (not (exists (?b - box) (= ?o ?b)))          ; boxes are too heavy
                       (forall (?x - thing) (not (holds ?h ?x))))
    :effect (and (holds ?h ?o) (not (lies ?o ?r))))

  (:action draw
    :parameters (?h - hero ?r - room ?o - thing ?b - box)
    :precondition (and (at ?h ?r) (lies ?b ?r) (inside ?o ?b) (open ?b)
                       (forall (?x - thing) (not (holds ?h ?x))))
    :effect (and (holds ?h ?o) (not (inside ?o ?b))))

  (:action drop
    :parameters (?h - hero ?r - room ?o - thing)
    :precondition (and (at ?h ?r) (imply (locked attic) (precious ?o)) (holds ?h ?o))
    :effect (and (not (holds ?h ?o)) (lies ?o ?r)))

  (:action sweep
    :parameters (?h - hero ?r - room)
    :precondition (and (at ?h ?r) (dusty ?r))
    :effect (not (dusty ?r)))
)
"""

PROBLEM = """
(define (problem evening)
  (:domain cottage)
  (:objects you - hero  study attic - room  key coin spoon - thing  chest - box)
  (:init
    (at you hall) (DOOR hall study) (door hall attic) (locked attic)
    (lies chest study) (lies spoon hall) (inside key chest) (inside coin chest)
    (fits key attic) (precious coin) (precious key) (dusty hall) (dusty study)
    (= (total-cost) 0) (= (steps hall study) 3))
  (:goal (exists (?o - thing) (and (precious ?o) (lies ?o attic) (not (= ?o key)))))
  (:metric minimize (total-cost)))
"""

GRAMMAR = '''
# The cottage speaks plainly.
grammar :: """
    {
        "intro": [ { "rhs": "Rain.\\n\\nThere are [{r.name | door(h:room, r:room)}]." } ],
        "here": [ { "rhs": "In the {r.name}: #things# #dust#" } ],
        "things": [ { "rhs": "[{#thing# | lies(o:thing, r:room)}]." } ],
        "thing": [
            { "condition": "open(o:thing)", "rhs": "an open {o.name}" },
            { "condition": "precious(o:thing)", "rhs": "{o.definite} precious {o.name}" },
            { "rhs": "{o.indefinite + ' ' + o.name}" }
        ],
        "dust": [
            { "condition": "dusty(r:room)", "rhs": "It is dusty." },
            { "condition": "not_dusty(r:room)", "rhs": "It shines." },
            { "rhs": "It is bare." }
        ],
        "list_empty": [ { "rhs": "nothing" } ],
        "list_separator": [ { "rhs": ", " } ],
        "list_last_separator": [ { "rhs": ", and " } ]
    }
""";

action look { template :: "look"; feedback :: "#here#"; }
action go {
    template :: "walk to {r}";
    feedback :: "You walk. #go.arrive#";
    grammar :: """
        {
            # Comments are for people.
            "go.arrive": [ { "rhs": "#here#" } ]
        }
    """;
}
action unlock { template :: "unlock {to} with {k}"; feedback :: "The {k.name} turns."; }
action OPEN { template :: "open {b}"; feedback :: "In it: [{o.name | inside(o:thing, b:box)}]."; }
action take { template :: "take {o}"; feedback :: "You take the {o.name or o.id}."; }
action draw { template :: "take {o} from {b}"; feedback :: "You take the {o.name}."; }
action drop { template :: "drop {o}"; feedback :: "You drop the {o.name}. #things#"; }
action sweep { template :: "sweep"; feedback :: "You sweep. #dust#"; }
'''


def names(ids: Iterable[str]) -> dict[str, str]:
    """Every object is called what it is."""
    return {ident: ident for ident in ids}


def as_file(**changes: Any) -> dict[str, Any]:
    """The contents of the cottage's game file, with other parts put in."""
    parts = {"pddl_domain": DOMAIN, "pddl_problem": PROBLEM, "grammar": GRAMMAR}
    return {**parts, **changes}


def cottage(**changes: Any) -> Game:
    return read_game(as_file(**changes), names)


LISTS = """
    "list_empty": [ { "rhs": "nothing" } ],
    "list_separator": [ { "rhs": ", " } ],
    "list_last_separator": [ { "rhs": ", and " } ]
"""


def tiny_file(
    actions: Mapping[str, str],
    *,
    init: str = "",
    goal: str = "(done a)",
    predicates: str = "(p ?x) (q ?x) (r ?x ?y) (t ?x - thing) (b ?x - box)",
    types: str = "thing box",
    objects: str = "a b c - thing k l - box",
    domain: str = "",
    phrases: Mapping[str, tuple[str, str]] | None = None,
    rules: str = "",
) -> dict[str, str]:
    """A game file around a few actions: each name with its parameters, precondition and effect.

    Commands are the action's name and its arguments, unless `phrases` says otherwise; the first
    text is the rule ``intro``, if `rules` has one.
    """
    phrases = phrases or {}
    bodies, grammar = [], []
    for name, body in actions.items():
        bodies.append(f"(:action {name} {body})")
        parameters = body.partition(":parameters")[2].partition("(")[2].partition(")")[0].split()
        placeholders = " ".join(f"{{{word[1:]}}}" for word in parameters if word[0] == "?")
        template, feedback = phrases.get(name, (f"{name} {placeholders}".strip(), "Done."))
        grammar.append(f'action {name} {{ template :: "{template}"; feedback :: "{feedback}"; }}')
    intro = "" if '"intro"' in rules else '"intro": [ { "rhs": "Hello." } ],'
    block = f"{{ {intro} {rules + ',' if rules else ''} {LISTS} }}"
    return {
        "pddl_domain": f"(define (domain tiny) (:types {types})"
        f" (:predicates (done ?x) {predicates}) {domain} {' '.join(bodies)})",
        "pddl_problem": f"(define (problem one) (:domain tiny) (:objects {objects})"
        f" (:init {init}) (:goal {goal}))",
        "grammar": f'grammar :: """{block}""";\n' + "\n".join(grammar),
    }


def tiny(actions: Mapping[str, str], **parts: Any) -> Play:
    """A new episode of such a game."""
    return read_game(tiny_file(actions, **parts), names).start()
