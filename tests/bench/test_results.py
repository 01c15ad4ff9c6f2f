from __future__ import annotations

import gzip
import json

import pytest

from qevolve_bench.provenance import git_state, hardware, packages, provenance
from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.runner.results import load_run
from qevolve_bench.runner.suite import run_suite
from qevolve_bench.schema import write_json
from qevolve_bench.suites import adhoc_suite
from qevolve_envs.episode import write_episodes
from qevolve_envs.errors import BadFile

TOY = "benchtoy/Corridor-v0"


@pytest.fixture
def run(tmp_path):
    suite = adhoc_suite(TOY, split="test", episodes=3)
    run_suite(suite, agent="expert", out=tmp_path / "run", workers=0)
    return tmp_path / "run"


def test_a_run_says_what_was_played_by_whom_and_with_what(run):
    loaded = load_run(run)
    manifest = loaded.manifest
    assert (loaded.name, loaded.agent) == ("run", "expert")
    assert loaded.cells == {"corridor-v0-test": evaluate(TOY, agent="expert", split="test")[:3]}
    assert loaded.suite.cells[0].tasks == 5 and len(loaded.suite.cells[0].panel) == 64
    assert manifest["schema"] == 1 and manifest["complete"] is True
    assert manifest["settings"]["batch_size"] == 16
    steps = sum(len(e.steps) for e in loaded.cells["corridor-v0-test"])
    assert manifest["ledger"]["env_steps"] == steps
    assert manifest["summary"]["corridor-v0-test"] == {
        "episodes": 3,
        "failed": 0,
        "won": 3,
        "success": 1.0,
        "score": 1.0,
        "env_steps": steps,
    }
    assert {"python", "packages", "git"} == set(manifest["provenance"])
    timing = json.loads((run / "timing.json").read_text())
    assert timing["sessions"][0]["hardware"]["cpus"] >= 1
    assert not {"hardware", "workers"} & set(json.dumps(manifest).split('"'))


def test_a_submission_and_a_bare_file_are_runs_too(run, tmp_path):
    loaded = load_run(run)
    episodes = loaded.cells["corridor-v0-test"]
    file = run / "episodes" / "corridor-v0-test.jsonl"
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    write_episodes(tmp_path / "bare.jsonl", episodes)
    for name in ("packed.jsonl.gz", "bare.jsonl"):
        bare = load_run(tmp_path / name)
        assert bare.manifest is None and bare.suite is None and bare.agent == "expert"
        assert list(bare.cells.values()) == [episodes]
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    assert load_run(run) == loaded


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(schema=2), "schema version 2, this release reads 1"),
        (lambda m: m.pop("ledger"), "lacks the field 'ledger'"),
        (lambda m: m.update(extra=1), "unknown field 'extra'"),
        (lambda m: m.update(agent={"description": {}}), "agent lacks the field 'name'"),
        (lambda m: m["suite"].update(digest="0" * 64), "not that of its cells"),
    ],
)
def test_a_manifest_that_is_none_is_refused(run, change, words):
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    write_json(run / "manifest.json", manifest)
    with pytest.raises(BadFile) as error:
        load_run(run)
    assert "manifest.json" in str(error.value) and words in str(error.value)


def test_what_is_no_run_is_refused_by_file_and_line(run, tmp_path):
    with pytest.raises(BadFile, match=r"Cannot read .*manifest\.json"):
        load_run(tmp_path)
    file = run / "episodes" / "corridor-v0-test.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], "{}\n"]))
    with pytest.raises(BadFile, match=r"corridor-v0-test\.jsonl, line 3"):
        load_run(run)
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(BadFile, match=r"x\.jsonl\.gz, line 1"):
        load_run(packed)
    packed.write_bytes(b"no gzip")
    with pytest.raises(BadFile, match="Cannot read"):
        load_run(packed)


def test_provenance_is_the_same_twice_and_names_no_machine():
    first = provenance()
    assert first == provenance()
    assert first["packages"]["qevolve-bench"] and "numpy" in packages()
    import platform

    assert platform.node() not in json.dumps(first).split('"')
    assert set(hardware()) == {
        "system",
        "machine",
        "processor",
        "cpus",
        "memory_mib",
        "accelerators",
    }


def test_the_state_of_a_checkout(tmp_path):
    import shutil
    import subprocess

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    assert git_state(tmp_path) is None

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    assert git_state(tmp_path) is None, "there is no commit yet"
    (tmp_path / "a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "-qm", "x")
    state = git_state(tmp_path)
    assert len(state["revision"]) == 40 and state["dirty"] is False
    (tmp_path / "new.txt").write_text("a run's own files do not make it dirty")
    assert git_state(tmp_path) == state
    (tmp_path / "a.txt").write_text("2")
    assert git_state(tmp_path) == {**state, "dirty": True}
    (tmp_path / ".gitignore").write_text("site/\n")
    (tmp_path / "site").mkdir()
    assert git_state(tmp_path / "site") is None, "an installed package is not its user's checkout"
