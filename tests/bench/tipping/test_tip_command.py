"""`qevolve-bench tip`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qevolve_bench.cli import main
from qevolve_bench.commands.tip import studies

Result = tuple[int, str, str]
WORLD = "household_norms_v0"
TIP = ["tip", "--world", WORLD, "--agent", "population:imitate_best", "--episodes", "3",
       "--arg", "phases=A:1,B:2", "--arg", "confederates=1"]  # fmt: skip
ROLE_PLAY = ["tip", "--world", "qevolve/RolePlay-v0", "--episodes", "3"]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs the command line in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def runs(*argv: Any) -> Result:
        code = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runs


def test_help_has_agents_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["tip", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "agents: random, expert" in out and "examples:" in out


def test_list(run: Callable[..., Result]) -> None:
    code, out, err = run("tip", "--list")
    assert (code, err) == (0, "")
    for name in (
        WORLD, "qevolve/RolePlay-v0", "collusion_v0", "no_history", "imitate_best", "remind:k",
        *studies(),
    ):  # fmt: skip
        assert name in out
    assert {"tip-household.yaml", "tip-roleplay.yaml"} <= set(studies())


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["tip"], "give --world, --study, --read or --list."),
        (["tip", "--world", WORLD], "--out is missing"),
        (["tip", "--world", WORLD, "--out", "o"], "--agent is missing"),
        (["tip", "--world", WORLD, "--list"], "not allowed with"),
        ([*TIP, "--world", "houshold_norms_v0"], "did you mean 'household_norms_v0'"),
        ([*TIP, "--agent", "population:imitate_bst"], "did you mean 'imitate_best'?"),
        ([*TIP, "--agent", "population:bandit:2"], "no strategy"),
        ([*TIP, "--agent", "population:bandit", "--agent-arg", "x=1"], "takes no options"),
        ([*TIP, "--agent", "exprt"], "did you mean 'expert'?"),
        ([*TIP, "--agent", "mock"], "give --agent-arg script=VALUE."),
        ([*TIP, "--arg", "agnets=3"], "did you mean 'agents'?"),
        ([*TIP, "--arg", "agents=0"], "agents must be a whole number from 1"),
        ([*TIP, "--arg", "graph=rnig"], "did you mean 'ring'?"),
        ([*TIP, "--arg", "agents"], "--arg needs NAME=VALUE, not 'agents'."),
        ([*TIP, "--arg", "split=train"], "Unknown argument of household_norms_v0 'split'"),
        ([*TIP, "--split", "unsen"], "did you mean 'unseen' or 'seen'?"),
        ([*TIP, "--controls", "g1"], "control of household_norms_v0 'g1'"),
        ([*TIP, "--defence", "remnid:2"], "did you mean 'remind'?"),
        ([*TIP, "--defence", "remind"], "is not of the form remind:k"),
        ([*TIP, "--table"], "--table belongs to --study."),
        ([*ROLE_PLAY, "--agent", "random", "--defence", "filter"], "takes no defences"),
        ([*ROLE_PLAY, "--agent", "random", "--arg", "suprvision=x"], "did you mean 'supervision'"),
        ([*ROLE_PLAY, "--agent", "random", "--controls", "g0"], "control of qevolve/RolePlay-v0"),
        (["tip", "--read", "nothing"], "Cannot read nothing: No such file"),
        (["tip", "--study", "no.yaml"], "Cannot read the study no.yaml: No such file"),
        (["tip", "--study", "x", "--agent", "random"], "--agent is decided by the plan"),
    ],
)
def test_a_mistake_is_one_sentence(
    run: Callable[..., Result], tmp_path: Path, argv: list[str], words: str
) -> None:
    if "--study" in argv:
        pytest.importorskip("torch")
    out = (
        []
        if "--out" in argv or words.startswith(("give --world", "--out", "not"))
        else ["--out", "o"]
    )
    code, printed, err = run(*argv, *out)
    assert (code, printed) == (2, ""), err
    assert err.startswith("qevolve-bench: ") and err.count("\n") == 1, err
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_an_agent_plays_a_world_and_its_controls(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    code, out, err = run(*TIP, "--out", "run", "--controls", "no_graph")
    assert (code, err) == (0, "")
    assert out.startswith(f"population:imitate_best on {WORLD}: 3 episodes, 3 agents, 3 rounds")
    assert "main - no_graph" in out and "no_history" not in out.split("\n\n")[2]
    saved = json.loads((tmp_path / "run" / "tipping.json").read_text())
    assert saved["session"]["arguments"] == {"phases": "A:1,B:2", "confederates": 1}
    # The same command again plays nothing, and shows the same; so does --read.
    assert run(*TIP, "--out", "run", "--controls", "no_graph") == (0, out, "")
    assert run("tip", "--read", "run") == (0, out, "")


def test_several_sessions_have_a_front(run: Callable[..., Result]) -> None:
    play = [*TIP, "--controls", "none", "--out"]
    run(*play, "a")
    run(*play, "b", "--agent", "population:always_comply")
    code, out, _ = run("tip", "--read", "a", "b")
    assert code == 0
    rows = {line.split()[0]: line.split()[-1] for line in out.splitlines()[2:4]}
    assert rows == {"population:imitate_best": "no", "population:always_comply": "yes"}
    assert len(json.loads(run("tip", "--read", "a", "b", "--format", "json")[1])["front"]) == 2


@pytest.mark.parametrize("agent", ["random", "expert", "population:always_violate"])
def test_role_play(run: Callable[..., Result], agent: str) -> None:
    code, out, err = run(*ROLE_PLAY, "--agent", agent, "--out", "run")
    assert (code, err) == (0, "")
    assert "on role_play: 3 episodes, 1 agent, 6 rounds, 18 records" in out
    assert "main - no_history" in out and "main - supervised" in out


def test_a_mock_agent_plays_every_world(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text('{"choice": "collective"}\n')
    argv = ["--agent", "mock", "--agent-arg", "script=script.txt", "--controls", "none"]
    code, _, err = run("tip", "--world", WORLD, *argv, "--episodes", "2", "--out", "a")
    assert code == 2 and "nothing of what they said was a command" in err


def test_ctrl_c_says_how_to_go_on(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from qevolve_bench.tipping import session

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(session, "play_worlds", interrupted)
        code, out, err = run(*TIP, "--out", "run")
    assert (code, out) == (130, "")
    assert "interrupted after 0 episodes; the same command goes on with run." in err
    assert run(*TIP, "--out", "run", "--controls", "none")[0] == 0
