"""Typed ADL domains and problems, without numbers, as plain data; `pddl_reader` reads the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qevolve_envs.errors import BadFile

Row = tuple[str, ...]
ROOT_TYPE = "object"


@dataclass(frozen=True, slots=True)
class Atom:
    """``(predicate args…)``, or its negation. Arguments that start with ``?`` are variables."""

    predicate: str
    args: Row
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Equal:
    """``(= left right)``, or its negation."""

    left: str
    right: str
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Junction:
    """Conjunction (``kind="and"``) or disjunction (``kind="or"``)."""

    kind: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Quantified:
    """``exists`` or ``forall`` over typed variables."""

    kind: str
    variables: tuple[tuple[str, str], ...]
    body: Condition


Condition = Atom | Equal | Junction | Quantified
TRUE = Junction("and", ())
FALSE = Junction("or", ())


@dataclass(frozen=True, slots=True)
class ConditionalEffect:
    """One added or deleted atom, for all `variables`, when `condition` holds."""

    atom: Atom
    variables: tuple[tuple[str, str], ...] = ()
    condition: Condition = TRUE


@dataclass(frozen=True, slots=True)
class ActionSchema:
    """An action schema: typed parameters, precondition in negation normal form, effects."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    precondition: Condition
    effects: tuple[ConditionalEffect, ...]


@dataclass(frozen=True)
class Domain:
    """Types, predicates and actions that the games of one family share.

    Attributes:
        name: Name of the domain.
        supertypes: Each type with its parent; `ROOT_TYPE` has none.
        predicates: Each predicate with the declared types of its arguments.
        constants: Objects that every problem has, with their types.
        actions: Action schemas by name, in the order of the file.
        subtypes: Each type with all types below it, itself included.
        fluents: Predicates that some action changes.
    """

    name: str
    supertypes: Mapping[str, str | None]
    predicates: Mapping[str, Row]
    constants: Mapping[str, str]
    actions: Mapping[str, ActionSchema]
    subtypes: Mapping[str, frozenset[str]] = field(init=False)
    fluents: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        closure: dict[str, set[str]] = {name: {name} for name in self.supertypes}
        for name in self.supertypes:
            seen, parent = {name}, self.supertypes[name]
            while parent is not None:
                if parent in seen:
                    raise BadFile(f"type {name!r} is its own ancestor")
                seen.add(parent)
                closure[parent].add(name)
                parent = self.supertypes[parent]
        frozen = {name: frozenset(names) for name, names in closure.items()}
        object.__setattr__(self, "subtypes", frozen)
        changed = (e.atom.predicate for a in self.actions.values() for e in a.effects)
        object.__setattr__(self, "fluents", frozenset(changed))


@dataclass(frozen=True)
class Problem:
    """One game: objects with types, the facts that hold at first, and the goal.

    Attributes:
        objects: Each object with its type (the domain's constants included).
        init: The initial facts of each predicate.
        goal: A closed condition.
        mentioned: Objects that occur only in numeric assignments of the initial state; they
            count as entities of the game although no fact names them.
    """

    objects: Mapping[str, str]
    init: Mapping[str, frozenset[Row]]
    goal: Condition
    mentioned: frozenset[str] = frozenset()
