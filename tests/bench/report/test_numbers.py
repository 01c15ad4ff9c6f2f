"""A report has no statistics of its own: its numbers are those of the functions it names."""

import numpy as np
import pytest

from qevolve_bench.analysis.robustness import robustness
from qevolve_bench.efficiency import learning_curve, read_curves
from qevolve_bench.report.inputs import read_inputs
from qevolve_bench.report.numbers import RESAMPLES, THRESHOLDS, compute
from qevolve_bench.statistics import bootstrap, performance_profile, wilson_interval
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.rng import seed_sequence


@pytest.fixture
def agents(run_folder):
    return [
        str(run_folder("good", {"seen": [1] * 9 + [0], "unseen": [1, 1, 1, 0] * 3})),
        str(run_folder("poor", {"seen": [1, 0] * 5, "unseen": [0, 0, 1, 0] * 3})),
    ]


def test_numbers_are_those_of_statistics(agents):
    inputs = read_inputs(agents)
    numbers = compute(inputs)
    (ranking,) = numbers.method_tables
    first = ranking.methods[0]
    assert (first.name, first.rank.rank) == ("good", 1)
    seen, unseen = ranking.cells
    assert first.cells[seen].interval == wilson_interval(9, 10)
    assert first.overall.value == pytest.approx((0.9 + 0.75) / 2)
    entries = inputs.methods[0].scores
    pooled = np.concatenate([entries[seen].table, entries[unseen].table], axis=1)
    seed = seed_sequence(0, "report", "aggregates", "good")
    assert first.aggregates == bootstrap(pooled, design="tasks", resamples=RESAMPLES, seed=seed)
    profile = performance_profile(
        entries[unseen].table, THRESHOLDS, design="tasks",
        seed=seed_sequence(0, "report", "profile", "good", "Household unseen"),
    )  # fmt: skip
    assert numbers.profiles[unseen]["good"].low.tolist() == profile.low.tolist()
    assert [c.cell for c in numbers.comparisons] == [seen, unseen]
    assert numbers.comparisons[0].difference == pytest.approx(0.4)


def test_methods_of_other_cells_have_a_board_of_their_own(agents, run_folder):
    alone = run_folder("alone", {"seen": [1, 0]})
    numbers = compute(read_inputs([*agents, str(alone)]))
    assert [[s.name for s in ranking.methods] for ranking in numbers.method_tables] == [
        ["good", "poor"],
        ["alone"],
    ]
    assert numbers.method_tables[1].methods[0].rank is None


def test_curves_are_those_of_efficiency(training, tmp_path):
    folders = [training("rft", seed) for seed in range(3)]
    numbers = compute(read_inputs([str(tmp_path / "rft-*")]))
    first = numbers.curves[0]
    assert (first.label, first.axis) == ("Household unseen (size=small)", "env_steps")
    runs = [curve for folder in folders for curve in read_curves(folder)]
    assert first.lines["rft"] == learning_curve(runs, "env_steps", "unseen")
    assert [len(run) for run in first.seeds["rft"]] == [4, 4, 4]
    assert "accelerator_seconds" not in {found.axis for found in numbers.curves}


def test_one_seed_has_no_band_and_that_is_said(training):
    numbers = compute(read_inputs([str(training("rft", 0))]))
    assert all(point.interval is None for point in numbers.curves[0].lines["rft"])
    assert numbers.curves[0].notes == ["rft is one training run, which has no band."]


def test_robustness_is_that_of_robustness(run_folder):
    folder = run_folder(
        "r", {"unseen": [1] * 8, ("unseen", "typos:1"): [1] * 6 + [0] * 2}, suite="robustness"
    )
    inputs = read_inputs([str(folder)])
    (found,) = compute(inputs).robustness["r"]
    assert found == robustness(inputs.methods[0].perturbed[0])[0]
    assert found.effects[0].retained.value == 0.75


def test_what_cannot_be_paired_is_said(run_folder):
    folder = run_folder(
        "r", {"unseen": [1] * 3, ("unseen", "typos:1"): [1] * 4}, suite="robustness"
    )
    numbers = compute(read_inputs([str(folder)]))
    assert numbers.robustness == {}
    assert "r: typos:1" in numbers.robustness_notes[0]
    assert "were not played on the same tasks" in numbers.robustness_notes[0]


def test_one_method_and_one_task_are_no_trouble(run_folder):
    numbers = compute(read_inputs([str(run_folder("a", {"unseen": [1]}))]))
    assert "nothing to compare it with" in numbers.comparison_note
    assert "one task" in numbers.profile_notes[0]
    assert numbers.method_tables[0].methods[0].aggregates == {}
    assert "no aggregates" in numbers.method_tables[0].notes[0]


def test_methods_without_a_common_cell_are_not_compared(run_folder):
    paths = [run_folder("a", {"seen": [1, 0]}), run_folder("b", {"unseen": [1, 0]})]
    numbers = compute(read_inputs([str(path) for path in paths]))
    assert numbers.comparisons == []
    assert "same cell" in numbers.comparison_note


def test_different_panels_never_stand_side_by_side(run_folder):
    paths = [
        run_folder("a", {"unseen": [1, 0]}),
        run_folder("b", {"unseen": [1, 0]}, digest="b" * 64),
    ]
    with pytest.raises(BenchError, match="different panels"):
        compute(read_inputs([str(path) for path in paths]))


def test_a_baseline_must_be_there(agents):
    inputs = read_inputs(agents)
    assert len(compute(inputs, baseline="poor").comparisons) == 2
    with pytest.raises(UnknownName, match="pour"):
        compute(inputs, baseline="pour")
    with pytest.raises(BenchError, match="pour"):
        compute(read_inputs(agents[:1]), baseline="pour")
