"""Compiles conditions into set-at-a-time joins over the facts of a game.

A binding is a tuple of objects, one for each variable in the order in which the join met them.
A join is a list of steps, each of which maps a list of bindings to a list of longer or fewer
bindings. Preconditions and goals are reordered so that few bindings arise; the queries of a text
grammar keep the order in which they are written, because it is the order of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from qevolve_envs.errors import Unsupported
from qevolve_envs.household.facts import FactBase, Row
from qevolve_envs.household.pddl import (
    FALSE,
    TRUE,
    Atom,
    Condition,
    Domain,
    Equal,
    Junction,
    Quantified,
)

Bindings = list[Row]
Step = Callable[[FactBase, Bindings], Bindings]
Test = Callable[[FactBase, Row], bool]
Getter = Callable[[Row], Row]

_NOTHING: list[Row] = []
#: A condition that falls into more conjunctions, or a join with more partial matches, is refused:
#: games stay far below, and a hostile file would eat the machine.
_MAX_DISJUNCTS = 1000
_MAX_BINDINGS = 1_000_000


@dataclass(frozen=True)
class Join:
    """A compiled conjunction.

    Attributes:
        slots: Variable -> its place in a binding.
        steps: To be applied in turn.
        reads: Predicates that the result depends on.
    """

    slots: Mapping[str, int]
    steps: tuple[Step, ...]
    reads: frozenset[str]

    def __call__(self, world: FactBase, bindings: Bindings) -> Bindings:
        """All extensions of the given bindings that satisfy the conjunction."""
        for step in self.steps:
            if not bindings:
                return bindings
            if len(bindings) > _MAX_BINDINGS:
                raise Unsupported("the game asks for more than a million matches at once")
            bindings = step(world, bindings)
        return bindings


def disjuncts(condition: Condition, bound: Iterable[str] = ()) -> Iterator[list[Condition]]:
    """Splits a condition into conjunctions such that a join can enumerate each.

    Positive ``exists`` are opened (their variables become further ones of the binding). An ``or``
    is split only when it mentions a variable that nothing else in its conjunction binds.
    """
    found = _split(_flat(_unique(condition, {}, _Names())), set(bound))
    for count, parts in enumerate(found):
        if count == _MAX_DISJUNCTS:
            raise Unsupported("a condition of more than a thousand alternatives is not supported")
        yield parts


def _split(parts: list[Condition], bound: set[str]) -> Iterator[list[Condition]]:
    if FALSE in parts:
        return
    known = bound | {v for part in parts if _binds(part) for v in _variables(part)}
    for place, part in enumerate(parts):
        if isinstance(part, Junction) and part.kind == "or" and not _variables(part) <= known:
            for alternative in part.parts:
                yield from _split([*parts[:place], *_flat(alternative), *parts[place + 1 :]], bound)
            return
    yield parts


def compile_join(
    domain: Domain,
    parts: Sequence[Condition],
    variables: Mapping[str, str],
    bound: Sequence[str] = (),
    wanted: Sequence[str] = (),
    *,
    in_order: bool = False,
    distinct: bool = False,
    wide: Mapping[str, str] = MappingProxyType({}),
) -> Join:
    """Plans a conjunction.

    Args:
        domain: Gives types.
        parts: The conjuncts.
        variables: Type of every variable that may occur.
        bound: Variables that incoming bindings carry, in order.
        wanted: Variables that the result must bind even where no atom mentions them; they range
            over all objects of their type.
        in_order: Keep the conjuncts in the given order.
        distinct: A new variable takes no value that the binding already holds (TextWorld's rule
            for the queries of a grammar).
        wide: With `distinct`, bound variables and their declared types, where subtypes fit too.
            TextWorld takes an object of a subtype for another one than the object of that name
            that facts mention: it matches no fact, and does not keep others from matching it.
    """
    planner = _Planner(domain, {**variables, **_inner_types(parts)}, bound, distinct, wide)
    waiting = [part for part in parts if part != TRUE]
    while waiting:
        part = waiting[0] if in_order else min(waiting, key=planner.cost)
        waiting.remove(part)
        planner.take(part)
    for name in wanted:
        planner.range_over(name)
    return Join(dict(planner.slots), tuple(planner.steps), frozenset(planner.reads))


@dataclass
class _Planner:
    domain: Domain
    types: Mapping[str, str]
    bound: Sequence[str]
    distinct: bool
    wide: Mapping[str, str]
    slots: dict[str, int] = field(init=False)
    steps: list[Step] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slots = {name: place for place, name in enumerate(self.bound)}

    def cost(self, part: Condition) -> tuple[int, int, int]:
        """Lower comes first: tests, then atoms with most bound, then what actions change.

        A fluent before a static one, because where the agent stands and what it holds is one
        row, while what is pickupable is most of the house.
        """
        free = [v for v in _variables(part) if v not in self.slots]
        if not free:
            return (0, 0, 0)
        if not _binds(part):
            return (3, len(free), 0)
        assert isinstance(part, Atom)
        static = part.predicate not in self.domain.fluents
        known = len(part.args) > len(free)
        return (1 if known else 2, int(static), len(free))

    def take(self, part: Condition) -> None:
        for name in sorted(_variables(part) - self.slots.keys()):
            if not _binds(part):
                self.range_over(name)
        self.reads |= _predicates(part)
        self.steps += [
            _is_just(self.slots[name], type_)
            for name, type_ in self.wide.items()
            if name in _variables(part)
        ]
        if isinstance(part, Equal) and part.positive and part.left == part.right:
            return
        if isinstance(part, Atom) and not _variables(part) <= self.slots.keys():
            self._scan(part)
        else:
            self.steps.append(_filter(compile_test(self.domain, part, self.types, self.slots)))

    def range_over(self, name: str) -> None:
        """Binds a variable to every object of its type."""
        if name in self.slots:
            return
        self.slots[name] = len(self.slots)
        allowed = self.domain.subtypes.get(self.types[name], frozenset())

        def step(world: FactBase, bindings: Bindings) -> Bindings:
            new = sorted([(obj,) for t in allowed for obj in world.of_type(t)])
            if len(bindings) * len(new) > _MAX_BINDINGS:
                raise Unsupported("the game asks for more than a million matches at once")
            return [b + row for b in bindings for row in new]

        self.steps.append(step)

    def _scan(self, atom: Atom) -> None:
        """Extends bindings by the rows of a predicate that agree with what is bound."""
        keyed = tuple(p for p, arg in enumerate(atom.args) if self._is_known(arg))
        fresh = [arg for p, arg in enumerate(atom.args) if p not in keyed]
        width = len(self.slots)
        self.steps.append(_scan(atom.predicate, keyed, [atom.args[p] for p in keyed], self.slots))
        if len(set(fresh)) != len(fresh):  # (p ?x ?x): the rows must agree with themselves
            first = [width + fresh.index(arg) for arg in fresh]
            here = range(width, width + len(fresh))
            keep = [width + fresh.index(arg) for arg in dict.fromkeys(fresh)]

            def merge(world: FactBase, bindings: Bindings) -> Bindings:
                same = [
                    b
                    for b in bindings
                    if all(b[i] == b[j] for i, j in zip(here, first, strict=True))
                ]
                return [b[:width] + tuple(b[k] for k in keep) for b in same]

            self.steps.append(merge)
        for name in dict.fromkeys(fresh):
            place = self.slots[name] = len(self.slots)
            self._restrict(place, self.types[name])
            if self.distinct:
                wide = {self.slots[name]: type_ for name, type_ in self.wide.items()}
                self.steps.append(_is_new(place, wide))
        if self.distinct and fresh:
            types = tuple(self.types[arg] for arg in atom.args)
            if any(len(self.domain.subtypes[type_]) > 1 for type_ in types):
                places = [self.slots[arg] for arg in atom.args]
                self.steps.append(_by_type(self.domain, types, places, width))

    def _is_known(self, arg: str) -> bool:
        return not arg.startswith("?") or arg in self.slots

    def _restrict(self, place: int, type_: str) -> None:
        allowed = self.domain.subtypes.get(type_, frozenset())
        if len(allowed) == len(self.domain.supertypes):
            return

        def step(world: FactBase, bindings: Bindings) -> Bindings:
            types = world.types
            return [b for b in bindings if types[b[place]] in allowed]

        self.steps.append(step)


def _scan(
    predicate: str, keyed: tuple[int, ...], args: Sequence[str], slots: Mapping[str, int]
) -> Step:
    if not keyed:

        def everything(world: FactBase, bindings: Bindings) -> Bindings:
            rows = world.relations[predicate].index(()).get((), _NOTHING)
            return [b + row for b in bindings for row in rows]

        return everything
    if len(keyed) == 1 and args[0] in slots:
        slot = slots[args[0]]

        def lookup(world: FactBase, bindings: Bindings) -> Bindings:
            get = world.relations[predicate].index(keyed).get
            return [b + row for b in bindings for row in get(b[slot], _NOTHING)]

        return lookup
    key = getter(args, slots)
    single = len(keyed) == 1

    def general(world: FactBase, bindings: Bindings) -> Bindings:
        get = world.relations[predicate].index(keyed).get
        return [b + row for b in bindings for row in get(key(b)[0] if single else key(b), _NOTHING)]

    return general


def _by_type(domain: Domain, types: Row, places: Sequence[int], width: int) -> Step:
    """Puts the facts of one predicate in TextWorld's order: by the types of their arguments."""

    def step(world: FactBase, bindings: Bindings) -> Bindings:
        if len(bindings) < 2:
            return bindings
        of = world.types
        found = [tuple([of[b[place]] for place in places]) for b in bindings]
        if found.count(found[0]) == len(found):
            return bindings
        rank = _type_ranks(domain, types)
        turn: dict[Row, int] = {}
        for b in bindings:
            turn.setdefault(b[:width], len(turn))
        keyed = sorted(
            range(len(bindings)), key=lambda i: (turn[bindings[i][:width]], rank[found[i]])
        )
        return [bindings[i] for i in keyed]

    return step


def _type_ranks(domain: Domain, types: Row) -> dict[Row, int]:
    """The order in which TextWorld tries the subtypes of several types: breadth first, by name."""
    order = {types: 0}
    queue = [types]
    for known in queue:
        for place, type_ in enumerate(known):
            for child in sorted(domain.subtypes[type_] - {type_}):
                other = (*known[:place], child, *known[place + 1 :])
                if other not in order:
                    order[other] = len(order)
                    queue.append(other)
    return order


def _filter(test: Test) -> Step:
    def step(world: FactBase, bindings: Bindings) -> Bindings:
        return [b for b in bindings if test(world, b)]

    return step


def _is_just(place: int, type_: str) -> Step:
    def step(world: FactBase, bindings: Bindings) -> Bindings:
        return [b for b in bindings if world.types[b[place]] == type_]

    return step


def _is_new(place: int, wide: Mapping[int, str]) -> Step:
    if wide:

        def careful(world: FactBase, bindings: Bindings) -> Bindings:
            types = world.types
            return [
                b
                for b in bindings
                if not any(
                    b[p] == b[place] and types[b[p]] == wide.get(p, types[b[p]])
                    for p in range(place)
                )
            ]

        return careful

    def step(world: FactBase, bindings: Bindings) -> Bindings:
        return [b for b in bindings if b[place] not in b[:place]]

    return step


def getter(args: Sequence[str], slots: Mapping[str, int]) -> Getter:
    """A function from a binding to the row that `args` (variables and objects) stand for."""
    places = [slots.get(arg, -1) for arg in args]
    if all(place >= 0 for place in places):
        match places:
            case []:
                return lambda b: ()
            case [one]:
                return lambda b: (b[one],)
            case [one, two]:
                return lambda b: (b[one], b[two])
            case _:
                return lambda b: tuple([b[place] for place in places])
    pairs = list(zip(places, args, strict=True))
    return lambda b: tuple([b[place] if place >= 0 else arg for place, arg in pairs])


def compile_test(
    domain: Domain, condition: Condition, types: Mapping[str, str], slots: Mapping[str, int]
) -> Test:
    """A condition whose free variables are all bound, as a function of a binding."""
    match condition:
        case Atom(predicate, args, positive):
            row = getter(args, slots)
            if positive:
                return lambda world, b: row(b) in world.relations[predicate].rows
            return lambda world, b: row(b) not in world.relations[predicate].rows
        case Equal(left, right, positive):
            pair = getter((left, right), slots)
            return lambda world, b: (pair(b)[0] == pair(b)[1]) is positive
        case Junction(kind, parts):
            tests = [compile_test(domain, part, types, slots) for part in parts]
            if kind == "and":
                return lambda world, b: all(test(world, b) for test in tests)
            return lambda world, b: any(test(world, b) for test in tests)
        case Quantified("exists"):
            bound = sorted(slots, key=slots.__getitem__)
            joins = [
                compile_join(domain, parts, types, bound) for parts in disjuncts(condition, bound)
            ]
            # Slots may have gaps in numbering only if a caller invented them; bindings are dense.
            width = len(bound)
            return lambda world, b: any(join(world, [b[:width]]) for join in joins)
        case Quantified("forall", variables, body):
            some = Quantified("exists", variables, negate(body))
            test = compile_test(domain, some, types, slots)
            return lambda world, b: not test(world, b)
    raise AssertionError(f"not a condition: {condition!r}")


def negate(condition: Condition) -> Condition:
    """The negation, in negation normal form."""
    match condition:
        case Atom(predicate, args, positive):
            return Atom(predicate, args, not positive)
        case Equal(left, right, positive):
            return Equal(left, right, not positive)
        case Junction(kind, parts):
            other = {"and": "or", "or": "and"}[kind]
            return Junction(other, tuple(negate(part) for part in parts))
        case Quantified(kind, variables, body):
            return Quantified(
                {"exists": "forall", "forall": "exists"}[kind], variables, negate(body)
            )


# ── shape of conditions ─────────────────────────────────────────────────────


class _Names:
    """Hands out variable names that occur nowhere else."""

    def __init__(self) -> None:
        self._count = 0

    def fresh(self, name: str, type_: str) -> str:
        self._count += 1
        return f"{name}#{self._count}:{type_}"


def _unique(condition: Condition, renamed: Mapping[str, str], names: _Names) -> Condition:
    """Renames quantified variables apart, and writes their type into the new name."""
    match condition:
        case Atom(predicate, args, positive):
            return Atom(predicate, tuple(renamed.get(a, a) for a in args), positive)
        case Equal(left, right, positive):
            return Equal(renamed.get(left, left), renamed.get(right, right), positive)
        case Junction(kind, parts):
            return Junction(kind, tuple(_unique(part, renamed, names) for part in parts))
        case Quantified(kind, variables, body):
            fresh = {name: names.fresh(name, type_) for name, type_ in variables}
            typed = tuple((fresh[name], type_) for name, type_ in variables)
            return Quantified(kind, typed, _unique(body, {**renamed, **fresh}, names))


def _inner_types(parts: Iterable[Condition]) -> dict[str, str]:
    """Types of the variables that `_unique` renamed."""
    names = {name for part in parts for name in _variables(part) if ":" in name}
    return {name: name.rsplit(":", 1)[1] for name in names}


def _flat(condition: Condition) -> list[Condition]:
    """The conjuncts, with nested conjunctions and positive ``exists`` opened."""
    match condition:
        case Junction("and", parts):
            return [inner for part in parts for inner in _flat(part)]
        case Junction("or", (single,)):
            return _flat(single)
        case Quantified("exists", variables, body):
            # An object of the type must exist even where no fact of the body names the variable.
            inside = _flat(body)
            named = {name for part in inside if _binds(part) for name in _variables(part)}
            return [*inside, *(Equal(name, name) for name, _ in variables if name not in named)]
    return [condition]


def _binds(part: Condition) -> bool:
    return isinstance(part, Atom) and part.positive


def _variables(condition: Condition) -> set[str]:
    """Free variables."""
    match condition:
        case Atom(_, args, _):
            return {arg for arg in args if arg.startswith("?")}
        case Equal(left, right, _):
            return {arg for arg in (left, right) if arg.startswith("?")}
        case Junction(_, parts):
            return set().union(*(_variables(part) for part in parts))
        case Quantified(_, variables, body):
            return _variables(body) - {name for name, _ in variables}


def _predicates(condition: Condition) -> set[str]:
    match condition:
        case Atom(predicate, _, _):
            return {predicate}
        case Equal():
            return set()
        case Junction(_, parts):
            return set().union(*(_predicates(part) for part in parts))
        case Quantified(_, _, body):
            return _predicates(body)
