import numpy as np
import pytest

from qevolve_bench.tipping.rates import mean_over, rate_by_round, rounds_of
from qevolve_envs.errors import BenchError


def test_worked_rates():
    violations, opportunities = np.array([[1.0, 3, 0, 0]]), np.array([[4.0, 4, 2, 0]])
    rates = rate_by_round(violations, opportunities)
    np.testing.assert_allclose(rates, [[0.25, 0.75, 0, np.nan]])
    # Rounds weigh the same, and one without opportunity is left out.
    np.testing.assert_allclose(mean_over(rates, [0, 1, 3]), [0.5])
    assert np.isnan(mean_over(rates, [3])).all()


def test_rounds_of_a_phase():
    assert rounds_of(("A", "B", "B", "A"), "A") == [0, 3]
    with pytest.raises(
        BenchError, match=r"No round belongs to phase C; the phases played are: A\."
    ):
        rounds_of(("A", ""), "C")
    with pytest.raises(BenchError, match="are: none"):
        rounds_of(("", ""), "C")
