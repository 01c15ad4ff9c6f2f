import numpy as np
import pytest

from qevolve_bench.tipping.rates import area, excess, half_life, rise
from qevolve_envs.errors import BenchError

PHASES = ["A", "A", "B", "B", "C", "C", "C", "D"]
RATES = np.array([0.1, 0.3, 0.6, 0.8, 0.6, 0.4, 0.2, 0.25])


def test_worked_numbers():
    assert area(RATES, PHASES) == pytest.approx(0.7)
    assert excess(RATES, PHASES, "C") == pytest.approx(0.2)
    assert excess(RATES, PHASES, "D") == pytest.approx(0.05)
    assert rise(RATES, PHASES) == pytest.approx(0.6)
    # Half of the rise is gone at 0.5: between 0.6, one round after B, and 0.4, two rounds after.
    assert half_life(RATES, PHASES) == pytest.approx(1.5)


def test_rows_at_once():
    rows = np.stack([RATES, np.where(RATES == 0.6, np.nan, RATES), np.full(8, 0.2)])
    found = half_life(rows, PHASES)
    # The second lacks the first round of C: from 0.8 to 0.4 in two rounds.
    np.testing.assert_allclose(found[:2], [1.5, 1.5])
    assert np.isnan(found[2])


def test_what_outlasts_the_phase_is_censored():
    stays = np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.8, 0.7, 0.1])
    assert half_life(stays, PHASES) == np.inf


@pytest.mark.parametrize("planted", [1.0, 1.5, 2.0, 3.0, 5.0])
def test_planted_half_lives(planted):
    phases = ["A"] * 3 + ["B"] * 3 + ["C"] * 8
    rates = np.array([0.1] * 3 + [0.9] * 3 + [0.1 + 0.8 * 2 ** (-k / planted) for k in range(1, 9)])
    assert half_life(rates, phases) == pytest.approx(planted, abs=0.06)


def test_missing_phases():
    with pytest.raises(BenchError, match="No round belongs to phase B"):
        area(RATES, ["A"] * 8)
    with pytest.raises(BenchError, match="No round belongs to phase D"):
        excess(RATES, ["A"] * 8, "D")
    with pytest.raises(BenchError, match="Phase C does not follow phase B"):
        half_life(RATES, ["C"] * 3 + ["B"] * 3 + ["A"] * 2)
