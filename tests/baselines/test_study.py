"""Studies: the plan, the choice of settings, the tables, and one played whole on the tiny world."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny

from qevolve_bench.cli import main
from qevolve_bench.folders import first_difference
from qevolve_bench.report.reproduce import training_command
from qevolve_bench.study.engine import choose, play_study, run_folder
from qevolve_bench.study.reader import read_study
from qevolve_bench.study.table import markdown, summarise, write_results
from qevolve_bench.training.specification import read_result
from qevolve_envs.episode import Episode, Step, write_episodes
from qevolve_envs.errors import BadFile, BenchError

PLAN = f"""
name: small
env: {tiny.ENV_ID}
seeds: [0, 1]
demos: 8
tuning_tasks: 2
warm: {{epochs: 1}}
scratch: {{hidden_size: 16, layers: 1, heads: 2, kv_heads: 2, vocabulary: 400, tokens: words}}
transcript_config: {{context: 256, max_action_tokens: 8, max_observation_tokens: 48}}
evaluate: [unseen]
budget: {{env_steps: 60}}
baseline: longer
focus: rft
tuning: {{seeds: [7]}}
arms:
  longer:
    learner: sft
    budget: {{trained_tokens: 500}}
    settings: {{epochs: 1}}
  rft:
    learner: rft
    settings: {{rounds: 1, collect: {{per_task: 1}}, fit: {{epochs: 1}}}}
    tune: {{fit.optim.lr: [1e-4, 1e-3]}}
  rft-alone:
    extends: rft
    settings: {{keep: 1}}
    checkpoints: 1
  rft-twice:
    extends: rft-alone
    settings: {{rounds: 2}}
"""


def plan(tmp_path: Path, text: str = PLAN) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    return file


def test_the_old_name_of_the_transcripts_settings_is_read(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    assert study.transcript_config["context"] == 256
    assert read_study(plan(tmp_path, PLAN.replace("transcript_config:", "form:"))) == study
    record = study.warm_starts(0, lambda number: tmp_path)[0].record()
    old = {"form" if name == "transcript_config" else name: v for name, v in record.items()}
    assert "form" not in record and first_difference(old, record) is None
    assert training_command(old) == training_command(record)
    other = {**record, "transcript_config": {}}
    assert "transcript_config" in (first_difference(old, other) or "")


def test_an_ablation_takes_its_arms_tuned_setting(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    arm = next(a for a in study.arms if a.name == "rft-alone")
    spec = study.run_of(arm, 0, Path("w"), {"fit.optim.lr": 0.5})
    assert spec.settings["fit"] == {"epochs": 1, "optim": {"lr": 0.5}}
    assert spec.settings["keep"] == 1
    assert spec.budget == {"env_steps": 60}
    assert (arm.extends, arm.tuned_as, spec.checkpoints) == ("rft", "rft", 1)
    twice = study.arms[-1]
    assert (twice.extends, twice.tuned_as) == ("rft-alone", "rft")
    spec = study.run_of(twice, 0, Path("w"), {})
    assert (spec.settings["keep"], spec.settings["rounds"], spec.checkpoints) == (1, 2, 1)
    assert study.run_of(study.arms[1], 0, Path("w"), {}).checkpoints == 4


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("learner: rft", "learner: rtf", "did you mean 'rft'"),
        ("baseline: longer", "baseline: long", "did you mean 'longer'"),
        ("seeds: [7]", "seeds: [1]", "must not be one of the study's own"),
        ("extends: rft\n", "extends: grpo\n", "Unknown arm that rft-alone extends"),
        ("focus: rft", "focus: rft-alone", "Unknown focus"),
        ("checkpoints: 1", "checkpoints: 0", "arm rft-alone: checkpoints must be at least 1"),
        ("name: small", "nam: small", "did you mean 'name'"),
        ("keep: 1", "kep: 1", "did you mean 'keep'"),
        ("seeds: [0, 1]", "seeds: 3", "seeds must be a list, not 3"),
        ("tuning: {seeds: [7]}", "tuning: {}", "needs seeds of its own"),
        ("evaluate: [unseen]", "evaluate: [unseen", "line"),
        ("demos: 8", "demos: -5", "at least 2, not -5"),
        ("{env_steps: 60}", "{tokens: 60}", "Unknown budget 'tokens'"),
        ("{env_steps: 60}", "3", "budget must be an object, not 3"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "seeds must be a list of different values"),
        ("seeds: [0, 1]", "seeds: [true, 0]", "seeds[0] must be a whole number, not true"),
        ("seeds: [0, 1]", "seeds: []", "a study needs 'seeds'"),
        ("tuning: {seeds: [7]}", "tuning: 3", "tuning must be an object, not 3"),
        ("tuning: {seeds: [7]}", "tuning: {seed: [7]}", "did you mean 'seeds'"),
        ("seeds: [7]", "seeds: [7], share: true", "share must be a number, not true"),
        ("seeds: [7]", "seeds: [7], share: 0", "share must be above 0"),
        ("tuning_tasks: 2", "tuning_tasks: 0", "tasks of its own"),
        ("evaluate: [unseen]", "evaluate: unseen", "evaluate must be a list, not 'unseen'"),
        ("evaluate: [unseen]", "evaluate: [unsen]", "did you mean 'unseen'"),
        ("warm: {epochs: 1}", "warm: 3", "warm must be an object, not 3"),
        ("warm: {epochs: 1}", "longer: 3", "longer must be a list"),
        ("warm: {epochs: 1}", "longer: [{budget: 3}]", "longer[0].budget must be an object"),
        ("hidden_size: 16", "hidden_siz: 16", "did you mean"),
        ("context: 256", "contxt: 256", "did you mean"),
        (tiny.ENV_ID, "tiny/Hal-v0", "did you mean 'tiny/Hall-v0'"),
        ("  rft-alone:", "  rft/alone:", "name must be letters, digits, - and _"),
        ("extends: rft\n", "extends: rft\n    tune: {fit.epochs: [1, 2]}\n", "tunes none"),
        ("fit: {epochs: 1}", "fit: {optim: {lr: 1.0}}", "sets fit.optim.lr and tunes it"),
        ("[1e-4, 1e-3]", "[1e-4, 1e-4]", "list of different values"),
        ("[1e-4, 1e-3]", "[1e-4, bad]", "fit.optim.lr"),
        ("learner: rft", "learner: 3", "arm rft: learner must be text, not 3"),
        ("learner: rft", "learner: null", "arm rft: it needs a learner"),
        ("learner: rft", "learner:", "arm rft: it needs a learner"),
        (tiny.ENV_ID, "2024-99-99", "month must be in 1..12"),
        (tiny.ENV_ID, "2024-09-09", "env must be a number or a text, not datetime.date"),
        (tiny.ENV_ID, "3", "env must be text, not 3"),
        ("name: small", "name:", "a study needs 'name'"),
        ("demos: 8", "demos: .nan", "demos must be a finite number, not nan"),
        ("env_steps: 60", "env_steps: .nan", "env_steps must be a finite number"),
        ("env_steps: 60", "env_steps: [60]", "budget.env_steps must be a number, not a list"),
        ("env_steps: 60", "env_steps: '60'", "budget.env_steps must be a number, not '60'"),
        ("seeds: [7]", "seeds: [7], share: .nan", "share must be a finite number"),
        ("[1e-4, 1e-3]", "[1e-4, .inf]", "must be a finite number, not inf"),
        ("warm: {epochs: 1}", "warm: {1: 2}", "1 is no name"),
        ("warm: {epochs: 1}", "warm: &a {optim: *a}", "nested more than 20 deep"),
        ("warm: {epochs: 1}", "warm: " + "[" * 50_000, "nested too deeply"),
        ("warm: {epochs: 1}", "phases: {}", "field of a study of rounds"),
        ("seeds: [0, 1]", "seeds: null", "a study needs 'seeds'"),
        ("evaluate: [unseen]", "evaluate: [3]", "evaluate[0] must be text, not 3"),
        ("    extends: rft\n", "    extends: rft\n    like: rft\n", "both extends and like"),
    ],
)
def test_a_mistake_in_a_plan_is_one_sentence(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    assert old in PLAN
    file = plan(tmp_path, PLAN.replace(old, new))
    with pytest.raises(BadFile, match=r"study\.yaml") as caught:
        read_study(file)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_plan_ends_the_command_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["run"], ["tip", "--study"]):
        file = plan(tmp_path, PLAN.replace(tiny.ENV_ID, "2024-99-99"))
        assert main([*command, str(file), "--out", str(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        assert said.startswith("qevolve-bench: ") and len(said.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_a_study_without_phases_is_none_of_tipping(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tip", "--study", str(plan(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "has no phases, so that nothing tips: play it with" in capsys.readouterr().err


def test_a_folder_of_something_else_holds_no_study(tmp_path: Path) -> None:
    (tmp_path / "chapter.txt").write_text("precious")
    for folder, reason in ((tmp_path, "holds no study"), (tmp_path / "chapter.txt", "cannot hold")):
        with pytest.raises(BadFile, match=reason):
            play_study(read_study(plan(tmp_path)), folder, workers=0, say=print)


def test_plans_of_earlier_releases_say_like(tmp_path: Path) -> None:
    new = read_study(plan(tmp_path))
    assert read_study(plan(tmp_path, PLAN.replace("extends:", "like:"))) == new


@pytest.mark.parametrize("name", ["household-cpu", "household-1000"])
def test_a_published_study_reads_and_gives_its_table(name: str) -> None:
    folder = Path(__file__).parents[2] / "leaderboards" / name
    record = json.loads((folder / "results.json").read_text())
    assert record["schema"] == 1
    assert markdown(record) == (folder / "table.md").read_text()
    study = read_study(folder / "study.yaml")
    published = {arm["name"]: arm for arm in record["study"]["arms"]}
    for arm in study.arms:
        found = published[arm.name]
        assert (arm.settings, arm.budget) == (found["settings"], found["budget"])
        assert (arm.extends, arm.tuned_as) == (found["like"], found["tuned_as"])


def outcome(folder: Path, split: str, won: list[int]) -> None:
    folder.mkdir(parents=True)
    result = {
        "n": len(won),
        "success": sum(won) / len(won),
        "score": sum(won) / len(won),
        "tasks": [f"t{i}" for i in range(len(won))],
        "won": won,
        "scores": won,
    }
    ledger = {
        "env_steps": 60, "episodes": 9, "expert_episodes": 8, "generated_tokens": 100,
        "trained_tokens": 500, "wall_seconds": 6.0, "accelerator_seconds": 0.0,
    }  # fmt: skip
    record = {"schema": 1, "ledger": ledger, "results": {split: result}}
    (folder / "result.json").write_text(json.dumps(record))


def test_the_best_trial_is_chosen_and_a_missing_one_is_none(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    outcome(run_folder(tmp_path, 7, "tuning", "rft", 0.001), "tuning", [1, 1, 0])
    chosen = choose(study, tmp_path)
    assert chosen["rft"]["value"] == 0.001
    assert sorted(chosen["rft"]["trials"].values()) == pytest.approx([0.0, 2 / 3])


def test_tables_pair_by_seed_and_task(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    for seed in study.seeds:
        outcome(run_folder(tmp_path, seed, "warm"), "unseen", [0, 0, 0, 1])
        outcome(run_folder(tmp_path, seed, "runs", "longer"), "unseen", [0, 0, 0, 1])
        outcome(run_folder(tmp_path, seed, "runs", "rft"), "unseen", [1, 1, 0, 1])
        outcome(run_folder(tmp_path, seed, "runs", "rft-alone"), "unseen", [1, seed, 0, 1])
        outcome(run_folder(tmp_path, seed, "runs", "rft-twice"), "unseen", [0, seed, 0, 1])
    record = summarise(study, tmp_path)
    assert record["arms"]["rft"]["cells"]["unseen"]["success"] == pytest.approx(0.75)
    (line,) = record["differences"]["against longer"]
    assert line["difference"] == pytest.approx(0.5)
    assert line["by_seed"] == pytest.approx([0.5, 0.5])
    (line,) = record["differences"]["rft against each other learner"]
    assert (line["arm"], line["other"]) == ("rft", "longer")
    (variant,) = record["differences"]["variants of rft"]
    assert variant["difference"] == pytest.approx(-0.125)
    # What varies a variant is compared with that one.
    (variant,) = record["differences"]["variants of rft-alone"]
    assert (variant["arm"], variant["other"]) == ("rft-twice", "rft-alone")
    assert variant["difference"] == pytest.approx(-0.25)
    text = markdown(record)
    assert "+50.0 points" in text
    assert "-12.5 points" in text


def test_variants_that_are_not_done_do_not_cost_the_learners_a_seed(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path, PLAN.replace("[0, 1]", "[0, 1, 2]")))
    for seed in study.seeds:
        outcome(run_folder(tmp_path, seed, "warm"), "unseen", [0, 1])
        for name in ("longer", "rft"):
            outcome(run_folder(tmp_path, seed, "runs", name), "unseen", [1, seed % 2])
    outcome(run_folder(tmp_path, 0, "runs", "rft-alone"), "unseen", [1, 1])
    record = summarise(study, tmp_path)
    assert record["seeds"] == [0, 1, 2]
    assert set(record["arms"]) == {"warm start", "longer", "rft"}
    assert "Variants are left out: 0 seeds" in markdown(record)
    for seed in (0, 2):
        for name in ("rft-alone", "rft-twice"):
            if (seed, name) != (0, "rft-alone"):
                outcome(run_folder(tmp_path, seed, "runs", name), "unseen", [1, 1])
    record = summarise(study, tmp_path)
    assert (record["seeds"], record["seeds_of_variants"]) == ([0, 1, 2], [0, 2])
    assert record["arms"]["rft-alone"]["cells"]["unseen"]["episodes"] == 4
    (variant,) = record["differences"]["variants of rft"]
    assert variant["by_seed"] == pytest.approx([0.5, 0.5])
    assert "**Variants**, seeds 0, 2" in markdown(record)


def test_the_table_shows_how_good_critics_were(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    for seed in study.seeds:
        outcome(run_folder(tmp_path, seed, "warm"), "unseen", [0, 1])
        for name in ("longer", "rft"):
            outcome(run_folder(tmp_path, seed, "runs", name), "unseen", [1, 1])
        lines = [
            {"stage": "round-1-collect", "success": 0.5 + 0.1 * seed, "steps": 9.0},
            {"stage": "round-1-critic", "update": 3, "v": 7.0},
            {"stage": "round-1-advantages", "v0": 0.4 + 0.2 * seed, "advantage_invalid": None},
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (run_folder(tmp_path, seed, "runs", "rft") / "metrics.jsonl").write_text(text)
    record = summarise(study, tmp_path)
    assert set(record["critics"]) == {"rft"}
    found = record["critics"]["rft"]["round-1"]
    assert found == pytest.approx({"success": 0.55, "v0": 0.5})
    (row,) = [line for line in markdown(record).splitlines() if line.startswith("| rft   | 1")]
    assert [cell.strip() for cell in row.split("|")][3:6] == ["0.55", "-", "0.50"]


def test_the_table_counts_refusals(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    for seed in study.seeds:
        outcome(run_folder(tmp_path, seed, "warm"), "unseen", [0, 1])
        for name in ("longer", "rft"):
            outcome(run_folder(tmp_path, seed, "runs", name), "unseen", [1, 0])
    episodes = []
    for won, feedback in ((True, ["ok"]), (True, ["ok", "invalid", "ok"]), (False, ["malformed"])):
        steps = [Step("a", "b", 0.0, kind, 0.0) for kind in feedback]
        episode = Episode("e", {}, "t", "unseen", 0, "x", steps=steps, won=won)
        episodes.append(episode)
    place = run_folder(tmp_path, 1, "runs", "rft") / "evaluation"
    place.mkdir()
    write_episodes(place / "unseen.jsonl", episodes)
    record = summarise(study, tmp_path)
    assert record["refusals"] == {
        "rft": pytest.approx(
            {
                "steps_refused": 2 / 5,
                "episodes_refused": 2 / 3,
                "won_without": 1.0,
                "won_with": 0.5,
                "episodes": 3,
            }
        )
    }
    assert "| rft   | 40.0            | 66.7                      | 100.0" in markdown(record)


def test_one_seed_makes_no_table(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    for name in ("longer", "rft"):
        outcome(run_folder(tmp_path, 0, "runs", name), "unseen", [1, 0])
    outcome(run_folder(tmp_path, 0, "warm"), "unseen", [1, 0])
    with pytest.raises(BenchError, match="1 seeds are finished on every learner"):
        summarise(study, tmp_path)


def test_a_study_is_played_and_not_played_twice(tmp_path: Path) -> None:
    study = read_study(plan(tmp_path))
    said: list[str] = []
    play_study(study, tmp_path / "out", workers=0, say=said.append)
    assert len(said) == 3 + 2 + 8  # warm starts, trials, arms x seeds
    record: dict[str, Any] = write_results(study, tmp_path / "out")
    assert set(record["arms"]) == {"warm start", "longer", "rft", "rft-alone", "rft-twice"}
    assert record["arms"]["rft"]["ledger"]["env_steps"] >= 30
    assert record["arms"]["longer"]["ledger"]["env_steps"] == 0
    points = (tmp_path / "out" / "curves.jsonl").read_text().splitlines()
    places: dict[tuple[str, int], list[int]] = {}
    for point in map(json.loads, points):
        places.setdefault((point["arm"], point["seed"]), []).append(point["ledger"]["env_steps"])
    assert {arm for arm, _ in places} == {"longer", "rft", "rft-alone", "rft-twice"}
    # The start, and the end of each round.
    assert all(len(places["rft", seed]) == 2 for seed in (0, 1))
    assert all(len(set(places["rft-twice", seed])) == 3 for seed in (0, 1))
    again: list[str] = []
    play_study(study, tmp_path / "out", workers=0, say=again.append)
    assert again == []
    # Another plan does not take these runs for its own; how often curves are evaluated may differ.
    other = read_study(plan(tmp_path, PLAN.replace("keep: 1", "keep: 2")))
    with pytest.raises(BenchError, match=r"rft-alone.seed-0 holds .* settings: .*'keep': 1"):
        play_study(other, tmp_path / "out", workers=0, say=again.append)
    other = read_study(plan(tmp_path, PLAN.replace("checkpoints: 1", "checkpoints: 2")))
    play_study(other, tmp_path / "out", workers=0, say=again.append)
    assert again == []


def test_an_arm_may_have_no_budget_where_the_study_has_one(tmp_path: Path) -> None:
    text = PLAN.replace("budget: {trained_tokens: 500}", "budget: {}")
    first, second = read_study(plan(tmp_path, text)).arms[:2]
    assert (first.budget, second.budget) == ({}, {"env_steps": 60})


LONGER = """longer:
  - {budget: {trained_tokens: 300}, settings: {optim: {lr: 0.002}}}
  - {settings: {epochs: 1}}
scratch:"""


def test_a_warm_start_in_parts_and_trials_on_a_share(tmp_path: Path) -> None:
    text = PLAN.replace("seeds: [7]", "seeds: [7], share: 0.5").replace("scratch:", LONGER)
    study = read_study(plan(tmp_path, text))
    out = tmp_path / "out"
    trial = study.trial_of(study.arms[1], 7, run_folder(out, 7, "warm"), 1e-3)
    assert (trial.budget, trial.evaluate, trial.checkpoints) == (
        {"env_steps": 30.0},
        ("tuning",),
        1,
    )
    said: list[str] = []
    play_study(study, out, workers=0, say=said.append)
    assert sum("warm start" in line and "part" in line for line in said) == 9
    places = [out / "warm-1" / "seed-0", out / "warm-2" / "seed-0", run_folder(out, 0, "warm")]
    specs = [json.loads((place / "spec.json").read_text()) for place in places]
    assert [spec["preset"] for spec in specs] == ["warm", "longer", "longer"]
    assert [spec["init"] for spec in specs] == [None, str(places[0]), str(places[1])]
    assert specs[1]["settings"] == {"optim": {"lr": 0.002}}
    outcomes = [read_result(place) for place in places]
    assert all(found is not None and found.ledger["trained_tokens"] >= 300 for found in outcomes)
    spec = json.loads((run_folder(out, 0, "runs", "rft") / "spec.json").read_text())
    assert spec["init"] == str(run_folder(out, 0, "warm"))
    for old, new, reason in (
        ("settings: {epochs: 1}", "settings: {}", "each part of longer needs a budget"),
        ("- {settings: {epochs: 1}}", "- {setings: {epochs: 1}}", "did you mean 'settings'"),
        ("share: 0.5", "share: 2", "share must be between 0 and 1, not 2"),
    ):
        assert old in text
        with pytest.raises(BadFile, match=reason):
            read_study(plan(tmp_path, text.replace(old, new)))


WAIT = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from qevolve_bench.cli import main
from qevolve_bench.study.engine import end_with_parent
import os
def work(file):
    open(file, "w").write(str(os.getpid()))
    time.sleep(600)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as pool:
        pool.submit(work, sys.argv[1]).result()
"""


def test_a_worker_ends_with_its_study(tmp_path: Path) -> None:
    script, file = tmp_path / "wait.py", tmp_path / "pid"
    script.write_text(WAIT)
    process = subprocess.Popen([sys.executable, str(script), str(file)])
    try:
        deadline = time.monotonic() + 60
        while not (file.is_file() and file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        worker = int(file.read_text())
        process.send_signal(signal.SIGKILL)
        process.wait()
        while _alive(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _alive(worker)
    finally:
        process.kill()
        for child in multiprocessing.active_children():
            child.kill()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
