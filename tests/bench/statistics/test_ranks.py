from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_bench.statistics import RankRange, rank_ranges
from qevolve_envs.errors import BenchError


def wins(rate, tasks=200, runs=1, seed=0):
    return (np.random.default_rng(seed).random((runs, tasks)) < rate).astype(float)


def test_clear_and_open_places():
    found = rank_ranges(
        {
            "random": {"x": np.zeros(200)},
            "b": {"x": wins(0.5, seed=1)},
            "expert": {"x": np.ones(200)},
            "a": {"x": wins(0.5, runs=3, seed=2)},
        }
    )
    names = list(found)
    assert names[0] == "expert" and names[-1] == "random"
    assert found["expert"] == RankRange(1.0, 1, 1, 1)
    assert found["random"] == RankRange(0.0, 4, 4, 4)
    assert {(r.low, r.high) for r in (found["a"], found["b"])} == {(2, 3)}
    assert [str(found[name]) for name in names[:2]] == ["1", "2 [2-3]"]


def test_equal_methods_share_the_better_place():
    same = wins(0.4)
    found = rank_ranges({"x": {"c": same}, "y": {"c": same}, "z": {"c": same * 0}})
    assert [(r.rank, r.low, r.high) for r in found.values()] == [(1, 1, 2), (1, 1, 2), (3, 3, 3)]
    assert list(found) == ["x", "y", "z"]


def test_cells_weigh_alike_whatever_their_size():
    found = rank_ranges(
        {
            "a": {"small": [1, 1, 1, 0], "large": np.zeros(100)},
            "b": {"small": [0, 0, 0, 0], "large": np.full(100, 0.5)},
        }
    )
    assert found["a"].score == pytest.approx(0.375) and found["b"].score == pytest.approx(0.25)


def test_a_constant_gap_counts_only_on_enough_tasks():
    few = rank_ranges({"a": {"x": np.ones(5)}, "b": {"x": np.zeros(5)}})
    assert [(r.low, r.high) for r in few.values()] == [(1, 2), (1, 2)]
    enough = rank_ranges({"a": {"x": np.ones(6)}, "b": {"x": np.zeros(6)}})
    assert [(r.low, r.high) for r in enough.values()] == [(1, 1), (2, 2)]


def test_one_method_and_one_task():
    assert rank_ranges({"a": {"x": [0.5]}}) == {"a": RankRange(0.5, 1, 1, 1)}
    found = rank_ranges({"a": {"x": [1.0]}, "b": {"x": [0.0]}})
    assert [(r.low, r.high) for r in found.values()] == [(1, 2), (1, 2)]


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(2, 40), st.integers(0, 2**32))
def test_a_range_holds_its_rank_and_is_seeded(methods, tasks, seed):
    rng = np.random.default_rng(seed)
    scores = {f"m{i}": {"x": rng.integers(0, 3, (2, tasks)) / 2} for i in range(methods)}
    found = rank_ranges(scores, resamples=200, seed=seed)
    assert found == rank_ranges(scores, resamples=200, seed=seed)
    for place in found.values():
        assert 1 <= place.low <= place.rank <= place.high <= methods
    reverse = rank_ranges(dict(reversed(scores.items())), resamples=200, seed=seed)
    assert reverse == found and list(reverse) == list(found)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({}, "nothing to rank"),
        ({"a": {}}, "'a' has no cell"),
        ({"a": {"x": [1]}, "b": {"y": [1]}}, "'a' and 'b' cannot be ranked: only one has cell 'x'"),
        ({"a": {"x": [1, 0]}, "b": {"x": [1]}}, "in cell 'x' they played 2 and 1 tasks"),
        ({"a": {"x": [1, float("nan")]}}, "scores of 'a' in cell 'x' hold 1 number"),
    ],
)
def test_refusals(scores, words):
    with pytest.raises(BenchError, match=words):
        rank_ranges(scores)
