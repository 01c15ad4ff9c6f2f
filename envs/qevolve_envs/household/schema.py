"""Compiled actions: which bindings are possible, how each is commanded and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qevolve_envs.errors import Unsupported
from qevolve_envs.household.facts import FactBase, Row
from qevolve_envs.household.grammar import ForEach, Phrases, Template
from qevolve_envs.household.joins import Join, Step, compile_join, disjuncts, getter
from qevolve_envs.household.pddl import (
    TRUE,
    ActionSchema,
    Atom,
    Condition,
    ConditionalEffect,
    Domain,
    Equal,
    Junction,
    Quantified,
)
from qevolve_envs.household.writers import NEGATED, Scope, WriterCompiler

#: A fact to be added or deleted: predicate and row.
Change = tuple[str, Row]


class Schema:
    """One compiled action: which bindings are possible, how each is commanded and answered.

    Attributes:
        name: The action.
        prefix: Every command of the action starts with this text.
        command: Writes the command of a binding (of the action's parameters).
        feedback: Writes the answer, after the action was applied.
        reads: The fluents that the possible commands depend on.
    """

    def __init__(
        self, domain: Domain, action: ActionSchema, phrases: Phrases, compiler: WriterCompiler
    ) -> None:
        scope: Scope = tuple((name.lstrip("?"), type_) for name, type_ in action.parameters)
        self.name = action.name
        self._parameters = [name for name, _ in action.parameters]
        variants = list(disjuncts(action.precondition))
        self._joins = [self._join(domain, action, parts) for parts in variants]
        # One alternative, without further variables: no binding is found twice.
        self._once = [len(join.slots) for join, _ in self._joins] == [len(self._parameters)]

        template = _without_implied_queries(domain, phrases.command, scope, variants)
        self._segments = _segments(template)
        compiler.given = len(scope)
        self.prefix = self._segments[0]
        asked, compiler.asked = compiler.asked, set()
        self.command = compiler.template(template, scope)
        reads: set[str] = set().union(compiler.asked, *(join.reads for join, _ in self._joins))
        compiler.asked |= asked
        negated = {NEGATED + name for name in domain.fluents}
        reads |= {name.removeprefix(NEGATED) for name in reads & negated}
        self.reads = tuple(sorted(reads & (domain.fluents | negated)))
        self.feedback = compiler.template(phrases.feedback, scope)

        slots = {name: place for place, name in enumerate(self._parameters)}
        self._effects = [
            _compile_effect(domain, action, effect, slots) for effect in action.effects
        ]

    def bindings(self, world: FactBase) -> list[Row]:
        """All parameter bindings whose precondition holds and that change something."""
        if self._once:
            join, project = self._joins[0]
            return [project(b) for b in join(world, [()])]
        found: dict[Row, None] = {}
        for join, project in self._joins:
            found.update(dict.fromkeys(project(b) for b in join(world, [()])))
        return list(found)

    def commands(self, world: FactBase) -> dict[str, Row]:
        """Command text -> binding, for everything that can be done."""
        write = self.command
        table: dict[str, Row] = {}
        for binding in self.bindings(world):
            text = write(world, binding)
            # The smaller binding wins where texts coincide (see the module's header).
            if text not in table or binding < table[text]:
                table[text] = binding
        return table

    def apply(self, world: FactBase, binding: Row) -> tuple[list[Change], list[Change]]:
        """Deleted and added facts of the action in this state; an addition beats a deletion."""
        deleted: list[Change] = []
        added: list[Change] = []
        for positive, changes in self._effects:
            (added if positive else deleted).extend(changes(world, binding))
        return [change for change in deleted if change not in added], added

    def looks_like(self, command: str) -> bool:
        """Tells whether a text has the form of this action's commands, with any names in it."""
        first, *rest = self._segments
        if not command.startswith(first):
            return False
        at = len(first)
        if not rest:
            return at == len(command)
        for segment in rest[:-1]:
            at = command.find(segment, at + 1) + len(segment)
            if at < len(segment):
                return False
        return command.endswith(rest[-1]) and len(command) - len(rest[-1]) > at

    def _join(
        self, domain: Domain, action: ActionSchema, parts: list[Condition]
    ) -> tuple[Join, Callable[[Row], Row]]:
        types = dict(action.parameters)
        join = compile_join(domain, parts, types, wanted=self._parameters)
        steps = join.steps + _effective(action, parts, join.slots)
        return Join(join.slots, steps, join.reads), getter(self._parameters, join.slots)


def _compile_effect(
    domain: Domain, action: ActionSchema, effect: ConditionalEffect, slots: Mapping[str, int]
) -> tuple[bool, Callable[[FactBase, Row], list[Change]]]:
    atom = effect.atom
    predicate = atom.predicate
    if effect.condition == TRUE and not effect.variables:
        row = getter(atom.args, slots)
        return atom.positive, lambda world, b: [(predicate, row(b))]
    types = {**dict(action.parameters), **dict(effect.variables)}
    bound = sorted(slots, key=slots.__getitem__)
    quantified = [name for name, _ in effect.variables]
    compiled: list[tuple[Join, Callable[[Row], Row]]] = []
    for parts in disjuncts(effect.condition, [*bound, *quantified]):
        join = compile_join(domain, parts, types, bound, wanted=quantified)
        compiled.append((join, getter(atom.args, join.slots)))

    def changes(world: FactBase, b: Row) -> list[Change]:
        return [(predicate, row(c)) for join, row in compiled for c in join(world, [b])]

    return atom.positive, changes


def _effective(
    action: ActionSchema, parts: Sequence[Condition], slots: Mapping[str, int]
) -> tuple[Step, ...]:
    """A step that drops bindings under which the action cannot change any fact."""
    plain = [e for e in action.effects if e.condition == TRUE and not e.variables]
    required = [p for p in parts if isinstance(p, Atom) and p.positive]
    denied = [p for p in parts if isinstance(p, Atom) and not p.positive]
    added = [e.atom for e in plain if e.atom.positive]
    deleted = [e.atom for e in plain if not e.atom.positive]
    optional = [atom for part in parts if isinstance(part, Junction) for atom in _atoms(part)]
    known = required + [atom for atom in optional if atom.positive]
    if any(all(_differ(atom, other, parts) for other in known) for atom in added):
        return ()
    lost = [atom for atom in deleted if _negated(atom) in required]
    if any(all(_differ(atom, other, parts) for other in added) for atom in lost):
        return ()
    if (
        len(plain) < len(action.effects)
        or any(atom.predicate == e.atom.predicate for atom in optional for e in plain)
        or any(_negated(atom) not in required and atom not in denied for atom in deleted)
    ):
        # Upstream's answer depends on what Fast Downward finds reachable.
        raise Unsupported(
            f"action {action.name!r} may change nothing, by conditions that are not supported"
        )
    rivals = [other for other in required if other.predicate in {a.predicate for a in added}]
    if len(added) == len(rivals) == 1 and all(_negated(atom) in rivals for atom in deleted):
        # Moving from one place to another: it does something unless the places are the same.
        new, old = getter(added[0].args, slots), getter(rivals[0].args, slots)
        return (lambda world, bindings: [b for b in bindings if new(b) != old(b)],)
    adds = [(a.predicate, getter(a.args, slots)) for a in added]
    deletes = [(a.predicate, getter(a.args, slots)) for a in deleted]
    needs = [(a.predicate, getter(a.args, slots)) for a in required]
    nots = [(a.predicate, getter(a.args, slots)) for a in denied]

    def step(world: FactBase, bindings: list[Row]) -> list[Row]:
        kept = []
        for b in bindings:
            gains = {(predicate, row(b)) for predicate, row in adds}
            held = {(predicate, row(b)) for predicate, row in needs}
            spared = gains | {(predicate, row(b)) for predicate, row in nots}
            if not gains <= held or any((p, row(b)) not in spared for p, row in deletes):
                kept.append(b)
        return kept

    return (step,)


def _negated(atom: Atom) -> Atom:
    return Atom(atom.predicate, atom.args, not atom.positive)


def _atoms(condition: Condition) -> list[Atom]:
    """The atoms that a condition may stand on, ``forall`` apart: those decide nothing upstream."""
    match condition:
        case Atom():
            return [condition]
        case Junction(_, parts):
            return [atom for part in parts for atom in _atoms(part)]
        case Quantified("exists", _, body):
            return _atoms(body)
    return []


def _differ(added: Atom, required: Atom, parts: Sequence[Condition]) -> bool:
    """Tells whether two atoms can never be the same fact, given the inequalities among `parts`."""
    if added.predicate != required.predicate:
        return True
    unequal = {
        frozenset((p.left, p.right)) for p in parts if isinstance(p, Equal) and not p.positive
    }
    return any(frozenset(pair) in unequal for pair in zip(added.args, required.args, strict=True))


def _without_implied_queries(
    domain: Domain, template: Template, scope: Scope, variants: Sequence[Sequence[Condition]]
) -> Template:
    """Drops a query that the precondition implies and that binds nothing new.

    ``[{r.name | receptacleatlocation(r:receptacle, lend:location)}]`` in a command whose action
    requires just that is ``{r.name}``; upstream evaluates it for every command of every step.
    """
    # Types without subtypes: an object of another type than its parameter matches no query.
    if not all(len(domain.subtypes.get(type_, ())) == 1 for _, type_ in scope):
        return template

    def implied(query: str) -> bool:
        atoms = [part.strip() for part in query.split("&")]
        return all(
            any(_same_atom(text, part, scope) for part in parts)
            for text in atoms
            for parts in variants
        )

    return tuple(
        ForEach(piece.item, "", False)
        if isinstance(piece, ForEach) and piece.query and implied(piece.query)
        else piece
        for piece in template
    )


def _same_atom(text: str, part: Condition, scope: Scope) -> bool:
    if not isinstance(part, Atom) or not part.positive:
        return False
    types = dict(scope)
    if not all(arg.startswith("?") for arg in part.args):
        return False
    args = [f"{arg.lstrip('?')}:{types.get(arg.lstrip('?'), '')}" for arg in part.args]
    return text.replace(" ", "") == f"{part.predicate}({','.join(args)})"


def _segments(template: Template) -> list[str]:
    """The fixed texts of a command, around and between its names."""
    segments = [""]
    for piece in template:
        if isinstance(piece, str):
            segments[-1] += piece
        else:
            segments.append("")
    return segments
