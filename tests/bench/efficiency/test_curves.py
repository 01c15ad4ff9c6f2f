from __future__ import annotations

import json

import pytest

from qevolve_bench.efficiency import read_curves
from qevolve_envs.errors import BadFile


def test_a_run_is_read(write, make_point):
    folder = write([make_point(0, 0, [0, 0, 1]), make_point(4, 900, [1, 0, 1])])
    (curve,) = read_curves(folder)
    assert (curve.learner, curve.env_id, curve.seed) == ("rft", "qevolve/Household-v0", 0)
    assert [c.number for c in curve.checkpoints] == [0, 4]
    assert curve.final("env_steps") == 900 and curve.splits == ["unseen"]
    panel = curve.checkpoints[1].panels["unseen"]
    assert panel.tasks == ("t0", "t1", "t2")
    assert panel.success.tolist() == [1, 0, 1] and panel.outcome("score").tolist() == [0.5, 0, 0.5]
    assert read_curves(folder / "curve.jsonl")[0].world == curve.world


def test_rounds_of_a_task_are_averaged(write, make_point):
    points = [make_point(0, 10, [1, 0, 1, 1], tasks=["b", "a", "b", "a"])]
    panel = read_curves(write(points))[0].checkpoints[0].panels["unseen"]
    assert panel.tasks == ("a", "b")
    assert panel.success.tolist() == [0.5, 1.0] and panel.rounds.tolist() == [2, 2]


def test_runs_in_one_file_are_told_apart(write, make_point):
    points = [
        make_point(0, 10, [1], seed=1),
        make_point(0, 10, [1], seed=0),
        make_point(1, 20, [1], seed=1),
        make_point(0, 10, [1], learner="sft"),
        make_point(0, 10, [1], env_kwargs={"size": "standard"}),
    ]
    found = read_curves(write(points))
    assert [(c.learner, c.seed, len(c.checkpoints)) for c in found] == [
        ("rft", 1, 2),
        ("rft", 0, 1),
        ("sft", 0, 1),
        ("rft", 0, 1),
    ]
    assert len({c.world for c in found}) == 2


def damage(path, *keys, value):
    """A mutation that sets a nested field; the value `KeyError` removes it."""

    def mutates(point):
        target = point
        for key in (path, *keys)[:-1]:
            target = target[key]
        last = (path, *keys)[-1]
        if value is KeyError:
            del target[last]
        else:
            target[last] = value
        return point

    return mutates


UNSEEN = ("results", "unseen")


@pytest.mark.parametrize(
    ("mutate", "words"),
    [
        (damage("schema", value=2), "schema version 2, this release reads 1"),
        (damage("schema", value=KeyError), "names no schema version"),
        (damage("learner", value=KeyError), "lacks the field 'learner'"),
        (damage("colour", value=1), "unknown field 'colour'"),
        (damage("seed", value=True), "seed must be a whole number, not true"),
        (damage("checkpoint", value=1.5), "checkpoint must be a whole number, not 1.5"),
        (damage("ledger", "env_steps", value=KeyError), "ledger lacks the field 'env_steps'"),
        (damage("ledger", "env_steps", value="many"), "env_steps must be a number, not 'many'"),
        (damage("ledger", "episodes", value=-1), "ledger.episodes must be at least 0, not -1"),
        (damage("ledger", "wall_seconds", value=float("nan")), "non-finite number NaN"),
        (damage("ledger", "wall_seconds", value=10**400), "number out of range"),
        (damage("results", value={}), "there are no results"),
        (damage(*UNSEEN, value=3), "results.unseen must be an object, not 3"),
        (damage(*UNSEEN, "n", value=4), "3 tasks for n = 4"),
        (damage(*UNSEEN, "won", value=[1, 0]), "2 won for n = 3"),
        (damage(*UNSEEN, "won", value=[1, 0, 2]), "won[2] must be 0 or 1"),
        (damage(*UNSEEN, "won", value=[1, 0, True]), "won[2] must be 0 or 1"),
        (damage(*UNSEEN, "tasks", value=["a", "b", 3]), "tasks[2] must be text, not 3"),
        (damage(*UNSEEN, "scores", value=[0.5, 0, "1"]), "scores[2] must be a number, not '1'"),
        (damage(*UNSEEN, "success", value=0.9), "states a success of 0.9, but its 3 episodes give"),
        (damage(*UNSEEN, "score", value=0.9), "states a score of 0.9"),
    ],
)
def test_a_damaged_line_is_refused_with_its_number(write, make_point, mutate, words):
    bad = mutate(make_point(1, 20, [1, 0, 1]))
    folder = write([make_point(0, 10, [1, 0, 1]), bad])
    with pytest.raises(BadFile) as error:
        read_curves(folder)
    assert f"{folder / 'curve.jsonl'}, line 2: " in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{}\n", "line 1: it is not a checkpoint, because it names no schema version"),
        ("[1]\n", "line 1: a checkpoint must be an object, not a list"),
        ('{"schema": 1, "schema": 1}\n', "names the field 'schema' twice"),
        ("\n", "the line is not JSON"),
        (b"\xff\n", "not UTF-8 text"),
        ("[" * 100_000 + "\n", "nested deeper than 32"),
    ],
)
def test_what_is_no_curve_is_refused(tmp_path, text, words):
    file = tmp_path / "curve.jsonl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadFile, match=words):
        read_curves(file)


def test_a_truncated_line_is_refused(tmp_path, make_point):
    file = tmp_path / "curve.jsonl"
    file.write_text(json.dumps(make_point(0, 1, [1])))
    with pytest.raises(BadFile, match="line 1: truncated"):
        read_curves(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadFile, match=r"Cannot read .*curve\.jsonl: No such file"):
        read_curves(tmp_path)


def test_order_is_checked(write, make_point):
    again = write([make_point(1, 10, [1]), make_point(1, 20, [1])], "again")
    with pytest.raises(BadFile, match="line 2: checkpoint 1 comes after checkpoint 1"):
        read_curves(again)
    falls = write([make_point(0, 20, [1]), make_point(1, 10, [1])], "falls")
    with pytest.raises(BadFile, match="line 2: the ledger's env_steps falls from 20 to 10"):
        read_curves(falls)
