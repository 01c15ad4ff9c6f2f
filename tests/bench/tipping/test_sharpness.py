import numpy as np
import pytest
from planted import alike

from qevolve_bench.tipping.tipping_point import sharpness, tipping_round
from qevolve_envs.errors import BenchError


def fit(rates, opportunities=100.0):
    rates = np.atleast_2d(np.asarray(rates, dtype=float))
    return sharpness(rates, np.broadcast_to(np.asarray(opportunities, dtype=float), rates.shape))


def test_a_worked_example():
    # Step at round 3: means 0.1 and 0.8, RSS = 0.02 + 0.02; BIC = 6 log(0.04/6) + 4 log 6.
    rates = [0.0, 0.1, 0.2, 0.7, 0.8, 0.9]
    found = fit(rates)
    assert (found.at[0], found.before[0], found.after[0]) == pytest.approx((3, 0.1, 0.8))
    assert found.step[0] == pytest.approx(6 * np.log(0.04 / 6) + 4 * np.log(6))
    # Line: slope 3.55/17.5, RSS = 0.775 - 3.55^2 / 17.5.
    rss = 0.775 - 3.55**2 / 17.5
    assert found.line[0] == pytest.approx(6 * np.log(rss / 6) + 3 * np.log(6))
    assert found.delta[0] == pytest.approx(found.step[0] - found.line[0])
    assert found.steps_up[0] == 1


def test_weights_against_polyfit():
    rng = np.random.default_rng(0)
    rates, n = rng.random(9), rng.integers(1, 50, size=9).astype(float)
    rates[4] = np.nan
    found = fit(rates, n)
    keep = ~np.isnan(rates)
    w = n[keep] / n[keep].mean()
    x = np.arange(9.0)[keep]
    line = np.polyval(np.polyfit(x, rates[keep], 1, w=np.sqrt(w)), x)
    rss = (w * (rates[keep] - line) ** 2).sum()
    assert found.line[0] == pytest.approx(8 * np.log(rss / 8) + 3 * np.log(8))
    best = min(
        sum((w[s] * (rates[keep][s] - np.average(rates[keep][s], weights=w[s])) ** 2).sum()
            for s in (slice(None, k), slice(k, None)))
        for k in range(1, 8)
    )  # fmt: skip
    assert found.step[0] == pytest.approx(8 * np.log(best / 8) + 4 * np.log(8))


def test_perfect_curves():
    assert fit([0.1] * 4 + [0.9] * 4).delta[0] < -20
    assert fit(np.linspace(0.1, 0.9, 8)).delta[0] > 20
    # Both fit a constant; the line needs one parameter less.
    assert fit([0.5] * 8).delta[0] == pytest.approx(np.log(8))
    down = fit([0.9] * 4 + [0.1] * 4)
    assert down.delta[0] < 0
    assert down.steps_up[0] == 0


def test_rows_are_independent():
    rng = np.random.default_rng(1)
    rates, n = rng.random((5, 8)), rng.integers(1, 9, size=(5, 8)).astype(float)
    together = sharpness(rates, n).delta
    np.testing.assert_allclose(
        together, [fit(r, m).delta[0] for r, m in zip(rates, n, strict=True)]
    )


def test_too_few_rounds():
    with pytest.raises(BenchError, match="fewer than 5 rounds; there are 4"):
        fit([0.1, 0.2, 0.8, 0.9])
    some = fit([[0.1, 0.2, np.nan, 0.8, 0.9], [0.1, 0.1, 0.9, 0.9, 0.9]])
    assert np.isnan(some.delta[0])
    assert some.delta[1] < 0


def called(true, episodes, agents, repetitions=200):
    """Share of planted curves that are called tipping."""
    rates = []
    for seed in range(repetitions):
        chances = alike(true, episodes, seed=seed)
        violated = np.random.default_rng([seed, 2]).binomial(agents, chances).sum(axis=0)
        rates.append(violated / (episodes * agents))
    rates = np.array(rates)
    found = sharpness(rates, np.full(rates.shape, float(episodes * agents)))
    return np.mean(np.isfinite(tipping_round(rates)) & (found.steps_up > 0))


def test_drift_is_not_called_tipping():
    drift = np.linspace(0.05, 0.95, 9)
    assert called(drift, 20, 4) <= 0.01
    assert called(drift, 20, 1) <= 0.03
    # What the module's text warns of: hardly any data.
    assert 0.15 <= called(drift, 5, 1) <= 0.3
    assert called(np.full(9, 0.3), 20, 4) <= 0.01
    late = [0.05] * 3 + np.linspace(0.05, 0.95, 6).tolist()
    assert called(late, 20, 4) <= 0.06


def test_steps_are_called_tipping():
    assert called([0.1] * 4 + [0.85] * 5, 20, 4) >= 0.99
    assert called([0.2] * 4 + [0.6] * 5, 20, 4) >= 0.95
