"""What KL terms hold a policy to may be another policy; a run without news says that it is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny

from qevolve_baselines.learners.base import NothingToLearn, make_learner
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.errors import BadFile, BenchError

COLLECT = {"tasks": 4, "per_task": 4}
ONLINE: dict[str, Any] = {
    "iterations": 1,
    "kl": 0.1,
    "collect": COLLECT,
    "optim": {"lr": 1e-4},
    "limits": {"unhealthy": "log"},
}
LEARNERS: dict[str, tuple[dict[str, Any], str]] = {
    "grpo": (ONLINE, "kl"),
    "ppo": (ONLINE, "kl"),
    "self_imitation": ({"on_policy": ONLINE}, "kl"),
    "q_evolve": (
        {"rounds": 1, "data": "self", "unhealthy": "log", "collect": COLLECT},
        "kl_reference",
    ),
}


def first_kl(learner: str, reference: Any) -> float:
    """KL to the reference of the first update, made before any step."""
    settings, name = LEARNERS[learner]
    lines: list[dict[str, Any]] = []
    run = Run(seed=0, budget=Budget(env_steps=500), on_log=lines.append, reference=reference)
    make_learner(learner, None, settings).train(tiny.world(), tiny.demos(), tiny.warm_policy(), run)
    figure: float = next(line[name] for line in lines if name in line)
    return figure


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_policy_is_held_to_the_given_reference(learner: str) -> None:
    other = tiny.policy(seed=5)
    before = tiny.weights(other)
    assert first_kl(learner, None) == pytest.approx(0, abs=1e-5)
    assert first_kl(learner, other.model) > 0.1
    assert tiny.same(before, tiny.weights(other))


def test_a_training_run_loads_its_reference(tmp_path: Path) -> None:
    tiny.warm_policy().save(tmp_path / "warm")
    tiny.policy(seed=5).save(tmp_path / "other")
    lines: list[dict[str, Any]] = []
    spec = TrainingSpec(
        learner="grpo",
        env_id=tiny.ENV_ID,
        settings=ONLINE,
        demos=0,
        init=str(tmp_path / "warm"),
        reference=str(tmp_path / "other"),
    )
    train(spec, tmp_path / "run", on_log=lines.append)
    assert next(line["kl"] for line in lines if "kl" in line) > 0.1
    spec.reference = str(tmp_path / "nowhere")
    with pytest.raises(BadFile, match="no run folder or saved policy"):
        train(spec, tmp_path / "again")


@pytest.mark.parametrize("learner", ["grpo", "self_imitation", "rft"])
def test_a_policy_that_never_succeeds_has_nothing_to_learn_from(learner: str) -> None:
    settings = {
        "grpo": {**ONLINE, "penalty": 0},
        "self_imitation": {"on_policy": {**ONLINE, "penalty": 0}},
        "rft": {"rounds": 1, "collect": COLLECT, "expert": False},
    }[learner]
    run = Run(seed=0, budget=Budget(env_steps=100))
    with pytest.raises(NothingToLearn) as caught:
        make_learner(learner, None, settings).train(tiny.world(), [], tiny.policy(), run)
    assert isinstance(caught.value, BenchError)
