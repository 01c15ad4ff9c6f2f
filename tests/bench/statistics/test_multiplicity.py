from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from qevolve_bench.statistics import benjamini_hochberg, holm
from qevolve_envs.errors import BenchError

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; none below a smaller one's.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_by_hand():
    # Sorted .005 .01 .03 .04, times 4/1 4/2 4/3 4/4: .02 .02 .04 .04.
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p):
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"))


@given(P_VALUES, st.randoms(use_true_random=False))
def test_adjusted_values_are_ordered_bounded_and_in_place(p, random):
    shuffled = list(p)
    random.shuffle(shuffled)
    for correct in (holm, benjamini_hochberg):
        adjusted = correct(p)
        assert (adjusted >= p).all() and (adjusted <= 1).all()
        pairs = sorted(zip(p, adjusted, strict=True))
        assert all(a[1] <= b[1] + 1e-15 for a, b in pairwise(pairs))
        assert sorted(correct(shuffled)) == pytest.approx(sorted(adjusted))
    assert (holm(p) >= benjamini_hochberg(p) - 1e-15).all()


@pytest.mark.parametrize("p", [[-0.1], [1.1], [float("nan")], [], [[0.1]]])
def test_refusals(p):
    with pytest.raises(BenchError):
        holm(p)
