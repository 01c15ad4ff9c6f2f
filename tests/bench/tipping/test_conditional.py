import numpy as np
import pytest
from planted import record

from qevolve_bench.tipping.rates import conditional
from qevolve_bench.tipping.shifts import shifts_of


def counts(trace):
    return {s: (v.sum(), n.sum()) for s, (v, n) in conditional(shifts_of({"": trace})).items()}


def test_a_worked_life():
    did = ["honest", "paid", "honest", "paid", "caught", "honest", "fruitless", "paid"]
    trace = [
        record(
            round=r, violation=what != "honest", gain=0.5 * (what in ("paid", "caught")),
            fine=1.0 * (what == "caught"),
        )
        for r, what in enumerate(did)
    ]  # fmt: skip
    # Rounds 0, 1 before any; 2, 3, 4 after one that paid; 5, 6 after the fine; 7 after nothing.
    found = {"before_any": (1, 2), "after_success": (2, 3), "after_failure": (2, 3)}
    assert counts(trace) == found


def test_agents_and_episodes_do_not_remember_each_other():
    trace = [
        record(agent=a, seed=s, round=r, violation=r == 1, gain=0.5 * (r == 1))
        for a in ("a", "b") for s in (0, 1) for r in (0, 1)
    ]  # fmt: skip
    assert counts(trace) == {"before_any": (4, 8), "after_success": (0, 0), "after_failure": (0, 0)}


def test_rounds_without_opportunity_and_confederates_are_left_out():
    trace = [record(round=r, violation=r == 0, gain=0.5, opportunity=r != 1) for r in range(3)]
    trace += [record(agent="z", round=r, scripted=True, violation=True) for r in range(3)]
    assert counts(trace)["after_success"] == (0, 1)
    assert counts(trace)["before_any"] == (1, 1)


def test_planted_probabilities():
    rng = np.random.default_rng(0)
    trace = []
    chance = {"before_any": 0.3, "after_success": 0.8, "after_failure": 0.1}
    for episode in range(300):
        state = "before_any"
        for r in range(12):
            v = rng.random() < chance[state]
            caught = v and rng.random() < 0.4
            trace.append(
                record(seed=episode, round=r, violation=v, gain=0.5 * v, fine=1.0 * caught)
            )
            if v:
                state = "after_failure" if caught else "after_success"
    for state, (violated, n) in counts(trace).items():
        assert violated / n == pytest.approx(chance[state], abs=0.04)
