"""How often the bootstrap intervals hold the planted truth. Figures print with ``pytest -s``."""

import numpy as np
import pytest
from planted import alike, episodes, phases_of
from scipy.stats import beta, norm

from qevolve_bench.tipping.analyse import analyse
from qevolve_envs.tipping.truth import Truth

PHASES = phases_of("A3 B6 C4 D3")
TRUE = [0.1] * 3 + [0.15, 0.2, 0.8, 0.85, 0.85, 0.85] + [0.5, 0.3, 0.2, 0.15] + [0.12] * 3
MEAN = {phase: np.mean([v for v, p in zip(TRUE, PHASES, strict=True) if p == phase])
        for phase in "ABCD"}  # fmt: skip
PLANTED = {
    "V of round 0": TRUE[0],
    "V of round 6": TRUE[6],
    "V in A": MEAN["A"],
    "area": MEAN["B"],
    "hysteresis": MEAN["C"] - MEAN["A"],
    "residual": MEAN["D"] - MEAN["A"],
    "rise": TRUE[8] - MEAN["A"],
    "half-life": 1 + (0.5 - 0.475) / (0.5 - 0.3),
}


def measured(arm):
    phases = {p["phase"]: p for p in arm["phases"]}
    return {
        "V of round 0": arm["rounds"][0]["rate"],
        "V of round 6": arm["rounds"][6]["rate"],
        "V in A": phases["A"]["rate"],
        "area": arm["area"],
        "hysteresis": arm["hysteresis"],
        "residual": arm["residual"],
        "rise": arm["recovery"]["rise"],
        "half-life": arm["recovery"]["half_life"],
    }


def holds(estimate, truth):
    low, high = estimate["interval"]
    return low - 1e-9 <= truth <= (np.inf if high is None else high) + 1e-9


def coverage(traces, repetitions):
    held = dict.fromkeys(PLANTED, 0)
    for seed in range(repetitions):
        result = analyse({"main": traces(seed)}, subject="x", resamples=1000, seed=seed)
        found = measured(result["arms"]["main"])
        for name, truth in PLANTED.items():
            held[name] += holds(found[name], truth)
    return {name: float(count / repetitions) for name, count in held.items()}


def single(n):
    return lambda seed: episodes(alike(TRUE, n, seed=seed), PHASES, seed=seed)


def several(runs, scenarios):
    """Runs and scenarios both matter: an episode's quantile is that of their mean."""

    def traces(seed):
        rng = np.random.default_rng([seed, 2])
        by_run, by_scenario = rng.normal(size=(runs, 1)), rng.normal(size=(1, scenarios))
        u = norm.cdf((by_run + by_scenario) / np.sqrt(2))[..., np.newaxis]
        true = np.array(TRUE)
        chances = beta.ppf(u, true * 10, (1 - true) * 10)
        return {
            f"seed-{i}": episodes(chances[i], PHASES, agents=2, seed=100 * seed + i)
            for i in range(runs)
        }

    return traces


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "traces"),
    [
        ("10 episodes", single(10)),
        ("20 episodes", single(20)),
        ("60 episodes", single(60)),
        ("5 runs x 20 scenarios", several(5, 20)),
        ("10 runs x 30 scenarios", several(10, 30)),
    ],
)
def test_intervals_hold_the_truth(name, traces):
    found = coverage(traces, 200)
    print(f"\n95 % intervals over {name} hold:", found)
    # 200 repetitions tell 95 % from 89 %.
    assert min(found.values()) >= 0.89
    assert np.mean(list(found.values())) >= 0.93


def test_the_simulator_plants_what_it_says():
    chances = alike(TRUE, 4_000, seed=3)
    np.testing.assert_allclose(chances.mean(axis=0), TRUE, atol=0.02)
    trace = episodes(chances[:400], PHASES, seed=1)
    assert all(isinstance(r, Truth) for r in trace)
    share = np.mean([r.violation for r in trace if r.round == 6])
    assert share == pytest.approx(TRUE[6], abs=0.03)
