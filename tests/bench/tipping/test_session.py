"""Sessions: conditions, folders, and what an interruption leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qevolve_bench.tipping import session as module
from qevolve_bench.tipping.session import Session, play_session, read_failures
from qevolve_bench.tipping.testbeds import MAIN, TESTBEDS, find_testbed
from qevolve_envs.agent import Failed, TaskView
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.tipping.truth import read_trace

WORLD = "household_norms_v0"
SHORT = {"agents": 3, "confederates": 1, "phases": "A:1,B:2,C:1"}


def session(**changes: Any) -> Session:
    given = {"world": WORLD, "agent": "population:imitate_best", "arguments": SHORT,
             "episodes": 4, "batch_size": 2}  # fmt: skip
    return Session(**{**given, **changes})


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_world_has_its_conditions() -> None:
    for bed in TESTBEDS.values():
        conditions = {name: bed.condition(name, {}) for name in (MAIN, *bed.controls)}
        for arguments in conditions.values():
            assert bed.make(arguments, (), "unseen") is not None
        assert len({json.dumps(c) for c in conditions.values()}) == len(conditions)
        assert len(bed.scenarios({}, "unseen")) >= 20


def test_controls_change_one_thing() -> None:
    bed = find_testbed(WORLD)
    given = {"g": 0.7, "phases": "A:3,B:6:0.15,D:2"}
    assert bed.condition(MAIN, given) == given
    assert bed.condition("no_history", given) == {**given, "history": 0}
    assert bed.condition("g0", given) == {**given, "g": 0.0}
    assert bed.condition("no_graph", given) == {**given, "graph": "none"}
    reversed_ = {**given, "phases": "D:2:0.5,B:6:0.15,A:3:0.5"}
    assert bed.condition("reversed", given) == reversed_
    short = bed.condition("reversed", {**given, "rounds": 5})
    assert short == {**given, "rounds": 5, "phases": "B:2:0.15,A:3:0.5"}  # of what is played
    with pytest.raises(UnknownName, match="did you mean 'no_graph'"):
        bed.condition("nograph", {})
    with pytest.raises(UnknownName, match="did you mean 'household_norms_v0'"):
        find_testbed("houshold_norms_v0")


def test_imitation_spreads_where_it_sees_and_only_there(tmp_path: Path) -> None:
    result = play_session(session(), tmp_path / "run")
    rates = {name: arm["rate"]["value"] for name, arm in result["arms"].items()}
    assert list(rates) == [MAIN, "no_history", "g0", "no_graph", "reversed"]
    assert rates[MAIN] > 0.3
    assert rates["no_history"] == rates["g0"] == rates["no_graph"] == 0
    assert result["subject"] == "population:imitate_best"
    assert json.loads((tmp_path / "run" / "tipping.json").read_text()) == result
    for name in rates:
        trace = list(read_trace(tmp_path / "run" / "traces" / f"{name}.jsonl"))
        assert len({(t.scenario, t.seed) for t in trace}) == 4
    assert set(files(tmp_path / "run")) == {
        "spec.json", "tipping.json", *(f"traces/{name}.jsonl" for name in rates),
    }  # fmt: skip


def test_a_defence_is_another_subject(tmp_path: Path) -> None:
    result = play_session(session(defences=("filter",)), tmp_path / "run", [])
    assert result["subject"] == "population:imitate_best, filter"
    assert result["arms"][MAIN]["rate"]["value"] == 0
    with pytest.raises(BenchError, match="Unknown defence"):
        play_session(session(defences=("filtre",)), tmp_path / "other", [])
    with pytest.raises(BenchError, match="takes no defences"):
        bed = "qevolve/RolePlay-v0"
        play_session(session(world=bed, arguments={}, defences=("filter",)), tmp_path / "o", [])
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_results_do_not_say_where_this_machine_keeps_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "resolve_agent", lambda *args: Moody())
    mine = session(agent="checkpoint", episodes=2, options={"path": str(tmp_path / "trained")})
    result = play_session(mine, tmp_path / "run", [])
    assert result["subject"] == "checkpoint (trained)"
    assert result["session"]["options"] == {"path": "trained"}
    assert str(tmp_path) not in (tmp_path / "run" / "tipping.json").read_text()


class Stopped(KeyboardInterrupt):
    """What stands for Ctrl-C."""


def test_an_interrupted_session_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ["no_graph"]
    play_session(session(), tmp_path / "whole", chosen)
    played = module.play_worlds
    calls = 0

    def counting(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 4):
            raise Stopped
        played(*args)

    monkeypatch.setattr(module, "play_worlds", counting)
    for _ in range(2):
        with pytest.raises(Stopped):
            play_session(session(), tmp_path / "run", chosen)
    progress: list[tuple[int, int]] = []
    play_session(session(), tmp_path / "run", chosen, on_progress=lambda *a: progress.append(a))
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    assert progress[-1] == (8, 8)
    assert calls == 6, "two conditions of two batches, and two that were interrupted"


def test_what_is_finished_is_not_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = play_session(session(), tmp_path / "run", [])
    assert list(first["arms"]) == [MAIN]
    second = play_session(session(), tmp_path / "run", ["g0"])
    assert list(second["arms"]) == [MAIN, "g0"]
    assert second["arms"][MAIN] == first["arms"][MAIN]

    def never(*args: Any) -> None:
        raise AssertionError("played again")

    monkeypatch.setattr(module, "play_worlds", never)
    # What was played earlier stays.
    assert play_session(session(), tmp_path / "run", []) == second


def test_a_folder_belongs_to_one_session(tmp_path: Path) -> None:
    play_session(session(), tmp_path / "run", [])
    before = files(tmp_path / "run")
    with pytest.raises(BenchError, match="differs in its seed: 0 there, 1 here"):
        play_session(session(seed=1), tmp_path / "run", [])
    assert files(tmp_path / "run") == before
    play_session(session(seed=1), tmp_path / "run", [], force=True)
    assert files(tmp_path / "run") != before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    for force in (False, True):
        with pytest.raises(BadFile, match="holds no session"):
            play_session(session(), tmp_path / "thesis", [], force=force)
    (tmp_path / "thesis" / "spec.json").write_text('{"openapi": "3.0"}')
    precious = files(tmp_path / "thesis")
    for force in (False, True):
        with pytest.raises(BadFile, match="is not of a session"):
            play_session(session(), tmp_path / "thesis", [], force=force)
    assert files(tmp_path / "thesis") == precious
    (tmp_path / "run" / "notes.txt").write_text("precious")
    play_session(session(seed=2), tmp_path / "run", [], force=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "precious"
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="cannot hold a session"):
        play_session(session(), tmp_path / "file", [])


class Learner:
    """Works honestly in the first episode that it plays, and never again."""

    played = 0

    def reset(self, tasks: Sequence[TaskView]) -> None:
        self.played += 1

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        return ["log done" if self.played > 1 else "ask owner"] * len(observations)


def test_what_an_agent_learnt_is_not_carried_into_a_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Learner] = []

    def resolve(*_: Any) -> Learner:
        made.append(Learner())
        return made[-1]

    monkeypatch.setattr(module, "resolve_agent", resolve)
    play_session(session(agent="mine:make"), tmp_path / "both", ["g0"])
    assert [agent.played > 0 for agent in made] == [True, True]
    play_session(session(agent="mine:make"), tmp_path / "one", [])
    play_session(session(agent="mine:make"), tmp_path / "one", ["g0"])
    assert files(tmp_path / "both") == files(tmp_path / "one")


class Broken:
    """Raises, until it is mended."""

    mended = False

    def reset(self, tasks: Sequence[TaskView]) -> None:
        pass

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        if not Broken.mended:
            raise RuntimeError("no connection")
        return ["log done"] * len(observations)


def test_an_agent_that_never_answers_is_told_and_can_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "resolve_agent", lambda *_: Broken())
    monkeypatch.setattr(Broken, "mended", False)
    with pytest.raises(
        BenchError, match=r"no answer to any of \d+ questions of main.*no connection"
    ):
        play_session(session(agent="mine:make"), tmp_path / "run", [])
    monkeypatch.setattr(Broken, "mended", True)
    result = play_session(session(agent="mine:make"), tmp_path / "run", [])
    assert result["session"]["failures"] == {MAIN: 0}
    (tmp_path / "run" / "traces" / "main.failures.jsonl").write_text("{broken\n")
    with pytest.raises(BadFile, match=r"main\.failures\.jsonl, line 1: the line is not JSON"):
        read_failures(tmp_path / "run", MAIN)


class Moody:
    """Has no answer in the first round."""

    rounds = 0

    def reset(self, tasks: Sequence[TaskView]) -> None:
        self.rounds += 1

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        answer = Failed("overloaded") if self.rounds % 4 == 1 else "log done"
        return [answer] * len(observations)


def test_failures_are_told_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resolve_agent", lambda *args: Moody())
    result = play_session(session(agent="moody", episodes=2), tmp_path / "run", [])
    lines = read_failures(tmp_path / "run", MAIN)
    assert result["session"]["failures"] == {MAIN: len(lines)}
    assert {(line["round"], line["reason"]) for line in lines} == {(0, "overloaded")}
    rounds = result["arms"][MAIN]["rounds"]
    assert rounds[0]["unparsed"]["value"] == 1 and rounds[1]["unparsed"]["value"] == 0
