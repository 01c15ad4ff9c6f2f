"""Scripted populations: agents whose way of working follows from what they can see.

A *strategy* decides once a round whether an agent violates, from the past rounds that its
observation shows (`NormsEnv.visible`): its own commands and pay, and its neighbours'. So a world
without history, or without a graph, takes from a strategy what it takes from a model. The world's
`script` turns the decision into commands. Tipping, diffusion and recovery can be shown, and the
metrics be tested, without a model; the curves have closed forms (see each strategy).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.rng import RandomStream, SeedTree
from qevolve_envs.tipping.memory import PastRound
from qevolve_envs.tipping.truth import Truth

SEEDS = SeedTree(20261124)
#: Differences of pay that are none: sums of floats are not exact.
_NEGLIGIBLE = 1e-9


class Sight(NamedTuple):
    """The things that an agent can see when a round begins.

    Attributes:
        own: Its remembered rounds, oldest first.
        others: Those of its visible neighbours.
        usual: What honest work pays, as the rules say.
    """

    own: tuple[PastRound, ...]
    others: tuple[PastRound, ...]
    usual: float


class Strategy(ABC):
    """A rule by which an agent decides."""

    @abstractmethod
    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """Tells whether the agent violates in the round that begins.

        Args:
            sight: What it can see. Which way a round went is not told, but its commands show it.
            rng: The agent's own chance in this round.
        """


@dataclass(frozen=True, slots=True)
class AlwaysComply(Strategy):
    """Works honestly, whatever happens."""

    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True)
class AlwaysViolate(Strategy):
    """Violates in every round, whatever happens."""

    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class Bandit(Strategy):
    """Takes the way that has paid it better on average; now and then, either (epsilon-greedy).

    A way that no remembered round took is believed to pay what honest work does; a tie is honest.
    With a memory of one round and audits with probability p, a round is violated with probability
    ``e/2 + (1 - e) (1 - p) v`` after one that was violated with probability v, so that in the long
    run ``v = (e/2) / (1 - (1 - e) (1 - p))``, where g, F > 0.

    Attributes:
        epsilon: Probability of a round without regard to pay.
    """

    epsilon: float = 0.1

    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """By the average pay of its own remembered rounds."""
        explores, coin = rng.bernoulli(self.epsilon), rng.bernoulli(0.5)
        if explores:
            return coin
        shortcut = [entry.pay for entry in sight.own if entry.violated]
        honest = [entry.pay for entry in sight.own if not entry.violated]
        return _mean(shortcut, sight.usual) > _mean(honest, sight.usual) + _NEGLIGIBLE


@dataclass(frozen=True, slots=True)
class ImitateBest(Strategy):
    """Does what the best-paid one it sees, itself included, did last (Nowak and May 1992).

    The pay is that of all remembered rounds together; among equals, itself comes first. Without a
    memory it works honestly. Where violating pays for sure, m neighbouring violators of a ring of n
    are ``min(n, m + 2 r)`` after r rounds, and in a complete graph all are after one.
    """

    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """As the best-paid did."""
        best, way = float("-inf"), False
        everybody = dict.fromkeys(entry.agent for entry in (*sight.own, *sight.others))
        for name in everybody:
            entries = [e for e in (*sight.own, *sight.others) if e.agent == name]
            pay = sum(entry.pay for entry in entries)
            if pay > best + _NEGLIGIBLE:
                best, way = pay, entries[-1].violated
        return way


@dataclass(frozen=True, slots=True)
class ConditionalCooperator(Strategy):
    """Violates once enough of its neighbours did in the last round, whatever it pays.

    A threshold rule (Granovetter 1978). With a share of at most one half, a violator of a ring
    turns its neighbours, who turn theirs: ``min(n, m + 2 r)`` after r rounds.

    Attributes:
        share: So many of the visible neighbours, at least.
    """

    share: float = 0.5

    def violates(self, sight: Sight, rng: RandomStream) -> bool:
        """As enough neighbours did."""
        if not sight.others:
            return False
        last = max(entry.round for entry in sight.others)
        seen = [entry.violated for entry in sight.others if entry.round == last]
        return sum(seen) >= self.share * len(seen) - _NEGLIGIBLE


STRATEGIES: dict[str, type[Strategy]] = {
    "always_comply": AlwaysComply,
    "always_violate": AlwaysViolate,
    "bandit": Bandit,
    "imitate_best": ImitateBest,
    "conditional_cooperator": ConditionalCooperator,
}
#: Those with an argument, which must lie in [0, 1].
_WITH_SHARE = ("bandit", "conditional_cooperator")


def make_strategy(name: str) -> Strategy:
    """The strategy of a name such as ``"imitate_best"``, ``"bandit"`` or ``"bandit:0.2"``.

    Raises:
        UnknownName: For a strategy that does not exist.
        BenchError: For an argument that is no number in [0, 1], or that it does not take.
    """
    kind, _, argument = str(name).partition(":")
    if kind not in STRATEGIES:
        raise UnknownName.of("strategy", kind, STRATEGIES)
    if not argument:
        return STRATEGIES[kind]()
    try:
        value = float(argument)
    except ValueError:
        value = -1.0
    if kind not in _WITH_SHARE or not 0 <= value <= 1:
        raise BenchError(
            f"{name!r} is no strategy: {' and '.join(_WITH_SHARE)} take a number in [0, 1], such "
            "as 'bandit:0.2', the others take none."
        )
    return Bandit(value) if kind == "bandit" else ConditionalCooperator(value)


def _mean(pays: Sequence[float], otherwise: float) -> float:
    return sum(pays) / len(pays) if pays else otherwise


def decide(strategy: Strategy, env: Any, agent: str, seed: int = 0) -> bool:
    """Tells whether an agent of a world violates in the round that begins.

    Args:
        strategy: How it decides.
        env: A tipping world (`NormsEnv`, `CollusionEnv`), or a wrapper of one.
        agent: The agent.
        seed: Seed of its chance, besides the world's scenario and seed. It has nothing to do with
            the audits, which are the same for all populations.
    """
    world = env.unwrapped
    entries = world.visible(agent)
    sight = Sight(
        tuple(entry for entry in entries if entry.agent == agent),
        tuple(entry for entry in entries if entry.agent != agent),
        float(world.incentives.b if hasattr(world, "incentives") else world.honest_pay),
    )
    rng = SEEDS.stream("strategy", seed, world.scenario, world.seed, agent, world.round)
    return strategy.violates(sight, rng)


class Population:
    """Plays all agents of a world.

    Args:
        strategies: Strategies or their names, dealt out to the agents in turn.
        seed: Seed of their chance.
    """

    def __init__(self, strategies: Sequence[Strategy | str], seed: int = 0) -> None:
        if not strategies:
            raise BenchError("A population needs at least one strategy.")
        self.strategies = tuple(make_strategy(s) if isinstance(s, str) else s for s in strategies)
        self.seed = seed
        self._round: tuple[str, int, int] | None = None
        self._ways: dict[str, bool] = {}

    def act(self, env: Any) -> dict[str, str]:
        """The commands of all agents; whoever has finished the round sends an empty one."""
        world = env.unwrapped
        playing = (world.scenario, world.seed, world.round)
        # The same episode may be played twice in a row, without a round in between.
        if playing != self._round or not world.truth:
            self._round = playing
            self._ways = {
                agent: decide(self.of(world, agent), env, agent, self.seed) for agent in env.agents
            }
        return {agent: world.script(agent, self._ways[agent]) for agent in env.agents}

    def of(self, env: Any, agent: str) -> Strategy:
        """The strategy of an agent."""
        number: int = env.unwrapped.possible_agents.index(agent)
        return self.strategies[number % len(self.strategies)]

    def play(self, env: Any, scenario: str, seed: int) -> list[Truth]:
        """Plays an episode; returns its ground truth."""
        env.reset(seed=seed, options={"scenario": scenario})
        while env.agents:
            env.step(self.act(env))
        truth: list[Truth] = list(env.unwrapped.truth)
        return truth
