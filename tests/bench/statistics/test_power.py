from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from qevolve_bench.statistics import (
    Components,
    detectable_difference,
    power_of_seeds,
    power_of_tasks,
    seeds_needed,
    sign_flip_test,
    simulated_power,
    tasks_needed,
)
from qevolve_envs.errors import BenchError

#: Differences of two learners: seeds vary by 5 points, tasks by 20, single outcomes by 45.
PILOT = Components(0.05**2, 0.2**2, 0.45**2)


def test_the_paired_t_test_by_the_books():
    # On the same tasks, with nothing but seeds to vary, this is the paired t test: d = 1, n = 10,
    # two-sided 5 %, noncentrality sqrt(10).
    found = power_of_seeds(0.1, Components(0.01, 0.0, 0.0), 10, 400, same_tasks=True)
    bar = stats.t.ppf(0.975, 9)
    assert found == pytest.approx(stats.nct.sf(bar, 9, math.sqrt(10)), abs=1e-9)
    # Cohen's tables give .80 for d = .5 at n = 34.
    assert power_of_seeds(0.05, Components(0.01, 0, 0), 34, 2, same_tasks=True) == pytest.approx(
        0.808, abs=0.002
    )
    assert seeds_needed(0.05, Components(0.01, 0, 0), 2, same_tasks=True).seeds == 34


@pytest.mark.parametrize(("seeds", "tasks"), [(5, 400), (5, 60), (10, 100)])
def test_the_formula_agrees_with_played_studies(seeds, tasks):
    formula = power_of_seeds(0.1, PILOT, seeds, tasks)
    played = simulated_power(0.1, PILOT, seeds, tasks, studies=2_000)
    # Simulation error 1.1 %, and a few percent of Satterthwaite's approximation.
    assert played == pytest.approx(formula, abs=0.05)


def test_more_tasks_cannot_make_up_for_seeds():
    assert power_of_seeds(0.06, PILOT, 3, 10**6) < 0.5
    assert power_of_seeds(0.06, PILOT, 10, 400) > 0.7


def test_the_detectable_difference_has_the_power():
    found = detectable_difference(PILOT, 5, 400, power=0.9)
    assert power_of_seeds(found, PILOT, 5, 400) == pytest.approx(0.9, abs=1e-6)
    plan = seeds_needed(found * 0.999, PILOT, 400, power=0.9)
    assert plan.seeds == 6 and plan.power >= 0.9


def test_power_without_a_difference_is_one_tail_of_the_level():
    assert power_of_seeds(0.0, PILOT, 5, 400) == pytest.approx(0.025)


def test_tasks_by_enumeration():
    # Six tasks, all of them disagreements won with 90 %: only 6 of 6 is significant (2 / 64).
    assert power_of_tasks(0.8, 6, disagreement=1.0) == pytest.approx(0.9**6)
    assert power_of_tasks(0.8, 5, disagreement=1.0) == 0.0
    # Half of them: the number of disagreements is binomial, and only 6 of 6 will do.
    assert power_of_tasks(0.4, 6, disagreement=0.5) == pytest.approx(0.5**6 * 0.9**6)


def test_tasks_agree_with_played_panels():
    rng = np.random.default_rng(0)
    panels = rng.choice([1, -1, 0], p=[0.2, 0.1, 0.7], size=(1_000, 236))
    hits = sum(sign_flip_test(p).p_value <= 0.05 and p.sum() > 0 for p in panels)
    expected = power_of_tasks(0.1, 236, disagreement=0.3)
    assert hits / 1_000 == pytest.approx(expected, abs=0.05)


def test_tasks_needed():
    plan = tasks_needed(0.1, disagreement=0.3)
    assert plan.power >= 0.8 > power_of_tasks(0.1, plan.tasks - 1, disagreement=0.3)
    # Connor's (1987) normal approximation: (1.96 sqrt(.3) + .8416 sqrt(.3 - .01))^2 / .01 = 233.
    assert plan.tasks == pytest.approx(233, rel=0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: power_of_seeds(0.1, PILOT, 1, 100), "at least two seeds and two tasks"),
        (lambda: power_of_seeds(float("nan"), PILOT, 3, 100), "finite number"),
        (lambda: power_of_seeds(0.1, PILOT, 3, 100, significance=5), "between 0 and 1"),
        (lambda: power_of_tasks(0.2, 10, disagreement=0.1), "disagree on at least that share"),
        (lambda: power_of_tasks(0.2, 0, disagreement=0.3), "at least one task"),
        (lambda: seeds_needed(1e-5, PILOT, 100), "Not even 1,000 seeds on 100 tasks show 1e-05"),
        (lambda: tasks_needed(1e-7, disagreement=0.5), "Not even 1,000,000 tasks show 1e-07"),
        (lambda: seeds_needed(0.1, PILOT, 100, power=80), "between 0 and 1, not 80"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(BenchError, match=words):
        call()
