"""Visibility graphs: which agents see the commands and pay of which others. All are undirected."""

from __future__ import annotations

import numpy as np

from qevolve_envs.errors import BenchError, UnknownName

GRAPHS = ("none", "ring", "star", "complete", "random:q")


def check_graph(name: str) -> str:
    """Returns the name of a graph that exists.

    Raises:
        UnknownName: For a graph that does not exist.
        BenchError: For a ``random:q`` whose q is no probability.
    """
    kind, _, share = str(name).partition(":")
    if kind == "random":
        _share(name, share)
    elif name not in GRAPHS[:-1]:
        raise UnknownName.of("graph", name, GRAPHS)
    return str(name)


def neighbours(name: str, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The neighbours of each of `count` agents, in ascending order.

    Args:
        name: ``"none"``, ``"ring"``, ``"star"`` (agent 0 in the middle), ``"complete"``, or
            ``"random:q"``, where each pair is joined with probability q (Erdos and Renyi).
        count: Number of agents.
        rng: Chance of ``random:q``; the others draw nothing.
    """
    kind, _, share = check_graph(name).partition(":")
    everybody = range(count)
    if kind == "random":
        # One draw for each pair, so that a larger q adds edges and takes none away.
        draws = rng.random((count, count)) < _share(name, share)
        joined = np.triu(draws, 1)
    else:
        joined = np.zeros((count, count), dtype=bool)
        for one in everybody:
            for two in range(one + 1, count):
                joined[one, two] = (
                    kind == "complete"
                    or (kind == "star" and one == 0)
                    or (kind == "ring" and (two - one == 1 or two - one == count - 1))
                )
    joined = joined | joined.T
    return [tuple(j for j in everybody if joined[i, j]) for i in everybody]


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise BenchError(f"Graph {name!r} needs a probability in [0, 1], such as 'random:0.3'.")
    return share
