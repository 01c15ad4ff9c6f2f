"""Progress towards a goal, as a number in [0, 1], read off the goal condition itself.

An assignment gives the goal's variables objects for which everything that cannot change already
holds. Its progress is the share of the changeable facts that hold, a carried object counting half
for the place where it has to go; the score is the best assignment's progress, rescaled so that an
episode begins at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from qevolve_envs.household.engine import Game, Play
from qevolve_envs.household.facts import FactBase, Row
from qevolve_envs.household.joins import Join, compile_join, disjuncts, getter
from qevolve_envs.household.pddl import Atom, Condition, Domain

Fact = tuple[str, Row]
#: Bindings of a join -> the facts that still have to be made true.
_Option = tuple[Join, tuple[tuple[str, Callable[[Row], Row]], ...]]


class GoalProgress:
    """Scores the states of one game.

    Args:
        game: The game.
        placed: The predicate ``(placed ?object ?receptacle)``.
        held: The predicate ``(held ?agent ?object)``.
    """

    def __init__(self, game: Game, placed: str, held: str) -> None:
        self._placed, self._held = placed, held
        self._read = sorted({*game.decisive, held} & game.relations.keys())
        options = _options(_Key(game.rules.domain), game.problem.goal)
        world = FactBase(game.relations, game.types, game.names)
        self._assignments: list[list[Fact]] = [
            [(predicate, row(b)) for predicate, row in facts]
            for join, facts in options
            for b in join(world, [()])
        ]
        self._start = self._raw(world)
        self._known: tuple[int, float] | None = None

    def score(self, play: Play) -> float:
        """Progress in [0, 1]; 1 exactly when the goal holds."""
        if play.won:
            return 1.0
        versions = play.world.versions
        stamp = sum([versions[name] for name in self._read])
        if self._known is None or self._known[0] != stamp:
            raw = self._raw(play.world)
            # A goal of several alternatives, or with negations, may look done when it is not.
            scaled = (raw - self._start) / (1.0 - self._start) if self._start < 1.0 else 0.0
            self._known = (stamp, min(max(scaled, 0.0), 0.99))
        return self._known[1]

    def _raw(self, world: FactBase) -> float:
        rows = world.relations
        carried = {row[-1] for row in rows[self._held].rows} if self._held in rows else set()
        best = 0.0
        for facts in self._assignments:
            done = 0.0
            for predicate, row in facts:
                if row in rows[predicate].rows:
                    done += 1.0
                elif predicate == self._placed and row[0] in carried:
                    done += 0.5
            best = max(best, done / len(facts))
        return best


class _Key:
    """A domain as a cache key: by identity, since domains are compiled once."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.domain is self.domain

    def __hash__(self) -> int:
        return id(self.domain)


@lru_cache(maxsize=2048)
def _options(key: _Key, goal: Condition) -> tuple[_Option, ...]:
    domain = key.domain
    options: list[_Option] = []
    for parts in disjuncts(goal):
        changing = [
            p for p in parts if isinstance(p, Atom) and p.positive and p.predicate in domain.fluents
        ]
        fixed = [
            p
            for p in parts
            if p not in changing and not (isinstance(p, Atom) and p.predicate in domain.fluents)
        ]
        wanted = sorted({arg for p in changing for arg in p.args if arg.startswith("?")})
        types = {name: name.rsplit(":", 1)[1] for name in wanted}
        join = compile_join(domain, fixed, types, wanted=wanted)
        if changing:
            options.append(
                (join, tuple((p.predicate, getter(p.args, join.slots)) for p in changing))
            )
    return tuple(options)
