from __future__ import annotations

import math

import pytest

from qevolve_bench.efficiency import (
    area_under_curve,
    common_budget,
    learning_curve,
    outcomes_at,
    read_curves,
)
from qevolve_bench.statistics import crossed_mean
from qevolve_envs.errors import BenchError, UnknownName

#: (env_steps, wins of ten tasks) of two seeds.
TWO = {0: [(0, 2), (100, 4), (1000, 8)], 1: [(0, 3), (90, 5), (1040, 7)]}


@pytest.mark.parametrize(
    ("budget", "means", "spent"),
    [
        (0, [0.2, 0.3], [0, 0]),
        (99, [0.4, 0.5], [100, 90]),  # 100 is passed by less than a batch.
        (500, [0.4, 0.5], [100, 90]),
        (1000, [0.8, 0.7], [1000, 1040]),
        (9999, [0.8, 0.7], [1000, 1040]),
    ],
)
def test_the_last_checkpoint_within_the_budget_counts(curves, budget, means, spent):
    found = outcomes_at(curves(TWO), "env_steps", budget, "unseen")
    assert found.table.mean(axis=1) == pytest.approx(means)
    assert found.spent.tolist() == spent and found.seeds == (0, 1) and len(found.tasks) == 10


def test_unequal_budgets_are_said(curves):
    def notes(budget, learner="rft", successes=TWO):
        return outcomes_at(curves(successes, learner), "env_steps", budget, "unseen").notes

    assert notes(1000) == ()
    (said,) = notes(500)
    assert said == (
        "rft has no checkpoint close to 500 env_steps in 2 of 2 runs; those before it count, the"
        " earliest at 90."
    )
    (said,) = notes(2000)
    assert said == (
        "rft ended before 2,000 env_steps (seed 0 at 1,000, seed 1 at 1,040): the last counts."
    )
    (said,) = notes(2000, "sft", {0: [(0, 4)]})
    assert said == "sft spends no env_steps: its last checkpoint counts."


def test_scores_and_other_axes(curves):
    found = outcomes_at(curves(TWO), "trained_tokens", 10_007, "unseen", outcome="score")
    assert found.table.mean(axis=1) == pytest.approx([0.4, 0.35])


def test_only_shared_tasks_are_averaged(write, make_point):
    points = [
        make_point(0, 10, [1, 0, 1], seed=0, tasks=["a", "b", "c"]),
        make_point(0, 10, [1, 1], seed=1, tasks=["b", "c"]),
        make_point(0, 10, [1], seed=2, tasks=["z"]),
    ]
    found = read_curves(write(points))
    both = outcomes_at(found[:2], "env_steps", 10, "unseen")
    assert both.tasks == ("b", "c") and both.table.tolist() == [[0, 1], [1, 1]]
    assert both.notes == ("The runs of rft share 2 of 3 tasks of unseen; only these count.",)
    with pytest.raises(BenchError, match="share no task of unseen"):
        outcomes_at(found, "env_steps", 10, "unseen")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axis": "steps"}, "did you mean 'env_steps'"),
        ({"split": "sen"}, "Unknown split 'sen': did you mean 'unseen'"),
        ({"outcome": "wins"}, "Unknown outcome 'wins'"),
        ({"budget": -1}, "not negative, not -1"),
        ({"budget": math.nan}, "not negative, not nan"),
    ],
)
def test_refusals(curves, change, words):
    arguments = {"axis": "env_steps", "budget": 10, "split": "unseen", "outcome": "success"}
    arguments |= change
    with pytest.raises(BenchError, match=words):
        outcomes_at(curves(TWO), **arguments)


def test_runs_that_are_no_samples_of_one_thing(curves, write, make_point):
    two = curves(TWO)
    with pytest.raises(BenchError, match="There is no training run"):
        outcomes_at([], "env_steps", 1, "unseen")
    with pytest.raises(BenchError, match="two runs of seed 1: they are no two samples"):
        outcomes_at([*two, two[1]], "env_steps", 1, "unseen")
    with pytest.raises(BenchError, match="not runs of one learner"):
        outcomes_at([*two, *curves({5: [(0, 1)]}, "sft")], "env_steps", 1, "unseen")
    late = read_curves(write([make_point(0, 50, [1])], "late"))
    with pytest.raises(BenchError, match="no checkpoint within 10 env_steps: its first is at 50"):
        outcomes_at(late, "env_steps", 10, "unseen")


def test_common_budget(curves):
    sft = curves({0: [(0, 5)]}, "sft")
    assert common_budget([*curves(TWO), *sft], "env_steps") == 1000
    with pytest.raises(BenchError, match="None of the runs spent any env_steps"):
        common_budget(sft, "env_steps")


def test_a_learning_curve_with_its_band(curves):
    found = learning_curve(curves(TWO), "env_steps", "unseen")
    assert [p.budget for p in found] == [0, 90, 100, 1000]
    assert [p.value for p in found] == pytest.approx([0.25, 0.35, 0.45, 0.75])
    table = outcomes_at(curves(TWO), "env_steps", 1000, "unseen").table
    assert found[-1].interval == crossed_mean(table).estimate.interval
    assert {p.seeds for p in found} == {2}


def test_a_single_seed_has_no_band(curves):
    found = learning_curve(curves({0: TWO[0]}), "env_steps", "unseen", budgets=[0, 1000])
    assert [(p.value, p.interval) for p in found] == [(0.2, None), (0.8, None)]


def test_area_by_hand(curves):
    one = curves({0: TWO[0]})
    # Trapezoids: .3 over 100, .6 over 900, of 1000.
    assert area_under_curve(one, "env_steps", "unseen") == pytest.approx((30 + 540) / 1000)
    # From 550, half way up the second: .7 on average.
    assert area_under_curve(one, "env_steps", "unseen", start=550) == pytest.approx(0.7)
    # On a logarithmic scale the point at 0 is left out, and .4 to .8 averages .6.
    assert area_under_curve(one, "env_steps", "unseen", scale="log") == pytest.approx(0.6)


def test_area_over_seeds(curves):
    found = area_under_curve(curves(TWO), "env_steps", "unseen", end=900)
    one = [area_under_curve(curves({s: TWO[s]}), "env_steps", "unseen", end=900) for s in TWO]
    assert found.estimate.value == pytest.approx(sum(one) / 2)
    assert found.degrees == 1 and found.estimate.interval.low < found.estimate.value


def test_areas_that_are_not_there(curves):
    two = curves(TWO)
    with pytest.raises(BenchError, match="Seed 0 of rft covers 0 to 1000 env_steps, not 0 to 1020"):
        area_under_curve(two, "env_steps", "unseen", end=1020)
    with pytest.raises(BenchError, match="no curve between 700 and 600"):
        area_under_curve(two, "env_steps", "unseen", start=700, end=600)
    with pytest.raises(BenchError, match="no curve between 0 and 600"):
        area_under_curve(two, "env_steps", "unseen", start=0, end=600, scale="log")
    with pytest.raises(UnknownName, match="choose one of linear, log"):
        area_under_curve(two, "env_steps", "unseen", scale="cubic")
    with pytest.raises(BenchError, match="Seed 0 of sft spent no env_steps at all"):
        area_under_curve(curves({0: [(0, 5)]}, "sft"), "env_steps", "unseen", scale="log")
