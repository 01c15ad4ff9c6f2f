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
    ActionSchema,
    Atom,
    Condition,
    ConditionalEffect,
    Domain,
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
    actions: dict[str, ActionSchema] = {}
    raw_actions = []
    for section in sections:
        match section[0]:
            case ":requirements":
                _check_requirements(section[1:])
            case ":types":
                for name, parent in _typed(section[1:]):
                    _declare_type(name, parent, supertypes)
            case ":constants":
                _declare_objects(section[1:], constants)
            case ":predicates":
                for entry in section[1:]:
                    _declare_predicate(_list(entry, "predicate"), predicates)
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
                _declare_objects(section[1:], objects)
            case ":init":
                for fact in section[1:]:
                    _read_fact(_list(fact, "initial fact"), init, mentioned)
            case ":goal":
                if len(section) != 2 or goal is not None:
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
    _check_effects(domain, problem)
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
    for name in sorted(problem.mentioned - problem.objects.keys()):
        raise BadFile(f"the initial state mentions the undeclared object {name!r}")
    for predicate, rows in problem.init.items():
        declared = domain.predicates.get(predicate)
        if declared is None:
            raise BadFile(f"the initial state uses the undeclared predicate {predicate!r}")
        for row in rows:
            if len(row) != len(declared) or not problem.objects.keys() >= set(row):
                fact = f"({' '.join((predicate, *row))})"
                raise BadFile(f"initial fact {fact} does not fit its declaration")


def _check_effects(domain: Domain, problem: Problem) -> None:
    """Refuses an effect on an object that the problem lacks. (A condition on one is just false.)"""
    for action in domain.actions.values():
        for effect in action.effects:
            for arg in effect.atom.args:
                if not arg.startswith("?") and arg not in problem.objects:
                    raise BadFile(f"action {action.name!r} changes the undeclared object {arg!r}")


def _declare_type(name: str, parent: str, supertypes: dict[str, str | None]) -> None:
    if name == ROOT_TYPE and parent == ROOT_TYPE:
        return  # ALFWorld's domain declares the root type among the others.
    if ":" in name or "#" in name:
        raise Unsupported(f"the type name {name!r} is not supported")
    if supertypes.setdefault(name, parent) != parent:
        raise Unsupported(f"type {name!r} with several parents is not supported")


def _declare_objects(items: list[Any], objects: dict[str, str]) -> None:
    for name, type_ in _typed(items):
        if name in objects:
            raise BadFile(f"object {name!r} is declared twice")
        if name.startswith("?"):
            raise BadFile(f"object {name!r} has the name of a variable")
        objects[name] = type_


def _declare_predicate(entry: list[Any], predicates: dict[str, Row]) -> None:
    if not entry:
        raise BadFile("a declared predicate has no name")
    name = _word(entry[0])
    types = tuple(type_ for _, type_ in _typed(entry[1:]))
    if name in _KEYWORDS or name.startswith("?"):
        raise BadFile(f"{name!r} cannot be the name of a predicate")
    if len(predicates.setdefault(name, types)) != len(types):
        raise BadFile(f"predicate {name!r} is declared twice")


class _Reader:
    """Reads conditions and effects against declared types and predicates."""

    def __init__(self, supertypes: Mapping[str, str | None], predicates: Mapping[str, Row]) -> None:
        self.supertypes = supertypes
        self.predicates = predicates

    def action(self, section: list[Any]) -> ActionSchema:
        name = _word(section[1]) if len(section) > 1 else ""
        parts: dict[str, Any] = {}
        for key, value in zip(section[2::2], section[3::2], strict=False):
            if key not in (":parameters", ":precondition", ":effect"):
                raise Unsupported(f"action {name!r}: section {key!r} is not supported")
            if key in parts:
                raise BadFile(f"action {name!r} has two sections {key!r}")
            parts[key] = value
        if not name or len(section) % 2 or ":effect" not in parts:
            raise BadFile(f"action {name!r} is incomplete")
        parameters = _typed_variables(parts.get(":parameters", []))
        scope = dict(parameters)
        raw = parts.get(":precondition", [])
        precondition = self.condition(raw, scope) if raw else TRUE
        effects = tuple(self.effects(parts[":effect"], scope, (), TRUE))
        return ActionSchema(name, parameters, precondition, effects)

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
                variables = _typed_variables(rest[0])
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
    ) -> Iterator[ConditionalEffect]:
        items = _list(node, "effect")
        if not items:
            return
        tag, rest = items[0], items[1:]
        match tag:
            case "and":
                for part in rest:
                    yield from self.effects(part, scope, variables, condition)
            case "forall" if len(rest) == 2:
                # A variable that hides an outer one gets a name of its own.
                hiding = {v for v, _ in _typed_variables(rest[0])} & scope.keys()
                names = {name: f"{name}#{len(scope)}" for name in hiding}
                quantified, body = _rename(rest, names) if names else rest
                bound = _typed_variables(quantified)
                inner = {**scope, **dict(bound)}
                yield from self.effects(body, inner, variables + bound, condition)
            case "when" if len(rest) == 2:
                when = self.condition(rest[0], scope)
                both = when if condition == TRUE else Junction("and", (condition, when))
                yield from self.effects(rest[1], scope, variables, both)
            case "increase" if rest and rest[0] == ["total-cost"]:
                pass  # The cost of a plan does not change what can be done.
            case "increase" | "decrease" | "assign" | "scale-up" | "scale-down":
                raise Unsupported(f"numeric effect {tag!r} is not supported")
            case "not" if len(rest) == 1:
                yield ConditionalEffect(
                    self._atom(_list(rest[0], "effect"), scope, False), variables, condition
                )
            case _:
                yield ConditionalEffect(self._atom(items, scope, True), variables, condition)

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


#: Words that mean something in conditions and effects, so that no predicate can have their name.
_KEYWORDS = frozenset(
    {"=", "and", "or", "not", "imply", "exists", "forall", "when", "increase", "decrease", "assign"}
    | {"scale-up", "scale-down"}
)

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
        if not isinstance(name, str) or name not in _REQUIREMENTS:
            raise Unsupported(f"PDDL requirement {name!r} is not supported")


# ── s-expressions ───────────────────────────────────────────────────────────


#: Far more than a game needs, and little enough that no condition exhausts Python's stack.
_MAX_DEPTH = 60


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
            if len(stack) > _MAX_DEPTH:
                raise BadFile(f"PDDL is nested more than {_MAX_DEPTH} brackets deep")
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise BadFile("PDDL has a ')' too many")
            done = stack.pop()
            stack[-1].append(done)
        else:
            if token[0] == "?" and (":" in token or "#" in token):
                raise Unsupported(f"the variable name {token!r} is not supported")
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


def _typed_variables(node: Any) -> tuple[tuple[str, str], ...]:
    """A typed list of distinct variables."""
    variables = tuple(_typed(_list(node, "list of variables")))
    names = [name for name, _ in variables]
    for place, name in enumerate(names):
        if not name.startswith("?"):
            raise BadFile(f"expected a variable, found {name!r}")
        if name in names[:place]:
            raise BadFile(f"variable {name!r} is declared twice")
    return variables


def _rename(node: Any, names: Mapping[str, str]) -> Any:
    """The same text with other words."""
    if isinstance(node, list):
        return [_rename(part, names) for part in node]
    return names.get(node, node)
