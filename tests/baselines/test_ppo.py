"""PPO: its formulas by worked numbers and gradients, and the learner on the tiny hall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.data.batches import TokenizedEpisodes, make_batch
from qevolve_baselines.learners.on_policy import HealthLimits
from qevolve_baselines.learners.ppo import (
    PPO,
    PPOConfig,
    before_tokens,
    token_bounds,
    token_rewards,
    token_values,
    value_loss,
)
from qevolve_baselines.losses import generalised_advantages
from qevolve_baselines.model.value import ValueNetwork
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BenchError

CONFIG = PPOConfig(
    collect=CollectConfig(tasks=12, per_task=1, batch_size=8),
    dense=1.0,
    optim=OptimConfig(lr=1e-3, batch_tokens=600),
    critic_optim=OptimConfig(lr=3e-3),
    limits=HealthLimits(unhealthy="log"),
)


@pytest.fixture(scope="module")
def data():
    return TokenizedEpisodes.of([tiny.policy().encoder.demonstration(e) for e in tiny.demos()[:2]])


def test_rewards_stand_on_the_last_token_of_an_action(data):
    rewards = np.arange(1.0, data.steps + 1)
    placed = token_rewards(rewards, data)
    last = np.flatnonzero(np.diff(data.token_steps, append=data.steps))
    assert placed[last].tolist() == rewards.tolist()
    assert placed.sum() == rewards.sum()
    bounds = token_bounds(data)
    assert bounds.tolist() == [0, int(data.step_tokens[: data.bounds[1]].sum()), data.tokens]


def test_advantages_of_tokens_worked_numbers():
    # Two actions of two tokens: the first was refused (-.1), the second won (1).
    rewards = np.array([0.0, -0.1, 0.0, 1.0])
    values = np.array([0.5, 0.4, 0.6, 0.8])
    found = generalised_advantages(rewards, values, np.array([0, 4]), 1.0, 1.0)
    # γ = λ = 1: the return (.9, .9, 1, 1) less the value.
    assert found == pytest.approx([0.4, 0.5, 0.4, 0.2])


def test_value_loss_worked_numbers():
    values = torch.tensor([1.0, 0.2, 0.9], dtype=torch.float64)
    old = torch.tensor([0.2, 0.0, 0.2], dtype=torch.float64)
    returns = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    # Near values .7, .2, .7; errors max(0, .09), max(.64, .64), max(.81, .49).
    expected = 0.5 * 0.09 + 0.25 * 0.64 + 0.25 * 0.81
    assert value_loss(values, old, returns, weights, 0.5).item() == pytest.approx(expected)
    plain = 0.25 * 0.64 + 0.25 * 0.81
    assert value_loss(values, old, returns, weights, 0.0).item() == pytest.approx(plain)


def test_value_loss_gradient():
    generator = torch.Generator().manual_seed(0)
    old, returns = (torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(2))
    values = (old + 0.3 * torch.randn(5, generator=generator, dtype=torch.float64)).requires_grad_()
    weights = torch.full((5,), 0.2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: value_loss(v, old, returns, weights, 0.5), values)


@pytest.mark.parametrize("shared", [False, True])
def test_the_critic_reads_what_stands_before_a_token(data, shared):
    policy = tiny.policy()
    critic = ValueNetwork(policy, shared=shared)
    assert not token_values(critic, data, 1000).any()  # its head begins at zero
    with torch.no_grad():
        critic.head.weight.fill_(1.0)
    before = token_values(critic, data, 1000)
    # Another last token changes no value: nothing is judged before it is written.
    sample = data.sequences[-1]
    assert sample.targets[-1] == len(sample.ids) - 1
    kept, sample.ids[-1] = sample.ids[-1], 0
    assert token_values(critic, data, 1000) == pytest.approx(before, abs=1e-6)
    sample.ids[-1] = kept
    sample.ids[0], first = 0, sample.ids[0]
    assert token_values(critic, data, 1000) != pytest.approx(before, abs=1e-6)
    sample.ids[0] = first
    before_tokens(critic, make_batch(data, [0, 1], "cpu")).sum().backward()
    trained = {id(p) for p in critic.parameters() if p.grad is not None}
    assert not trained & {id(p) for p in policy.model.parameters()}
    assert (len(trained) == 2) is shared
    assert all(p.grad is None for p in policy.model.parameters())


def test_learns_within_its_budget():
    tiny.check_budget(PPO(CONFIG))


def test_resumes_exactly(tmp_path):
    tiny.check_resume(PPO(CONFIG), tmp_path)


def test_the_critic_learns_returns():
    lines = []
    run = Run(seed=0, budget=Budget(env_steps=400), on_log=lines.append)
    config = replace(CONFIG, epochs=6, critic_warmup=100, penalty=0.0)
    policy = tiny.warm_policy()
    before = tiny.weights(policy)
    with pytest.raises(BenchError, match="lower critic_warmup"):
        PPO(config).train(tiny.world(), [], policy, run)
    # In a warm-up the policy stays as it is.
    assert tiny.same(before, tiny.weights(policy))
    seen = [line for line in lines if line["stage"] == "iteration"]
    assert seen[0]["value"] == 0.0
    assert abs(seen[-1]["value"] - seen[-1]["returned"]) < 0.3
    assert seen[-1]["explained_variance"] > 0.1


def test_what_is_wrong_is_said():
    with pytest.raises(BenchError, match=r"temperature above 0"):
        PPOConfig(collect=CollectConfig(temperature=0.0))
    with pytest.raises(BenchError, match=r"cannot follow the schedule 'cosine'"):
        PPOConfig(critic_optim=OptimConfig(schedule="cosine"))
    with pytest.raises(BenchError, match=r"this run has none: give one"):
        PPO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0))
    with pytest.raises(BenchError, match=r"budget episodes=0 is spent before PPO"):
        PPO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0, budget=Budget(episodes=0)))
    # All fail, and every action is refused alike.
    config = replace(CONFIG, penalty=0.0)
    with pytest.raises(BenchError, match=r"No episode was rewarded more than another"):
        PPO(config).train(tiny.world(), [], tiny.policy(), Run(seed=0, budget=Budget(episodes=20)))
