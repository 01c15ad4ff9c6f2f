"""Honest submissions: packed alike twice, verified, and marked where nobody can replay them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import pytest
from forge import QUICK, SMALL, Forge, dump, make_good, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_bench.anchors import measure_suite
from qevolve_bench.cli import main
from qevolve_bench.runner.results import load_run
from qevolve_bench.submissions import submission
from qevolve_bench.submissions.submission import pack, verify
from qevolve_bench.suites import Suite, load_suite
from qevolve_envs.catalog import EnvEntry
from qevolve_envs.core import Feedback
from qevolve_envs.errors import BadFile

CELLS = ("household-unseen", "shop-unseen", "lab-unseen")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def run(good):
    """The run folder that `good` was packed from."""
    return good.parent / "run"


# ── packing ─────────────────────────────────────────────────────────────────


def test_packing_gives_the_same_bytes(good, tmp_path):
    again = make_good(tmp_path, QUICK)
    assert contents(again) == contents(good)
    assert set(contents(good)) == {
        "manifest.json",
        *(f"episodes/{cell}.jsonl.gz" for cell in CELLS),
    }


def test_packed_run_loads_as_the_run(good, run):
    packed, plain = load_run(good), load_run(run)
    assert packed.cells == plain.cells
    assert packed.manifest == plain.manifest


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"complete": False}, "is not complete"),
        ({"agent": {"name": "<b>", "description": {}}}, "agent's name '<b>'"),
        ({"files": {"lab-unseen": "0" * 64}}, "not what the run wrote"),
        ({"files": {"../../x": "0" * 64}}, "not what the run wrote"),
    ],
)
def test_runs_that_cannot_be_packed(run, tmp_path, edit, expected):
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **edit}))
    with pytest.raises(BadFile, match=expected):
        pack(tmp_path / "run", tmp_path / "packed")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_run_that_lacks_a_file_cannot_be_packed(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "episodes" / "lab-unseen.jsonl").unlink()
    with pytest.raises(BadFile, match=r"lab-unseen.jsonl: No such file"):
        pack(tmp_path / "run", tmp_path / "packed")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_packing_replaces_nothing(run, tmp_path):
    (tmp_path / "dest").mkdir()
    with pytest.raises(BadFile, match="exists"):
        pack(run, tmp_path / "dest")
    with pytest.raises(BadFile, match="Cannot read"):
        pack(tmp_path / "nothing", tmp_path / "other")


# ── verifying ───────────────────────────────────────────────────────────────


def test_honest_submission_is_verified(good):
    before = contents(good)
    verdict = verify(good)
    assert verdict.status == "verified"
    assert verdict.findings == ()
    assert list(verdict.cells) == list(CELLS)
    assert {(c.status, len(c.episodes)) for c in verdict.cells.values()} == {("verified", 20)}
    failed = [e for c in verdict.cells.values() for e in c.episodes if e.error]
    assert failed and all(not e.won for e in failed), "the sample holds failed episodes"
    assert contents(good) == before


def test_an_episode_that_never_began_is_a_lost_one(good, tmp_path):
    forge = Forge(good, tmp_path / "forged")

    def edit(episodes):
        nothing = {"goal": "", "first_observation": "", "steps": [], "score": 0.0, "won": False}
        ends = {"terminated": False, "truncated": False, "digest": ""}
        episodes[3].update(error="the worker was killed", **nothing, **ends)

    forge.edit("shop-unseen", edit)
    assert verify(forge.path).status == "verified"


def test_a_link_of_the_agent_is_accepted(good, tmp_path):
    forge = Forge(good, tmp_path / "forged")
    forge.manifest(
        lambda m: m["agent"]["description"].update(
            link="https://example.org/a-b/c", prompt="Act:\n"
        )
    )
    assert verify(forge.path).status == "verified"


def test_the_suite_is_the_packages_own(good, tmp_path):
    """Whatever the manifest says of it, and whatever it is called."""
    forge = Forge(good, tmp_path / "forged")
    for name, expected in [
        ("core-v0", "the cells in manifest.json are not those of core-v0."),
        ("mine-v0", "the suite 'mine-v0' is not one of core-v0, "),
    ]:

        def edit(manifest, name=name):
            raw = {**manifest["suite"], "name": name, "digest": None}
            manifest["suite"] = Suite.from_json(raw).to_json()

        forge.manifest(edit)
        assert str(verify(forge.path).findings[0]).startswith(expected)


def test_findings_of_all_cells_are_told(good, tmp_path):
    forge = Forge(good, tmp_path / "forged")
    for cell in CELLS:
        forge.edit(cell, lambda episodes: episodes[2]["steps"][1].update(observation="x"))
    found = verify(forge.path).findings
    assert [(f.cell, f.episode, f.step) for f in found] == [(cell, 3, 2) for cell in CELLS]


def test_nobody_is_kept_busy_by_thousands_of_lies(good, tmp_path):
    forge = Forge(good, tmp_path / "forged")
    forge.edit("lab-unseen", lambda es: [e["steps"][0].update(observation="x") for e in es])
    assert len(verify(forge.path).findings) == 5


VALUES = {
    str: lambda value: st.text(max_size=30).filter(lambda text: text != value),
    bool: lambda value: st.just(not value),
    int: lambda value: st.integers(0, 2**40).filter(lambda number: number != value),
    float: lambda value: st.sampled_from([0.0, 1.0, 0.5, -1.0, math.nextafter(value, 2)]).filter(
        lambda number: number != value
    ),
    type(None): lambda value: st.just("crash"),
    dict: lambda value: st.just({**value, "size": "small"}),
}


@settings(max_examples=60)
@given(data=st.data())
def test_any_changed_field_is_detected(small, tmp_path_factory, data):
    """Of an episode or of a step; the forger makes digests, summaries and ledger agree.

    Two things are claims, which nobody can recompute: the number of tokens, and the words of an
    error. Those are held by digest and ledger only.
    """
    forge = Forge(small, tmp_path_factory.mktemp("property") / "forged")
    cell = data.draw(st.sampled_from(CELLS))
    episodes = forge.episodes(cell)
    place = episodes[data.draw(st.integers(0, 11), label="episode")]
    if data.draw(st.booleans(), label="a step"):
        place = place["steps"][data.draw(st.integers(0, len(place["steps"]) - 1), label="step")]
    field = data.draw(st.sampled_from(sorted(set(place) - {"steps"})), label="field")
    old = place[field]
    if field == "feedback":
        values = st.sampled_from([f.value for f in Feedback if f.value != old])
    else:
        values = VALUES[type(old)](old)
    place[field] = data.draw(values, label="value")
    # An action that is answered in every way alike is no forgery, so it too needs the digest.
    held = field in ("action", "prompt_tokens", "generated_tokens") or (field == "error" and old)
    forge.write(cell, [dump(episode) for episode in episodes], seal=not held)
    verdict = verify(forge.path, suite=SMALL)
    assert verdict.status == "refused"
    assert verdict.findings[0].cell == cell


def test_perturbed_cells_are_verified(tmp_path):
    """Also where what fails silently makes an episode longer than its horizon."""
    lab = load_suite("quick").cells[2]
    perturbed = [
        dataclasses.replace(lab, name=name, episodes=5, env_kwargs={"perturbation": name + ":2"})
        for name in ("failures", "typos")
    ]
    suite = Suite("mine-v0", (dataclasses.replace(lab, episodes=5), *perturbed))
    measured = measure_suite(suite, rounds=1, on_skip=lambda cell, error: pytest.fail(str(error)))
    good = pack(write_run(tmp_path / "run", measured), tmp_path / "packed")
    verdict = verify(good, suite=measured)
    assert (verdict.status, verdict.findings) == ("verified", ())
    assert max(len(e.steps) for e in verdict.cells["failures"].episodes) > lab.horizon


# ── what cannot be replayed ─────────────────────────────────────────────────


def mixed(good, tmp_path, env_id, **fields):
    """A submission of two cells: one of the lab, and its copy said to be of another environment."""
    quick = load_suite("quick")
    lab = quick.cells[2]
    other = dataclasses.replace(lab, name="other", env_id=env_id, **fields)
    suite = Suite("mixed-v0", (lab, other))
    forge = Forge(good, tmp_path / "mixed")
    lines = forge.lines(lab.name)
    for cell in CELLS[:2]:
        forge.file(cell).unlink()

    def edit(manifest):
        manifest["suite"] = suite.to_json()
        manifest["files"] = dict.fromkeys(("lab-unseen", "other"))
        manifest["summary"] = {}

    forge.manifest(edit)
    forge.write("other", [line.replace(b"qevolve/Lab-v0", env_id.encode()) for line in lines])
    return forge, suite


def test_cell_without_its_data_is_unverified(good, tmp_path, monkeypatch):
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    forge, suite = mixed(good, tmp_path, "qevolve/WebShop-v0", split="test", panel=None)
    forge.edit("other", lambda episodes: [e.update(split="test") for e in episodes])
    forge.edit("other", lambda es: [e["env_kwargs"].update(max_episode_steps=24) for e in es])
    verdict = verify(forge.path, suite=suite)
    assert verdict.findings == ()
    assert verdict.status == "unverified"
    assert verdict.cells["lab-unseen"].status == "verified"
    assert verdict.cells["other"].reason == (
        "its environment is not available here: it needs the WebShop files, through data=PATH or"
        " $WEBSHOP_DATA"
    )
    forge.edit("other", lambda episodes: episodes.pop())
    found = verify(forge.path, suite=suite).findings
    assert [str(f) for f in found] == ["other: 1 of 20 episodes are missing."]


def test_skipped_cell_is_unverified_with_its_reason(good, tmp_path):
    forge, suite = mixed(good, tmp_path, "qevolve/WebShop-v0", split="test", panel=None)
    forge.file("other").unlink()

    def edit(manifest):
        manifest["skipped"] = {"other": "the files are not here"}
        del manifest["files"]["other"], manifest["summary"]["other"]

    forge.manifest(edit)
    forge.seal()
    verdict = verify(forge.path, suite=suite)
    assert verdict.status == "unverified"
    assert verdict.cells["other"].reason == "it was not played: 'the files are not here'"


def test_nondeterministic_cell_is_unverified_yet_its_place_checked(good, tmp_path, monkeypatch):
    entry = EnvEntry(
        "qevolve/Lab-v0", "qevolve_envs.lab.env:LabEnv", 24, ("unseen",), "", nondeterministic=True
    )
    monkeypatch.setattr(submission, "all_entries", lambda: (entry,))
    verdict = verify(good)
    assert verdict.status == "unverified"
    assert verdict.cells["lab-unseen"].reason == (
        "qevolve/Lab-v0 does not answer alike twice, so it cannot be replayed"
    )
    forge = Forge(good, tmp_path / "forged")
    forge.edit("lab-unseen", lambda episodes: episodes.reverse())
    assert "it is the episode of place 20" in str(verify(forge.path).findings[0])
    forge = Forge(good, tmp_path / "again")
    forge.edit("lab-unseen", lambda episodes: episodes[0].update(score=1.0))
    assert "its score is not that of its last step" in str(verify(forge.path).findings[0])
    forge = Forge(good, tmp_path / "longer")
    forge.edit("lab-unseen", lambda es: [e["steps"].extend(e["steps"][:1] * 24) for e in es])
    assert "steps, and the horizon is 24" in str(verify(forge.path).findings[0])


def test_another_panel_here_is_unverified(good, tmp_path):
    forge, suite = mixed(good, tmp_path, "qevolve/Lab-v0", panel="0" * 64)
    verdict = verify(forge.path, suite=suite)
    assert verdict.cells["other"].status == "unverified"
    assert verdict.cells["other"].reason == "the panel that is installed here is another one"


# ── the command ─────────────────────────────────────────────────────────────


def test_command_verifies(good, capsys):
    assert main(["verify", str(good)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("verified: quick-v0 by halting, 60 episodes, ")


def test_command_tells_what_is_wrong(good, tmp_path, capsys):
    forge = Forge(good, tmp_path / "forged")
    forge.edit("lab-unseen", lambda es: es[2]["steps"][1].update(observation="You win."))
    assert main(["verify", str(forge.path)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "lab-unseen, episode 3, step 2: " in out[0]
    assert "recorded observation 'You win.', replayed" in out[0]
    assert out[-1].startswith("refused: quick-v0 by halting")
    assert main(["verify", "--json", str(forge.path)]) == 1
    raw = json.loads(capsys.readouterr().out)
    assert raw["status"] == "refused"
    assert (raw["findings"][0]["episode"], raw["findings"][0]["step"]) == (3, 2)


def test_command_is_misused(good, tmp_path, capsys):
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    assert main(["verify", str(good / "manifest.json")]) == 2
    assert main(["verify"]) == 2
    assert main(["verify", "--suite", str(tmp_path / "no.json"), str(good)]) == 2
    for sentence in capsys.readouterr().err.splitlines():
        assert sentence.startswith("qevolve-bench: ")


def test_command_takes_a_suite_of_ones_own(good, tmp_path, capsys):
    forge, suite = mixed(good, tmp_path, "qevolve/Lab-v0")
    path = tmp_path / "mixed-v0.json"
    path.write_text(json.dumps(suite.to_json()))
    assert main(["verify", str(forge.path)]) == 1
    assert "the suite 'mixed-v0' is not one of" in capsys.readouterr().out
    assert main(["verify", "--suite", str(path), str(forge.path)]) == 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_verifying_leaves_no_file_open(good):
    verify(good)
    before = len(list(Path("/proc/self/fd").iterdir()))
    verify(good)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_run_folder_is_no_submission(run, tmp_path):
    run = Path(shutil.copytree(run, tmp_path / "run"))
    (run / "timing.json").touch()
    (finding,) = verify(run).findings
    assert "it is the folder of a run" in str(finding) and "leaderboard add" in str(finding)
    (run / "timing.json").unlink()
    (run / "notes.txt").touch()
    assert "does not belong into a submission" in str(verify(run).findings[0])
