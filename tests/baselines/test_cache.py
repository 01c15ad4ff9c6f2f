"""What runs have in common: taken from another run, it changes nothing but the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.run import cache as shelf
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run

SETTINGS: dict[str, Any] = {
    "rounds": 2,
    "collect": {"per_task": 1, "batch_size": 8},
    "critic": {"epochs": 1, "optim": {"batch_tokens": 400}},
    "policy": {"epochs": 1, "optim": {"batch_tokens": 400}},
    "unhealthy": "log",
}


def play(shared: Path | None, budget: Budget | None = None, **settings: Any) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    run = Run(seed=1, shared=shared, budget=budget or Budget(), on_log=lines.append)
    learner = make_learner("q_evolve", None, {**SETTINGS, **settings})
    trained = learner.train(tiny.world(), tiny.demos(), tiny.warm_policy(), run)
    ledger = {k: getattr(run.ledger, k) for k in ("env_steps", "episodes", "trained_tokens")}
    stages = [line["stage"] for line in lines if "taken" in line]
    return {"digest": trained.digest(), "ledger": ledger, "taken": stages}


def test_what_another_run_has_made_is_what_this_one_would_have(tmp_path):
    alone = {advantage: play(None, advantage=advantage) for advantage in ("gae", "td")}
    assert alone["gae"]["digest"] != alone["td"]["digest"]
    first = play(tmp_path / "shared", advantage="gae")
    assert first == alone["gae"], "whoever comes first makes it all"
    second = play(tmp_path / "shared", advantage="td")
    assert second.pop("taken") == ["round-1-critic"], "in the second round the policies differ"
    assert second == {k: v for k, v in alone["td"].items() if k != "taken"}
    again = play(tmp_path / "shared", advantage="td")
    assert again.pop("taken") == ["round-1-critic", "round-2-critic"]
    assert again == second


@pytest.mark.parametrize(
    "settings",
    [
        {"critic": {**SETTINGS["critic"], "expectile": 0.8}},
        {"r_inv": -0.3},
        {"critic": {**SETTINGS["critic"], "weight_time": False}},
        {"collect": {**SETTINGS["collect"], "temperature": 0.9}},
    ],
)
def test_what_depends_on_a_setting_is_not_shared(settings, tmp_path):
    play(tmp_path, rounds=1)
    kept = sorted(tmp_path.iterdir())
    assert play(tmp_path, rounds=1, **settings)["taken"] == []
    assert set(kept) < set(tmp_path.iterdir())


def test_a_critic_on_the_policys_backbone_is_that_policys(tmp_path):
    critic = {**SETTINGS["critic"], "shared": True}
    play(tmp_path, critic=critic)
    assert len(list(tmp_path.glob("critic-*"))) == 2


def test_updates_that_a_budget_may_cut_short_are_not_shared(tmp_path):
    play(tmp_path, Budget(trained_tokens=2000))
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_made_anew(tmp_path):
    assert shelf.take(tmp_path, "it", "0", lambda: 1) == 1
    assert shelf.take(tmp_path, "it", "0", lambda: 2) == 1
    (tmp_path / "it-0.pt").write_bytes(b"PK\x03\x04 nothing")
    assert shelf.take(tmp_path, "it", "0", lambda: 3) == 3
    assert shelf.take(tmp_path, "it", "0", lambda: 4) == 3


def test_fingerprints_tell_values_apart():
    ones = np.ones(4)
    assert shelf.fingerprint(ones, {"a": 1, "b": 2}) == shelf.fingerprint(ones, {"b": 2, "a": 1})
    prints = [
        shelf.fingerprint(*inputs)
        for inputs in ([ones], [ones.astype(np.float32)], [ones.reshape(2, 2)], [ones, ones], ["1"])
    ]
    assert len(set(prints)) == 5


def test_iterations_of_online_learners_are_not_kept(tmp_path):
    settings = {"iterations": 1, "collect": {"tasks": 2, "per_task": 4, "batch_size": 8}}
    run = Run(seed=1, shared=tmp_path)
    learner = make_learner("grpo", None, {**settings, "dense": 1.0})
    learner.train(tiny.world(), tiny.demos(), tiny.warm_policy(), run)
    assert not list(tmp_path.iterdir())
