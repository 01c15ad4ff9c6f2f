from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.run.ledger import Budget, Ledger
from qevolve_baselines.run.run import Run, curve_points
from qevolve_envs.errors import BadFile, BenchError, UnknownName

SETTINGS = {"epochs": 2, "optim": {"batch_tokens": 150}}


def train(run, seed=0):
    return make_learner("sft", None, SETTINGS).train(
        tiny.world(), tiny.demos(), tiny.policy(seed), run
    )


def weights(policy):
    return policy.model.state_dict()


class Counter:
    """Something that changes, in the manner of an optimiser."""

    def __init__(self):
        self.n = 0

    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state_dict):
        self.n = state_dict["n"]


# ── resume ──────────────────────────────────────────────────────────────────


def test_killed_anywhere_a_run_ends_with_the_same_weights(tmp_path):
    program = Path(__file__).with_name("mortal.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"sft", "rft", "q_evolve", "train"}
    for name, found in report.items():
        assert found["killed"] == found["whole"], name
        assert found["kills"] >= 3, name


def test_without_a_folder_the_result_is_the_same(tmp_path):
    ours, theirs = weights(train(Run(seed=0, folder=tmp_path / "run"))), weights(train(Run(seed=0)))
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_what_is_not_claimed_yet_survives_a_save(tmp_path):
    run = Run(seed=0, folder=tmp_path)
    first, second = Counter(), Counter()
    run.track("first", first)
    run.track("second", second)
    first.n, second.n = 1, 2
    run.save()
    resumed = Run(seed=0, folder=tmp_path)
    resumed.track("first", Counter())
    resumed.save()  # Killed here, before the second one is tracked again.
    again, late = Run(seed=0, folder=tmp_path), Counter()
    again.track("second", late)
    assert late.n == 2
    again.drop("first")
    again.save()
    forgotten = Counter()
    Run(seed=0, folder=tmp_path).track("first", forgotten)
    assert forgotten.n == 0


def test_a_stage_is_computed_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [{"x": torch.arange(3)}, "text"]

    for folder in (tmp_path, None):
        calls.clear()
        run = Run(seed=0, folder=folder)
        assert run.once("stage", make)[1] == run.once("stage", make)[1] == "text"
        assert calls == [1]
    assert Run(seed=0, folder=tmp_path).once("stage", make)[0]["x"].tolist() == [0, 1, 2]
    assert calls == [1]


def test_updates_go_on_where_the_last_save_was(tmp_path):
    run = Run(seed=0, folder=tmp_path, save_every=0.0)
    seen = []
    for index in run.updates("stage", 5):
        seen.append(index)
        if index == 2:
            break  # As if it had been killed in the middle of update 2.
    resumed = Run(seed=0, folder=tmp_path)
    assert [*resumed.updates("stage", 5)] == [2, 3, 4]
    assert [*resumed.updates("stage", 5)] == []
    resumed.end("stage")
    assert Run(seed=0, folder=tmp_path).done("stage")


def test_torchs_own_draws_belong_to_the_update_and_nothing_leaks():
    before = torch.random.get_rng_state()
    draws = {i: torch.rand(2).tolist() for i in Run(seed=0).updates("stage", 3)}
    resumed = Run(seed=0)
    resumed._progress["stage"] = 2
    assert {i: torch.rand(2).tolist() for i in resumed.updates("stage", 3)} == {2: draws[2]}
    assert draws[0] != draws[1]
    assert torch.equal(before, torch.random.get_rng_state())


def test_metrics_behind_the_last_save_are_cut_off(tmp_path):
    run = Run(seed=0, folder=tmp_path)
    run.log(stage="a", loss=1.0)
    run.save()
    run.log(stage="b", loss=float("nan"))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [1.0, None]
    Run(seed=0, folder=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    # A file that somebody has deleted is begun anew, not filled with zeros.
    (tmp_path / "metrics.jsonl").write_text("")
    Run(seed=0, folder=tmp_path).log(stage="c")
    assert (tmp_path / "metrics.jsonl").read_bytes().startswith(b'{"stage"')


@pytest.mark.parametrize("content", [b"", b"not a file of torch", None])
def test_a_damaged_state_is_told_in_a_sentence(tmp_path, content):
    run = Run(seed=0, folder=tmp_path)
    run.save()
    file = tmp_path / "state.pt"
    file.write_bytes(file.read_bytes()[:100] if content is None else content)
    with pytest.raises(BadFile, match=r"state\.pt cannot be resumed from .*--force"):
        Run(seed=0, folder=tmp_path)


def test_a_state_of_something_else_is_told_in_a_sentence(tmp_path):
    run = Run(seed=0, folder=tmp_path)
    run.track("policy", tiny.policy().model)
    run.save()
    with pytest.raises(BadFile, match=r"cannot be resumed from"):
        Run(seed=0, folder=tmp_path).track("policy", tiny.policy(hidden_size=64).model)
    torch.save({"schema": 99}, tmp_path / "state.pt")
    with pytest.raises(BadFile, match="schema"):
        Run(seed=0, folder=tmp_path)


# ── budgets, ledger ─────────────────────────────────────────────────────────


def test_budgets_are_read():
    budget = Budget.parse(["env_steps=60_000", "wall_seconds=0.5", "trained_tokens=1e6"])
    assert (budget.env_steps, budget.wall_seconds) == (60_000, 0.5)
    assert budget.trained_tokens == 1_000_000 and budget.main_axis == "env_steps"
    assert Budget.parse([]).main_axis is None


@pytest.mark.parametrize("item", ["env_steps=0", "env_steps=0.5", "episodes=-3", "episodes=x"])
def test_empty_budgets_are_refused(item):
    with pytest.raises(BenchError, match="needs a positive number"):
        Budget.parse([item])
    with pytest.raises(UnknownName, match="env_steps"):
        Budget.parse([item.replace("e", "", 1)] if item.startswith("env") else ["env_step=3"])


def test_a_budget_ends_training_at_the_first_update_behind_it():
    demos = sum(
        len(tiny.policy().encoder.demonstration(d).transcripts[0].ids) - 1 for d in tiny.demos()
    )
    run = Run(seed=0, budget=Budget(trained_tokens=demos // 2))
    train(run)
    assert demos // 2 <= run.ledger.trained_tokens < demos // 2 + 300


def test_the_ledger_counts_what_was_played():
    actor = tiny.policy()
    played = [t.episode for t in tiny.own_episodes(actor, 5)]
    ledger = Ledger()
    ledger.count(played)
    assert ledger.episodes == 5 and ledger.env_steps == sum(len(e.steps) for e in played)
    assert ledger.generated_tokens == sum(t.action_tokens for t in tiny.own_episodes(actor, 5))


def test_accelerator_seconds_are_those_of_an_accelerator():
    plain, fast = Run(seed=0), Run(seed=0, accelerator=True)
    for run in (plain, fast):
        assert run.spent is None
    assert plain.ledger.accelerator_seconds == 0.0 < fast.ledger.accelerator_seconds


# ── learning curves ─────────────────────────────────────────────────────────


def test_points_of_the_curve_are_log_spaced():
    np.testing.assert_allclose(curve_points(6), [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1])
    assert curve_points(1) == 1


def test_checkpoints_come_at_their_points_and_once():
    calls = []
    run = Run(
        seed=0,
        budget=Budget(env_steps=320),
        on_checkpoint=lambda number, policy, ledger: calls.append((number, ledger.env_steps)),
    )
    actor = tiny.policy()
    for steps in (5, 10, 11, 12, 45, 90, 320):
        run.ledger.env_steps = steps
        run.checkpoint(actor)
    run.checkpoint(actor, final=True)  # Nothing has happened since.
    assert calls == [(1, 10), (3, 45), (4, 90), (6, 320)]
    run.ledger.env_steps = 330
    run.checkpoint(actor, final=True)
    assert calls[-1] == (7, 330)


def test_an_evaluation_leaves_no_trace():
    actor = tiny.policy()
    actor.model.train()
    run = Run(seed=0, on_checkpoint=lambda number, policy, ledger: policy.model.eval())
    run.checkpoint(actor, final=True)
    assert actor.model.training and run.ledger.wall_seconds < 60
