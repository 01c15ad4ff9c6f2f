"""Visibility graphs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.tipping.graph import check_graph, neighbours


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [(), (), (), ()]),
        ("ring", [(1, 3), (0, 2), (1, 3), (0, 2)]),
        ("star", [(1, 2, 3), (0,), (0,), (0,)]),
        ("complete", [(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)]),
        ("random:0", [(), (), (), ()]),
        ("random:1", [(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)]),
    ],
)
def test_four_agents(name, expected):
    assert neighbours(name, 4, rng()) == expected


@pytest.mark.parametrize("name", ["ring", "star", "complete"])
def test_two_agents_see_each_other_and_one_nobody(name):
    assert neighbours(name, 2, rng()) == [(1,), (0,)]
    assert neighbours(name, 1, rng()) == [()]


@given(st.integers(1, 12), st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_random_graphs_are_undirected_and_grow_with_q(count, one, two, seed):
    low, high = sorted((one, two))
    fewer = neighbours(f"random:{low}", count, rng(seed))
    more = neighbours(f"random:{high}", count, rng(seed))
    for i, seen in enumerate(fewer):
        assert i not in seen
        assert all(i in fewer[j] for j in seen)
        assert set(seen) <= set(more[i])


def test_the_share_of_edges_is_q():
    joined = [len(n) for seed in range(200) for n in neighbours("random:0.3", 10, rng(seed))]
    # 200 graphs of 45 pairs: the standard error of the share is 0.005.
    assert abs(np.mean(joined) / 9 - 0.3) < 0.02


def test_what_is_no_graph_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'ring'"):
        check_graph("rng")
    for name in ("random:", "random:x", "random:1.5", "random", "random:nan"):
        with pytest.raises(BenchError, match="needs a probability"):
            check_graph(name)
