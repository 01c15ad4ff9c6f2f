import json

import pytest
from report_world import panel, tipping_result

from qevolve_bench.analysis.outcomes import BudgetPoint
from qevolve_bench.report.inputs import read_inputs
from qevolve_envs.episode import write_episodes
from qevolve_envs.errors import BadFile, BenchError, UnknownName


def read(*paths, **options):
    return read_inputs([str(p) for p in paths], **options)


def methods(inputs):
    return {method.name: method for method in inputs.methods}


def test_methods_are_named_as_compare_names_them(run_folder):
    one = run_folder("runs-a", {"unseen": [1, 0, 1]}, agent="expert")
    other = run_folder("runs-b", {"unseen": [0, 0, 1]}, agent="random")
    assert list(methods(read(one, f"mine={other}"))) == ["expert", "mine"]


def test_a_table_holds_success_and_another_scores(run_folder):
    found = read(run_folder("a", {"unseen": [1, 0]})).methods[0]
    ((cell, entry),) = found.entries.items()
    assert cell.label == "Household unseen"
    assert entry.table.tolist() == [[1, 0]]
    assert found.scores[cell].table.tolist() == [[1, 0.25]]
    assert found.manifests["a"]["agent"]["name"] == "a"


def test_a_robustness_run_joins_the_method_of_its_agent(run_folder):
    clean = run_folder("clean", {"unseen": [1, 1, 0]}, agent="expert")
    perturbed = {"unseen": [1, 1, 0], ("unseen", "typos:1"): [1, 0, 0]}
    robust = run_folder("robust", perturbed, agent="expert", suite="robustness")
    other = run_folder("other", {"unseen": [0, 0, 0]}, agent="random")
    inputs = read(robust, clean, other)
    assert list(methods(inputs)) == ["expert", "random"]
    expert = methods(inputs)["expert"]
    assert [cell.label for cell in expert.entries] == ["Household unseen"]
    assert [len(episodes) for episodes in expert.perturbed] == [6]
    assert {label: len(played) for label, played in expert.played.items()} == {
        "Household unseen": 3,
        "Household unseen, clean counterpart": 3,
        "Household unseen (perturbation=typos:1)": 3,
    }


def test_a_robustness_run_alone_is_a_method(run_folder):
    robust = run_folder("r", {"unseen": [1], ("unseen", "typos:1"): [0]}, suite="robustness")
    found = methods(read(robust))["r"]
    assert [cell.label for cell in found.entries] == ["Household unseen"]
    assert len(found.perturbed) == 1


def test_training_runs_are_one_method_at_a_budget_that_all_reached(training, tmp_path):
    for seed in range(3):
        training("rft", seed, points=3 + seed)
    inputs = read(tmp_path / "rft-*")
    (found,) = inputs.methods
    assert [curve.seed for curve in found.curves] == [0, 1, 2]
    assert inputs.axis == "env_steps"
    assert "env_steps = 2,000" in inputs.notes[0]
    ((cell, entry),) = found.entries.items()
    assert cell.label == "Household unseen (size=small)"
    assert entry.table.sum(axis=1).tolist() == [4, 5, 4]
    assert len(found.played[cell.label]) == 24
    assert found.specs["rft-1"]["seed"] == 1


def test_a_budget_can_be_chosen(training):
    inputs = read(training("rft", 0), budget=BudgetPoint("trained_tokens", 5000.0))
    ((_, entry),) = inputs.methods[0].entries.items()
    assert entry.table.sum() == 2
    assert inputs.axis == "trained_tokens"


def test_learners_that_spend_nothing_of_the_first_axis_are_taken_on_another(training):
    folder = training("sft", 0)
    lines = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    for line in lines:
        line["ledger"] |= dict.fromkeys(("env_steps", "episodes"), 0)
    (folder / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read(folder).axis == "expert_episodes"


def test_a_study_stands_for_its_arms_in_the_order_of_the_plan(training, tmp_path):
    study = tmp_path / "study"
    for arm in ("a", "b"):
        for seed in range(2):
            training("rft", seed, folder=study / "runs" / arm / f"seed-{seed}")
    (study / "results.json").write_text(json.dumps({"arms": {"warm start": {}, "b": {}, "a": {}}}))
    inputs = read(study)
    assert list(methods(inputs)) == ["b", "a"]
    assert [len(method.curves) for method in inputs.methods] == [2, 2]
    assert list(methods(inputs)["b"].specs) == ["seed-0", "seed-1"]


def test_an_unfinished_study_shows_what_there_is(training, tmp_path):
    study = tmp_path / "study"
    training("rft", 0, folder=study / "runs" / "a" / "seed-0")
    (study / "runs" / "a" / "seed-1").mkdir()
    (study / "runs" / "b" / "seed-0").mkdir(parents=True)
    inputs = read(study)
    assert [len(method.curves) for method in inputs.methods] == [1]
    assert inputs.notes[:2] == [
        "1 of 2 runs of a have no learning curve yet and are left out.",
        "1 of 1 runs of b have no learning curve yet and are left out.",
    ]


def test_tipping_results_are_found(run_folder, tmp_path):
    run = run_folder("a", {"unseen": [1]})
    (tmp_path / "t").mkdir()
    result = tipping_result()
    (tmp_path / "t" / "tipping.json").write_text(json.dumps(result))
    inputs = read(run, tmp_path / "t")
    assert inputs.tipping == {str(tmp_path / "t"): result}


@pytest.mark.parametrize("text", ['{"schema": 1}', '{"schema": 2}', "[1]", "null"])
def test_a_strange_tipping_file_is_refused(text, tmp_path):
    (tmp_path / "tipping.json").write_text(text)
    with pytest.raises(BadFile, match=r"tipping\.json holds (no )?results of tipping"):
        read(tmp_path)


def test_a_bare_file_is_a_method_without_a_manifest(tmp_path):
    write_episodes(tmp_path / "a.jsonl", panel([1, 0], agent="me"))
    found = read(tmp_path / "a.jsonl").methods[0]
    assert (found.name, found.manifests) == ("me", {"a": None})


def test_mistakes_are_told(run_folder, training, tmp_path):
    run = run_folder("a", {"unseen": [1]})
    with pytest.raises(BenchError, match="no /nowhere"):
        read("/nowhere")
    with pytest.raises(BenchError, match="given twice"):
        read(run, run)
    with pytest.raises(BenchError, match="Two methods are called 'x'"):
        read(f"x={run}", f"x={run_folder('b', {'unseen': [0]})}")
    with pytest.raises(BenchError, match="--at is for training runs"):
        read(run, budget=BudgetPoint())
    with pytest.raises(BenchError, match="both a learner and an agent"):
        read(f"rft={run}", training("rft", 0))
    (tmp_path / "tipping.json").write_text("{")
    with pytest.raises(BadFile, match="not JSON"):
        read(tmp_path / "tipping.json")
    (tmp_path / "tipping.json").write_text('{"share": NaN}')
    with pytest.raises(BadFile, match="non-finite number NaN"):
        read(tmp_path / "tipping.json")
    study = tmp_path / "study"
    (study / "runs" / "a" / "seed-0").mkdir(parents=True)
    with pytest.raises(BadFile, match="no run has a learning curve yet"):
        read(study)
    with pytest.raises(UnknownName, match="env_steps"):
        BudgetPoint.parse("env_step=3")
