"""Traces as columns: one row for each agent and round, the unit that all metrics count.

A *shift* is all that one agent did in one round. A *cluster* is one episode: one scenario with one
seed in one run. Shifts of a cluster depend on each other, so clusters are resampled, and never
shifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import Array
from qevolve_envs.errors import BenchError
from qevolve_envs.tipping.truth import Truth

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
#: (run, scenario, seed).
Cluster = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Shifts:
    """All shifts of one arm of an experiment, ordered by cluster, agent and round.

    Attributes:
        world: Name of the world.
        clusters: The episodes, in alphabetical order.
        agents: Names of the agents, in alphabetical order.
        phases: Name of the phase of each round; a world without phases has ``""``.
        p: Mean probability of an audit in each round, shape (rounds,).
        cluster: Place in `clusters`, shape (shifts,), like all that follow.
        agent: Place in `agents`.
        round: Number of the round.
        scripted: Whether a confederate acted; such shifts are seen by others, and not counted.
        commands: Number of commands.
        unparsed: How many of them were no commands at all.
        opportunities: How many of them could have been a violation.
        violations: How many were.
        fine: Fines of the shift together.
        gain: What violations brought.
        task: Pay for work.
        shown: Edges of violations: rows (cluster, agent, agent that saw it, round), each once.
        graph: Edges of the visibility graph: rows (cluster, agent, agent that sees it), each once.
    """

    world: str
    clusters: tuple[Cluster, ...]
    agents: tuple[str, ...]
    phases: tuple[str, ...]
    p: Array
    cluster: Ints
    agent: Ints
    round: Ints
    scripted: Bools
    commands: Array
    unparsed: Array
    opportunities: Array
    violations: Array
    fine: Array
    gain: Array
    task: Array
    shown: Ints
    graph: Ints

    @property
    def rounds(self) -> int:
        """Number of rounds, from 0 to the last that was played."""
        return len(self.phases)

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs."""
        return tuple(dict.fromkeys(run for run, _, _ in self.clusters))

    @property
    def pay(self) -> Array:
        """Pay of each shift: work and gains less fines."""
        return self.task + self.gain - self.fine

    def by_round(self, values: npt.ArrayLike) -> Array:
        """Sums over the shifts of agents under test: shape (clusters, rounds)."""
        counted = np.where(self.scripted, 0.0, np.asarray(values, dtype=np.float64))
        place = self.cluster * self.rounds + self.round
        sums = np.bincount(place, counted, len(self.clusters) * self.rounds).astype(np.float64)
        return sums.reshape(len(self.clusters), self.rounds)

    def by_cluster(self, cluster: Ints, values: npt.ArrayLike) -> Array:
        """Sums over any rows that belong to clusters: shape (clusters,)."""
        weights = np.asarray(values, dtype=np.float64)
        return np.bincount(cluster, weights, len(self.clusters)).astype(np.float64)


def ratio(above: Array, below: Array) -> Array:
    """``above / below``, NaN where nothing is below."""
    divided: Array = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return divided


def shifts_of(runs: Mapping[str, Iterable[Truth]], arm: str = "main") -> Shifts:
    """Gathers the traces of an arm.

    Args:
        runs: Name of a run -> its trace.
        arm: Name of the arm, for errors.

    Raises:
        BenchError: For a trace that is empty, mixes worlds, has no opportunity to violate, one
            round only, a violation where there was no opportunity, or one round in two phases.
    """
    named = [(run, record) for run, trace in runs.items() for record in trace]
    if not named:
        raise BenchError(f"The trace of {arm} is empty: there is nothing to analyse.")
    records = [record for _, record in named]
    world = _only_world(records, arm)
    keys: list[Cluster] = [(run, r.scenario, r.seed) for run, r in named]
    clusters, cluster = _coded(keys)
    agents, agent = _coded([r.agent for r in records])
    round_ = np.array([r.round for r in records], dtype=np.int64)
    if round_.min() < 0:
        raise BenchError(f"A trace of {arm} has round {round_.min()}; rounds are counted from 0.")
    rounds = int(round_.max()) + 1
    parsed = np.array([r.parsed for r in records])
    opportunity = np.array([r.opportunity for r in records]) & parsed
    violation = np.array([r.violation for r in records])
    scripted = np.array([r.scripted for r in records])
    _check(records, violation & ~opportunity, opportunity & ~scripted, rounds, arm)
    # One row for each agent and round of a cluster.
    place = (cluster * len(agents) + agent) * rounds + round_
    rows, shift = np.unique(place, return_inverse=True)

    def total(values: npt.ArrayLike) -> Array:
        sums = np.bincount(shift, np.asarray(values, dtype=np.float64), rows.size)
        return sums.astype(np.float64)

    shown = _edges(records, violation, (cluster, agent), agents, round_)
    graph = _edges(records, np.ones_like(violation), (cluster, agent), agents, None)
    return Shifts(
        world=world,
        clusters=tuple(clusters),
        agents=tuple(agents),
        phases=_phases(records, rounds, arm),
        p=_mean_by_round(np.array([r.p for r in records]), round_, rounds),
        cluster=rows // (len(agents) * rounds),
        agent=rows // rounds % len(agents),
        round=rows % rounds,
        scripted=total(scripted) > 0,
        commands=total(np.ones(len(records))),
        unparsed=total(~parsed),
        opportunities=total(opportunity),
        violations=total(violation),
        fine=total([r.fine for r in records]),
        gain=total([r.gain for r in records]),
        task=total([r.task_reward for r in records]),
        shown=shown,
        graph=graph,
    )


def _only_world(records: list[Truth], arm: str) -> str:
    worlds = sorted({r.world for r in records})
    if len(worlds) > 1:
        raise BenchError(
            f"The trace of {arm} mixes the worlds {worlds[0]} and {worlds[1]}: analyse each alone."
        )
    return worlds[0]


def _check(
    records: list[Truth], impossible: Bools, opportunity: Bools, rounds: int, arm: str
) -> None:
    if impossible.any():
        r = records[int(np.argmax(impossible))]
        raise BenchError(
            f"The trace of {arm} has a violation without an opportunity ({r.scenario}, seed"
            f" {r.seed}, {r.agent}, round {r.round}, step {r.step}): its world is at fault."
        )
    if not opportunity.any():
        raise BenchError(
            f"The trace of {arm} has no opportunity to violate: its agents never came so far, or"
            " nothing of what they said was a command."
        )
    if rounds == 1:
        raise BenchError(
            f"The trace of {arm} has one round only: tipping is a change from round to round, so"
            " play at least two."
        )


def _phases(records: list[Truth], rounds: int, arm: str) -> tuple[str, ...]:
    phases = [""] * rounds
    for number, phase in sorted({(r.round, r.phase) for r in records}):
        if phases[number] and phases[number] != phase:
            raise BenchError(
                f"Round {number} of {arm} belongs to phase {phases[number]} in one episode and to"
                f" phase {phase} in another: analyse them apart."
            )
        phases[number] = phase
    return tuple(phases)


def _mean_by_round(values: Array, round_: Ints, rounds: int) -> Array:
    counts = np.bincount(round_, minlength=rounds)
    sums = np.bincount(round_, values, rounds).astype(np.float64)
    return ratio(sums, counts.astype(np.float64))


def _edges(
    records: list[Truth],
    chosen: Bools,
    where: tuple[Ints, Ints],
    agents: list[str],
    round_: Ints | None,
) -> Ints:
    """Edges from agents to those that saw their chosen records, once each, with any round given."""
    code = {name: i for i, name in enumerate(agents)}
    # The same few neighbourhoods over and over: each is translated once.
    known: dict[tuple[str, ...], list[int]] = {}
    lengths: list[int] = []
    targets: list[int] = []
    picked = np.flatnonzero(chosen)
    for i in picked.tolist():
        names = records[i].exposed_to
        if names not in known:
            known[names] = [code[name] for name in names if name in code]
        lengths.append(len(known[names]))
        targets += known[names]
    columns = [column[picked] for column in where]
    parts = [np.repeat(column, lengths) for column in columns]
    parts.append(np.array(targets, dtype=np.int64))
    if round_ is not None:
        parts.append(np.repeat(round_[picked], lengths))
    return np.unique(np.stack(parts, axis=1), axis=0)


def _coded(values: list[Any]) -> tuple[list[Any], Ints]:
    """The distinct values in order, and the place of each."""
    distinct = sorted(set(values))
    place = {value: i for i, value in enumerate(distinct)}
    return distinct, np.array([place[value] for value in values], dtype=np.int64)
