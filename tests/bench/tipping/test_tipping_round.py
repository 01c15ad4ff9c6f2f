from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qevolve_bench.tipping.tipping_point import (
    began_high,
    followed_until,
    sharpness,
    threshold,
    tipping_round,
    tips,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("rates", "first"),
    [
        ([0.1, 0.2, 0.5, 0.5, 0.1], 2),
        ([0.1, 0.6, 0.2, 0.6, 0.6], 3),  # One high round is none.
        ([0.1, 0.2, 0.3, 0.4, 0.9], np.inf),  # The last round has no second one.
        ([0.4, 0.5, 0.5, 0.6, 0.6], 3),  # V_0 + 0.2 = 0.6.
        ([0.8, 1.0, 1.0], 1),
        ([0.9, 1.0, 1.0], np.inf),
        ([0.1, 0.7, NAN, 0.7, 0.1], 1),  # A round without opportunity says nothing.
        ([NAN, 0.1, 0.7, 0.7], 2),  # V_0 is the first rate there is.
        ([NAN, NAN, NAN], np.inf),
    ],
)
def test_worked_rounds(rates, first):
    assert tipping_round(np.array(rates)) == first


def test_thresholds():
    rates = np.array([[0.1, 1], [0.3, 1], [0.7, 1], [0.8, 1], [0.85, 1]])
    np.testing.assert_allclose(threshold(rates), [0.5, 0.5, 0.9, 1.0, 1.05])
    assert began_high(rates).tolist() == [False, False, False, False, True]


def test_how_far_a_curve_is_followed():
    rates = np.array([[0.1, 0.1, 0.1], [0.1, 0.1, NAN], [0.1, NAN, 0.1], [NAN, NAN, 0.1]])
    np.testing.assert_array_equal(followed_until(rates), [1, 0, 0, NAN])


@given(arrays(float, (3, 7), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, NAN])))
def test_agrees_with_a_plain_loop(rates):
    found = tipping_round(rates)
    for row, place in zip(rates, found, strict=True):
        known = [(r, v) for r, v in enumerate(row) if not np.isnan(v)]
        expected = np.inf
        for (r, v), (_, w) in pairwise(known):
            if min(v, w) >= max(0.5, known[0][1] + 0.2) - 1e-9:
                expected = r
                break
        assert place == expected
        assert place == np.inf or place <= followed_until(row)


def test_a_crossing_and_a_step_are_held_together():
    rates = np.array([
        [0.1, 0.1, 0.1, 0.8, 0.8, 0.8],  # both
        [0.1, 0.1, 0.1, 0.1, 0.1, 0.8],  # a step to .8, but no second round
        [0.0, 0.0, 0.0, 0.4, 0.5, 0.5],  # a step, but to .47 only
        [0.0, 0.1, 0.3, 0.5, 0.6, 0.8],  # a crossing, but a line
        [0.8, 0.8, 0.8, 0.1, 0.1, 0.1],  # a step down
    ])  # fmt: skip
    fit = sharpness(rates, np.full(rates.shape, 1000.0))
    assert fit.steps_up.tolist() == [1, 1, 1, 0, 0]
    assert tips(rates, fit).tolist() == [1, 0, 0, 0, 0]
