"""Robustness: pairing, retained shares, tables, the radar, and the command."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from qevolve_bench.analysis.render import robustness_text
from qevolve_bench.analysis.robustness import (
    choose,
    perturbed_suite,
    retained_share,
    retained_shares,
    robustness,
)
from qevolve_bench.cli import main
from qevolve_bench.report.charts import radar_file
from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.suites import Cell
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.perturb import PERTURBATIONS, applicable
from qevolve_envs.replay import replay

ENV = "qevolve/Household-v0"


def episodes(perturbation, won, agent="a", seed=0, **changes):
    kwargs = {"size": "small"} | ({"perturbation": perturbation} if perturbation else {})
    return [
        Episode(
            ENV, kwargs, f"t{i:03}", "unseen", seed, agent, won=bool(w), score=float(w), **changes
        )
        for i, w in enumerate(won)
    ]


# ── the numbers ─────────────────────────────────────────────────────────────


def test_a_worked_example():
    clean = [1] * 8 + [0] * 2
    played = episodes("", clean) + episodes("typos:2", [1] * 4 + [0] * 6)
    played += episodes("rename:1", [1] * 7 + [0] + [1, 0])
    (found,) = robustness(played)
    assert (found.agent, found.split, found.env_kwargs) == ("a", "unseen", {"size": "small"})
    assert found.clean.value == 0.8
    typos, rename = found.effects
    assert typos.retained.value == 0.5 and typos.drop.value == pytest.approx(0.4)
    assert typos.perturbed == 0.4 and typos.tasks == 10
    assert rename.retained.value == 1.0 and rename.drop.value == 0
    assert found.worst is typos
    # Won under all three: the first four.
    assert found.everywhere.value == 0.4
    # Four tasks lost, none won: the exact sign-flip p is 2 / 2^4, twice that after Holm.
    assert typos.p_value == pytest.approx(0.25) and rename.p_value == 1.0
    for effect in found.effects:
        low, high = effect.retained.interval
        wide = effect.retained_worst.interval
        assert wide.low <= low < effect.retained.value < high <= wide.high


def test_the_mean_over_rounds_is_what_a_task_counts_with():
    played = []
    for seed, won in ((1, [1, 1]), (2, [1, 0])):
        played += episodes("", [1, 1], seed=seed) + episodes("typos:1", won, seed=seed)
    (found,) = robustness(played)
    assert found.effects[0].perturbed == 0.75 and found.effects[0].tasks == 2


def test_scores_and_failed_episodes():
    clean = episodes("", [1, 1, 1, 1])
    failed = episodes("typos:3", [1, 1, 1, 1])
    failed[0].error, failed[0].score = "agent.act raised", 0.5
    assert robustness(clean + failed)[0].effects[0].perturbed == 0.75
    by_score = robustness(clean + failed, outcome="score")[0]
    assert by_score.effects[0].perturbed == pytest.approx(3.5 / 4)
    assert by_score.everywhere.value == pytest.approx(3.5 / 4)


def test_nothing_to_retain_is_said_and_not_divided_by():
    (found,) = robustness(episodes("", [0, 0, 0]) + episodes("typos:1", [0, 1, 0]))
    assert found.effects[0].retained is None and found.worst is None
    assert retained_shares(found) == {}
    assert "nothing to retain" in robustness_text([found]) and "–" in robustness_text([found])


def test_little_to_retain_is_said():
    few, many = [1] + [0] * 39, [1] * 20 + [0] * 20
    for clean, said in ((few, True), (many, False)):
        (found,) = robustness(episodes("", clean) + episodes("typos:1", clean))
        assert ("little to retain" in robustness_text([found])) is said


def test_agents_and_panels_are_kept_apart():
    played = [
        e
        for agent, kept in (("good", 9), ("bad", 1))
        for e in episodes("", [1] * 10, agent)
        + episodes("typos:1", [1] * kept + [0], agent)[:10]
        + (episodes("typos:1", [0] * 10, agent)[kept + 1 :])
    ]
    shares = {r.agent: r.effects[0].retained.value for r in robustness(played)}
    assert shares == {"good": 0.9, "bad": 0.1}


@pytest.mark.parametrize(
    ("played", "said"),
    [
        (lambda: episodes("", [1, 0]), "no perturbed episode"),
        (lambda: episodes("typos:1", [1, 0]), "t000 with seed 0 is on one side only"),
        (
            lambda: episodes("", [1, 0]) + episodes("typos:1", [1]),
            "t001 with seed 0 is on one side only",
        ),
        (
            lambda: episodes("", [1]) + episodes("typos:1", [1], seed=4),
            "not played on the same tasks and seeds",
        ),
        (lambda: episodes("", [1]) * 2, "t000 was played twice with seed 0"),
    ],
)
def test_what_cannot_be_paired_is_refused(played, said):
    with pytest.raises(BenchError, match=said):
        robustness(played())


def test_a_retained_share_is_bad_input_proof():
    assert retained_share([0, 0], [1, 0]) is None
    with pytest.raises(BenchError, match="same tasks"):
        retained_share([1, 0], [1])
    with pytest.raises(BenchError):
        retained_share([1, np.nan], [1, 0])
    for same in ([1.0] * 30, [1.0, 0.0] * 15):
        estimate = retained_share(same, same)
        assert estimate.value == 1.0 and estimate.interval.low < 1.0 < estimate.interval.high


@pytest.mark.slow
@pytest.mark.parametrize("tasks", (30, 134))
@pytest.mark.parametrize(
    ("clean_rate", "kept", "gained"),
    [(0.9, 0.9, 0.1), (0.6, 0.7, 0.2), (0.3, 0.5, 0.05), (0.2, 0.9, 0.02), (1.0, 0.3, 0.0)],
)
def test_intervals_of_retained_shares_hold_the_truth(tasks, clean_rate, kept, gained):
    rng = np.random.default_rng(1)
    truth = (clean_rate * kept + (1 - clean_rate) * gained) / clean_rate
    held = played = 0
    for trial in range(600):
        clean = (rng.random(tasks) < clean_rate).astype(float)
        perturbed = (rng.random(tasks) < np.where(clean == 1, kept, gained)).astype(float)
        estimate = retained_share(clean, perturbed, resamples=1000, seed=trial)
        if estimate is not None:
            played += 1
            held += estimate.interval.low <= truth <= estimate.interval.high
    assert held / played >= 0.92


# ── what is played ──────────────────────────────────────────────────────────


def test_choosing_perturbations():
    assert choose(ENV) == [f"{name}:2" for name in applicable(ENV)]
    assert choose(ENV, ["typos", "rename:3"], [1, 2]) == ["typos:1", "typos:2", "rename:3"]
    assert choose("module:qevolve/WebShop-v0", severities=[1])[0] == "distractors:1"
    assert choose("me/World-v0") == ["distractors:2", "typos:2", "dropout:2", "failures:2"]
    with pytest.raises(UnknownName, match="did you mean 'typos'"):
        choose(ENV, ["typo"])
    with pytest.raises(BenchError, match="given twice"):
        choose(ENV, ["typos", "typos:2"])
    with pytest.raises(BenchError, match="1, 2 or 3, not 7"):
        choose(ENV, severities=[7])


def test_a_suite_of_worlds():
    clean = Cell("x", ENV, "seen", 30, {"size": "small"}, 5, (3,), panel="abc")
    suite = perturbed_suite(clean, ["typos:1", "typos:1+reorder:2"])
    assert [cell.name for cell in suite.cells] == ["clean", "typos-1", "typos-1.reorder-2"]
    assert {(c.episodes, c.seeds, c.horizon, c.split) for c in suite.cells} == {
        (5, (3,), 30, "seen")
    }
    assert suite.cells[2].env_kwargs == {"size": "small", "perturbation": "typos:1+reorder:2"}
    assert suite.cells[0].panel == "abc" and suite.cells[1].panel is None
    with pytest.raises(BenchError, match="perturbed already"):
        perturbed_suite(suite.cells[1], ["rename:1"])


def test_the_same_tasks_and_seeds_are_played():
    worlds = [{}, {"perturbation": "typos:2"}, {"perturbation": "failures:1"}]
    played = [
        evaluate(ENV, agent="random", split="seen", episodes=3, seed=5, env_kwargs=kwargs)
        for kwargs in worlds
    ]
    assert len({tuple((e.task_id, e.seed) for e in side) for side in played}) == 1
    assert [e.env_kwargs for e in played[1]] == [{"perturbation": "typos:2"}] * 3
    # The random agent reads nothing, so typos are nothing to it.
    assert [[s.action for s in e.steps] for e in played[0]] == [
        [s.action for s in e.steps] for e in played[1]
    ]


@pytest.mark.parametrize(
    "perturbation", ("failures:3", "horizon:3", "typos:2+rename:2+distractors:1+dropout:2")
)
def test_perturbed_episodes_are_replayed_to_the_byte(perturbation):
    played = evaluate(
        "qevolve/Shop-v0",
        agent="expert",
        split="seen",
        episodes=4,
        env_kwargs={"perturbation": perturbation},
    )
    for episode in played:
        again = Episode.from_json(episode.to_json())
        assert again.steps and replay(again) is None
        again.steps[0].observation += "!"
        assert replay(again).name == "observation"


# ── tables and the radar ────────────────────────────────────────────────────


def results():
    played = episodes("", [1] * 9 + [0])
    for i, name in enumerate(PERTURBATIONS):
        for severity in (1, 3):
            played += episodes(f"{name}:{severity}", [1] * (9 - i) + [0] * (i + 1))
    return robustness(played + episodes("typos:1+rename:1", [0] * 10))


def test_tables_in_every_format():
    (found,) = results()
    text = robustness_text([found])
    assert "a on qevolve/Household-v0, size=small, split unseen, 10 tasks" in text
    assert re.search(r"none +90\.0 \[", text) and "Worst: typos:1+rename:1 retains 0.00" in text
    assert "won in every one of these worlds: 0.0" in text
    assert robustness_text([found], format="md").count("\n|") == 3 + len(found.effects)
    assert r"\begin{tabular}" in robustness_text([found], format="latex")
    (document,) = json.loads(robustness_text([found], format="json"))
    assert document["clean"]["value"] == 0.9 and len(document["effects"]) == len(found.effects)
    with pytest.raises(UnknownName):
        robustness_text([found], format="html")


def test_the_radar_in_numbers():
    axes = retained_shares(results()[0])
    assert list(axes) == list(PERTURBATIONS), "combinations have no axis"
    assert axes["paraphrase"] == {1: 1.0, 3: 1.0}
    assert axes["rename"][3] == pytest.approx(8 / 9)


def test_the_radar_as_a_picture():
    root = ET.fromstring(radar_file(results()[0]))
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(PERTURBATIONS) <= set(texts)
    assert "severity 1" in texts and "severity 3" in texts and "severity 2" not in texts
    width, height = map(float, root.get("viewBox").split()[2:])
    paths = list(root.iter("{http://www.w3.org/2000/svg}path"))
    assert paths
    for path in paths:
        points = [tuple(map(float, p.split())) for p in re.split("[MLZ]", path.get("d")) if p]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    two = robustness(episodes("", [1]) + episodes("typos:1", [1]) + episodes("rename:1", [1]))
    with pytest.raises(BenchError, match="at least three perturbations, not 2"):
        radar_file(two[0])


# ── the command ─────────────────────────────────────────────────────────────

COMMAND = ["robustness", "--env", ENV, "--split", "seen", "--agent", "expert", "--episodes", "3",
           "--env-arg", "size=small", "--workers", "0"]  # fmt: skip


def test_the_command_plays_keeps_and_draws(workdir, capsys):
    options = ["--perturbations", "strict", "reorder:1", "horizon", "--severity", "3"]
    out = ["--out", "run", "--radar", "radar.svg"]
    assert main([*COMMAND, *options, *out]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"reorder:1 +100\.0 +1\.00 \[", printed) and "strict:3" in printed
    assert sorted(p.name for p in (workdir / "run" / "episodes").iterdir()) == [
        "clean.jsonl", "horizon-3.jsonl", "reorder-1.jsonl", "strict-3.jsonl",
    ]  # fmt: skip
    assert ET.parse(workdir / "radar.svg").getroot().tag.endswith("svg")
    # Another outcome needs no playing, and says so in its table.
    assert main(["robustness", "--read", "run", "--outcome", "score"]) == 0
    assert re.search(r"perturbation +score +retained", capsys.readouterr().out)
    assert main(["robustness", "--read", "run/episodes/clean.jsonl", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--perturbations", "typo"], "did you mean 'typos'"),
        (["--perturbations", "typos:9"], "severity of 1, 2 or 3"),
        (["--severity", "5"], "1, 2 or 3, not 5"),
        (["--radar", "nowhere/r.svg"], "its folder does not exist"),
        (["--perturbations", "typos", "--radar", "r.svg"], "at least three"),
        (["--env-arg", "perturbation=typos:1"], "perturbed already"),
    ],
)
def test_a_mistake_is_one_sentence(workdir, capsys, more, said):
    assert main([*COMMAND, *more]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_listing_needs_nothing(capsys):
    assert main(["robustness", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in PERTURBATIONS)
    assert main(["robustness"]) == 2
    assert "--env is missing" in capsys.readouterr().err


def test_an_environment_that_cannot_be_perturbed_so(capsys):
    toy = ["--env", "benchtoy/Corridor-v0", "--split", "train", "--agent", "random"]
    assert main(["robustness", *toy, "--perturbations", "rename", "--workers", "0"]) == 2
    assert "'rename' does not apply to benchtoy/Corridor-v0" in capsys.readouterr().err
