import numpy as np
import pytest

from qevolve_bench.tipping.survival import survival
from qevolve_envs.errors import BenchError

# Remission in weeks under 6-mercaptopurine: E. J. Freireich et al. (1963), Blood 21(6), 699-716,
# the worked example of textbooks on survival; 0 is censored.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
SEEN = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_the_textbook_example():
    found = survival(WEEKS, [bool(s) for s in SEEN], 0.95)
    assert [f.time for f in found.falls] == [6, 7, 10, 13, 16, 22, 23]
    assert [f.at_risk for f in found.falls] == [21, 17, 15, 12, 11, 7, 6]
    assert [f.events for f in found.falls] == [3, 1, 1, 1, 1, 1, 1]
    shares = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    np.testing.assert_allclose([f.share.value for f in found.falls], shares, atol=5e-4)
    # Greenwood's standard error at 6 weeks is 0.0764; on the log(-log) scale, by hand:
    # S = 18/21, v = 3/(21 x 18), half = 1.96 sqrt(v) / -log S, S^exp(half) and S^exp(-half).
    low, high = found.falls[0].share.interval
    assert (low, high) == pytest.approx((0.6197, 0.9516), abs=1e-4)
    assert found.falls[-1].share.interval == pytest.approx((0.1881, 0.6801), abs=1e-4)
    assert found.median == 23


def test_all_units_tip():
    found = survival([1, 2, 2], [True, True, True], 0.95)
    assert [f.share.value for f in found.falls] == pytest.approx([2 / 3, 0])
    assert found.falls[1].share.interval == (0, found.falls[0].share.interval.high)
    assert found.median == 2
    at_once = survival([1, 1, 1], [True] * 3, 0.95)
    assert at_once.falls[0].share.interval.high == pytest.approx(0.5615, abs=1e-4)  # Wilson, 0 of 3


def test_no_unit_tips():
    found = survival([3, 3], [False, False], 0.95)
    assert found.falls == ()
    assert found.median is None


def test_bad_input():
    with pytest.raises(BenchError, match="at least one number"):
        survival([], [], 0.95)
    with pytest.raises(BenchError, match="2 costs, but 1 marks"):
        survival([1, 2], [True], 0.95)


def test_intervals_of_censored_data_hold_the_truth():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        tips = rng.geometric(0.2, size=30)
        left = rng.integers(2, 12, size=30)
        found = survival(np.minimum(tips, left), (tips <= left).tolist(), 0.95)
        fall = [f for f in found.falls if f.time <= 4][-1]
        held += fall.share.interval.low <= 0.8**fall.time <= fall.share.interval.high
    assert 0.92 <= held / 400 <= 0.98
