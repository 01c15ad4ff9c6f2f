"""Conditions against a naive reading of them: every binding, every object, every fact."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping

import cottage
import pytest
from cottage import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qevolve_envs.errors import Unsupported
from qevolve_envs.household.engine import Play
from qevolve_envs.household.facts import FactBase, Relation
from qevolve_envs.household.joins import compile_join, disjuncts, negate
from qevolve_envs.household.pddl import FALSE, TRUE, Atom, Domain, Equal, Junction, Quantified
from qevolve_envs.household.pddl_reader import read_domain

# ── the naive reading ───────────────────────────────────────────────────────

#: Objects by type; there is no hat, so that a quantifier may range over nothing.
OBJECTS = {"thing": ["a", "b"], "box": ["k", "l"], "room": ["m"], "hat": []}
BELOW = {"object": ["thing", "box", "room", "hat"], "thing": ["thing", "box"]}
PREDICATES = {"flag": 0, "p": 1, "q": 1, "r": 2, "s": 2}
#: A condition as text is read: nested tuples of words.
Tree = tuple[object, ...]
Facts = frozenset[tuple[str, ...]]


def objects_of(type_: str) -> list[str]:
    return [name for below in BELOW.get(type_, [type_]) for name in OBJECTS[below]]


def holds(tree: Tree, facts: Facts, bound: Mapping[str, str]) -> bool:
    match tree:
        case ("and", *parts):
            return all(holds(part, facts, bound) for part in parts)
        case ("or", *parts):
            return any(holds(part, facts, bound) for part in parts)
        case ("not", part):
            return not holds(part, facts, bound)
        case ("imply", one, two):
            return not holds(one, facts, bound) or holds(two, facts, bound)
        case ("=", one, two):
            return bound.get(one, one) == bound.get(two, two)
        case ("exists" | "forall" as kind, (variable, _, type_), part):
            found = (holds(part, facts, {**bound, variable: o}) for o in objects_of(type_))
            return any(found) if kind == "exists" else all(found)
        case (predicate, *args):
            return (predicate, *(bound.get(arg, arg) for arg in args)) in facts
    raise AssertionError(tree)


def text_of(tree: object) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(map(text_of, tree))})"


# ── random conditions, facts and parameters ─────────────────────────────────

TYPES = st.sampled_from(["object", "thing", "box", "room", "hat"])


@st.composite
def conditions(draw: st.DrawFn, scope: tuple[str, ...], depth: int = 3) -> Tree:
    kinds = ["atom", "atom", "not atom", "="]
    if depth:
        kinds += ["and", "and", "or", "or", "not", "imply", "exists", "exists", "forall"]
    kind = draw(st.sampled_from(kinds))
    terms = st.sampled_from([*scope, "a", "k"] if scope else ["a", "k", "m"])
    match kind:
        case "atom" | "not atom":
            name = draw(st.sampled_from(sorted(PREDICATES)))
            atom = (name, *(draw(terms) for _ in range(PREDICATES[name])))
            return atom if kind == "atom" else ("not", atom)
        case "=":
            return ("=", draw(terms), draw(terms))
        case "and" | "or":
            parts = draw(st.lists(conditions(scope, depth - 1), max_size=3))
            return (kind, *parts)
        case "not":
            return ("not", draw(conditions(scope, depth - 1)))
        case "imply":
            return ("imply", draw(conditions(scope, depth - 1)), draw(conditions(scope, depth - 1)))
        case _:
            # A new variable, or one that hides another.
            variable = draw(st.sampled_from(["?u", "?v", "?x"]))
            inner = tuple(dict.fromkeys((*scope, variable)))
            body = draw(conditions(inner, depth - 1))
            return (kind, (variable, "-", draw(TYPES)), body)


@st.composite
def fact_sets(draw: st.DrawFn) -> Facts:
    chance = random.Random(draw(st.integers(0, 10**6)))
    everything = [o for names in OBJECTS.values() for o in names]
    density = draw(st.sampled_from([0.1, 0.3, 0.6]))
    return frozenset(
        (name, *args)
        for name, arity in PREDICATES.items()
        for args in itertools.product(everything, repeat=arity)
        if chance.random() < density
    )


def a_game(actions: Mapping[str, str], facts: Facts, goal: str = "(done m)") -> Play:
    predicates = " ".join(
        f"({name} {' '.join(f'?{n}' for n in range(arity))})" for name, arity in PREDICATES.items()
    )
    return tiny(
        actions,
        init=" ".join(f"({' '.join(fact)})" for fact in sorted(facts)),
        goal=goal,
        predicates=f"{predicates} (hit ?x ?y) (mark ?x)",
        types="room hat thing - object box - thing",
        objects=" ".join(f"{' '.join(names)} - {t}" for t, names in OBJECTS.items() if names),
    )


many = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PAIR = ("?x", "?y")


@many
@given(tree=conditions(PAIR), facts=fact_sets(), one=TYPES, two=TYPES)
def test_the_bindings_of_a_precondition(tree: Tree, facts: Facts, one: str, two: str) -> None:
    body = f":parameters (?x - {one} ?y - {two}) :precondition {text_of(tree)} :effect (hit ?x ?y)"
    play = a_game({"go": body}, facts)
    (schema,) = play.game.rules.schemas
    found = schema.bindings(play.world)
    assert len(set(found)) == len(found)
    assert set(found) == {
        (x, y)
        for x in objects_of(one)
        for y in objects_of(two)
        if holds(tree, facts, {"?x": x, "?y": y})
    }


@many
@given(tree=conditions(()), facts=fact_sets())
def test_whether_a_goal_holds(tree: Tree, facts: Facts) -> None:
    actions = {"go": ":parameters (?x - room) :effect (done ?x)"}
    # Behind an 'or', so that no part of it is refused for being fixed.
    play = a_game(actions, facts, goal=f"(or (done m) {text_of(tree)})")
    assert play.won == holds(tree, facts, {})
    play.step("go m")
    assert play.won


@many
@given(tree=conditions((*PAIR, "?z")), facts=fact_sets(), type_=TYPES)
def test_when_an_effect_applies(tree: Tree, facts: Facts, type_: str) -> None:
    effect = f"(and (done ?x) (forall (?z - {type_}) (when {text_of(tree)} (mark ?z))))"
    play = a_game({"go": f":parameters (?x - thing ?y - room) :effect {effect}"}, facts)
    for x in objects_of("thing"):
        fresh = play.game.start()
        assert fresh.step(f"go {x} m") == "Done."
        assert fresh.world.relations["mark"].rows == {
            (z,) for z in objects_of(type_) if holds(tree, facts, {"?x": x, "?y": "m", "?z": z})
        }


@many
@given(tree=conditions(()), facts=fact_sets())
def test_a_negation_is_the_opposite(tree: Tree, facts: Facts) -> None:
    play = a_game({"go": ":effect (done m)"}, facts, goal=f"(or (done m) {text_of(tree)})")
    rules, world = play.game.rules, play.world
    condition = play.game.problem.goal
    joins = rules.goal(negate(negate(condition)))
    assert any(join(world, [()]) for join in joins) == play.won
    joins = rules.goal(negate(Junction("and", (condition,))))
    assert any(join(world, [()]) for join in joins) != play.won


# ── the queries of texts ────────────────────────────────────────────────────


def naive_matches(
    query: list[tuple[str, tuple[str, ...]]], facts: Facts, bound: dict[str, str]
) -> Iterator[dict[str, str]]:
    """Fact by fact in sorted order; a new name takes no object that another name has."""
    if not query:
        yield bound
        return
    (predicate, args), *rest = query
    for fact in sorted(f for f in facts if f[0] == predicate):
        now = dict(bound)
        for arg, value in zip(args, fact[1:], strict=True):
            if now.get(arg, value) != value or (arg not in now and value in now.values()):
                break
            now[arg] = value
        else:
            yield from naive_matches(rest, facts, now)


FLAT = Domain("flat", {"object": None}, {n: ("object",) * a for n, a in PREDICATES.items()}, {}, {})


@many
@given(
    facts=fact_sets(),
    names=st.lists(
        st.tuples(st.sampled_from(["p", "q", "r", "s"]), *[st.sampled_from("xyz")] * 2),
        min_size=1,
        max_size=3,
    ),
    given_x=st.sampled_from([None, "a", "k"]),
)
def test_a_query_lists_its_matches_in_order(
    facts: Facts, names: list[tuple[str, str, str]], given_x: str | None
) -> None:
    query = [(n, tuple(f"?{arg}" for arg in args[: PREDICATES[n]])) for n, *args in names]
    variables = {f"?{name}": "object" for name in "xyz"}
    parts = [Atom(name, args) for name, args in query]
    bound = ["?x"] if given_x else []
    join = compile_join(FLAT, parts, variables, bound, in_order=True, distinct=True)
    relations = {n: Relation(f[1:] for f in facts if f[0] == n) for n in PREDICATES}
    types = {name: "object" for names in OBJECTS.values() for name in names}
    found = join(FactBase(relations, types, {}), [(given_x,) if given_x else ()])
    start = {"?x": given_x} if given_x else {}
    expected = [tuple(match.values()) for match in naive_matches(query, facts, start)]
    assert found == expected
    assert join.reads == {name for name, _ in query}


def test_facts_of_several_types_are_listed_type_by_type() -> None:
    """As TextWorld does: the type that is asked for, then its subtypes by name, each sorted."""
    ask = ":parameters (?x - room) :effect (done ?x)"
    play = tiny(
        {"ask": ask},
        init="(p a) (p k) (p c) (p j) (p b) (p z)",
        types="room thing - object box hat - thing",
        objects="m - room b z - thing k a - hat j c - box",
        phrases={"ask": ("ask {x}", "[{y.name | p(y:thing)}]")},
    )
    assert play.step("ask m") == "b, z, c, j, a, and k"


def test_an_object_of_a_subtype_is_a_stranger_to_queries_about_its_parameter() -> None:
    """TextWorld compares name and type: the box that is 'a thing' is not the box of the facts."""
    play = tiny(
        {"ask": ":parameters (?x - thing) :precondition (p ?x) :effect (done ?x)"},
        init="(p a) (p k) (r a b) (r k b)",
        types="thing - object box - thing",
        objects="a b - thing k - box",
        phrases={"ask": ("ask {x}", "[{y.name | r(x:thing, y:thing)}]; [{y.name | p(y:thing)}]")},
    )
    assert play.step("ask a") == "b"  # What follows a ';' is not read, as upstream does.
    assert play.step("ask k") == "nothing"


# ── planning ────────────────────────────────────────────────────────────────


def test_a_variable_that_only_one_alternative_names_still_ranges_over_its_type() -> None:
    """There are no hats: ``exists`` is false and ``forall`` true, whatever the rest says."""
    facts = frozenset({("p", "a")})
    for text, value in (
        ("(exists (?h - hat) (or (p a) (q ?h)))", False),
        ("(exists (?h - hat) (p a))", False),
        ("(exists (?h - hat) (and))", False),
        ("(forall (?h - hat) (and (q a) (q ?h)))", True),
        ("(exists (?b - box) (or (p a) (q ?b)))", True),
        ("(exists (?b - box) (not (= ?b k)))", True),
    ):
        assert a_game({"go": ":effect (done m)"}, facts, goal=text).won is value, text


def test_disjuncts() -> None:
    x, y = Atom("p", ("?x",)), Atom("q", ("?y",))
    assert list(disjuncts(TRUE)) == [[]]
    assert list(disjuncts(FALSE)) == []
    assert list(disjuncts(Junction("and", (x, Junction("and", (y,)))))) == [[x, y]]
    either = Junction("or", (x, y))
    assert list(disjuncts(either)) == [[x], [y]]
    assert list(disjuncts(either, ["?x", "?y"])) == [[either]], "a test, where all is bound"
    assert list(disjuncts(Junction("and", (x, y, either)))) == [[x, y, either]]
    assert list(disjuncts(Junction("and", (x, FALSE)))) == []
    (opened,) = disjuncts(Quantified("exists", (("?x", "box"),), x))
    assert [part.predicate for part in opened] == ["p"], "a quantified variable is renamed"
    assert opened != [x]
    (empty,) = disjuncts(Quantified("exists", (("?x", "box"),), TRUE))
    assert [type(part) for part in empty] == [Equal]


def test_disjuncts_are_bounded() -> None:
    ors = tuple(Junction("or", (Atom("p", (f"?{n}",)), Atom("q", (f"?{n}",)))) for n in range(40))
    with pytest.raises(Unsupported, match="a thousand alternatives"):
        list(disjuncts(Junction("and", ors)))


def test_a_join_says_what_it_reads() -> None:
    domain = read_domain(cottage.DOMAIN)
    action = domain.actions["drop"]
    (parts,) = disjuncts(action.precondition)
    join = compile_join(domain, parts, dict(action.parameters))
    assert join.reads == {"at", "locked", "precious", "holds"}


# ── the facts ───────────────────────────────────────────────────────────────

ROWS = st.tuples(*[st.sampled_from("abc")] * 3)
POSITIONS = st.sampled_from([(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])


def naive_index(rows: set[tuple[str, ...]], positions: tuple[int, ...]) -> dict[object, list]:
    index: dict[object, list] = {}
    for row in sorted(rows):
        key = tuple(row[p] for p in positions)
        rest = tuple(arg for p, arg in enumerate(row) if p not in positions)
        index.setdefault(key[0] if len(key) == 1 else key, []).append(rest)
    return index


@settings(max_examples=200, deadline=None)
@given(
    rows=st.sets(ROWS, max_size=12),
    changes=st.lists(st.one_of(ROWS, POSITIONS, st.just("copy")), max_size=30),
)
def test_the_indexes_of_a_relation_follow_its_rows(rows: set, changes: list) -> None:
    relation, asked = Relation(rows), set()
    rows, others = set(rows), []
    for change in changes:
        if change == "copy":
            others.append((relation, frozenset(rows)))
            relation = relation.copy()
        elif all(isinstance(part, str) for part in change) and change:
            if change in rows:
                relation.remove(change)
                rows.remove(change)
            else:
                relation.add(change)
                rows.add(change)
        else:
            asked.add(change)
            relation.index(change)
        for positions in asked:
            index = relation.index(positions)
            assert {key: rest for key, rest in index.items() if rest} == naive_index(
                rows, positions
            )
    assert relation.rows == rows
    for other, before in others:
        assert other.rows == before, "a copy is independent of what it was copied from"
        assert other.index((0,)).keys() >= naive_index(set(before), (0,)).keys()


def test_a_world_shares_relations_until_it_changes_them() -> None:
    shared = Relation([("a",)])
    world = FactBase({"p": shared}, {"a": "thing", "b": "thing"}, {})
    world.put("p", ("a",))
    world.drop("p", ("b",))
    assert world.relations["p"] is shared
    assert world.versions == {"p": 0}
    world.put("p", ("b",))
    world.drop("p", ("a",))
    assert world.versions == {"p": 2}
    assert world.relations["p"].rows == {("b",)}
    assert shared.rows == {("a",)}
    assert (world.of_type("thing"), world.of_type("box")) == (["a", "b"], [])
