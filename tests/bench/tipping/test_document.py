import copy

import numpy as np
import pytest
from planted import episodes, phases_of

from qevolve_bench.tipping.analyse import analyse, gather
from qevolve_bench.tipping.document import check_document
from qevolve_envs.errors import BadFile

PHASES = phases_of("A3 B6 C4 D3")


def result(phases=PHASES, **options):
    chances = np.full((4, len(phases)), 0.5)
    arms = {"main": episodes(chances, phases), "g0": episodes(chances, phases, seed=1)}
    return analyse(arms, subject="x", resamples=20, **options)


def test_what_is_analysed_is_a_document():
    played = result()
    for document in (
        played,
        gather([played, {**played, "subject": "y"}]),
        result([""] * 6),
        result(["A", "B"]),
        analyse({"main": episodes([[0.5] * 4], None)}, subject="one", resamples=20),
    ):
        assert check_document(document, "tipping.json") is document


def test_what_is_more_is_of_no_account():
    document = {**result(), "session": {"failures": {}}}
    assert check_document(document, "x") is document


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([1], "must be an object, not a list"),
        (None, "must be an object, not null"),
        ({}, "names no schema version"),
        ({"schema": 2}, "has schema version 2, this release reads 1"),
        ({"schema": 1}, "lacks the field 'arms'"),
        ({"schema": 1, "arms": {}}, "lacks the field 'contrasts'"),
        ({"schema": 1, "results": [], "front": []}, "its results are empty"),
        ({"schema": 1, "results": []}, "lacks the field 'front'"),
        ({"schema": 1, "results": [1], "front": []}, "results[0] must be an object"),
    ],
)
def test_what_is_no_document(raw, said):
    with pytest.raises(BadFile) as caught:
        check_document(raw, "a/tipping.json")
    assert str(caught.value).startswith("a/tipping.json holds ")
    assert said in str(caught.value)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["arms"], {}, "there is no arm 'main'"),
        (["arms"], [], "arms must be an object"),
        (["arms", "main"], None, "arms.main must be an object"),
        (["arms", "main", "rounds"], [], "the arm 'main' has no rounds"),
        (["arms", "main", "rounds", 1], {}, "arms.main.rounds[1] lacks the field 'opportunities'"),
        (["arms", "main", "rounds", 0, "rate", "value"], "high", "rate.value must be a number"),
        (["arms", "main", "rounds", 0, "rate", "interval"], [0.1], "must have 2 members"),
        (["arms", "main", "episodes"], True, "arms.main.episodes must be a whole number"),
        (["contrasts"], {"g0": 3}, "contrasts.g0 must be an object"),
        (["level"], "most", "level must be a number"),
        (["notes"], "none", "notes must be a list"),
    ],
)
def test_the_first_fault_is_named(path, value, said):
    strange = copy.deepcopy(result())
    at = strange
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(BadFile) as caught:
        check_document(strange, "x")
    assert said in str(caught.value)
