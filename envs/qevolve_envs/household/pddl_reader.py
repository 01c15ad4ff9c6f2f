"""Reads the part of PDDL that text games use: typed ADL domains and problems, without numbers.

Nothing here is specific to a household. What is not understood is refused by name (`Unsupported`),
so that a game is never misplayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.pddl import (
    FALSE,
    ROOT_TYPE,
    TRUE,
    Action,
    Atom,
    Condition,
    Domain,
    Effect,
    Equal,
    Junction,
    Problem,
    Quantified,
    Row,
)


def read_domain(text: str) -> Domain:
    """Parses a domain.

    Raises:
        BadFile: When it is not a well-formed PDDL domain.
        Unsupported: When it uses a construct that the engine does not play, named.
    """
    domain_name, sections = _definition(text, "domain")
    supertypes: dict[str, str | None] = {ROOT_TYPE: None}
    predicates: dict[str, Row] = {}
    constants: dict[str, str] = {}
    actions: dict[str, Action] = {}
    raw_actions = []
    for section in sections:
        match section[0]:
            case ":requirements":
                _check_requirements(section[1:])
            case ":types":
                for name, parent in _typed(section[1:]):
                    if name != ROOT_TYPE:
                        supertypes[name] = parent
            case ":constants":
                constants.update(_typed(section[1:]))
            case ":predicates":
                for entry in section[1:]:
                    head, *rest = _list(entry, "predicate")
                    predicates[_word(head)] = tuple(t for _, t in _typed(rest))
            case ":functions":
                pass  # Costs do not change what can be done; see _read_effect.
            case ":action":
                raw_actions.append(section)
            case other:
                raise Unsupported(f"PDDL section {other!r} is not supported")
    for child, type_ in supertypes.items():
        if type_ is not None and type_ not in supertypes:
            raise BadFile(f"type {child!r} has the undeclared parent {type_!r}")
    reader = _Reader(supertypes, predicates)
    for section in raw_actions:
        action = reader.action(section)
        if action.name in actions:
            raise BadFile(f"action {action.name!r} is declared twice")
        actions[action.name] = action
    return Domain(domain_name, supertypes, predicates, constants, actions)


def read_problem(text: str, domain: Domain) -> Problem:
    """Parses a problem of a domain.

    Raises:
        BadFile: When it is not a well-formed problem of this domain.
        Unsupported: When it uses a construct that the engine does not play, named.
    """
    objects = dict(domain.constants)
    init: dict[str, set[Row]] = {}
    mentioned: set[str] = set()
    goal: Condition | None = None
    for section in _definition(text, "problem")[1]:
        match section[0]:
            case ":domain":
                if section[1:] != [domain.name]:
                    raise BadFile(f"the problem is of another domain than {domain.name!r}")
            case ":requirements":
                _check_requirements(section[1:])
            case ":objects":
                for name, type_ in _typed(section[1:]):
                    if name in objects:
                        raise BadFile(f"object {name!r} is declared twice")
                    objects[name] = type_
            case ":init":
                for fact in section[1:]:
                    _read_fact(_list(fact, "initial fact"), init, mentioned)
            case ":goal":
                if len(section) != 2:
                    raise BadFile("the goal is not one condition")
                goal = _Reader(domain.supertypes, domain.predicates).condition(section[1], {})
            case ":metric":
                pass  # Plan quality does not change what can be done.
            case other:
                raise Unsupported(f"PDDL section {other!r} is not supported")
    if goal is None:
        raise BadFile("the problem has no goal")
    problem = Problem(
        objects, {k: frozenset(v) for k, v in init.items()}, goal, frozenset(mentioned)
    )
    check_facts(domain, problem)
    return problem


def check_facts(domain: Domain, problem: Problem) -> None:
    """Checks that facts use declared predicates and objects, with the declared arity.

    Argument types are not checked here: real ALFWorld files stretch them, and the joins of the
    engine look at the type of each object anyway.

    Raises:
        BadFile: Naming the first fact that does not fit.
    """
    for name, type_ in problem.objects.items():
        if type_ not in domain.supertypes:
            raise BadFile(f"object {name!r} has the undeclared type {type_!r}")
    for predicate, rows in problem.init.items():
        declared = domain.predicates.get(predicate)
        if declared is None:
            raise BadFile(f"the initial state uses the undeclared predicate {predicate!r}")
        for row in rows:
            if len(row) != len(declared) or not problem.objects.keys() >= set(row):
                fact = f"({' '.join((predicate, *row))})"
                raise BadFile(f"initial fact {fact} does not fit its declaration")


class _Reader:
    """Reads conditions and effects against declared types and predicates."""

    def __init__(self, supertypes: Mapping[str, str | None], predicates: Mapping[str, Row]) -> None:
        self.supertypes = supertypes
        self.predicates = predicates

    def action(self, section: list[Any]) -> Action:
        name = _word(section[1]) if len(section) > 1 else ""
        parts: dict[str, Any] = {}
        for key, value in zip(section[2::2], section[3::2], strict=False):
            if key not in (":parameters", ":precondition", ":effect"):
                raise Unsupported(f"action {name!r}: section {key!r} is not supported")
            parts[key] = value
        if not name or len(section) % 2 or ":effect" not in parts:
            raise BadFile(f"action {name!r} is incomplete")
        parameters = tuple(_typed(_list(parts.get(":parameters", []), "parameters")))
        scope = dict(parameters)
        raw = parts.get(":precondition", [])
        precondition = self.condition(raw, scope) if raw else TRUE
        effects = tuple(self.effects(parts[":effect"], scope, (), TRUE))
        return Action(name, parameters, precondition, effects)

    def condition(self, node: Any, scope: Mapping[str, str], positive: bool = True) -> Condition:
        """A condition in negation normal form."""
        items = _list(node, "condition")
        if not items:
            return TRUE if positive else FALSE
        tag, rest = items[0], items[1:]
        match tag:
            case "and" | "or":
                parts = tuple(self.condition(part, scope, positive) for part in rest)
                kind = tag if positive else {"and": "or", "or": "and"}[tag]
                return parts[0] if len(parts) == 1 else Junction(kind, parts)
            case "not":
                if len(rest) != 1:
                    raise BadFile("'not' takes one condition")
                return self.condition(rest[0], scope, not positive)
            case "imply":
                if len(rest) != 2:
                    raise BadFile("'imply' takes two conditions")
                sides = (
                    self.condition(rest[0], scope, not positive),
                    self.condition(rest[1], scope, positive),
                )
                return Junction("or" if positive else "and", sides)
            case "exists" | "forall":
                if len(rest) != 2:
                    raise BadFile(f"{tag!r} takes variables and one condition")
                variables = tuple(_typed(_list(rest[0], "variables")))
                body = self.condition(rest[1], {**scope, **dict(variables)}, positive)
                kind = tag if positive else {"exists": "forall", "forall": "exists"}[tag]
                # An undeclared type has no objects (so does Fast Downward read ALFWorld's
                # "?l - location, ?r - receptacle", whose first type is the word "location,").
                if any(type_ not in self.supertypes for _, type_ in variables):
                    return FALSE if kind == "exists" else TRUE
                return Quantified(kind, variables, body)
            case "=":
                if len(rest) != 2:
                    raise Unsupported("numeric comparison is not supported")
                left, right = (self._term(term, scope) for term in rest)
                return Equal(left, right, positive)
            case _:
                return self._atom(items, scope, positive)

    def effects(
        self,
        node: Any,
        scope: Mapping[str, str],
        variables: tuple[tuple[str, str], ...],
        condition: Condition,
    ) -> Iterator[Effect]:
        items = _list(node, "effect")
        if not items:
            return
        tag, rest = items[0], items[1:]
        match tag:
            case "and":
                for part in rest:
                    yield from self.effects(part, scope, variables, condition)
            case "forall" if len(rest) == 2:
                bound = tuple(_typed(_list(rest[0], "variables")))
                inner = {**scope, **dict(bound)}
                yield from self.effects(rest[1], inner, variables + bound, condition)
            case "when" if len(rest) == 2:
                when = self.condition(rest[0], scope)
                both = when if condition == TRUE else Junction("and", (condition, when))
                yield from self.effects(rest[1], scope, variables, both)
            case "increase" if rest and rest[0] == ["total-cost"]:
                pass  # The cost of a plan does not change what can be done.
            case "increase" | "decrease" | "assign" | "scale-up" | "scale-down":
                raise Unsupported(f"numeric effect {tag!r} is not supported")
            case "not" if len(rest) == 1:
                yield Effect(
                    self._atom(_list(rest[0], "effect"), scope, False), variables, condition
                )
            case _:
                yield Effect(self._atom(items, scope, True), variables, condition)

    def _atom(self, items: list[Any], scope: Mapping[str, str], positive: bool) -> Atom:
        predicate = _word(items[0])
        declared = self.predicates.get(predicate)
        if declared is None:
            raise BadFile(f"undeclared predicate {predicate!r}")
        if len(declared) != len(items) - 1:
            raise BadFile(f"predicate {predicate!r} takes {len(declared)} arguments")
        return Atom(predicate, tuple(self._term(t, scope) for t in items[1:]), positive)

    def _term(self, term: Any, scope: Mapping[str, str]) -> str:
        word = _word(term)
        if word.startswith("?") and word not in scope:
            raise BadFile(f"variable {word!r} is not declared")
        return word


def _read_fact(fact: list[Any], init: dict[str, set[Row]], mentioned: set[str]) -> None:
    match fact:
        case ["=", [function, *args], _]:
            if function != "total-cost":
                mentioned.update(_word(arg) for arg in args)
        case ["=", *_]:
            pass  # A bare number such as (= total-cost 0).
        case ["not", _]:
            pass  # Closed world: what is not stated is false.
        case [predicate, *args]:
            init.setdefault(_word(predicate), set()).add(tuple(_word(arg) for arg in args))
        case _:
            raise BadFile("the initial state has an empty fact")


#: Requirements that this reader understands; others are refused by name.
_REQUIREMENTS = frozenset(
    {
        ":strips",
        ":typing",
        ":adl",
        ":action-costs",
        ":equality",
        ":negative-preconditions",
        ":disjunctive-preconditions",
        ":existential-preconditions",
        ":universal-preconditions",
        ":quantified-preconditions",
        ":conditional-effects",
    }
)


def _check_requirements(names: Iterable[Any]) -> None:
    for name in names:
        if name not in _REQUIREMENTS:
            raise Unsupported(f"PDDL requirement {name!r} is not supported")


# ── s-expressions ───────────────────────────────────────────────────────────


def _tokens(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        code = line.split(";", 1)[0]
        if not code.isascii():
            raise BadFile("PDDL holds a character that is not ASCII")
        # A question mark begins a new token, so that "?a?b" is two variables.
        yield from code.replace("(", " ( ").replace(")", " ) ").replace("?", " ?").lower().split()


def _parse(text: str) -> list[Any]:
    stack: list[list[Any]] = [[]]
    for token in _tokens(text):
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise BadFile("PDDL has a ')' too many")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1:
        raise BadFile("PDDL ends inside a bracket (truncated?)")
    if len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise BadFile("PDDL is not one bracketed definition")
    return stack[0][0]


def _definition(text: str, kind: str) -> tuple[str, list[list[Any]]]:
    """Name and sections of ``(define (kind name) section…)``."""
    match _parse(text):
        case ["define", [str(tag), str(name)], *rest] if tag == kind:
            sections = [_list(section, "section") for section in rest]
        case _:
            raise BadFile(f"this is not a PDDL {kind}")
    if not all(sections):
        raise BadFile(f"the PDDL {kind} has an empty section")
    return name, sections


def _list(node: Any, what: str) -> list[Any]:
    if not isinstance(node, list):
        raise BadFile(f"expected a bracketed {what}, found {node!r}")
    return node


def _word(node: Any) -> str:
    if not isinstance(node, str):
        raise BadFile("expected a word, found a bracket")
    return node


def _typed(items: list[Any]) -> list[tuple[str, str]]:
    """Parses ``a b - type c`` into pairs; what has no type is of the root type."""
    pairs: list[tuple[str, str]] = []
    waiting: list[str] = []
    stream = iter(items)
    for item in stream:
        if item == "-":
            type_ = next(stream, None)
            if isinstance(type_, list):
                raise Unsupported("'either' types are not supported")
            if type_ is None:
                raise BadFile("a typed list ends with '-'")
            pairs += [(name, type_) for name in waiting]
            waiting = []
        else:
            waiting.append(_word(item))
    return pairs + [(name, ROOT_TYPE) for name in waiting]
