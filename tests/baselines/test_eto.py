"""ETO: its loss by worked numbers and gradients, its pairs, and the learner on the tiny hall."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import tiny
import torch

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.learners.eto import ETO, ETOConfig, dpo_loss, make_pairs
from qevolve_baselines.learners.sft import SFTConfig
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BenchError

F64 = torch.float64
CONFIG = ETOConfig(
    collect=CollectConfig(per_task=2, batch_size=8),
    optim=OptimConfig(lr=1e-3, batch_tokens=600, schedule="linear"),
)


def test_dpo_loss_worked_numbers():
    won, lost = torch.tensor([-5.0, -8.0], dtype=F64), torch.tensor([-9.0, -6.0], dtype=F64)
    reference_won = torch.tensor([-6.0, -8.0], dtype=F64)
    reference_lost = torch.tensor([-7.0, -6.0], dtype=F64)
    loss, margin = dpo_loss(won, lost, reference_won, reference_lost, 0.1)
    # .1 (1 - -2) = .3 and 0: log(1 + e^-.3) = .554355 and log 2 = .693147.
    assert margin.tolist() == pytest.approx([0.3, 0.0])
    assert loss.item() == pytest.approx((0.554355 + math.log(2)) / 2, abs=1e-6)


def test_dpo_loss_gradient():
    generator = torch.Generator().manual_seed(0)
    won, lost, a, b = (torch.randn(4, generator=generator, dtype=F64) for _ in range(4))
    assert torch.autograd.gradcheck(
        lambda x, y: dpo_loss(x, y, a, b, 0.5).loss, (won.requires_grad_(), lost.requires_grad_())
    )


def episode(task, won):
    made = copy.deepcopy(tiny.policy().encoder.demonstration(tiny.demos()[0]))
    made.episode.task_id, made.episode.won = task, won
    return made


def test_pairs():
    own = [episode(*of) for of in [("a", 1), ("a", 0), ("b", 0), ("a", 0), ("c", 0), ("d", 1)]]
    expert = [episode("a", 1), episode("b", 1), episode("d", 1)]
    pairs = make_pairs(own, expert, most=4)
    # Task a has a success of its own, b the expert's; c has none, and d no failure.
    assert len(pairs) == 3
    assert pairs[0].won is own[0] and pairs[0].lost is own[1]
    assert pairs[1].won is own[0] and pairs[1].lost is own[3]
    assert pairs[2].won is expert[1] and pairs[2].lost is own[2]
    assert len(make_pairs(own, expert, most=1)) == 2
    assert make_pairs(own, [], most=1)[0].won is own[0]


def test_learns_within_its_budget():
    run = tiny.check_budget(ETO(CONFIG), 200)
    assert run.ledger.expert_episodes == 12


def test_resumes_exactly(tmp_path):
    tiny.check_resume(ETO(CONFIG), tmp_path, 200, points=3)


def test_pairs_part_and_each_round_has_its_beta_and_rate():
    lines = []
    config = replace(CONFIG, rounds=2, epochs=4, bc=SFTConfig(epochs=1))
    ETO(config).train(tiny.world(), tiny.demos(), tiny.warm_policy(), Run(0, on_log=lines.append))
    for number in (1, 2):
        seen = [line for line in lines if line["stage"] == f"round-{number}-policy"]
        # At the start of a round the policy is its own reference.
        assert seen[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
        assert seen[0]["margin"] == pytest.approx(0, abs=1e-5)
        assert seen[-1]["margin"] > 0
        assert seen[-1]["loss"] < math.log(2)


def test_what_is_wrong_is_said():
    for wrong in ({"rounds": 0}, {"pairs": 0}):
        with pytest.raises(BenchError, match=r"must be 1 or more"):
            ETOConfig(**wrong)
    with pytest.raises(BenchError, match=r"did you mean 'demos'"):
        ETOConfig(explore="demo")
    with pytest.raises(BenchError, match=r"all episodes of a task are the same"):
        ETOConfig(collect=CollectConfig(per_task=2, temperature=0.0))
    with pytest.raises(BenchError, match=r"budget env_steps=0 is spent before ETO"):
        run = Run(seed=0, budget=Budget(env_steps=0))
        ETO(CONFIG).train(tiny.world(), tiny.demos(), tiny.policy(), run)
    # Whose policy never wins, and who has no demonstrations, has no pair.
    with pytest.raises(BenchError, match=r"No pair of a success and a failure was found in 72 ep"):
        ETO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0))
    with pytest.raises(BenchError, match=r"None of the 0 demonstrations is a success"):
        config = replace(CONFIG, bc=SFTConfig(epochs=1))
        ETO(config).train(tiny.world(), [], tiny.policy(), Run(seed=0))
    with pytest.raises(BenchError, match=r"None of the demonstrations is of a training task"):
        other = tiny.world(tasks=("hall/unseen/00",))
        ETO(CONFIG).train(other, tiny.demos(), tiny.policy(), Run(seed=0))
