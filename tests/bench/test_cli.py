from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qevolve_bench.cli import main
from qevolve_bench.flags import named_values
from qevolve_bench.runner.backends import BACKENDS
from qevolve_bench.runner.results import load_run
from qevolve_envs.catalog import CATALOG
from qevolve_envs.errors import BenchError

TOY = "benchtoy/Corridor-v0"
# In this process, where the toy is registered; test_runner.py has the workers.
EVAL = ["eval", "--env", TOY, "--split", "test", "--agent", "expert", "--workers", "0"]


@pytest.fixture
def run(capsys):
    """Runs the command line; returns (exit code, stdout, stderr)."""

    def runs(*argv):
        code = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runs


def assert_sentence(result, words):
    """A user's mistake: code 2, one line on stderr, nothing on stdout, no traceback."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("qevolve-bench: ") and err.endswith((".\n", "?\n")), err
    assert err.count("\n") == 1 and "Traceback" not in err
    assert words in err


# ── the parser ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("argv", [["--help"], ["eval", "--help"], ["play", "-h"], ["list", "-h"]])
def test_help(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 0
    assert "usage: qevolve-bench" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["eval", "robustness"])
def test_help_lists_the_agents(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "agents: random, expert, replay, mock, checkpoint, openai, hf (built in);" in out
    assert "returns an object with reset and act" in out
    assert ("examples:" in out) is (command == "robustness")


def test_the_plan_in_the_help_is_one(capsys, tmp_path):
    pytest.importorskip("torch")
    from qevolve_bench.commands.run import _PLAN
    from qevolve_bench.study.reader import read_study

    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert _PLAN in capsys.readouterr().out
    path = tmp_path / "study.yaml"
    path.write_text("\n".join(line for line in _PLAN.splitlines() if line.startswith("  ")))
    assert [arm.name for arm in read_study(path).arms] == ["rft", "q_evolve"]


def test_version(capsys):
    import qevolve_bench

    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"qevolve-bench {qevolve_bench.__version__}\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qevolve_bench.nothing


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "required: COMMAND (see qevolve-bench --help)."),
        (["evil"], "'evil'"),
        (["eval"], "required: --agent (see qevolve-bench eval --help)."),
        (["eval", "--agent", "expert"], "or --env and --split: --env is missing."),
        (["eval", "--agent", "expert", "--env", TOY], "--split is missing."),
        (["eval", "--agent", "expert", "--suite", "cor"], "did you mean 'core' or"),
        ([*EVAL, "--suite", "core"], "give --suite without --env."),
        ([*EVAL, "--backend", "rey"], "did you mean 'ray'?"),
        ([*EVAL, "--step-seconds", "0"], "--step-seconds: need a number that is more than 0"),
        ([*EVAL, "--memory", "0"], "--memory"),
        ([*EVAL, "--workers", "-1"], "--workers"),
        (["suites", "show", "cor"], "did you mean 'core' or"),
        ([*EVAL, "--submit", "mine"], "is for runs of a suite, because no other is ever verified"),
        ([*EVAL, "--submit", "mine"], "give --suite, one of core-v0, "),
        ([*EVAL, "--colour"], "--colour"),
        ([*EVAL, "--epis", "3"], "--epis"),
        ([*EVAL, "--episodes", "0"], "--episodes: need an integer of at least 1, not '0'"),
        ([*EVAL, "--episodes", "many"], "at least 1, not 'many'"),
        ([*EVAL, "--seed", "-1"], "--seed: need an integer of at least 0, not '-1'"),
        ([*EVAL, "--horizon", "0"], "--horizon"),
        ([*EVAL, "--batch-size", "0"], "--batch-size"),
        ([*EVAL, "--env-arg", "size"], "--env-arg needs NAME=VALUE, not 'size'."),
        ([*EVAL, "--env-arg", "=3"], "--env-arg needs NAME=VALUE"),
        ([*EVAL, "--env-arg", "size=small", "--env-arg", "size=large"], "size is given twice."),
        ([*EVAL, "--env-arg", "sise=small"], "did you mean 'size'?"),
        ([*EVAL, "--env-arg", "size=smal"], "did you mean 'small'?"),
        ([*EVAL, "--env-arg", "data=3"], "Cannot make benchtoy/Corridor-v0 with data=3"),
        ([*EVAL, "--env-arg", "size=1e999"], "must be finite"),
        ([*EVAL, "--env-arg", "split=train"], "--split"),
        ([*EVAL, "--split", "tset"], "did you mean 'test'?"),
        ([*EVAL, "--agent", "exprt"], "did you mean 'expert'?"),
        ([*EVAL, "--agent", "no_such_module:make"], "no module named 'no_such_module'."),
        ([*EVAL, "--env", "qevolve/Houshold-v0"], "did you mean 'qevolve/Household-v0' or"),
        ([*EVAL, "--env", "benchtoy/Corridor-v3"], "did you mean 'benchtoy/Corridor-v0'?"),
        (["list", "qevolve/Houshold-v0"], "did you mean 'qevolve/Household-v0' or"),
        (["play", "qevolve/Houshold-v0"], "did you mean 'qevolve/Household-v0' or"),
        (["play", TOY, "--split", "tset"], "did you mean 'test'?"),
        (["play", TOY, "--task", "corridor/test/000"], "did you mean 'corridor/test/000"),
        (["play", TOY, "--env-arg", "size=smal"], "did you mean 'small'?"),
    ],
)
def test_a_mistake_is_one_sentence(run, workdir, argv, words):
    assert_sentence(run(*argv), words)
    assert list(workdir.iterdir()) == []


def test_env_args_are_scalars_or_text():
    pairs = ["a=3", "b=0.5", "c=true", "d=null", 'e="3"', "f=x=y", "g=", "h=[1]", "i=v1.0"]
    values = {"a": 3, "b": 0.5, "c": True, "d": None, "e": "3", "f": "x=y", "g": "", "h": "[1]"}
    assert named_values("--env-arg", pairs) == {**values, "i": "v1.0"}
    with pytest.raises(BenchError):
        named_values("--env-arg", ["not a name=3"])


# ── list ────────────────────────────────────────────────────────────────────


def test_list_shows_every_environment(run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 110, "it fits a terminal"
    words = " ".join(out.split())
    for entry in CATALOG:
        (line,) = [line for line in lines if line.startswith(entry.id)]
        assert str(entry.max_episode_steps) in line.split()
        # Cells are wrapped, so only their words can be looked for.
        for word in f"{entry.summary} {entry.needs} {' '.join(entry.splits)}".split():
            assert word in words


def test_list_describes_one_environment(run, monkeypatch):
    from bench_toy import CorridorEnv

    from qevolve_envs.catalog import EnvEntry

    monkeypatch.setattr(EnvEntry, "load", lambda self: CorridorEnv)
    entry = CATALOG[1]
    code, out, _ = run("list", entry.id)
    assert code == 0
    for words in [entry.id, entry.summary, entry.needs, "A corridor with a door", *entry.splits]:
        assert words in out
    for name, help_ in entry.kwargs.items():
        assert f"--env-arg {name}=" in out and help_ in out


# ── play ────────────────────────────────────────────────────────────────────


@pytest.fixture
def play(run, monkeypatch):
    def plays(typed, *argv):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        return run("play", TOY, "--task", "corridor/test/0000", *argv)

    return plays


def test_a_person_wins(play):
    code, out, err = play(b"right\n\n  right \nright\nnever read\n")
    assert (code, err) == (0, "")
    assert "Task corridor/test/0000: Reach the door." in out
    assert "You are 3 rooms from the door." in out and "> " in out
    assert out.endswith("\nYou won, in 3 steps.\n")


def test_a_person_runs_out_of_steps(play):
    code, out, _ = play(b"right\nfly\n" + b"look\n" * 9)
    assert code == 0
    assert "What?" in out
    assert out.endswith("\nOut of steps after 10, with a score of 0.33.\n")


@pytest.mark.parametrize("ending", [b"quit\nright\n", b""])
def test_a_person_leaves(play, ending):
    code, out, err = play(b"right\n" + ending)
    assert (code, err) == (0, "")
    assert out.endswith("You left after 1 step, with a score of 0.33.\n")


def test_a_person_leaves_by_ctrl_c(run, monkeypatch):
    def interrupted(prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    code, out, err = run("play", TOY)
    assert (code, err) == (0, "")
    assert out.endswith("\nYou left after 0 steps, with a score of 0.00.\n")


def test_a_question_mark_shows_the_commands_and_costs_no_step(play):
    _, out, _ = play(b"?\nquit\n")
    assert "> left\nlook\nright\nroll\n" in out
    assert "after 0 steps" in out


def test_admissible_commands_are_shown_every_time(play):
    assert play(b"look\nquit\n", "--admissible")[1].count("Possible: left; look; right; roll") == 2


def test_typed_bytes_that_are_no_text_are_a_wrong_command(play):
    code, out, _ = play(b"\xff\xfe\nquit\n")
    assert code == 0
    assert "What?" in out and "after 1 step," in out


def test_a_seed_draws_the_same_task_again(run, monkeypatch):
    def task(seed):
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        return run("play", TOY, "--split", "train", "--seed", seed)[1].split()[1]

    assert task(5) == task(5)
    assert len({task(seed) for seed in range(8)}) > 1


# ── eval ────────────────────────────────────────────────────────────────────


def test_eval_prints_every_number_with_its_interval(run, workdir):
    code, out, err = run(*EVAL, "--out", "run")
    assert code == 0
    assert err == "5 episodes in run\n", "a progress bar is for terminals only"
    assert out.startswith(f"{TOY}, split test, seed 0\n\n")
    header, _, row = out.splitlines()[2:5]
    assert header.split() == ["agent", "success", "score", "steps", "n", "failed", "env", "steps"]
    assert row.split()[:7] == ["expert", "1.000", "[0.566,", "1.000]", "1.000", "[1.000,", "1.000]"]
    assert row.split()[-3:] == ["5", "0", "19"]
    assert "95% intervals" in out
    (episodes,) = load_run("run").cells.values()
    assert len(episodes) == 5 and all(e.won for e in episodes)
    assert [p.name for p in workdir.iterdir()] == ["run"]


def test_the_same_arguments_give_the_same_bytes(run, workdir):
    def result(name, *changes):
        argv = ["eval", "--env", TOY, "--split", "train", "--agent", "random", "--episodes", "15"]
        code, out, _ = run(
            *argv, "--workers", "0", "--env-arg", "size=large", *changes, "--out", name
        )
        assert code == 0
        (file,) = (workdir / name / "episodes").iterdir()
        return out, file.read_bytes()

    first = result("a")
    assert result("b") == first
    assert result("c", "--batch-size", "4") == first
    assert result("d", "--seed", "1")[1] != first[1]
    assert result("e", "--horizon", "3")[1] != first[1]
    a, e = (load_run(name).cells["corridor-v0-train"] for name in "ae")
    assert {episode.env_kwargs["size"] for episode in a} == {"large"}
    assert {len(episode.steps) for episode in e} == {3}


@pytest.mark.parametrize(("episodes", "repeated"), [(5, False), (6, True)])
def test_repeated_tasks_are_not_passed_off_as_more_evidence(run, episodes, repeated):
    assert ("Tasks were played repeatedly" in run(*EVAL, "--episodes", episodes)[1]) is repeated


def test_an_environment_without_a_horizon_needs_one(run):
    argv = ["eval", "--env", "benchtoy/Endless-v0", *EVAL[3:]]
    assert_sentence(run(*argv), "no horizon: give one (--horizon).")
    assert run(*argv, "--horizon", "9")[0] == 0


AGENTS = """
class Crash:
    def reset(self, tasks): self.n = len(tasks)
    def act(self, observations): raise RuntimeError("out of\\nmemory")

class Interrupt(Crash):
    calls = 0
    def act(self, observations):
        self.calls += 1
        if self.calls == 4:
            raise KeyboardInterrupt
        return ["right"] * self.n
"""


def test_a_crashing_agent_is_a_result(run, workdir):
    (workdir / "mine.py").write_text(AGENTS)
    code, out, err = run(*EVAL, "--agent", "mine:Crash", "--out", "run")
    assert code == 1
    assert err == "5 episodes in run\nqevolve-bench: every episode failed.\n"
    row = out.splitlines()[4].split()
    assert row[:4] == ["mine:Crash", "0.000", "[0.000,", "0.434]"]
    assert row[-3:] == ["5", "5", "0"]
    assert "5 failed, the first on corridor/test/" in out
    reason = "agent.act raised RuntimeError: out of memory (mine.py, line 4)"
    assert out.endswith(reason + "\n")
    (episodes,) = load_run("run").cells.values()
    assert {e.error for e in episodes} == {reason}


def test_an_interrupted_eval_is_continued_by_the_same_command(run, workdir):
    (workdir / "mine.py").write_text(AGENTS)
    argv = [*EVAL, "--agent", "mine:Interrupt", "--batch-size", "1", "--out", "run"]
    code, out, err = run(*argv)
    assert (code, out) == (130, "")
    words = "interrupted after 1 of 5 episodes; they lie in run, and the same command continues."
    assert err == f"qevolve-bench: {words}\n"
    with pytest.raises(BenchError, match="unfinished: the command that began it continues it"):
        load_run("run")
    partial = load_run("run", partial=True)
    assert not partial.manifest["complete"] and partial.manifest["ledger"]["episodes"] == 1
    assert [len(cell) for cell in partial.cells.values()] == [1]
    for changes, words in [
        (["--agent", "random"], "another agent ('mine:Interrupt', now 'random')"),
        (["--batch-size", "2"], "another batch size (1, now 2)"),
        (["--seed", "1"], "another seeds of corridor-v0-test"),
        (["--step-seconds", "3"], "another step seconds (600.0, now 3.0)"),
    ]:
        assert_sentence(run(*argv, *changes), words)
    # Another agent takes other options, too: the agent is what is told.
    changes = ["--agent", "mock", "--agent-arg", "script=mine.py"]
    assert_sentence(run(*argv, *changes), "another agent ('mine:Interrupt', now 'mock')")
    (workdir / "mine.py").write_text(AGENTS.replace("== 4", "== 400"))
    sys.modules.pop("mine")
    assert run(*argv)[0] == 0
    assert load_run("run").manifest["ledger"]["episodes"] == 5
    assert load_run("run").cells["corridor-v0-test"][0] == partial.cells["corridor-v0-test"][0]


def test_an_interrupted_eval_without_a_folder_says_that_nothing_is_kept(run, workdir):
    (workdir / "mine.py").write_text(AGENTS)
    code, out, err = run(*EVAL, "--agent", "mine:Interrupt")
    assert (code, out) == (130, "")
    assert err.endswith("after 0 of 5 episodes; nothing is kept, because there is no --out.\n")
    assert [p.name for p in workdir.iterdir() if p.suffix != ".py"] in ([], ["__pycache__"])


def test_existing_results_are_not_lost(run, workdir):
    assert run(*EVAL, "--out", "run")[0] == 0
    manifest = (workdir / "run" / "manifest.json").read_bytes()
    assert_sentence(run(*EVAL, "--out", "run"), "holds a finished run: choose another --out, or")
    assert_sentence(run(*EVAL, "--agent", "random", "--out", "run"), "holds a finished run")
    submitting = ["eval", "--agent", "random", "--suite", "quick", "--submit", "mine"]
    words = "`qevolve-bench leaderboard add run` packs"
    assert_sentence(run(*submitting, "--out", "run"), words)
    assert (workdir / "run" / "manifest.json").read_bytes() == manifest
    assert run(*EVAL, "--agent", "random", "--out", "run", "--force")[0] == 0
    assert load_run("run").agent == "random"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_files_of_others_are_not_touched(run, workdir, force):
    (workdir / "thesis").mkdir()
    (workdir / "thesis" / "chapter.txt").write_text("precious")
    assert_sentence(run(*EVAL, "--out", "thesis", *force), "no part of a run (chapter.txt)")
    assert (workdir / "thesis" / "chapter.txt").read_text() == "precious"
    assert [p.name for p in (workdir / "thesis").iterdir()] == ["chapter.txt"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("file/run", "Not a directory"),
        ("file", "it is a file, and a run is a folder"),
        ("out.jsonl", "names the folder of a run, not a file such as out.jsonl"),
        ("x" * 256, "File name too long"),
        (os.devnull, "it is a file, and a run is a folder"),
        ("nul\0byte", "null byte"),
    ],
)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_place_that_cannot_be_written_is_noticed_before_playing(
    run, workdir, monkeypatch, target, words, force
):
    (workdir / "file").write_text("")
    before = sorted(workdir.rglob("*"))

    def never(*args, **kwargs):
        raise AssertionError("played before looking at --out")

    monkeypatch.setitem(BACKENDS, "local", never)
    assert_sentence(run(*EVAL, "--out", target, *force), words)
    assert sorted(workdir.rglob("*")) == before


def test_a_mistake_found_later_leaves_nothing_behind(run, workdir):
    assert_sentence(run(*EVAL, "--out", "run", "--agent", "nobody"), "Unknown agent")
    assert list(workdir.iterdir()) == []


def test_a_run_survives_a_disk_that_is_full_in_the_end(run, workdir, monkeypatch):
    def full(path, value):
        raise BenchError("Cannot write run: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr("qevolve_bench.runner.suite.write_json", full)
        assert_sentence(run(*EVAL, "--out", "run"), "No space left on device.")

    def never(*args, **kwargs):
        raise AssertionError("played again")

    monkeypatch.setattr("qevolve_bench.runner.worker.BatchPlayer.play", never)
    assert run(*EVAL, "--out", "run")[0] == 0


def test_a_bug_is_not_dressed_up_as_a_mistake_of_the_user(run, monkeypatch):
    def bug(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("qevolve_bench.runner.worker.BatchPlayer.play", bug)
    with pytest.raises(ZeroDivisionError):
        run(*EVAL)


# ── as a process ────────────────────────────────────────────────────────────


def process(folder, *argv, **options):
    shutil.copy(Path(__file__).with_name("toy.py"), folder)
    command = [sys.executable, "-m", "qevolve_bench", *argv]
    options = {"cwd": folder, "text": True, "stderr": subprocess.PIPE, "timeout": 60, **options}
    return subprocess.run(command, **options)


def test_an_environment_and_an_agent_of_the_current_directory(tmp_path):
    (tmp_path / "mine.py").write_text(AGENTS)
    argv = ["eval", "--env", "toy:benchtoy/Corridor-v0", "--split", "test", "--out", "o"]
    done = process(tmp_path, *argv, "--agent", "mine:Crash", stdout=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "5 episodes in o\nqevolve-bench: every episode failed.\n"
    (episodes,) = load_run(tmp_path / "o").cells.values()
    assert {e.env_id for e in episodes} == {"toy:benchtoy/Corridor-v0"}


def test_piped_play(tmp_path):
    done = process(
        tmp_path,
        *["play", "toy:benchtoy/Corridor-v0", "--task", "corridor/test/0000"],
        input="right\nright\nright\n",
        stdout=subprocess.PIPE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("You won, in 3 steps.\n")


def test_a_reader_that_leaves_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = process(tmp_path, "list", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_standard_streams(tmp_path):
    shell = f"{sys.executable} -m qevolve_bench"
    options = {"shell": True, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(f"{shell} list >&-", **options)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(f"{shell} play qevolve/Household-v0 <&-", **options)
    assert_sentence((done.returncode, done.stdout, done.stderr), "no standard input")


def test_imports_stay_light(tmp_path):
    code = (
        "import sys, qevolve_bench, qevolve_bench.cli; qevolve_bench.cli.build_parser();"
        "heavy = {'torch', 'transformers', 'scipy', 'tabulate', 'tqdm', 'pandas', 'pettingzoo'};"
        "print(sorted(heavy & sys.modules.keys()));"
        "import gymnasium; print('qevolve/Household-v0' in gymnasium.registry)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("[]\nTrue\n", "")
