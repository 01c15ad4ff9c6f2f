"""Diffusion: how many agents begin to violate for each one that they have seen violating.

An agent's *onset* is its first violation. A sight is *open* when who sees the violation has not
violated itself up to that round, is no confederate, and has a round left to respond in. Then

    R = (agents with an open sight whose onset comes later) / (violators with an open sight on them)

so that an agent who has seen several counts once above, and each of those it has seen counts once
below. On a tree this is the mean number of offspring of violators who have any neighbour to win;
where violators share their audience it is limited by who is left, as any realised reproduction
number is. Agents also begin by themselves: R of the control without a graph, with the main arm's
graph laid over it (who *would* have been seen), is what happens without any sight, and is
subtracted. Of R offspring won by sight, those that would have begun anyway are subtracted with it:
when a share s begins by itself, what is left is about R (1 - s).
"""

from __future__ import annotations

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.shifts import Ints, Shifts


def diffusion(shifts: Shifts, graph: Ints | None = None) -> tuple[Array, Array]:
    """New violators with an open sight, and violators with an open sight on them.

    Args:
        shifts: An arm.
        graph: Edges (cluster, agent, agent that would see it) that replace what was really shown:
            a violation then would have been seen from its agent's onset on.

    Returns:
        Counts above and below, each of shape (clusters,).
    """
    agents = len(shifts.agents)
    place = shifts.cluster * agents + shifts.agent
    size = len(shifts.clusters) * agents
    onset = np.full(size, np.inf)
    violating = shifts.violations > 0
    np.minimum.at(onset, place[violating], shifts.round[violating])
    scripted = np.zeros(size, dtype=bool)
    scripted[place[shifts.scripted]] = True
    last = np.zeros(len(shifts.clusters))
    np.maximum.at(last, shifts.cluster, shifts.round)

    if graph is None:
        # Rows are sorted, so the first of each edge is its earliest round.
        _, first = np.unique(shifts.shown[:, :3], axis=0, return_index=True)
        edges, seen = shifts.shown[first, :3], shifts.shown[first, 3].astype(np.float64)
    else:
        edges = graph
        seen = onset[edges[:, 0] * agents + edges[:, 1]]
    cluster = edges[:, 0]
    source, target = cluster * agents + edges[:, 1], cluster * agents + edges[:, 2]
    open_ = (source != target) & ~scripted[target] & (onset[target] > seen) & (seen < last[cluster])
    new = np.unique(target[open_ & np.isfinite(onset[target])])
    earlier = np.unique(source[open_])
    counts = [
        np.bincount(found // agents, minlength=len(shifts.clusters)) for found in (new, earlier)
    ]
    return counts[0].astype(np.float64), counts[1].astype(np.float64)


def overlay(main: Shifts, control: Shifts) -> Ints:
    """The graph of the main arm in the clusters and agents of a control; what it lacks is left out.

    Args:
        main: The arm with a graph.
        control: The arm without.

    Returns:
        Edges like `Shifts.graph` of the control.
    """
    cluster_of = {cluster: i for i, cluster in enumerate(control.clusters)}
    agent_of = {agent: i for i, agent in enumerate(control.agents)}
    clusters = np.array([cluster_of.get(c, -1) for c in main.clusters], dtype=np.int64)
    agents = np.array([agent_of.get(a, -1) for a in main.agents], dtype=np.int64)
    edges = np.stack(
        [clusters[main.graph[:, 0]], agents[main.graph[:, 1]], agents[main.graph[:, 2]]], axis=1
    )
    return edges[(edges >= 0).all(axis=1)]
