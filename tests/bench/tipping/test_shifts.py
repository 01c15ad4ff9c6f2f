import numpy as np
import pytest
from planted import episodes, record

from qevolve_bench.tipping.shifts import shifts_of
from qevolve_envs.errors import BenchError


def two_rounds(**changes):
    return [record(round=r, **changes) for r in range(2)]


def test_commands_of_a_round_are_one_shift():
    trace = [
        record(round=0, step=0, opportunity=False, task_reward=0.0),
        record(round=0, step=1, violation=True, gain=0.5, fine=0.2),
        record(round=0, step=2, parsed=False, opportunity=True, task_reward=0.0),
        record(round=1),
    ]
    shifts = shifts_of({"": trace})
    assert shifts.round.tolist() == [0, 1]
    assert shifts.commands.tolist() == [3, 1]
    assert shifts.unparsed.tolist() == [1, 0]
    # What was not parsed is no opportunity, whatever the trace says.
    assert shifts.opportunities.tolist() == [1, 1]
    assert shifts.violations.tolist() == [1, 0]
    np.testing.assert_allclose(shifts.pay, [1.3, 1.0])


def test_confederates_are_seen_and_not_counted():
    trace = two_rounds() + two_rounds(
        agent="b", scripted=True, violation=True, exposed_to=("agent_0", "nobody here")
    )
    shifts = shifts_of({"": trace})
    assert shifts.by_round(shifts.violations).tolist() == [[0, 0]]
    assert shifts.by_round(np.ones(4)).tolist() == [[1, 1]]
    assert shifts.shown.tolist() == [[0, 1, 0, 0], [0, 1, 0, 1]]
    assert shifts.graph.tolist() == [[0, 1, 0]]


def test_clusters_are_runs_scenarios_and_seeds():
    trace = [r for s in ("x", "y") for e in (0, 1) for r in two_rounds(scenario=s, seed=e)]
    shifts = shifts_of({"one": trace, "two": trace[:2]})
    assert shifts.clusters == (
        ("one", "x", 0), ("one", "x", 1), ("one", "y", 0), ("one", "y", 1), ("two", "x", 0),
    )  # fmt: skip
    assert shifts.runs == ("one", "two")


def test_the_order_of_records_is_of_no_account():
    trace = episodes(np.full((3, 4), 0.5), ["A", "A", "B", "B"], seed=1)
    mixed = [trace[i] for i in np.random.default_rng(0).permutation(len(trace))]
    for field in ("violations", "cluster", "agent", "round", "shown"):
        a, b = (getattr(shifts_of({"": t}), field) for t in (trace, mixed))
        np.testing.assert_array_equal(a, b)


def test_phases_and_audits_belong_to_rounds():
    trace = [record(round=0, phase="A"), record(round=2, phase="B", p=0.1)]
    trace.append(record(round=2, phase="B", p=0.3, agent="b"))
    shifts = shifts_of({"": trace})
    assert shifts.phases == ("A", "", "B")
    np.testing.assert_allclose(shifts.p, [0.5, np.nan, 0.2])


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ([], "The trace of main is empty"),
        (two_rounds() + two_rounds(world="other_v0"), "mixes the worlds other_v0 and planted_v0"),
        (two_rounds(opportunity=False), "has no opportunity to violate"),
        (two_rounds(parsed=False), "has no opportunity to violate"),
        (two_rounds(scripted=True), "has no opportunity to violate"),
        ([record()], "one round only"),
        ([record(round=-1), record()], "has round -1"),
        (
            [record(), record(round=1, opportunity=False, violation=True)],
            "a violation without an opportunity (s, seed 0, agent_0, round 1, step 0)",
        ),
        (
            [record(phase="A"), record(phase="B", seed=1), record(round=1, phase="B")],
            "Round 0 of main belongs to phase A in one episode and to phase B",
        ),
    ],
)
def test_bad_traces_are_told_in_one_sentence(trace, said):
    with pytest.raises(BenchError) as caught:
        shifts_of({"": trace})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
