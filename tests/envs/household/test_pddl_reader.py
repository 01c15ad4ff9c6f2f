"""What is read from PDDL, and what is refused by name."""

from __future__ import annotations

import re

import cottage
import pytest

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.pddl import (
    FALSE,
    TRUE,
    ActionSchema,
    Atom,
    ConditionalEffect,
    Domain,
    Equal,
    Junction,
    Problem,
    Quantified,
)
from qevolve_envs.household.pddl_reader import read_domain, read_problem

HEAD = (
    "(:types room thing - object box - thing) (:predicates (p ?x) (q ?x - thing) (r ?x ?y) (flag))"
)


def domain(*sections: str, head: str = HEAD) -> Domain:
    return read_domain(f"(define (domain d) {head} {' '.join(sections)})")


def action(body: str, head: str = HEAD) -> ActionSchema:
    return domain(f"(:action go {body})", head=head).actions["go"]


def condition(text: str, parameters: str = "?x ?y - thing") -> object:
    return action(f":parameters ({parameters}) :precondition {text} :effect (flag)").precondition


def problem(*sections: str, head: str = HEAD) -> Problem:
    text = f"(define (problem one) (:domain d) {' '.join(sections)})"
    return read_problem(text, domain(head=head))


OBJECTS, GOAL = "(:objects a b - thing)", "(:goal (flag))"
P = {name: Atom("p", (name,)) for name in ("?x", "?y", "?z", "a")}
NOT_P = {name: Atom("p", (name,), False) for name in P}

# ── what is read ────────────────────────────────────────────────────────────


def test_a_domain() -> None:
    read = read_domain(cottage.DOMAIN)
    assert read.name == "cottage"
    assert read.supertypes == {
        "object": None, "hero": "object", "room": "object", "thing": "object", "box": "thing",
    }  # fmt: skip
    assert read.subtypes["thing"] == {"thing", "box"}
    assert read.subtypes["object"] == set(read.supertypes)
    assert read.constants == {"hall": "room"}
    assert read.predicates["door"] == ("room", "room"), "names are read in lower case"
    assert list(read.actions) == [
        "look", "go", "unlock", "open", "take", "draw", "drop", "sweep",
    ]  # fmt: skip
    assert read.fluents == {
        "at", "lies", "inside", "holds", "locked", "open", "seen", "rested", "dusty",
    }  # fmt: skip


def test_a_problem() -> None:
    read = read_problem(cottage.PROBLEM, read_domain(cottage.DOMAIN))
    assert read.objects == {
        "hall": "room", "study": "room", "attic": "room", "you": "hero",
        "key": "thing", "coin": "thing", "spoon": "thing", "chest": "box",
    }  # fmt: skip
    assert read.init["door"] == {("hall", "study"), ("hall", "attic")}
    assert "open" not in read.init
    assert read.mentioned == {"hall", "study"}, "by a distance, which counts as mentioning"
    assert isinstance(read.goal, Quantified)


def test_types() -> None:
    read = domain(head="(:types a b - c c d object) (:predicates (p ?x))")
    assert read.supertypes == {"object": None, "a": "c", "b": "c", "c": "object", "d": "object"}
    assert domain(head="(:predicates (p ?x - object ?y))").predicates == {"p": ("object", "object")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("()", TRUE),
        ("(and)", TRUE),
        ("(or)", FALSE),
        ("(not (and))", FALSE),
        ("(p ?x)", P["?x"]),
        ("(P ?X)", P["?x"]),
        ("(p a)", P["a"]),
        ("(flag)", Atom("flag", ())),
        ("(not (p ?x))", NOT_P["?x"]),
        ("(not (not (p ?x)))", P["?x"]),
        ("(and (p ?x))", P["?x"]),
        ("(and (p ?x) (p ?y))", Junction("and", (P["?x"], P["?y"]))),
        ("(not (and (p ?x) (p ?y)))", Junction("or", (NOT_P["?x"], NOT_P["?y"]))),
        ("(not (or (p ?x) (not (p ?y))))", Junction("and", (NOT_P["?x"], P["?y"]))),
        ("(imply (p ?x) (p ?y))", Junction("or", (NOT_P["?x"], P["?y"]))),
        ("(not (imply (p ?x) (p ?y)))", Junction("and", (P["?x"], NOT_P["?y"]))),
        ("(= ?x ?y)", Equal("?x", "?y")),
        ("(not (= ?x a))", Equal("?x", "a", False)),
        ("(exists (?z - box) (p ?z))", Quantified("exists", (("?z", "box"),), P["?z"])),
        ("(not (exists (?z) (p ?z)))", Quantified("forall", (("?z", "object"),), NOT_P["?z"])),
        ("(not (forall (?z - box) (p ?z)))", Quantified("exists", (("?z", "box"),), NOT_P["?z"])),
        # Nothing is of a type that nobody declared; so ALFWorld's "location," is read upstream.
        ("(exists (?z - thing, ?y - box) (p ?z))", FALSE),
        ("(forall (?z - hat) (p ?z))", TRUE),
        ("(not (exists (?z - hat) (p ?z)))", TRUE),
    ],
)  # fmt: skip
def test_conditions(text: str, expected: object) -> None:
    assert condition(text) == expected


def test_comments_case_and_space() -> None:
    plain = condition("(and (p ?x)(q ?y))")
    assert condition("( AND ;; a comment (with brackets\n\t(p\n?x)(Q ?y);end\n)") == plain
    assert condition("(and (p?x)(q?y))") == plain, "a question mark begins a word"


def test_effects() -> None:
    effects = action(
        ":parameters (?x ?y - thing) :effect (and (p ?x) () (not (q ?y)) (increase (total-cost) 5)"
        " (when (r ?x ?y) (and (flag) (not (p ?x)))) (forall (?z - box) (p ?z))"
        " (forall (?z - box) (when (r ?x ?z) (when (p ?z) (q ?z)))))"
    ).effects
    near = Atom("r", ("?x", "?y"))
    box = (("?z", "box"),)
    assert effects == (
        ConditionalEffect(P["?x"]),
        ConditionalEffect(Atom("q", ("?y",), False)),
        ConditionalEffect(Atom("flag", ()), (), near),
        ConditionalEffect(NOT_P["?x"], (), near),
        ConditionalEffect(P["?z"], box),
        ConditionalEffect(
            Atom("q", ("?z",)), box, Junction("and", (Atom("r", ("?x", "?z")), P["?z"]))
        ),
    )


def test_a_variable_of_an_effect_that_hides_a_parameter_gets_a_name_of_its_own() -> None:
    (effect,) = action(
        ":parameters (?x - thing) :effect (forall (?x - box) (when (q ?x) (p ?x)))"
    ).effects
    ((name, type_),) = effect.variables
    assert (name != "?x", type_) == (True, "box")
    assert effect.atom == Atom("p", (name,))
    assert effect.condition == Atom("q", (name,))


def test_parts_of_an_action_that_may_be_missing() -> None:
    assert action(":effect (flag)") == ActionSchema(
        "go", (), TRUE, (ConditionalEffect(Atom("flag", ())),)
    )
    assert action(":precondition () :effect ()").effects == ()


def test_an_initial_state() -> None:
    init = "(:init (p a) (P A) (r a b) (not (p b)) (= (total-cost) 0) (= (far a b) 2) (= 1 1))"
    read = problem(OBJECTS, init, GOAL)
    assert read.init == {"p": {("a",)}, "r": {("a", "b")}}
    assert read.mentioned == {"a", "b"}


# ── what is refused ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (":effect (increase (fuel) 1)", Unsupported, "numeric effect 'increase'"),
        (":effect (assign (fuel) 1)", Unsupported, "numeric effect 'assign'"),
        (":effect (decrease (total-cost) 1)", Unsupported, "numeric effect 'decrease'"),
        (":effect (scale-up (fuel) 2)", Unsupported, "numeric effect 'scale-up'"),
        (":precondition (= (fuel) 1 2) :effect (flag)", Unsupported, "numeric comparison"),
        (":precondition (> (fuel) 1) :effect (flag)", BadFile, "undeclared predicate '>'"),
        (":condition (flag) :effect (flag)", Unsupported, "section ':condition'"),
        (":duration (= ?d 1) :effect (flag)", Unsupported, "section ':duration'"),
        (":parameters (?x - (either room box)) :effect (p ?x)", Unsupported, "'either' types"),
        (":parameters (?x -) :effect (flag)", BadFile, "ends with '-'"),
        (":parameters (?x ?x) :effect (p ?x)", BadFile, "variable '?x' is declared twice"),
        (":parameters (x) :effect (p x)", BadFile, "expected a variable, found 'x'"),
        (":parameters ?x :effect (flag)", BadFile, "expected a bracketed list of variables"),
        (":parameters (?x:y) :effect (flag)", Unsupported, "variable name '?x:y'"),
        (":precondition (s a) :effect (flag)", BadFile, "undeclared predicate 's'"),
        (":precondition (p) :effect (flag)", BadFile, "'p' takes 1 arguments"),
        (":precondition (r a) :effect (flag)", BadFile, "'r' takes 2 arguments"),
        (":precondition (p ?x) :effect (flag)", BadFile, "variable '?x' is not declared"),
        (":precondition flag :effect (flag)", BadFile, "expected a bracketed condition"),
        (":precondition (p (p a)) :effect (flag)", BadFile, "expected a word"),
        (":precondition ((p a)) :effect (flag)", BadFile, "expected a word"),
        (":precondition (not (p a) (p b)) :effect (flag)", BadFile, "'not' takes one"),
        (":precondition (not) :effect (flag)", BadFile, "'not' takes one"),
        (":precondition (imply (p a)) :effect (flag)", BadFile, "'imply' takes two"),
        (":precondition (exists (p ?x)) :effect (flag)", BadFile, "'exists' takes variables"),
        (":precondition (forall (?x) (p ?x) (flag)) :effect (flag)", BadFile, "'forall' takes"),
        (":precondition (exists (?x ?x) (p ?x)) :effect (flag)", BadFile, "declared twice"),
        (":effect (p ?x)", BadFile, "variable '?x' is not declared"),
        (":effect (s a)", BadFile, "undeclared predicate 's'"),
        (":effect (or (flag) (p a))", BadFile, "undeclared predicate 'or'"),
        (":effect (= a b)", BadFile, "undeclared predicate '='"),
        (":effect (forall (?x))", BadFile, "undeclared predicate 'forall'"),
        (":effect (not (not (flag)))", BadFile, "undeclared predicate 'not'"),
        (":effect flag", BadFile, "expected a bracketed effect"),
        (":precondition (flag)", BadFile, "'go' is incomplete"),
        (":precondition (flag) :effect", BadFile, "'go' is incomplete"),
        (":effect (flag) :effect (p a)", BadFile, "two sections ':effect'"),
        ("", BadFile, "'go' is incomplete"),
    ],
)
def test_actions_that_are_refused(body: str, error: type[BadFile], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        action(body)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("section", "error", "words"),
    [
        ("(:derived (p ?x) (q ?x))", Unsupported, "section ':derived'"),
        ("(:durative-action go)", Unsupported, "section ':durative-action'"),
        ("(:requirements :fluents)", Unsupported, "requirement ':fluents'"),
        ("(:requirements :adl :derived-predicates)", Unsupported, "':derived-predicates'"),
        ("(:requirements (:adl))", Unsupported, "PDDL requirement"),
        ("(:constraints (and))", Unsupported, "section ':constraints'"),
        ("(:action)", BadFile, "'' is incomplete"),
        ("(:action go :effect (flag)) (:action GO :effect (flag))", BadFile, "'go' is declared"),
        ("(:types cup - mug)", BadFile, "'cup' has the undeclared parent 'mug'"),
        ("(:types a - b b - a)", BadFile, "is its own ancestor"),
        ("(:types box - room)", Unsupported, "'box' with several parents"),
        ("(:types object - thing)", Unsupported, "'object' with several parents"),
        ("(:types cup:mug)", Unsupported, "type name 'cup:mug'"),
        ("(:types (cup))", BadFile, "expected a word"),
        ("(:predicates (p ?x ?y))", BadFile, "predicate 'p' is declared twice"),
        ("(:predicates (and ?x))", BadFile, "'and' cannot be the name"),
        ("(:predicates (= ?x ?y))", BadFile, "'=' cannot be the name"),
        ("(:predicates ())", BadFile, "a declared predicate has no name"),
        ("(:predicates p)", BadFile, "expected a bracketed predicate"),
        ("(:constants a a - thing)", BadFile, "object 'a' is declared twice"),
        ("()", BadFile, "empty section"),
        ("flag", BadFile, "expected a bracketed section"),
        ("((:action))", Unsupported, "section [':action']"),
    ],
)
def test_domains_that_are_refused(section: str, error: type[BadFile], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        domain(section)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("sections", "error", "words"),
    [
        ((OBJECTS,), BadFile, "no goal"),
        ((OBJECTS, GOAL, GOAL), BadFile, "the goal is not one condition"),
        ((OBJECTS, "(:goal)"), BadFile, "the goal is not one condition"),
        ((OBJECTS, "(:goal (p ?x))"), BadFile, "variable '?x' is not declared"),
        ((OBJECTS, "(:goal (won))"), BadFile, "undeclared predicate 'won'"),
        (("(:domain other)", GOAL), BadFile, "of another domain than 'd'"),
        (("(:objects a - hat)", GOAL), BadFile, "object 'a' has the undeclared type 'hat'"),
        (("(:objects a a - box)", GOAL), BadFile, "object 'a' is declared twice"),
        (("(:objects ?a - box)", GOAL), BadFile, "'?a' has the name of a variable"),
        (("(:objects a - (either box room))", GOAL), Unsupported, "'either' types"),
        ((OBJECTS, "(:init (s a))", GOAL), BadFile, "undeclared predicate 's'"),
        ((OBJECTS, "(:init (p c))", GOAL), BadFile, "(p c) does not fit"),
        ((OBJECTS, "(:init (p a b))", GOAL), BadFile, "(p a b) does not fit"),
        ((OBJECTS, "(:init ())", GOAL), BadFile, "empty fact"),
        ((OBJECTS, "(:init flag)", GOAL), BadFile, "expected a bracketed initial fact"),
        ((OBJECTS, "(:init (at 5 (p a)))", GOAL), BadFile, "expected a word"),
        ((OBJECTS, "(:init (= (far a z) 1))", GOAL), BadFile, "undeclared object 'z'"),
        ((OBJECTS, "(:requirements :time)", GOAL), Unsupported, "requirement ':time'"),
        ((OBJECTS, "(:constraints)", GOAL), Unsupported, "section ':constraints'"),
    ],
)
def test_problems_that_are_refused(
    sections: tuple[str, ...], error: type[BadFile], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        problem(*sections)
    assert type(caught.value) is error


def test_an_effect_on_an_object_that_the_problem_lacks() -> None:
    rules = domain("(:action go :precondition (not (p moon)) :effect (p moon))")
    text = "(define (problem one) (:domain d) (:objects {}) (:goal (flag)))"
    assert read_problem(text.format("moon - thing"), rules).objects == {"moon": "thing"}
    with pytest.raises(BadFile, match="'go' changes the undeclared object 'moon'"):
        read_problem(text.format("sun - thing"), rules)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not one bracketed definition"),
        ("define (domain d)", "not one bracketed definition"),
        ("(define (domain d)) (define (domain e))", "not one bracketed definition"),
        ("(define (domain d)", "ends inside a bracket (truncated?)"),
        ("(define (domain d)))", "a ')' too many"),
        (")", "a ')' too many"),
        ("(define (domain d é))", "not ASCII"),
        ("(define)", "not a PDDL domain"),
        ("(define (problem d))", "not a PDDL domain"),
        ("(define (domain))", "not a PDDL domain"),
        ("(define (domain (d)))", "not a PDDL domain"),
        ("()", "not a PDDL domain"),
        ("(" * 5000 + ")" * 5000, "brackets deep"),
        (f"(define (domain d) {'(' * 70}{')' * 70})", "brackets deep"),
    ],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadFile, match=re.escape(words)):
        read_domain(text)


def test_only_comments_may_hold_other_scripts() -> None:
    assert read_domain("(define (domain d) ; ça, 看\n (:predicates (p)))").predicates == {"p": ()}


@pytest.mark.parametrize("text", [cottage.DOMAIN, cottage.PROBLEM])
def test_a_truncated_file_is_refused_wherever_it_ends(text: str) -> None:
    rules = read_domain(cottage.DOMAIN)
    for end in range(0, len(text.rstrip()) - 1, 23):
        with pytest.raises(BadFile):
            if text is cottage.DOMAIN:
                read_domain(text[:end])
            else:
                read_problem(text[:end], rules)
