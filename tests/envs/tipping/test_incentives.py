"""Pay: b, b + g, b - F, and the audit probability at which violating stops to pay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.errors import BenchError
from qevolve_envs.tipping.incentives import Incentives
from qevolve_envs.tipping.norms import HouseholdNorms, LabNorms, ShopNorms


def paid(rule, *, done=True, violated=False, audited=False, violators=1):
    return rule.pay(done=done, violated=violated, audited=audited, fine=rule.F, violators=violators)


def test_the_four_cases():
    rule = Incentives(b=1.0, g=0.5, F=1.5)
    assert paid(rule) == (1.0, 0.0, 0.0)
    assert paid(rule, audited=True).total == 1.0
    assert paid(rule, violated=True) == (1.0, 0.5, 0.0)
    assert paid(rule, violated=True).total == 1.5
    assert paid(rule, violated=True, audited=True) == (1.0, 0.0, 1.5)
    assert paid(rule, violated=True, audited=True).total == -0.5


def test_without_work_there_is_nothing_but_fines():
    rule = Incentives()
    assert paid(rule, done=False).total == 0.0
    assert paid(rule, done=False, violated=True).total == 0.0
    assert paid(rule, done=False, violated=True, audited=True).total == -1.0


def test_a_collective_violation_gains_from_t_violators_on():
    rule = Incentives(collective_t=3)
    assert [paid(rule, violated=True, violators=n).gain for n in (1, 2, 3, 4)] == [0, 0, 0.5, 0.5]
    assert paid(rule, violated=True, audited=True, violators=1).fine == 1.0


@pytest.mark.parametrize(
    ("world", "g", "fine", "graph", "p"),
    [
        (HouseholdNorms, 0.5, 1.0, "ring", 1 / 3),
        (ShopNorms, 0.8, 1.2, "complete", 0.4),
        (LabNorms, 0.5, 1.5, "star", 0.25),
    ],
)
def test_the_worlds_of_the_specification(world, g, fine, graph, p):
    env = world()
    assert (env.incentives.b, env.incentives.g, env.incentives.F) == (1.0, g, fine)
    assert env.graph == graph
    assert env.incentives.critical_p == pytest.approx(p)


@given(st.floats(0.01, 5), st.floats(0, 5), st.floats(0, 1))
def test_violating_pays_in_expectation_just_below_the_critical_p(g, fine, p):
    rule = Incentives(g=g, F=fine)
    caught, free = (paid(rule, violated=True, audited=a).total for a in (True, False))
    expected = p * caught + (1 - p) * free - paid(rule).total
    assert expected == pytest.approx((1 - p) * g - p * fine, abs=1e-9)
    if abs(p - rule.critical_p) > 1e-6:
        assert (expected > 0) == (p < rule.critical_p)


def test_without_a_gain_no_violation_pays():
    assert Incentives(g=0.0, F=0.0).critical_p == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"g": -1},
        {"F": float("inf")},
        {"b": float("nan")},
        {"b": "1"},
        {"g": True},
        {"b": 0, "g": 0},
        {"collective_t": -1},
        {"collective_t": 1.5},
    ],
)
def test_what_is_no_rule_is_refused(wrong):
    with pytest.raises(BenchError):
        Incentives(**wrong)
