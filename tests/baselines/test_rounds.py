"""Learners in rounds: the last round is finished though its collection has spent the budget."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.rerank import RerankedPolicy
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run

COLLECT = {"tasks": 0, "per_task": 1, "batch_size": 8}
OPTIM = {"batch_tokens": 150, "lr": 1e-2}
JUDGE = {
    "collect": COLLECT,
    "critic": {"epochs": 1, "optim": {"batch_tokens": 400}},
    "policy": {"epochs": 1, "optim": {"batch_tokens": 400, "lr": 1e-2}},
    "unhealthy": "log",
}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "rft": ("rft", {"rounds": 2, "collect": COLLECT, "fit": {"epochs": 1, "optim": OPTIM}}),
    "q_evolve": ("q_evolve", {"rounds": 2, **JUDGE}),
    "rerank": ("q_evolve", {"rounds": 1, "rerank": 2, **JUDGE}),
}


def trained(key: str, folder: Path, **more: Any) -> tuple[Policy, Run]:
    learner, settings = SETTINGS[key]
    run = Run(seed=1, budget=Budget(env_steps=40), folder=folder, save_every=0.0, **more)
    policy = tiny.policy()
    return make_learner(learner, None, settings).train(tiny.world(), tiny.demos(), policy, run), run


@pytest.mark.parametrize("key", SETTINGS)
def test_a_run_that_is_killed_in_its_last_round_finishes_it(tmp_path: Path, key: str) -> None:
    lines: list[dict[str, Any]] = []
    whole, run = trained(key, tmp_path / "whole", on_log=lines.append)
    assert run.spent
    last = max(i for i, line in enumerate(lines) if line["stage"].endswith("-collect"))
    assert last < len(lines) - 2
    for place in sorted({last + 1, (last + len(lines)) // 2, len(lines) - 1}):
        left = iter(range(place))

        def kill(line: dict[str, Any], left: Any = left) -> None:
            if next(left, None) is None:
                raise tiny.Killed

        folder = tmp_path / f"{place}"
        with suppress(tiny.Killed):
            trained(key, folder, on_log=kill)
        evaluated: list[tuple[float, bool]] = []
        again, resumed = trained(
            key,
            folder,
            on_checkpoint=lambda number, policy, ledger, seen=evaluated: seen.append(
                (ledger.trained_tokens, isinstance(policy, RerankedPolicy))
            ),
        )
        assert tiny.same(tiny.weights(whole), tiny.weights(again))
        assert resumed.ledger.trained_tokens == run.ledger.trained_tokens
        assert evaluated[-1] == (run.ledger.trained_tokens, key == "rerank")
        assert isinstance(again, RerankedPolicy) == (key == "rerank")


def test_no_round_begins_on_a_spent_budget(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    learner, settings = SETTINGS["rft"]
    budget = Budget(trained_tokens=1)
    run = Run(seed=1, budget=budget, folder=tmp_path, on_log=lines.append)
    make_learner(learner, None, settings).train(tiny.world(), tiny.demos(), tiny.policy(), run)
    assert {line["stage"] for line in lines} == {"round-1-collect", "round-1-fit"}
