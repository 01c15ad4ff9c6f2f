"""Q-Evolve: each formula against numbers worked by hand, and the loop on a tiny model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.data.batches import TokenizedEpisodes, make_batch
from qevolve_baselines.data.step_data import StepData
from qevolve_baselines.learners.q_evolve import critic as iql
from qevolve_baselines.learners.q_evolve.critic import (
    CriticConfig,
    TargetNetwork,
    expectile_loss,
    q_loss,
    q_targets,
    step_weights,
    train_critic,
    v_loss,
)
from qevolve_baselines.learners.q_evolve.labels import retrospective_labels
from qevolve_baselines.learners.q_evolve.learner import (
    QEvolve,
    QEvolveConfig,
    check_health,
    process_rewards,
)
from qevolve_baselines.learners.q_evolve.learner import make_step_data as make_facts
from qevolve_baselines.learners.q_evolve.update import (
    PolicyConfig,
    awr_objective,
    improve,
    policy_loss,
)
from qevolve_baselines.learners.sft import SFTConfig
from qevolve_baselines.losses import clipped_surrogate, generalised_advantages
from qevolve_baselines.model.critic import Critic
from qevolve_baselines.model.forward import data_logprobs, frozen
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BenchError, UnknownName


def make_step_data(
    r_env: list[float], r_aux: list[float] | None = None, bounds: list[int] | None = None
) -> StepData:
    n = len(r_env)
    aux = np.array(r_aux or [0.0] * n)
    ends = np.array(bounds or [0, n])
    return StepData(
        bounds=ends,
        r_env=np.array(r_env),
        r_aux=aux,
        weights=np.ones(n),
        feedback=np.array(["ok"] * n),
        expert=np.zeros(n, dtype=bool),
        success=np.ones(len(ends) - 1, dtype=bool),
        held_out=np.zeros(len(ends) - 1, dtype=bool),
    )


def test_labels_follow_the_feedback() -> None:
    labels = retrospective_labels(
        ["ok", "unchanged", "invalid", "malformed"], r_fmt=-0.3, r_inv=-0.2, r_repeat=-0.1
    )
    assert labels.tolist() == [0.0, -0.1, -0.2, -0.3]


def test_step_weights_worked_by_hand() -> None:
    # T = 4, t = 3: 0.5 (3/4 + 1) + 0.5 = 1.375 in a success, 0.875 in a failure.
    weights = step_weights(np.array([0, 4, 8]), np.array([True, False]))
    assert weights[2] == pytest.approx(1.375)
    assert weights[6] == pytest.approx(0.875)


def test_step_weights_without_a_term() -> None:
    bounds, rewarded = np.array([0, 4]), np.array([True])
    assert step_weights(bounds, rewarded, time=False).tolist() == [1.0] * 4
    assert step_weights(bounds, rewarded, success=False)[2] == pytest.approx(0.875)
    assert step_weights(bounds, rewarded, time=False, success=False).tolist() == [1.0] * 4


def test_gae_worked_by_hand() -> None:
    # A_4 = 1 - 0.6 = 0.4; A_3 = (0 + 0.9 * 0.6 - 0.3) + 0.9 * 0.8 * 0.4 = 0.24 + 0.288 = 0.528.
    advantages = generalised_advantages(
        np.array([0.0, 1.0]), np.array([0.3, 0.6]), np.array([0, 2]), gamma=0.9, lam=0.8
    )
    assert advantages == pytest.approx([0.528, 0.4])


def test_clipped_objective_worked_by_hand() -> None:
    # η = 1.3 above 1 + 0.2: 1.2 * 0.528 = 0.6336. η = 0.5 below 1 - 0.4: min(-0.25, -0.30) = -0.30.
    ratio = torch.tensor([1.3, 0.5]).log()
    objective, _ = clipped_surrogate(ratio, torch.tensor([0.528, -0.5]), 0.4, 0.2)
    assert objective.tolist() == pytest.approx([0.6336, -0.30])


def test_clipping_takes_the_gradient_where_it_should() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.1, 0.1]).log().requires_grad_()
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    clipped_surrogate(ratio, advantages, 0.8, 0.4).objective.sum().backward()
    assert ratio.grad is not None
    # Too likely and good, or too unlikely and bad: no more of it. Otherwise the gradient is η A.
    assert ratio.grad.tolist() == pytest.approx([0.0, -1.5, 0.1, 0.0])


def test_expectile_loss_worked_by_hand() -> None:
    # m = 0.7: 0.7 * 0.5² = 0.175 for u = +0.5, and 0.3 * 0.5² = 0.075 for u = -0.5.
    loss = expectile_loss(torch.tensor([0.5, -0.5]), 0.7)
    assert loss.tolist() == pytest.approx([0.175, 0.075])


def test_iql_losses_worked_by_hand() -> None:
    v, q_bar = torch.tensor([0.2, 0.9]), torch.tensor([0.7, 0.4])
    weights = torch.tensor([1.375, 0.875])
    # (1.375 * 0.7 * 0.25 + 0.875 * 0.3 * 0.25) / 2
    assert v_loss(v, q_bar, weights, 0.7).item() == pytest.approx(0.153125)
    q = torch.tensor([[0.5, 0.0], [1.0, 0.5]])
    # Per head: (1.375 * 0.25 + 0.875 * 0.25) / 2 = 0.28125, and (0 + 0) / 2.
    targets = torch.tensor([1.0, 0.5])
    assert q_loss(q, targets, weights).item() == pytest.approx(0.28125)


def test_targets_get_no_gradient() -> None:
    v = torch.tensor([0.2], requires_grad=True)
    q = torch.tensor([[0.5]], requires_grad=True)
    one = torch.ones(1)
    v_loss(v, q[0], one, 0.7).backward()
    assert q.grad is None
    q_loss(q, v, one).backward()
    assert v.grad is not None and v.grad.item() == pytest.approx(-2 * 0.7 * 0.3)


OTHER = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
SIGNED = torch.tensor([1.0, -1.0, 5.0], dtype=torch.float64)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: expectile_loss(x, 0.7).sum(),
        lambda x: v_loss(x, OTHER, x.new_ones(3), 0.9),
        lambda x: q_loss(x[None], OTHER, x.new_ones(3)),
        lambda x: clipped_surrogate(x, SIGNED, 0.8, 0.4).objective.sum(),
        lambda x: awr_objective(x, SIGNED, 1.0, 20.0).sum(),
    ],
)
def test_gradients_agree_with_differences(loss: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.tensor([0.1, -0.15, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (x,))


def test_awr_bounds_its_weight() -> None:
    # exp(0.5) log π, and no more than 20 times log π.
    objective = awr_objective(torch.tensor([-1.0, -1.0]), torch.tensor([0.5, 9.0]), 1.0, 20.0)
    assert objective.tolist() == pytest.approx([-1.6487213, -20.0])


def test_one_step_targets_are_the_papers() -> None:
    config = CriticConfig(gamma=0.9, critic_lambda=0.0)
    rewards, values = np.array([0.0, -0.2, 1.0]), np.array([0.3, 0.5, 0.8])
    targets = q_targets(rewards, values, np.array([0, 3]), np.array([0, 1, 2]), config)
    # r + 0.9 V': 0.45, -0.2 + 0.72, and 1 with nothing behind it.
    assert targets == pytest.approx([0.45, 0.52, 1.0])


@pytest.mark.parametrize("slow", [False, True])
def test_targets_hold_the_online_v(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """(2) has V, and (1) has Q̄: only Q has a slow copy."""
    actor = tiny.warm_policy()
    chosen = tiny.own_episodes(actor, 4)
    data = TokenizedEpisodes.of(chosen)
    critic = Critic(actor, q_heads=2, shared=False, seed=0)
    with torch.no_grad():
        critic.v_head[-1].bias.fill_(0.5)
        for head in critic.q_heads:
            head[-1].bias.fill_(0.25)
    target = TargetNetwork(critic, 0.5)
    with torch.no_grad():
        critic.v_head[-1].bias.fill_(2.0)
        for head, bias in zip(critic.q_heads, (4.0, 3.0), strict=True):
            head[-1].bias.fill_(bias)
    monkeypatch.setattr(iql, "TargetNetwork", lambda online, tau: target)
    config = CriticConfig(
        epochs=1,
        gamma=0.9,
        target_tau=0.5 if slow else 1.0,
        critic_lambda=0.0,
        held_out=0.0,
        weight_time=False,
        weight_success=False,
        optim=OptimConfig(batch_tokens=10**6),
    )
    step_data = make_facts(chosen, data, QEvolveConfig(critic=config), experts=0)
    lines: list[dict[str, float]] = []
    train_critic(Run(seed=0, on_log=lines.append), "critic", critic, data, step_data, config)
    # u = Q̄ - 2, of which Q̄ is the smallest: 3 of the online heads, or 0.25 of the slow ones.
    u = (0.25 if slow else 3.0) - 2.0
    assert lines[0]["loss_v"] == pytest.approx((0.7 if u > 0 else 0.3) * u**2)
    following = np.full(data.steps, 2.0)
    following[data.bounds[1:] - 1] = 0.0
    goal = step_data.r_critic + 0.9 * following
    expected = ((goal - 4.0) ** 2).mean() + ((goal - 3.0) ** 2).mean()
    assert lines[0]["loss_q"] == pytest.approx(expected, rel=1e-5)


def test_a_slow_copy_of_few_bits_follows() -> None:
    """A share of 0.005 of a small difference is less than bfloat16 resolves."""
    actor = tiny.policy(dtype=torch.bfloat16)
    critic = Critic(actor, q_heads=1, shared=False, seed=0)
    target = TargetNetwork(critic, 0.005)
    begin = [p.clone() for p in critic.parameters()]
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(1.05)
    for _ in range(1000):  # (1 - 0.005)^1000 = 0.7 % of the way are left.
        target.follow(critic)
    batch = make_batch(TokenizedEpisodes.of(tiny.own_episodes(tiny.policy(), 2)), [0], "cpu")
    torch.testing.assert_close(target(batch).v, critic(batch).v, atol=0.02, rtol=0.02)
    again = TargetNetwork(critic, 0.005)
    again.load_state_dict(target.state_dict())
    assert torch.equal(again(batch).v, target(batch).v)
    for slow, fast, old in zip(
        target.state_dict()["exact"], critic.parameters(), begin, strict=True
    ):
        gone = (fast.float() - old.float()).norm()
        assert (slow - fast.float()).norm() <= 0.02 * gone + 1e-6


def test_an_actions_ratio_weighs_it_as_its_tokens_do() -> None:
    actor = tiny.warm_policy()
    batch = make_batch(TokenizedEpisodes.of(tiny.own_episodes(actor, 4)), [0, 1], "cpu")
    n = len(batch.tokens)
    advantages = torch.linspace(-1, 1, len(batch.of))[torch.searchsorted(batch.of, batch.steps)]
    gradients = {}
    for ratio in ("token", "action"):
        logprobs = torch.full((n,), -1.0, requires_grad=True)
        loss, _ = policy_loss(
            logprobs,
            torch.full((n,), -1.0),
            advantages,
            torch.zeros(n),
            batch,
            PolicyConfig(ratio=ratio),
        )
        (gradients[ratio],) = torch.autograd.grad(loss, logprobs)
    torch.testing.assert_close(gradients["token"], gradients["action"])
    torch.testing.assert_close(gradients["token"], -advantages / n)


def test_lambda_targets_stay_within_their_trajectory() -> None:
    config = CriticConfig(gamma=0.5, critic_lambda=1.0)
    rewards = np.array([1.0, 2.0, 4.0, 8.0])
    values = np.array([9.0, 9.0, 9.0, 9.0])
    # λ = 1 is the discounted return: 1 + 1, 2 | 4 + 4, 8; for a batch that has the second only.
    bounds = np.array([0, 2, 4])
    assert q_targets(rewards, values, bounds, np.array([2, 3]), config) == pytest.approx([8.0, 8.0])
    assert q_targets(rewards, values, bounds, np.array([0, 3]), config) == pytest.approx([2.0, 8.0])


def test_advantages_ignore_the_labels_in_the_papers_form() -> None:
    step_data = make_step_data([0.0, 1.0], [-0.2, 0.0])
    v, q = np.array([0.3, 0.6]), np.array([0.5, 0.5])
    plain = {"advantage_norm": "none", "advantage_clip": 0.0, "gae_lambda": 0.8}
    critic = CriticConfig(gamma=0.9)
    env = QEvolveConfig(advantage_rewards="env", critic=critic, **plain)
    both = QEvolveConfig(advantage_rewards="env+aux", critic=critic, **plain)
    td = QEvolveConfig(advantage_rewards="env", advantage="td", critic=critic, **plain)
    gap = QEvolveConfig(advantage="q_minus_v", critic=critic, **plain)
    assert process_rewards(step_data, v, q, env) == pytest.approx([0.528, 0.4])
    assert process_rewards(step_data, v, q, both) == pytest.approx([0.328, 0.4])
    assert process_rewards(step_data, v, q, td) == pytest.approx([0.24, 0.4])
    assert process_rewards(step_data, v, q, gap) == pytest.approx([0.2, -0.1])


def test_scaling_keeps_signs_and_centring_does_not() -> None:
    step_data = make_step_data([0.0, 0.0, 1.0], bounds=[0, 1, 2, 3])
    v = np.array([-0.1, -0.2, 0.0])
    none = np.zeros(3)
    scaled = process_rewards(step_data, v, none, QEvolveConfig(advantage_norm="scale"))
    centred = process_rewards(step_data, v, none, QEvolveConfig(advantage_norm="centre"))
    assert (scaled > 0).all()
    assert centred.sum() == pytest.approx(0.0)
    assert (centred[:2] < 0).all()


def test_a_critic_that_has_not_propagated_stops_the_run() -> None:
    report = {"v0": 0.03, "return0": 0.5, "advantage_invalid": -0.1}
    with pytest.raises(BenchError, match=r"critic says 0\.03 .*return is 0\.50"):
        check_health(report, QEvolveConfig(), 1)
    check_health(report, QEvolveConfig(unhealthy="log"), 1)


def test_rewarded_invalid_actions_stop_the_run() -> None:
    report = {"v0": 0.5, "return0": 0.5, "advantage_invalid": 0.37}
    with pytest.raises(BenchError, match=r"could not be executed have a mean advantage of \+0\.37"):
        check_health(report, QEvolveConfig(), 2)


@pytest.mark.parametrize("stage", ["critic", "policy"])
def test_an_update_is_the_same_however_it_is_split_into_passes(stage: str) -> None:
    """Losses are means over an update: what fits into memory must not change them."""
    actor = tiny.warm_policy()
    chosen = tiny.own_episodes(actor, 12)
    data = TokenizedEpisodes.of(chosen)
    losses = []
    for pass_tokens in (40, 10**6):
        optim = OptimConfig(batch_tokens=10**6, pass_tokens=pass_tokens)
        config = QEvolveConfig(
            critic=CriticConfig(epochs=1, held_out=0.0, optim=optim),
            policy=PolicyConfig(epochs=1, anchor=1.0, optim=optim),
        )
        step_data = make_facts(chosen, data, config, experts=3)
        lines: list[dict[str, float]] = []
        run = Run(seed=0, on_log=lines.append)
        if stage == "critic":
            step_data.expert[:] = False
            critic = Critic(actor, q_heads=2, shared=False, seed=0)
            # At its birth it says 0 everywhere, whatever the weights of its steps.
            train_critic(run, "critic", critic, data, step_data, config.critic)
        else:
            policy = tiny.warm_policy()
            improve(
                run,
                "policy",
                policy,
                frozen(tiny.policy().model),
                data,
                config.policy,
                advantages=np.random.default_rng(0).normal(size=data.steps),
                old=torch.from_numpy(
                    data_logprobs(actor.model, data, temperature=1.0, token_budget=1000)
                ),
                expert=step_data.expert,
                temperature=1.0,
            )
        losses.append(lines[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_every_round_learns_from_what_it_collected() -> None:
    # The last collection spends the budget of steps; its updates are still to come.
    lines: list[dict[str, object]] = []
    config = QEvolveConfig(
        rounds=2,
        collect=CollectConfig(per_task=10, batch_size=16),
        critic=CriticConfig(epochs=1),
        unhealthy="log",
    )
    run = Run(seed=0, budget=Budget(env_steps=120), on_log=lines.append)
    QEvolve(config).train(tiny.world(), tiny.demos(4), tiny.policy(), run)
    stages = {line["stage"] for line in lines if "update" in line}
    assert stages == {f"round-{n}-{part}" for n in (1, 2) for part in ("critic", "policy")}
    assert 120 <= run.ledger.env_steps < 120 + tiny.HORIZON


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data": "expert"}, "no episodes of the agent's own for its critic"),
        ({"collect": CollectConfig(temperature=0.0)}, r"collect\.temperature above 0"),
    ],
)
def test_settings_that_teach_nothing_are_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BenchError, match=sentence):
        QEvolveConfig(**settings)  # type: ignore[arg-type]


def test_unknown_choices_are_named() -> None:
    with pytest.raises(UnknownName, match="gae"):
        QEvolveConfig(advantage="gea")


@pytest.mark.parametrize("given", [False, True])
def test_a_given_reference_outlives_behaviour_cloning(given: bool) -> None:
    lines: list[dict[str, float]] = []
    config = QEvolveConfig(
        rounds=1,
        bc=SFTConfig(epochs=1),
        collect=CollectConfig(per_task=1, batch_size=16),
        critic=CriticConfig(epochs=1),
        unhealthy="log",
    )
    reference = tiny.policy(5).model if given else None
    run = Run(seed=0, reference=reference, on_log=lines.append)
    QEvolve(config).train(tiny.world(), tiny.demos(4), tiny.policy(), run)
    first = next(line["kl_reference"] for line in lines if "kl_reference" in line)
    assert first > 1e-3 if given else first == pytest.approx(0.0, abs=1e-6)
