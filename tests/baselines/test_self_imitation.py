"""Self-imitation: its formulas by worked numbers and gradients, and the learner on the hall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.learners.grpo import GRPOConfig
from qevolve_baselines.learners.on_policy import HealthLimits
from qevolve_baselines.learners.self_imitation.learner import SelfImitation, SelfImitationConfig
from qevolve_baselines.learners.self_imitation.replay_buffer import ReplayBuffer, draw_prioritised
from qevolve_baselines.learners.self_imitation.sil import SILConfig, sil_losses
from qevolve_baselines.learners.self_imitation.spear import (
    SPEARConfig,
    covariance_kept,
    replay_weight,
)
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BenchError

F64 = torch.float64

ON_POLICY = GRPOConfig(
    collect=CollectConfig(tasks=3, per_task=4, batch_size=8),
    optim=OptimConfig(lr=1e-3, batch_tokens=600),
    limits=HealthLimits(unhealthy="log"),
)
SIL = SelfImitationConfig(on_policy=ON_POLICY, sil=SILConfig(batch_tokens=300))
SPEAR = SelfImitationConfig(
    method="spear",
    on_policy=replace(ON_POLICY, kl=0.0, clip_high=0.28, std=False),
    spear=SPEARConfig(warmup=2),
)


def test_sil_losses_worked_numbers():
    logprobs = torch.tensor([-1.0, -2.0, -0.5], dtype=F64)
    returns = torch.tensor([1.0, 0.2, 1.5], dtype=F64)
    values = torch.tensor([0.6, 0.5, 0.1], dtype=F64)
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=F64)
    # (R - V)+ is .4, 0 and 1.4, bounded to 1.
    losses = sil_losses(logprobs, returns, values, weights, 1.0)
    assert losses.policy.item() == pytest.approx(0.5 * 0.4 * 1.0 + 0.25 * 1.0 * 0.5)
    # ½ .16, 0, and 1.4 - ½ where it goes on as a line.
    assert losses.value.item() == pytest.approx(0.5 * 0.08 + 0.25 * 0.9)
    assert losses.gains.tolist() == pytest.approx([0.4, 0.0, 1.0])


def test_sil_losses_gradients():
    generator = torch.Generator().manual_seed(0)
    logprobs, returns, values = (torch.randn(6, generator=generator, dtype=F64) for _ in range(3))
    weights = torch.full((6,), 1 / 6, dtype=F64)
    assert torch.autograd.gradcheck(
        lambda x: sil_losses(x, returns, values, weights, 1.0).policy, logprobs.requires_grad_()
    )
    assert torch.autograd.gradcheck(
        lambda v: sil_losses(logprobs.detach(), returns, v, weights, 1.0).value,
        values.requires_grad_(),
    )
    # The policy's loss does not teach the values.
    values = values.detach().requires_grad_()
    sil_losses(logprobs, returns, values, weights, 1.0).policy.backward()
    assert values.grad is None


def test_prioritised_draws():
    priorities = np.array([1.0, 0.0316228, 0.0316228])  # to the power .6: 1, .126, .126
    rng = np.random.default_rng(0)
    draw = draw_prioritised(priorities, 20_000, 0.6, 0.1, rng)
    share = 1 / (1 + 2 * 0.0316228**0.6)
    assert (draw.chosen == 0).mean() == pytest.approx(share, abs=0.01)
    # The rarest weigh 1; the first (P_0 / P_1) ** -.1 = (10 ** .9) ** -.1.
    assert draw.weights[draw.chosen == 1] == pytest.approx(1.0)
    assert draw.weights[draw.chosen == 0] == pytest.approx(10**-0.09, rel=1e-5)


def test_the_buffer_keeps_the_latest_and_adds_an_iteration_once():
    buffer = ReplayBuffer(capacity=3)
    buffer.add(1, [0, 4], [0.5])
    buffer.entries[0].priority = 2.0
    buffer.add(2, [1, 7], [0.25, 0.75])
    buffer.add(2, [1, 7], [0.25, 0.75])
    assert [(e.iteration, e.index, e.priority) for e in buffer.entries] == [
        (1, 4, 1.0),
        (2, 1, 2.0),
        (2, 7, 2.0),
    ]
    assert buffer.means == [0.5, 0.25, 0.75]
    again = ReplayBuffer(capacity=3)
    again.load_state_dict(buffer.state_dict())
    assert again == buffer


def test_replay_weight():
    assert replay_weight(0, 200) == 0.0
    assert replay_weight(50, 200) == pytest.approx(0.1464466)
    assert replay_weight(100, 200) == pytest.approx(0.5)
    assert replay_weight(300, 200) == replay_weight(1, 0) == 1.0


def test_tokens_of_high_covariance_lose_their_gradient():
    logprobs = torch.tensor([-4.0, -1.0, -1.0, 0.0, -4.0, -2.0])  # mean -2
    advantages = torch.tensor([-2.0, 1.0, 1.0, 2.0, -2.0, 0.0])  # mean 0
    # Covariances 4, 1, 1, 4, 4, 0.
    uniforms = torch.tensor([0.9, 0.0, 0.0, 0.5, 0.1, 0.0])
    kept = covariance_kept(logprobs, advantages, uniforms, 1 / 3, 2.0, 60.0)
    assert kept.tolist() == [1, 1, 1, 0, 0, 1]
    # No more than there are candidates, and none beyond the upper bound.
    kept = covariance_kept(logprobs, advantages, uniforms, 1.0, 2.0, 60.0)
    assert kept.tolist() == [0, 1, 1, 0, 0, 1]
    assert covariance_kept(logprobs, advantages, uniforms, 1.0, 2.0, 3.0).all()


@pytest.mark.parametrize("config", [SIL, SPEAR], ids=["sil", "spear"])
def test_learns_within_its_budget(config):
    lines = []
    run = tiny.check_budget(SelfImitation(config), 250)
    assert run.ledger.expert_episodes == 0
    run = Run(seed=0, budget=Budget(env_steps=250), on_log=lines.append)
    SelfImitation(config).train(tiny.world(), [], tiny.warm_policy(), run)
    replayed = [line for line in lines if line["stage"] == "replay"]
    assert replayed
    assert all(line["episodes"] > 0 for line in replayed)


@pytest.mark.parametrize("config", [SIL, SPEAR], ids=["sil", "spear"])
def test_resumes_exactly(config, tmp_path):
    tiny.check_resume(SelfImitation(config), tmp_path, 200, points=3)


def test_spear_forgets_what_is_too_old():
    lines = []
    config = replace(SPEAR, spear=SPEARConfig(warmup=0, max_age=1))
    run = Run(seed=0, budget=Budget(env_steps=300), on_log=lines.append)
    SelfImitation(config).train(tiny.world(), [], tiny.warm_policy(), run)
    assert {line["iteration"] for line in lines if line["stage"] == "replay"} >= {2, 3}
    assert all(line["stored"] <= 24 for line in lines if line["stage"] == "iteration")


def test_what_is_wrong_is_said():
    with pytest.raises(BenchError, match=r"did you mean 'spear'"):
        SelfImitationConfig(method="speer")
    with pytest.raises(BenchError, match=r"this run has none: give one"):
        SelfImitation(SIL).train(tiny.world(), [], tiny.policy(), Run(seed=0))
    with pytest.raises(BenchError, match=r"env_steps=0 is spent before Self-imitation"):
        run = Run(seed=0, budget=Budget(env_steps=0))
        SelfImitation(SIL).train(tiny.world(), [], tiny.policy(), run)
    for config in (SIL, SPEAR):
        run = Run(seed=0, budget=Budget(episodes=20))
        with pytest.raises(BenchError, match=r"nothing to imitate"):
            SelfImitation(config).train(tiny.world(), [], tiny.policy(), run)
