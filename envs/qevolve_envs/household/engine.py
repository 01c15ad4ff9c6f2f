"""The tw-pddl machine: plays a game made of a PDDL domain, a problem and a text grammar.

`Rules` compiles a domain and its grammar once, `Game` adds the objects, facts and goal of one
problem, `Play` is one running episode. The machine interprets what the files say, as TextWorld's
`PddlEnv` does on top of Fast Downward; `tests/parity` holds both side by side. Where that engine's
answer follows from how it is built rather than from the files, we follow it, and say so here:

- An action that cannot change any fact is no action (Fast Downward drops such operators), so
  "go to fridge 1" in front of the fridge is not a command.
- A negative fact (``not_inreceptacle`` in a grammar) exists only once an action has made it.
- A command is compared whole, after stripping white space at both ends, and case-sensitively.
- If two actions have the same command text, upstream takes the first in an order that depends on
  its process; we take the first in the order of the domain file, then of the object ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.facts import Relation, Row, World
from qevolve_envs.household.grammar import (
    NEGATED,
    Each,
    Grammar,
    GrammarCompiler,
    Scope,
    Template,
    read_grammar,
)
from qevolve_envs.household.joins import Join, Step, compile_join, disjuncts, getter
from qevolve_envs.household.pddl import (
    TRUE,
    Action,
    Atom,
    Condition,
    Domain,
    Effect,
    Equal,
    Problem,
    read_domain,
    read_problem,
)

Namer = Callable[[Iterable[str]], dict[str, str]]
Change = tuple[str, Row]

#: Tables of commands are remembered per state of what they read, where that is this few facts.
_MEMO_ROWS = 4


class Schema:
    """One compiled action: which bindings are possible, how each is commanded and answered.

    Attributes:
        name: The action.
        prefix: Every command of the action starts with this text.
        command: Writes the command of a binding (of the action's parameters).
        feedback: Writes the answer, after the action was applied.
        reads: The fluents that the possible commands depend on.
    """

    def __init__(self, rules: Rules, action: Action) -> None:
        phrases = rules.grammar.actions.get(action.name)
        if phrases is None:
            raise Unsupported(f"grammar: the action {action.name!r} has no phrases")
        domain, compiler = rules.domain, rules.compiler
        scope: Scope = tuple((name.lstrip("?"), type_) for name, type_ in action.parameters)
        self.name = action.name
        self._parameters = [name for name, _ in action.parameters]
        variants = list(disjuncts(action.precondition))
        self._joins = [self._join(domain, action, parts) for parts in variants]

        template = _without_implied_queries(phrases.command, scope, variants)
        self._segments = _segments(template)
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

    def bindings(self, world: World) -> list[Row]:
        """All parameter bindings whose precondition holds and that change something."""
        if len(self._joins) == 1:
            join, project = self._joins[0]
            return [project(b) for b in join(world, [()])]
        found: dict[Row, None] = {}
        for join, project in self._joins:
            found.update(dict.fromkeys(project(b) for b in join(world, [()])))
        return list(found)

    def commands(self, world: World) -> dict[str, Row]:
        """Command text -> binding, for everything that can be done."""
        write = self.command
        table: dict[str, Row] = {}
        for binding in self.bindings(world):
            text = write(world, binding)
            # The smaller binding wins where texts coincide (see the module's header).
            if text not in table or binding < table[text]:
                table[text] = binding
        return table

    def apply(self, world: World, binding: Row) -> tuple[list[Change], list[Change]]:
        """Deleted and added facts of the action in this state; an addition beats a deletion."""
        deleted: list[Change] = []
        added: list[Change] = []
        for positive, changes in self._effects:
            (added if positive else deleted).extend(changes(world, binding))
        return [change for change in deleted if change not in added], added

    def looks_like(self, command: str) -> bool:
        """Whether a text has the shape of this action's commands, whatever the names in it."""
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
        self, domain: Domain, action: Action, parts: list[Condition]
    ) -> tuple[Join, Callable[[Row], Row]]:
        types = dict(action.parameters)
        join = compile_join(domain, parts, types, wanted=self._parameters)
        steps = join.steps + _effective(action, parts, join.slots)
        return Join(join.slots, steps, join.reads), getter(self._parameters, join.slots)


class Rules:
    """A domain and a grammar, compiled.

    Args:
        domain: What can be done.
        grammar: How it is said.

    Raises:
        Unsupported: For a construct that would be misplayed, named.
        BadFile: When the two do not fit each other.
    """

    def __init__(self, domain: Domain, grammar: Grammar) -> None:
        self.domain = domain
        self.grammar = grammar
        self.compiler = GrammarCompiler(domain, grammar)
        self._goals: dict[Condition, list[Join]] = {}
        self.intro = self.compiler.symbol("intro", ())
        self.schemas = [Schema(self, action) for action in domain.actions.values()]
        self.negated = self.compiler.negated
        self._refuse_ambiguous_texts()

    def goal(self, condition: Condition) -> list[Join]:
        """A goal as joins, one of which must have a match. Games share goals, so they are kept."""
        joins = self._goals.get(condition)
        if joins is None:
            joins = [compile_join(self.domain, parts, {}) for parts in disjuncts(condition)]
            self._goals[condition] = joins
        return joins

    def _refuse_ambiguous_texts(self) -> None:
        """Refuses queries whose answer upstream does not follow from the state alone.

        TextWorld's texts take every conditional effect as fired, and record a negative fact only
        if Fast Downward considers the positive one reachable.
        """
        asked = {name.removeprefix(NEGATED) for name in self.compiler.asked}
        for action in self.domain.actions.values():
            required = [p for parts in disjuncts(action.precondition) for p in parts]
            for effect in action.effects:
                atom, predicate = effect.atom, effect.atom.predicate
                if effect.condition != TRUE and predicate in asked:
                    raise Unsupported(
                        f"the texts ask for {predicate!r}, which action {action.name!r} changes"
                        " by a conditional effect"
                    )
                sure = Atom(predicate, atom.args) in required
                if not atom.positive and predicate in self.negated and not sure:
                    raise Unsupported(
                        f"the texts ask for '{NEGATED}{predicate}', and action {action.name!r}"
                        " deletes it without requiring it"
                    )


def _compile_effect(
    domain: Domain, action: Action, effect: Effect, slots: Mapping[str, int]
) -> tuple[bool, Callable[[World, Row], list[Change]]]:
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

    def changes(world: World, b: Row) -> list[Change]:
        return [(predicate, row(c)) for join, row in compiled for c in join(world, [b])]

    return atom.positive, changes


def _effective(
    action: Action, parts: Sequence[Condition], slots: Mapping[str, int]
) -> tuple[Step, ...]:
    """A step that drops bindings under which the action cannot change any fact."""
    plain = [e for e in action.effects if e.condition == TRUE and not e.variables]
    if len(plain) < len(action.effects):
        return ()
    required = [p for p in parts if isinstance(p, Atom) and p.positive]
    added = [e.atom for e in plain if e.atom.positive]
    deleted = [e.atom for e in plain if not e.atom.positive]
    if any(all(_differ(atom, other, parts) for other in required) for atom in added):
        return ()
    rivals = [other for other in required if other.predicate in {a.predicate for a in added}]
    if len(added) == len(rivals) == 1 and all(d.args == rivals[0].args for d in deleted):
        # Moving from one place to another: it does something unless the places are the same.
        new, old = getter(added[0].args, slots), getter(rivals[0].args, slots)
        return (lambda world, bindings: [b for b in bindings if new(b) != old(b)],)
    adds = [(a.predicate, getter(a.args, slots)) for a in added]
    deletes = [(a.predicate, getter(a.args, slots)) for a in deleted]
    needs = [(a.predicate, getter(a.args, slots)) for a in required]

    def step(world: World, bindings: list[Row]) -> list[Row]:
        kept = []
        for b in bindings:
            gains = {(predicate, row(b)) for predicate, row in adds}
            held = {(predicate, row(b)) for predicate, row in needs}
            if not gains <= held or any((p, row(b)) not in gains for p, row in deletes):
                kept.append(b)
        return kept

    return (step,)


def _differ(added: Atom, required: Atom, parts: Sequence[Condition]) -> bool:
    """Whether two atoms can never be the same fact, given the inequalities among `parts`."""
    if added.predicate != required.predicate:
        return True
    unequal = {
        frozenset((p.left, p.right)) for p in parts if isinstance(p, Equal) and not p.positive
    }
    return any(frozenset(pair) in unequal for pair in zip(added.args, required.args, strict=True))


def _without_implied_queries(
    template: Template, scope: Scope, variants: Sequence[Sequence[Condition]]
) -> Template:
    """Drops a query that the precondition implies and that binds nothing new.

    ``[{r.name | receptacleatlocation(r:receptacle, lend:location)}]`` in a command whose action
    requires just that is ``{r.name}``; upstream evaluates it for every command of every step.
    """

    def implied(query: str) -> bool:
        atoms = [part.strip() for part in query.split("&")]
        return all(
            any(_same_atom(text, part, scope) for part in parts)
            for text in atoms
            for parts in variants
        )

    return tuple(
        Each(piece.item, "", False)
        if isinstance(piece, Each) and piece.query and implied(piece.query)
        else piece
        for piece in template
    )


def _same_atom(text: str, part: Condition, scope: Scope) -> bool:
    if not isinstance(part, Atom) or not part.positive:
        return False
    types = dict(scope)
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


class Game:
    """One playable game: rules, objects, initial facts, goal.

    Args:
        rules: Compiled domain and grammar.
        problem: Objects, facts and goal.
        names: Object -> its name in texts, for the objects that texts mention.
        shared: Relations that many games have in common, taken as they are.
    """

    def __init__(
        self,
        rules: Rules,
        problem: Problem,
        names: Mapping[str, str],
        shared: Mapping[str, Relation] = MappingProxyType({}),
    ) -> None:
        self.rules = rules
        self.problem = problem
        domain = rules.domain
        init = problem.init
        self.relations = {
            name: shared[name] if name in shared else Relation(init.get(name, ()))
            for name in domain.predicates
        }
        self.relations.update({NEGATED + name: Relation() for name in rules.negated})
        self.types = problem.objects
        self.names = names
        self._wins = rules.goal(problem.goal)
        self._decisive = sorted({p for join in self._wins for p in join.reads} & domain.fluents)

    def won(self, world: World) -> bool:
        """Whether the goal holds."""
        return any(join(world, [()]) for join in self._wins)

    @property
    def decisive(self) -> Sequence[str]:
        """The fluents that the goal depends on."""
        return self._decisive

    def start(self) -> Play:
        """A new episode."""
        return Play(self)


class Play:
    """A running episode of a game.

    Attributes:
        game: What is played.
        world: The facts as they are now.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.world = World(game.relations, game.types, game.names)
        self._tables: dict[str, tuple[int, dict[str, Row]]] = {}
        self._memo: dict[tuple[Any, ...], dict[str, Row]] = {}
        self._won: tuple[int, bool] | None = None

    def intro(self) -> str:
        """The first text."""
        return self.game.rules.intro(self.world, ())

    def step(self, command: str) -> str | None:
        """Executes a command; returns the text that answers it, or None if it cannot be done."""
        command = command.strip()
        world = self.world
        for schema in self.game.rules.schemas:
            if not command.startswith(schema.prefix):
                continue
            binding = self._table(schema).get(command)
            if binding is None:
                continue
            deleted, added = schema.apply(world, binding)
            negated = self.game.rules.negated
            for predicate, row in deleted:
                world.drop(predicate, row)
                if predicate in negated:
                    world.put(NEGATED + predicate, row)
            for predicate, row in added:
                world.put(predicate, row)
                if predicate in negated:
                    world.drop(NEGATED + predicate, row)
            return schema.feedback(world, binding)
        return None

    def commands(self) -> list[str]:
        """Everything that can be done now, sorted and unique."""
        texts: set[str] = set()
        for schema in self.game.rules.schemas:
            texts.update(self._table(schema))
        return sorted(texts)

    def looks_like_command(self, text: str) -> bool:
        """Whether a text has the shape of some command of the game, possible now or not."""
        text = text.strip()
        return any(schema.looks_like(text) for schema in self.game.rules.schemas)

    @property
    def won(self) -> bool:
        """Whether the goal holds."""
        stamp = self._stamp(self.game.decisive)
        if self._won is None or self._won[0] != stamp:
            self._won = (stamp, self.game.won(self.world))
        return self._won[1]

    def changes(self) -> dict[str, list[Row]]:
        """The relations that differ from the game's initial ones may lie here; for `restore`."""
        initial = self.game.relations
        return {
            name: sorted(relation.rows)
            for name, relation in self.world.relations.items()
            if relation is not initial[name]
        }

    def restore(self, changes: Mapping[str, Iterable[Row]]) -> None:
        """Puts a fresh episode into the state that `changes` recorded."""
        for predicate, rows in changes.items():
            wanted = {tuple(row) for row in rows}
            for row in self.world.relations[predicate].rows - wanted:
                self.world.drop(predicate, row)
            for row in wanted:
                self.world.put(predicate, row)

    def _table(self, schema: Schema) -> dict[str, Row]:
        """The schema's possible commands, computed again only if what they read has changed."""
        stamp = self._stamp(schema.reads)
        known = self._tables.get(schema.name)
        if known is not None and known[0] == stamp:
            return known[1]
        relations = self.world.relations
        read = [relations[name].rows for name in schema.reads]
        key: tuple[Any, ...] | None = None
        if sum(map(len, read)) <= _MEMO_ROWS:
            key = (schema.name, *map(frozenset, read))
            table = self._memo.get(key)
            if table is not None:
                self._tables[schema.name] = (stamp, table)
                return table
        table = schema.commands(self.world)
        self._tables[schema.name] = (stamp, table)
        if key is not None:
            self._memo[key] = table
        return table

    def _stamp(self, predicates: Iterable[str]) -> int:
        # Versions only grow, so the sum changes whenever one of them does.
        versions = self.world.versions
        return sum([versions[name] for name in predicates])


def read_game(data: Mapping[str, Any], namer: Namer, source: str = "the game") -> Game:
    """Compiles the contents of a ``game.tw-pddl``.

    Args:
        data: The parsed JSON object.
        namer: Gives the objects that facts mention their names in texts.
        source: Named in errors, usually the path.

    Raises:
        BadFile: When it is not a well-formed game.
        Unsupported: When it uses what the engine does not play.
    """
    for key in ("pddl_domain", "pddl_problem", "grammar"):
        if not isinstance(data.get(key), str):
            raise BadFile(f"{source} is not a tw-pddl game: it has no text under {key!r}.")
    try:
        domain = read_domain(data["pddl_domain"])
        rules = Rules(domain, read_grammar(data["grammar"]))
        problem = read_problem(data["pddl_problem"], domain)
    except RecursionError:
        raise BadFile(f"{source}: nested too deeply.") from None
    except BadFile as error:
        raise type(error)(f"{source}: {error}.") from None
    in_facts = {arg for rows in problem.init.values() for row in rows for arg in row}
    names = {name: name for name in problem.objects} | namer(in_facts | problem.mentioned)
    return Game(rules, problem, names)


def load_game(path: Path | str, namer: Namer) -> Game:
    """Reads and compiles a ``game.tw-pddl`` file.

    Raises:
        BadFile: When it cannot be read or is not a well-formed game.
        Unsupported: When it uses what the engine does not play.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise BadFile(f"{path} is not a tw-pddl game: not valid JSON (truncated?).") from None
    if not isinstance(data, dict):
        raise BadFile(f"{path} is not a tw-pddl game: not a JSON object.")
    return read_game(data, namer, str(path))
