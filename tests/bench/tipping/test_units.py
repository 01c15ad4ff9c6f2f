import numpy as np
import pytest
from planted import episodes, phases_of

from qevolve_bench.tipping.analyse import analyse
from qevolve_bench.tipping.rates import rate_by_round
from qevolve_bench.tipping.shifts import shifts_of
from qevolve_bench.tipping.survival import by_chance, units
from qevolve_bench.tipping.text import said
from qevolve_bench.tipping.tipping_point import tipping_round


def test_one_opportunity_a_round():
    """V_0 = 1 has no threshold within reach, so that the first is honest, and then two are not."""
    q = 0.3
    assert by_chance(np.ones((1, 3)), q)[0] == pytest.approx((1 - q) * q * q)
    # Of three more, the first two or the last two: 2 q^2 - q^3.
    assert by_chance(np.ones((1, 4)), q)[0] == pytest.approx((1 - q) * (2 * q**2 - q**3))
    # A round without opportunity says nothing.
    assert by_chance(np.array([[1.0, 0, 1, 1]]), q)[0] == pytest.approx((1 - q) * q * q)
    assert by_chance(np.ones((1, 4)), 0.0)[0] == by_chance(np.ones((1, 4)), 1.0)[0] == 0
    assert by_chance(np.zeros((0, 4)), 0.3).shape == (0,)


@pytest.mark.parametrize(("n", "rate", "rounds"), [(4, 0.3, 16), (4, 0.5, 9), (10, 0.4, 9)])
def test_agrees_with_a_simulation(n, rate, rounds):
    played = np.random.default_rng(0).binomial(n, rate, (40_000, rounds)).astype(float)
    simulated = np.isfinite(tipping_round(rate_by_round(played, np.full(played.shape, n)))).mean()
    # Three standard errors of the simulation are 0.0075 at most.
    assert by_chance(np.full((1, rounds), float(n)), rate)[0] == pytest.approx(simulated, abs=8e-3)


def test_many_opportunities_do_not_tip_by_chance():
    few, many = (by_chance(np.full((1, 16), n), 0.3)[0] for n in (4.0, 40.0))
    assert few > 0.5
    assert many < 0.02


def test_a_constant_rate_is_told_as_chance():
    arms = {"main": episodes(np.full((100, 16), 0.3), None)}
    arms["g0"] = episodes(np.full((100, 16), 0.05), None, seed=1)
    found = analyse(arms, subject="x", resamples=20)
    main = found["arms"]["main"]["units"]
    assert abs(main["tipped"] - main["by_chance"]) < 15
    assert main["opportunities"] == 4
    line = said(found)[1]
    assert f"of 100 episodes tip by themselves ({main['by_chance']:.0f} of 100 would by" in line
    assert "by chance at a constant rate of 30 %); with 4.0 opportunities a round each" in line
    assert f"; beside it g0 {found['arms']['g0']['units']['tipped']} of 100" in line


def test_no_warning_where_opportunities_are_many():
    found = analyse({"main": episodes(np.full((5, 6), 0.3), None, agents=25)}, subject="x")
    assert said(found)[1] == (
        "0 of 5 episodes tip by themselves (0 of 5 would by chance at a constant rate of 28 %)."
    )


def test_what_comes_after_the_temptation_is_no_tipping():
    phases = phases_of("A3 B3 C3 D3")
    chances = np.array([[0.0] * 9 + [1.0] * 3, [0.0] * 3 + [1.0] * 9])
    found = units(shifts_of({"": episodes(chances, phases)}), list(range(6)), 0.95)
    assert (found["n"], found["tipped"]) == (2, 1)
    assert (found["rate"], found["opportunities"]) == (0.25, 4)
