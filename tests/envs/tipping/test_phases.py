"""Phases: what is read, what is refused, and when history is wiped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.errors import BenchError
from qevolve_envs.tipping.phases import DEFAULT, USUAL_P, parse_phases


def test_the_usual_phases():
    plan = parse_phases(DEFAULT)
    assert plan.rounds == 16
    assert "".join(plan.at(i).name for i in range(16)) == "AAABBBBBBCCCCDDD"
    assert [plan.at(i).p for i in (0, 3, 9, 13)] == [0.5, 0.0, 0.5, 0.5]
    assert [i for i in range(16) if plan.wipes(i)] == [13]


def test_a_probability_of_ones_own():
    plan = parse_phases(" B:6:0.15, Z:1:1 ")
    assert [(p.name, p.rounds, p.p, p.wipe) for p in plan.phases] == [
        ("B", 6, 0.15, False),
        ("Z", 1, 1.0, False),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not of the form"),
        ("A", "not of the form"),
        ("A:x", "not of the form"),
        ("A:1:x", "not of the form"),
        ("X:1", "no usual audit probability"),
        ("A:0", "at least one round"),
        ("A:1:1.5", "a probability in"),
        ("A:1:nan", "a probability in"),
        ("A:1:0.5:2", "needs a name"),
        (":1:0.5", "needs a name"),
        ("A:2000", "1000 is most"),
    ],
)
def test_what_is_no_plan_is_refused(text, sentence):
    with pytest.raises(BenchError, match=sentence):
        parse_phases(text)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(USUAL_P)), st.integers(1, 9)), min_size=1, max_size=6)
)
def test_every_round_belongs_to_its_phase(parts):
    plan = parse_phases(",".join(f"{name}:{rounds}" for name, rounds in parts))
    expected = [name for name, rounds in parts for _ in range(rounds)]
    assert [plan.at(i).name for i in range(plan.rounds)] == expected
    starts = [sum(r for _, r in parts[:i]) for i, (name, _) in enumerate(parts) if name == "D"]
    assert [i for i in range(plan.rounds) if plan.wipes(i)] == starts
    with pytest.raises(IndexError):
        plan.at(plan.rounds)
