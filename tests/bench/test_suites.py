from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from qevolve_bench.anchors import measure_suite
from qevolve_bench.cli import main
from qevolve_bench.runner.worker import cut
from qevolve_bench.suites import Anchor, Cell, Suite, load_suite, read_suite, suite_names
from qevolve_envs.catalog import CATALOG
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.factory import make_env
from qevolve_envs.play import draw_tasks

TOY = "benchtoy/Corridor-v0"
GOLDEN = json.loads((Path(__file__).parents[1] / "golden/panels.json").read_text())
CELL = Cell(
    name="toy",
    env_id=TOY,
    split="train",
    horizon=10,
    env_kwargs={"size": "large", "reward": "dense"},
    episodes=3,
    seeds=(0, 4),
    tasks=12,
    panel="0" * 64,
    anchors={"random": Anchor(0.0, 0.1, 24), "expert": Anchor(1.0, 1.0, 12)},
)


# ── the suites of the package ───────────────────────────────────────────────


def test_core_is_the_panels_of_the_embedded_worlds_whole():
    suite = load_suite("core-v0")
    assert load_suite("core") == suite
    assert sum(cell.count for cell in suite.cells) == 1069
    for cell in suite.cells:
        panels = GOLDEN[cell.env_id]
        assert cell.panel == panels.get("standard", panels)[cell.split]
        assert cell.episodes is None and cell.perturbation is None
    assert Counter(cell.split for cell in suite.cells) == {"seen": 3, "unseen": 3}


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_can_be_believed(name):
    suite = load_suite(name)
    assert suite.name == name and suite.description
    entries = {entry.id: entry for entry in CATALOG}
    for cell in suite.cells:
        entry = entries[cell.env_id]
        assert cell.split in entry.splits and cell.horizon == entry.max_episode_steps
        if not entry.needs:
            assert cell.panel and cell.count and set(cell.anchors) == {"random", "expert"}
            assert cell.anchors["random"].score < 0.3 < cell.anchors["expert"].score


def test_robust_pairs_every_perturbation_with_the_same_clean_tasks():
    from qevolve_envs.perturb import applicable

    suite = load_suite("robust")
    for world in ("household", "shop", "lab"):
        cells = [cell for cell in suite.cells if cell.name.startswith(world)]
        clean, *perturbed = cells
        assert clean.perturbation is None
        names = [cell.perturbation.removesuffix(":2") for cell in perturbed]
        assert sorted(names) == sorted(applicable(clean.env_id))
        for cell in perturbed:
            same = ("env_id", "split", "horizon", "episodes", "seeds", "tasks", "anchors")
            assert all(getattr(cell, field) == getattr(clean, field) for field in same)


def test_the_digests_are_those_of_every_release():
    # A suite that changes gets a new version; this one has results on a leaderboard.
    assert load_suite("core-v0").digest.startswith("82eaf204438f")
    assert load_suite("quick-v0").digest.startswith("031d850d9c5d")


@pytest.mark.slow
def test_the_anchors_can_be_measured_again():
    def on_skip(cell, error):
        raise error

    suite = load_suite("core-v0")
    assert measure_suite(suite, rounds=10, on_skip=on_skip) == suite


# ── suites of one's own ─────────────────────────────────────────────────────


def test_a_suite_survives_its_file(tmp_path):
    suite = Suite("mine-v3", (CELL, dataclasses.replace(CELL, name="b", panel=None)), "Mine.")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(suite.to_json()))
    assert read_suite(path) == suite == load_suite(str(path))


def test_the_digest_covers_what_is_played_and_not_what_it_is_compared_with():
    suite = Suite("mine-v0", (CELL,))

    def digest(**changes):
        return Suite("mine-v0", (dataclasses.replace(CELL, **changes),)).digest

    assert digest(anchors={}) == suite.digest
    for change in (
        {"name": "other"},
        {"split": "test"},
        {"horizon": 9},
        {"env_kwargs": {}},
        {"episodes": None},
        {"seeds": (0, 5)},
        {"tasks": 13},
        {"panel": "1" * 64},
    ):
        assert digest(**change) != suite.digest
    assert Suite("mine-v1", (CELL,)).digest != suite.digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../x"}, "cells[0].name must be a name of a-z, 0-9, dot, hyphen, not '../x'"),
        ({"name": ""}, "dot, hyphen, not ''"),
        ({"name": 3}, "cells[0].name must be text, not 3"),
        (
            {"env_kwargs": {"size": ["small"]}},
            "env_kwargs.size must be text, a number or",
        ),
        ({"env_kwargs": {"x": float("inf")}}, "has the non-finite number Infinity"),
        ({"env_kwargs": {"perturbation": 3}}, "a perturbation that is not text"),
        ({"horizon": 0}, "horizon must be at least 1, not 0"),
        ({"horizon": True}, "horizon must be a whole number, not true"),
        ({"episodes": 0}, "episodes must be at least 1, not 0"),
        ({"seeds": []}, "needs seeds, each once"),
        ({"seeds": [-1]}, "seeds[0] must be at least 0, not -1"),
        ({"seeds": [1, 1]}, "needs seeds, each once"),
        ({"panel": "xyz"}, "panel must be a SHA-256, not 'xyz'"),
        ({"anchors": {"random": 3}}, "anchors.random must be an object, not 3"),
        (
            {"anchors": {"random": {"success": 0, "score": 0}}},
            "lacks the field 'episodes'",
        ),
        ({"extra": 1}, "an unknown field 'extra'"),
    ],
)
def test_a_file_that_is_no_suite_is_refused_by_name(tmp_path, changes, words):
    raw = Suite("mine-v0", (CELL,)).to_json()
    del raw["digest"]
    raw["cells"][0].update(changes)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(BadFile) as error:
        load_suite(str(path))
    assert str(error.value).startswith(str(path)) and words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "a suite must be an object, not a list"),
        ("{}", "it is not a suite"),
        ('{"schema": 2}', "schema version 2, this release reads 1"),
        ('{"schema": 1}', "lacks the field 'cells'"),
        ("[" * 100_000, "nested deeper than 32"),
    ],
)
def test_junk_is_no_suite(tmp_path, text, words):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(BadFile, match=words):
        read_suite(path)


def test_a_digest_that_is_not_the_cells_is_refused(tmp_path):
    raw = Suite("mine-v0", (CELL,)).to_json()
    raw["cells"][0]["horizon"] = 11
    with pytest.raises(BadFile, match="is not that of its cells"):
        Suite.from_json(raw)
    with pytest.raises(BadFile, match="two of the same name"):
        Suite.from_json({**Suite("m-v0", (CELL, CELL)).to_json(), "digest": None})


def test_an_unknown_suite_is_answered_with_the_close_ones():
    with pytest.raises(UnknownName, match="'core'"):
        load_suite("cor")
    with pytest.raises(BadFile, match="Cannot read"):
        load_suite("no/such.json")


# ── what is played ──────────────────────────────────────────────────────────


def test_a_cell_is_cut_into_batches_of_its_draw():
    panel = [f"corridor/train/{i:04d}" for i in range(12)]
    cells = (CELL, dataclasses.replace(CELL, name="whole", episodes=None, seeds=(2,)))
    units = cut(cells, [panel, panel], 5)
    assert [(u.cell, u.batch, len(u.assignments)) for u in units] == [
        (0, 0, 5),
        (0, 1, 1),
        (1, 0, 5),
        (1, 1, 5),
        (1, 2, 2),
    ]
    drawn = [a for unit in units if unit.cell == 0 for a in unit.assignments]
    assert drawn == draw_tasks(panel, 3, 0) + draw_tasks(panel, 3, 4)
    assert len(drawn) == CELL.count


def test_measuring_fills_in_panels_and_anchors():
    skipped = []
    cells = (
        Cell("toy", TOY, "test", 10),
        Cell("gone", "qevolve/ALFWorld-v0", "seen", 30, {"data": "/no/such/folder"}),
    )
    suite = measure_suite(
        Suite("mine-v0", cells), rounds=2, on_skip=lambda cell, error: skipped.append(cell.name)
    )
    toy, gone = suite.cells
    assert skipped == ["gone"] and gone == cells[1]
    env = make_env(TOY, split="test")
    assert (toy.tasks, toy.panel) == (5, env.unwrapped.panel_digest("test"))
    assert toy.anchors["expert"] == Anchor(1.0, 1.0, 5)
    assert toy.anchors["random"].episodes == 10 and toy.anchors["random"].score < 1


# ── the command ─────────────────────────────────────────────────────────────


def test_suites_can_be_listed_and_shown(capsys):
    assert main(["suites", "list"]) == 0
    out = capsys.readouterr().out
    for name in suite_names():
        assert name in out
    assert main(["suites", "show", "core"]) == 0
    out = capsys.readouterr().out
    suite = load_suite("core")
    assert f"1069 episodes; digest {suite.digest}" in out
    for cell in suite.cells:
        (line,) = [li for li in out.splitlines() if li.startswith(cell.name) and "qevolve/" in li]
        assert {cell.env_id, cell.split, str(cell.tasks), cell.panel[:12]} <= set(line.split())
    assert main(["suites", "show", "core", "--json"]) == 0
    assert Suite.from_json(json.loads(capsys.readouterr().out)) == suite


def test_a_suite_of_ones_own_is_measured_and_played(tmp_path, capsys):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(Suite("mine-v0", (Cell("toy", TOY, "test", 10),)).to_json()))
    assert main(["suites", "measure", str(path), "--rounds", "1"]) == 0
    assert set(read_suite(path).cells[0].anchors) == {"random", "expert"}
    assert main(["eval", "--suite", str(path), "--agent", "expert", "--workers", "0"]) == 0
    out = capsys.readouterr().out
    assert "mine-v0, agent expert" in out and "normalised" in out
    assert "1.000 [1.000, 1.000]" in out


def test_cells_that_are_missing_here_are_skipped_with_their_reason(tmp_path, capsys):
    gone = Cell("gone", "qevolve/ALFWorld-v0", "seen", 30, {"data": "/no/such/folder"})
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(Suite("m-v0", (Cell("toy", TOY, "test", 10), gone)).to_json()))
    out_folder = tmp_path / "run"
    argv = ["eval", "--suite", str(path), "--agent", "random", "--workers", "0"]
    assert main([*argv, "--out", str(out_folder)]) == 0
    assert "gone was skipped: ALFWorld's games are missing" in capsys.readouterr().out
    manifest = json.loads((out_folder / "manifest.json").read_text())
    assert list(manifest["skipped"]) == ["gone"] and list(manifest["summary"]) == ["toy"]


def test_a_suite_of_which_nothing_is_here_says_what_is_missing(tmp_path):
    from qevolve_bench.suites import survey

    cells = [
        Cell(name, "qevolve/ALFWorld-v0", name, 30, {"data": "/no/such/folder"})
        for name in ("seen", "unseen")
    ]
    with pytest.raises(BenchError, match=r"No cell of m-v0 can be played here. ALFWorld"):
        survey(Suite("m-v0", tuple(cells)))
