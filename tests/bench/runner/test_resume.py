"""Runs that are killed, interrupted or played by more workers end in the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from qevolve_bench.runner import log
from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.runner.log import Log
from qevolve_bench.runner.results import load_run
from qevolve_envs.errors import BadFile, BenchError

TOY = "toy:benchtoy/Corridor-v0"


def test_neither_workers_nor_their_absence_change_a_byte(play, contents):
    manifests = [play("random", out=str(n), workers=n) for n in (0, 1, 2)]
    assert manifests[0] == manifests[1] == manifests[2]
    assert contents("0") == contents("1") == contents("2")
    assert sorted(contents("0")) == [
        "episodes/test.jsonl",
        "episodes/train.jsonl",
        "manifest.json",
        "timing.json",
    ]


def test_a_run_plays_what_evaluate_plays(play, folder):
    play("random")
    cells = load_run(folder / "run").cells
    assert cells["train"] == evaluate(TOY, agent="random", split="train")
    tests = [
        evaluate(TOY, agent="random", split="test", seed=seed, max_episode_steps=4)
        for seed in (0, 5)
    ]
    assert cells["test"] == [*tests[0], *tests[1]]


def test_the_log_can_end_anywhere(play, folder, contents):
    whole = contents_of_log(play, folder)
    play("random", out="undisturbed")
    expected = contents("undisturbed")
    chance = random.Random(0)
    head = whole.index(b"\n") + 1
    cuts = [head, head + 1, len(whole) - 1, len(whole)]
    for end in [*cuts, *(chance.randrange(head, len(whole)) for _ in range(12))]:
        run = folder / f"cut{end}"
        run.mkdir()
        (run / log.NAME).write_bytes(whole[:end])
        play("random", out=run.name)
        assert contents(run) == expected, end
        shutil.rmtree(run)


def contents_of_log(play, folder):
    """The log of a run to whose end only the last step is missing."""
    kept = folder / "kept"

    def copy(done, total):
        if done == total:
            shutil.copy(folder / "run" / log.NAME, kept)

    play("random", on_progress=copy)
    return kept.read_bytes()


def test_a_damaged_unit_and_all_behind_it_are_played_again(play, folder, contents):
    whole = bytearray(contents_of_log(play, folder))
    place = whole.index(b'"observation":"You are', len(whole) // 2)
    whole[place + 20] ^= 1
    (folder / "damaged").mkdir()
    (folder / "damaged" / log.NAME).write_bytes(whole)
    before = len(load_run(folder / "damaged", partial=True).cells["train"])
    assert before < 12
    play("random", out="damaged")
    assert contents("damaged") == contents("run")


def test_what_is_no_log_is_refused(play, folder):
    (folder / "run").mkdir()
    for junk in (b"", b"\n", b"{}\n", b'{"schema":2,"plan":{}}\n', b"\xff\n"):
        (folder / "run" / log.NAME).write_bytes(junk)
        with pytest.raises(BadFile, match="no log of a run"):
            play("random")


def test_one_process_at_a_time(play, folder):
    refusals = []

    def claim(done, total):
        with pytest.raises(BadFile) as error:
            Log(folder / "run" / log.NAME)
        refusals.append(str(error.value))

    play("random", on_progress=claim)
    assert len(refusals) == 7 and all("Another process is writing" in r for r in refusals)


def test_code_that_changed_in_between_is_recorded(play, folder, monkeypatch):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play("random", on_progress=stop)
    monkeypatch.setattr("qevolve_bench.runner.suite.provenance", lambda: {"python": "other"})
    manifest = play("random")
    assert manifest["provenance"]["continued_with"] == [{"python": "other"}]
    assert manifest["provenance"]["python"] != "other"


def test_a_panel_that_is_not_the_suites_is_refused(play, suite):
    import dataclasses

    wrong = dataclasses.replace(suite.cells[0], panel="0" * 64)
    with pytest.raises(BenchError, match="The tasks of train are not those of toys-v0"):
        play("random", suite=dataclasses.replace(suite, cells=(wrong, suite.cells[1])))


# ── real processes, really killed ───────────────────────────────────────────


def command(folder: Path, out: str, *more: str) -> subprocess.Popen[str]:
    argv = ["eval", "--suite", "toys.json", "--agent", "mine:slow", "--batch-size", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "qevolve_bench", *argv, "--out", out, *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, an interrupt is ignored, and children inherit it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        # Without git: whoever commits to this checkout meanwhile changes the provenance.
        env={**os.environ, "PATH": ""},
    )


def wait_for_units(run: Path, least: int) -> int:
    """Waits until the log holds so many units, or the run is finished; returns their number."""
    units = 0
    for _ in range(3000):
        if (run / "manifest.json").exists():
            return units
        with suppress(OSError):
            units = (run / log.NAME).read_bytes().count(b'{"unit":')
        if units >= least:
            return units
        time.sleep(0.02)
    raise AssertionError("the run makes no progress")


def survivors(folder: Path) -> set[int]:
    """Workers that still live, a while after their supervisor was killed."""
    pids = {int(line) for line in (folder / "pids").read_text().split()}
    for _ in range(200):
        pids = {pid for pid in pids if alive(pid)}
        if not pids:
            break
        time.sleep(0.05)
    return pids


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed_again_and_again(folder: Path, suite, contents, times: int) -> None:
    (folder / "toys.json").write_text(json.dumps(suite.to_json()))
    undisturbed = command(folder, "undisturbed", "--workers", "1")
    out, err = undisturbed.communicate(timeout=120)
    assert undisturbed.returncode == 0, err
    chance = random.Random(times)
    units = 0
    for _ in range(times):
        process = command(folder, "run", "--workers", str(chance.choice([1, 2])))
        units = wait_for_units(folder / "run", units + 1)
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert not survivors(folder)
        if not (folder / "run" / "manifest.json").exists():
            before = load_run(folder / "run", partial=True).manifest["ledger"]["episodes"]
            assert before > 0
    if not (folder / "run" / "manifest.json").exists():
        process = command(folder, "run", "--workers", "2")
        again, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert again == out
    assert contents(folder / "run") == contents(folder / "undisturbed")
    sessions = json.loads((folder / "run" / "timing.json").read_text())["sessions"]
    assert len(sessions) > times // 2


def test_a_killed_run_is_continued_by_the_same_command(folder, suite, contents):
    killed_again_and_again(folder, suite, contents, times=2)


@pytest.mark.slow
def test_ten_kills_change_no_byte(folder, contents):
    from qevolve_bench.suites import Cell, Suite

    cells = (Cell("train", TOY, "train", 10, episodes=60, seeds=(0, 1)),)
    killed_again_and_again(folder, Suite("toys-v0", cells), contents, times=10)


@pytest.mark.parametrize("native", ["true", "false"])
def test_a_busy_worker_dies_with_its_supervisor(folder, suite, native):
    (folder / "toys.json").write_text(json.dumps(suite.to_json()))
    process = command(folder, "run", "--agent", "mine:spins", "--agent-arg", f"native={native}")
    for _ in range(3000):
        if (folder / "spinning").exists():
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the agent was never asked")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    left = survivors(folder)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not left


def test_ctrl_c_leaves_what_was_played(folder, suite, contents):
    (folder / "toys.json").write_text(json.dumps(suite.to_json()))
    process = command(folder, "run", "--workers", "2", "--agent-arg", "seconds=0.05")
    wait_for_units(folder / "run", 2)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to everybody.
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.startswith("qevolve-bench: interrupted after ")
    assert line.endswith("; they lie in run, and the same command continues.")
    assert not survivors(folder)
    partial = load_run(folder / "run", partial=True)
    assert f"after {partial.manifest['ledger']['episodes']} of 22 " in line
    process = command(folder, "run", "--workers", "1", "--agent-arg", "seconds=0.05")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "22 episodes in run\n")
    for name, episodes in partial.cells.items():
        final = load_run(folder / "run").cells[name]
        assert all(episode in final for episode in episodes)


def test_what_an_agent_prints_is_no_result(folder, suite):
    (folder / "toys.json").write_text(json.dumps(suite.to_json()))
    process = command(folder, "run", "--agent", "mine:talks")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "this is not a result" in err and "this is not a result" not in out
