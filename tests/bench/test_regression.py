from __future__ import annotations

import dataclasses
import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_bench.analysis.regression import (
    Scores,
    compare_with_baseline,
    play,
    read_baseline,
    write_baseline,
)
from qevolve_bench.analysis.render import regression_text
from qevolve_bench.suites import Cell, Suite, adhoc_suite
from qevolve_envs.agent import PerEpisode
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.rng import seed_sequence

TOY = "benchtoy/Corridor-v0"
PANEL = "a" * 64


def suite(*names, **changes):
    cells = [
        Cell(**{"name": n, "env_id": TOY, "split": "s", "horizon": 9, "panel": PANEL, **changes})
        for n in names
    ]
    return Suite("own", tuple(cells))


def scores(*values, names=("a",), **changes):
    """Scores whose cells hold these lists of values."""
    by_cell = {
        name: {f"{name}/{i:03d}": float(v) for i, v in enumerate(cell)}
        for name, cell in zip(names, values, strict=True)
    }
    return Scores("x", suite(*names, **changes), {"score": by_cell, "success": by_cell}, {})


def walker(lost=0):
    """Wins, but stands still in the first `lost` corridors."""
    return PerEpisode(
        lambda task: lambda observation: "look" if int(task.task_id[-4:]) < lost else "right"
    )


# ── playing ─────────────────────────────────────────────────────────────────


def test_scores_are_means_over_the_rounds_of_a_task():
    played = play("random", adhoc_suite(TOY, split="test", episodes=15))
    (cell,) = played.values["score"].values()
    assert len(cell) == 5 and list(cell) == sorted(cell)
    (success,) = played.values["success"].values()
    assert set(success.values()) <= {0.0, 1 / 3, 2 / 3, 1.0}
    assert played.suite.cells[0].panel is not None
    assert played.mean() == pytest.approx(np.mean(list(cell.values())))
    assert played.mean("corridor-v0-test", "success") == pytest.approx(
        np.mean(list(success.values()))
    )


def test_every_seed_of_a_cell_is_played():
    cell = Cell("c", TOY, "test", 10, seeds=(3, 4))
    one, two, both = (
        play("random", Suite("own", (dataclasses.replace(cell, seeds=seeds),))).values["score"]["c"]
        for seeds in [(3,), (4,), (3, 4)]
    )
    assert both == pytest.approx({task: (one[task] + two[task]) / 2 for task in one})


def test_failures_are_kept_and_count_as_not_won():
    played = play(
        PerEpisode(lambda task: lambda observation: 1 / 0), adhoc_suite(TOY, split="test")
    )
    assert len(played.failures) == 5 and "ZeroDivisionError" in played.failures[0]
    assert played.mean(metric="success") == 0.0


@pytest.mark.parametrize(
    ("agent", "options", "words"),
    [
        (PerEpisode, None, "not the class PerEpisode"),
        (3, None, "not int"),
        ("exprt", None, "did you mean 'expert'"),
        ("expert", {"size": 3}, "takes no options"),
        (walker(), {"size": 3}, "Options are for agents that are given by name."),
    ],
)
def test_what_is_no_agent(agent, options, words):
    with pytest.raises(BenchError, match=words):
        play(agent, adhoc_suite(TOY, split="test"), options=options)


# ── comparing ───────────────────────────────────────────────────────────────


def test_the_test_is_exact_one_sided_and_by_task():
    before, now = [1, 1, 1, 1, 0.5, 0.25], [0, 0.5, 1, 0.75, 1, 0]
    changes = np.subtract(now, before)
    sums = [np.dot(signs, changes) for signs in product([-1, 1], repeat=6)]
    by_hand = np.mean([total <= changes.sum() + 1e-12 for total in sums])
    (row,) = compare_with_baseline(scores(before), scores(now), alpha=0.2).rows
    assert row.p_value == pytest.approx(by_hand)
    assert row.change.value == pytest.approx(changes.mean())
    assert row.worse == (by_hand <= 0.2)
    (other_way,) = compare_with_baseline(scores(now), scores(before), alpha=0.2).rows
    assert other_way.p_value > 0.5 and not other_way.worse


def test_equal_scores_are_held_at_any_level():
    same = scores([0.5] * 20)
    for alpha in (0.01, 1.0):
        comparison = compare_with_baseline(same, same, alpha=alpha)
        assert not comparison.worse and comparison.rows[0].p_value == 1.0


def test_at_level_one_any_loss_fails_and_no_gain():
    before, worse, better = scores([0.5] * 5), scores([0.5] * 4 + [0.4]), scores([0.5] * 4 + [0.6])
    assert not compare_with_baseline(before, scores([0.5, 0.5, 0.5, 0.9, 0.2]), alpha=1).worse
    assert compare_with_baseline(before, worse, alpha=1).worse
    assert not compare_with_baseline(before, better, alpha=1).worse


def test_a_loss_below_the_least_effect_is_none():
    before, now = scores([1.0] * 50), scores([0.96] * 50)
    assert compare_with_baseline(before, now).worse
    assert compare_with_baseline(before, now, min_effect=0.04).worse
    assert not compare_with_baseline(before, now, min_effect=0.05).worse


def test_the_rows_are_corrected_for_their_number():
    names = ("a", "b", "c")
    fine = [1.0] * 20
    before = scores(fine, fine, fine, names=names)
    now = scores([0.0] * 6 + fine[6:], fine, fine, names=names)
    comparison = compare_with_baseline(before, now, alpha=0.05)
    assert [row.name for row in comparison.rows] == ["a", "b", "c", "all"]
    # 1/64 by itself, for the cell and for all; Holm multiplies the smallest by 4.
    assert comparison.rows[0].p_value == pytest.approx(4 / 64)
    assert not comparison.worse
    assert compare_with_baseline(before, now, alpha=0.07).rows[0].worse
    # A loss that is spread thinly shows in all of them together.
    thin = [0.9] * 4 + fine[4:]
    spread = compare_with_baseline(before, scores(thin, thin, thin, names=names), alpha=0.05)
    assert [row.worse for row in spread.rows] == [False, False, False, True]


@pytest.mark.parametrize(("tasks", "alpha", "enough"), [(6, 0.01, False), (7, 0.01, True)])
def test_too_few_tasks_for_the_level_are_refused(tasks, alpha, enough):
    before, now = scores([1.0] * tasks), scores([0.0] * tasks)
    if enough:
        assert compare_with_baseline(before, now, alpha=alpha).worse
    else:
        with pytest.raises(
            BenchError, match=r"With 6 tasks no loss can be significant.*at least 7"
        ):
            compare_with_baseline(before, now, alpha=alpha)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_verdicts_agree_with_their_numbers(pairs):
    before, now = zip(*pairs, strict=True)
    comparison = compare_with_baseline(scores(before), scores(now), alpha=1.0)
    (row,) = comparison.rows
    assert 0 < row.p_value <= 1
    assert comparison.worse == (sum(now) / len(now) < sum(before) / len(before) - 1e-12)
    assert "baseline" in regression_text(comparison)


def test_the_report_names_what_was_lost():
    before, now = scores([1.0] * 9), scores([0.0] * 7 + [1.0, 1.0])
    now = dataclasses.replace(now, failures=("agent.act raised Boom",))
    text = regression_text(compare_with_baseline(before, now))
    assert "-0.778 [-1.000, -0.444]" in text and "0.0078" in text and "worse" in text
    assert "a/000  1.000 -> 0.000" in text and "and 2 more" in text and "a/008" not in text
    assert "1 episodes failed, the first: agent.act raised Boom" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 0}, "alpha must be more than 0"),
        ({"alpha": 1.1}, "alpha must be more than 0"),
        ({"alpha": float("nan")}, "alpha must be more than 0"),
        ({"min_effect": -0.1}, "min_effect must lie between 0 and 1"),
        ({"metric": "scor"}, "did you mean 'score'"),
    ],
)
def test_wrong_arguments(options, words):
    with pytest.raises(BenchError, match=words):
        compare_with_baseline(scores([1] * 9), scores([1] * 9), **options)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env_id": "benchtoy/Corridor-v1"}, "The environment of a is benchtoy/Corridor-v1, and"),
        ({"panel": "b" * 64}, "The tasks of a have changed since the baseline: the panel's digest"),
        ({"horizon": 10}, "played with horizon 10, and was with 9"),
        ({"episodes": 8}, "played with episodes 8, and was with None"),
        ({"seeds": (1,)}, r"played with seeds \[1\], and was with \[0\]"),
        ({"split": "t"}, "played with split t"),
        ({"env_kwargs": {"size": 3}}, "played with env_kwargs"),
    ],
)
def test_other_things_cannot_be_compared(changes, words):
    with pytest.raises(BenchError, match=words):
        compare_with_baseline(scores([1] * 9), scores([1] * 9, **changes))


def test_other_cells_and_tasks_cannot_be_compared():
    two = scores([1] * 9, [1] * 9, names=("a", "b"))
    with pytest.raises(BenchError, match="The baseline has no cell b"):
        compare_with_baseline(scores([1] * 9), two)
    with pytest.raises(BenchError, match="The test has no cell b"):
        compare_with_baseline(two, scores([1] * 9))
    with pytest.raises(BenchError, match="other tasks of a than were played"):
        compare_with_baseline(scores([1] * 9), scores([1] * 8))
    renamed = dataclasses.replace(two, suite=dataclasses.replace(two.suite, name="own-v1"))
    with pytest.raises(BenchError, match="The baseline is of own, and the test plays own-v1"):
        compare_with_baseline(two, renamed)


def test_cells_that_cannot_be_played():
    two = scores([1] * 9, [1] * 9, names=("a", "b"))
    values = {metric: {"a": cells["a"]} for metric, cells in two.values.items()}
    lacking = dataclasses.replace(two, values=values, skipped={"b": "No data."})
    assert len(compare_with_baseline(lacking, lacking).rows) == 1
    with pytest.raises(BenchError, match="The cell b cannot be played here"):
        compare_with_baseline(two, lacking)
    with pytest.raises(BenchError, match="The baseline was made where b could not be played"):
        compare_with_baseline(lacking, two)


# ── the file ────────────────────────────────────────────────────────────────


def test_a_baseline_comes_back_as_it_was(tmp_path):
    played = play("random", adhoc_suite(TOY, split="train", episodes=30))
    path = tmp_path / "folder" / "b.json"
    write_baseline(path, played)
    assert read_baseline(path) == played
    before = path.read_bytes()
    write_baseline(path, played)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]
    assert b"\n" in before and before.count(b"corridor/train/0003") == 2  # One task a line.


def test_no_baseline_is_made_of_failures(tmp_path):
    failed = dataclasses.replace(scores([1.0]), failures=("boom",))
    with pytest.raises(BenchError, match="1 episodes failed, the first: boom"):
        write_baseline(tmp_path / "b.json", failed)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="Cannot write"):
        write_baseline(tmp_path / "file" / "b.json", scores([1.0]))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: "{", "not JSON"),
        (lambda raw: "[]", "a baseline must be an object, not a list"),
        (lambda raw: {**raw, "schema": 2}, "schema version 2, this release reads 1"),
        (lambda raw: {**raw, "suite": None}, "a suite must be an object, not null"),
        (lambda raw: {**raw, "suite": {**raw["suite"], "digest": "0"}}, "the digest of suite own"),
        (lambda raw: {**raw, "agent": 3}, "agent must be text, not 3"),
        (lambda raw: {**raw, "values": {}}, "values lacks the field 'score'"),
        (lambda raw: {**raw, "skipped": {"a": "x"}}, "the values are not those of the suite"),
        (lambda raw: edit(raw, "score", {}), "there are no values of a"),
        (
            lambda raw: edit(raw, "score", {"t": 2}),
            "score.a.t must be between 0 and 1, not 2",
        ),
        (
            lambda raw: edit(raw, "score", {"t": True}),
            "score.a.t must be a number, not true",
        ),
        (lambda raw: edit(raw, "score", {"t": "1"}), "score.a.t must be a number, not '1'"),
        (lambda raw: edit(raw, "score", {"t": float("nan")}), "the non-finite number NaN"),
        (lambda raw: edit(raw, "success", {"t": 1.0}), "score and success are not of the same"),
    ],
)
def test_a_damaged_baseline_is_one_sentence(tmp_path, damage, words):
    path = tmp_path / "b.json"
    write_baseline(path, scores([1.0, 0.5]))
    damaged = damage(json.loads(path.read_text()))
    path.write_text(damaged if isinstance(damaged, str) else json.dumps(damaged))
    with pytest.raises(BadFile) as error:
        read_baseline(path)
    assert words in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


def edit(raw, metric, tasks):
    return {**raw, "values": {**raw["values"], metric: {"a": tasks}}}


def test_an_absent_baseline(tmp_path):
    with pytest.raises(BadFile, match="No such file"):
        read_baseline(tmp_path / "b.json")


# ── does it find what it should, and only that? ─────────────────────────────


class Slips:
    """The household's expert, whose hand slips: sometimes a random command instead.

    Args:
        often: How often.
        luck: Which course chance takes, for the same tasks and seeds.
    """

    def __init__(self, expert, often, luck):
        self.expert, self.often, self.luck = expert, often, luck

    def reset(self, tasks):
        self.tasks = tasks
        self.expert.reset(tasks)
        self.chances = [
            np.random.default_rng(seed_sequence(self.luck, "slips", task.task_id, task.seed))
            for task in tasks
        ]

    def act(self, observations):
        answers = list(self.expert.act(observations))
        for i, observation in enumerate(observations):
            if observation is not None and self.chances[i].random() < self.often:
                commands = self.tasks[i].commands()
                answers[i] = commands[int(self.chances[i].integers(len(commands)))]
        return answers


@pytest.mark.slow
def test_a_worse_agent_fails_and_an_equal_one_is_held():
    """A hundred times, with other luck each time, on forty tasks at the default level."""
    from qevolve_envs.factory import make_env, text_env

    with make_env("qevolve/Household-v0") as env:
        expert = text_env(env).expert()
    played = adhoc_suite("qevolve/Household-v0", split="unseen", episodes=40)

    def run(often, luck):
        return play(Slips(expert, often, luck), played)

    held = found = 0
    for repetition in range(100):
        baseline = run(0.1, 3 * repetition)
        held += not compare_with_baseline(baseline, run(0.1, 3 * repetition + 1)).worse
        found += compare_with_baseline(baseline, run(0.4, 3 * repetition + 2)).worse
    print(f"equal: held {held} of 100; worse: found {found} of 100")
    assert held >= 95
    assert found >= 95
