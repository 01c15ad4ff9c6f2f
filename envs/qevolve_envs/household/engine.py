"""The tw-pddl machine: plays a game made of a PDDL domain, a problem and a text grammar.

`Rules` compiles a domain and its grammar once, `Game` adds the objects, facts and goal of one
problem, `Play` is one running episode. The machine interprets what the files say, as TextWorld's
`PddlEnv` does on top of Fast Downward; `tests/parity` holds both side by side. Where that engine's
answer follows from how it is built rather than from the files, we follow it, and say so here:

- An action that cannot change any fact is no action (Fast Downward drops such operators), so
  "go to fridge 1" in front of the fridge is not a command.
- A negative fact (``not_inreceptacle`` in a grammar) exists only once an action has made it.
- A command is compared whole, after stripping white space at both ends, and case-sensitively.
- If two possible actions have the same command text, upstream takes the one that Fast Downward's
  successor generator lists first, which depends on how it numbers its variables; we take the first
  action in the order of the domain file, with the smallest object ids. ALFWorld's games have no
  such pair (the parity tests look for one in every state they reach).
- Facts in a list come by the types of their arguments, then by id. An object of a subtype of its
  parameter's type is none of the objects that facts mention, as far as texts are concerned.
- A game whose goal can never be reached, or consists of facts that never change, fails to load
  upstream; we play it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.facts import FactBase, Relation, Row
from qevolve_envs.household.grammar import Grammar, read_grammar
from qevolve_envs.household.joins import Join, compile_join, disjuncts
from qevolve_envs.household.pddl import (
    TRUE,
    ActionSchema,
    Atom,
    Condition,
    Domain,
    Junction,
    Problem,
)
from qevolve_envs.household.pddl_reader import read_domain, read_problem
from qevolve_envs.household.schema import Schema
from qevolve_envs.household.writers import NEGATED, WriterCompiler

Namer = Callable[[Iterable[str]], dict[str, str]]

#: Tables of commands are remembered per state of what they read, where that is this few facts.
_MEMO_ROWS = 4


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
        self.compiler = WriterCompiler(domain, grammar)
        self._goals: dict[Condition, list[Join]] = {}
        self.intro = self.compiler.symbol("intro", ())
        self.schemas = [self._schema(action) for action in domain.actions.values()]
        self.negated = self.compiler.negated
        self._refuse_ambiguous_texts()

    def _schema(self, action: ActionSchema) -> Schema:
        phrases = self.grammar.actions.get(action.name)
        if phrases is None:
            raise Unsupported(f"grammar: the action {action.name!r} has no phrases")
        return Schema(self.domain, action, phrases, self.compiler)

    def goal(self, condition: Condition) -> list[Join]:
        """A goal as joins, one of which must have a match. Games share goals, so they are kept."""
        joins = self._goals.get(condition)
        if joins is None:
            self._refuse_dead_goal(condition)
            joins = [compile_join(self.domain, parts, {}) for parts in disjuncts(condition)]
            self._goals[condition] = joins
        return joins

    def _refuse_dead_goal(self, condition: Condition) -> None:
        """Refuses a goal that upstream ignores: that a fact is false which nothing ever changes."""
        match condition:
            case Junction("and", parts):
                for part in parts:
                    self._refuse_dead_goal(part)
            case Atom(predicate, _, False) if predicate not in self.domain.fluents:
                raise Unsupported(f"the goal asks for 'not {predicate}', which never changes")

    def _refuse_ambiguous_texts(self) -> None:
        """Refuses queries whose answer upstream does not follow from the state alone.

        TextWorld's texts take every conditional effect as fired, and record a negative fact only
        if Fast Downward considers the positive one reachable.
        """
        asked = {name.removeprefix(NEGATED) for name in self.compiler.asked}
        for action in self.domain.actions.values():
            variants = list(disjuncts(action.precondition))
            for effect in action.effects:
                atom, predicate = effect.atom, effect.atom.predicate
                if effect.condition != TRUE and predicate in asked:
                    raise Unsupported(
                        f"the texts ask for {predicate!r}, which action {action.name!r} changes"
                        " by a conditional effect"
                    )
                sure = all(Atom(predicate, atom.args) in parts for parts in variants)
                if not atom.positive and predicate in self.negated and not sure:
                    raise Unsupported(
                        f"the texts ask for '{NEGATED}{predicate}', and action {action.name!r}"
                        " deletes it without requiring it"
                    )


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

    def won(self, world: FactBase) -> bool:
        """Tells whether the goal holds."""
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
        self.world = FactBase(game.relations, game.types, game.names)
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
        """Tells whether a text has the shape of some command of the game, possible now or not."""
        text = text.strip()
        return any(schema.looks_like(text) for schema in self.game.rules.schemas)

    @property
    def won(self) -> bool:
        """Tells whether the goal holds."""
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
        in_facts = {arg for rows in problem.init.values() for row in rows for arg in row}
        names = {name: name for name in problem.objects} | namer(in_facts | problem.mentioned)
        return Game(rules, problem, names)
    except (RecursionError, MemoryError):
        raise BadFile(f"{source}: nested too deeply.") from None
    except BadFile as error:
        raise type(error)(f"{source}: {error}.") from None


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
