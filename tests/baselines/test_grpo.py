"""GRPO: its formulas by worked numbers and gradients, and the learner on the tiny hall."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.learners.grpo import (
    GRPO,
    GRPOConfig,
    episode_advantages,
    group_advantages,
    select,
    step_advantages,
    step_scores,
)
from qevolve_baselines.learners.on_policy import Groups, HealthLimits
from qevolve_baselines.learners.surrogate import (
    LOSS_MEANS,
    behaviour_logprobs,
    surrogate_loss,
    token_weights,
)
from qevolve_baselines.losses import exact_kl
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BenchError

# Two groups; episodes of 2, 1 and 3, 1 steps. The first of the second group is all invalid.
BOUNDS = np.array([0, 2, 3, 6, 7])
GROUP = np.array([0, 0, 1, 1])
REWARDS = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
REFUSED = np.array([False, False, True, True, True, True, False])


def scores(**changes):
    return step_scores(
        REWARDS, REFUSED, BOUNDS, **{"penalty": 0.1, "penalty_on": "step", **changes}
    )


def advantages(values, **changes):
    options = {"baseline": "mean", "std": True, "statistics": "episodes", **changes}
    return episode_advantages(values, BOUNDS, GROUP, **options)


def test_scores_charge_a_penalty_to_its_step_or_to_the_episode():
    assert scores() == pytest.approx([1, 1, -0.1, -0.1, -0.1, -0.1, 1])
    assert scores(penalty_on="episode") == pytest.approx([1, 1, -0.1, -0.3, -0.3, -0.3, 1])


def test_advantages_of_grpo():
    # Without penalties both groups are (1, 0): mean 1/2, deviation of a sample 1/sqrt(2).
    expected = math.sqrt(0.5)
    found = advantages(scores(penalty=0.0))
    assert found == pytest.approx(
        [expected, expected, -expected, -expected, -expected, -expected, expected], abs=2e-6
    )


def test_advantages_of_dr_grpo_and_rloo():
    values = scores(penalty=0.0)
    assert advantages(values, std=False) == pytest.approx([0.5, 0.5, -0.5, -0.5, -0.5, -0.5, 0.5])
    assert advantages(values, std=False, baseline="leave_one_out") == pytest.approx(
        [1, 1, -1, -1, -1, -1, 1]
    )


def test_statistics_over_steps_count_long_episodes_for_more():
    # Group 0 has the steps (1, 1, 0): mean 2/3. Group 1 has (0, 0, 0, 1): mean 1/4.
    found = advantages(scores(penalty=0.0), std=False, statistics="steps")
    assert found == pytest.approx([1 / 3, 1 / 3, -2 / 3, -0.25, -0.25, -0.25, 0.75])
    # Deviations of samples: sqrt((1/9 + 1/9 + 4/9) / 2) = 0.57735, sqrt(0.75 / 3) = 0.5.
    found = advantages(scores(penalty=0.0), statistics="steps")
    assert found[[0, 2, 3, 6]] == pytest.approx([0.57735, -1.15470, -0.5, 1.5], abs=1e-5)


def test_leave_one_out_over_steps_leaves_the_whole_episode_out():
    # Of three episodes with 1, 2 and 1 steps and scores 1, 0 and 0.5.
    values = np.array([1.0, 0.0, 0.0, 0.5])
    found = episode_advantages(
        values,
        np.array([0, 1, 3, 4]),
        np.zeros(3, dtype=np.int64),
        baseline="leave_one_out",
        std=False,
        statistics="steps",
    )
    # Others' steps: (0, 0, .5), (1, .5), (1, 0, 0).
    assert found == pytest.approx([1 - 0.5 / 3, -0.75, -0.75, 0.5 - 1 / 3])


def test_failures_that_differ_by_penalties_only_have_bounded_advantages():
    # Both episodes fail with half of their steps invalid: their means are the same, -0.05.
    found = episode_advantages(
        np.array([0.0, -0.1, 0.0, -0.1]),
        np.array([0, 2, 4]),
        np.zeros(2, dtype=np.int64),
        baseline="mean",
        std=True,
        statistics="episodes",
    )
    # Squares of .05 in the mean of each episode: variance 2 x .0025 / 1, deviation .070711.
    assert found == pytest.approx([0.70711, -0.70711, 0.70711, -0.70711], abs=2e-5)


def test_a_group_in_which_nothing_differs_has_no_advantage():
    assert not advantages(np.ones(7)).any()
    alone = episode_advantages(
        np.array([1.0, 1.0]),
        np.array([0, 2]),
        np.array([0]),
        baseline="mean",
        std=True,
        statistics="episodes",
    )
    assert not alone.any()


def test_step_advantages_compare_steps_at_the_same_observation_of_a_group():
    returns = np.array([0.9, 1.0, 0.5, 0.0, 0.0, 1.0])
    observations = ["hall", "door", "hall", "hall", "door", "hall"]
    group = np.array([0, 0, 0, 0, 1, 1])
    # In group 0 "hall" is seen thrice: .9, .5, 0, mean 7/15; all others stand alone.
    found = step_advantages(returns, observations, group, std=False)
    assert found == pytest.approx([0.9 - 7 / 15, 0, 0.5 - 7 / 15, -7 / 15, 0, 0])
    # Squares .187778, .001111, .217778 over 2: deviation .450925.
    found = step_advantages(returns, observations, group, std=True)
    assert found[[0, 2, 3]] == pytest.approx([0.960987, 0.073922, -1.034909], abs=1e-5)


def test_loss_worked_numbers():
    log = torch.log
    old = log(torch.tensor([0.5, 0.5, 0.5, 0.5], dtype=torch.float64))
    new = log(torch.tensor([0.65, 0.25, 0.65, 0.5], dtype=torch.float64))
    reference = log(torch.tensor([0.65, 0.25, 0.65, 0.25], dtype=torch.float64))
    advantage = torch.tensor([1.0, -0.5, -1.0, 2.0], dtype=torch.float64)
    weights = torch.full((4,), 0.25, dtype=torch.float64)
    # Ratios 1.3, .5, 1.3, 1: min(1.3, 1.2) = 1.2; min(-.25, -.4) = -.4; min(-1.3, -1.2) = -1.3; 2.
    # KL of the last token only: r = .5, .5 - log .5 - 1 = .193147.
    loss, figures = surrogate_loss(
        new, old, reference, advantage, weights, clip_low=0.2, clip_high=0.2, kl=0.1
    )
    assert loss.item() == pytest.approx(-(1.2 - 0.4 - 1.3 + 2) / 4 + 0.1 * 0.193147 / 4, abs=1e-6)
    assert figures["clipped"] == pytest.approx(0.5)
    assert figures["kl"] == pytest.approx(0.193147 / 4, abs=1e-6)
    # DAPO's wider upper range leaves more of the first.
    wide, _ = surrogate_loss(
        new, old, None, advantage, weights, clip_low=0.2, clip_high=0.28, kl=0.0
    )
    assert wide.item() == pytest.approx(-(1.28 - 0.4 - 1.3 + 2) / 4)


@pytest.mark.parametrize(
    ("old", "new", "right"), [(0.32651, 0.82354, 0.6), (0.4869, 0.98522, 1.477)]
)
def test_the_drift_from_the_old_policy_is_estimated_on_its_tokens(old, new, right):
    """Each token counts as often as π_old draws it, so the estimate is KL(π_old ‖ π) itself.

    With the roles exchanged it would be 1.1 for the first pair, and 15.6 for the second.
    """
    drawn = torch.tensor([old, 1 - old], dtype=torch.float64)
    now = torch.tensor([new, 1 - new], dtype=torch.float64)
    _, figures = surrogate_loss(
        now.log(), drawn.log(), None, drawn * 0, drawn, clip_low=0.2, clip_high=0.2, kl=0.0
    )
    assert figures["kl_old"] == pytest.approx(right, abs=1e-3)
    exact = exact_kl(drawn.log()[None], now.log()[None]).item()
    assert figures["kl_old"] == pytest.approx(exact)
    with pytest.raises(BenchError, match="the KL is"):
        HealthLimits(kl=right - 0.01).check_kl(figures, 1)
    HealthLimits(kl=right + 0.01).check_kl(figures, 1)


def test_loss_gradient():
    rng = np.random.default_rng(0)
    old, reference, advantage = (torch.from_numpy(rng.normal(size=6)) for _ in range(3))
    new = (old + torch.tensor([0.1, -0.1, 0.5, -0.5, 0.05, 0.0])).requires_grad_()
    weights = torch.from_numpy(rng.dirichlet(np.ones(6)))
    assert torch.autograd.gradcheck(
        lambda x: (
            (
                surrogate_loss(
                    x, old, reference, advantage, weights, clip_low=0.2, clip_high=0.28, kl=0.1
                )
            ).loss
        ),
        new,
    )


@pytest.fixture(scope="module")
def played():
    return tiny.own_episodes(tiny.policy(), 6)


def test_token_weights(played):
    data = TokenizedEpisodes.of(played)
    update = [[0, 1], [4]]
    counts = np.array([len(s.targets) for s in data.sequences])
    chosen = np.repeat(np.isin(np.arange(6), [0, 1, 4]), counts)
    token = token_weights(data, update, "token", 1)
    assert token == pytest.approx(chosen / counts[[0, 1, 4]].sum())
    episode = token_weights(data, update, "episode", 1)
    assert episode == pytest.approx(chosen / np.repeat(counts, counts) / 3)
    constant = token_weights(data, update, "constant", 100)
    assert constant == pytest.approx(chosen / 300)


def test_behaviour_logprobs_are_those_of_the_model(played):
    from qevolve_baselines.model.forward import data_logprobs

    data = TokenizedEpisodes.of(played)
    again = data_logprobs(tiny.policy().model, data, temperature=1.0, token_budget=1000)
    assert behaviour_logprobs(played, data) == pytest.approx(again, abs=1e-4)
    demonstrated = [tiny.policy().encoder.demonstration(tiny.demos()[0])]
    with pytest.raises(BenchError, match="log-probability is not known"):
        behaviour_logprobs(demonstrated, TokenizedEpisodes.of(demonstrated))


def test_groups_without_a_difference_are_left_out(played):
    # The policy has learnt nothing: all its actions are malformed, and all episodes alike.
    groups = Groups(played, np.array([0, 0, 0, 1, 1, 2]), {})
    assert select(groups, GRPOConfig())[0] == []
    played = copy.deepcopy(played)
    played[1].episode.steps[-1].reward = 1.0
    groups = Groups(played, groups.group, {})
    chosen, values = select(groups, GRPOConfig())
    assert chosen == played[:3]
    steps = [len(t.episode.steps) for t in played]
    assert len(values) == sum(steps[:3])
    # Group 2 has one episode: it is left out in any case.
    chosen, values = select(groups, GRPOConfig(drop_flat=False))
    assert chosen == played[:5]
    assert not values[sum(steps[:3]) :].any()


def test_gigpo_adds_the_advantage_of_steps(played):
    played = [copy.deepcopy(played[0]) for _ in range(2)]
    played[1].episode.steps[-1].reward = 1.0
    groups = Groups(played, np.array([0, 0]), {})
    plain = group_advantages(groups, GRPOConfig(penalty=0.0, std=False))
    both = group_advantages(groups, GRPOConfig(penalty=0.0, std=False, step_weight=2.0))
    # At the start both stand at the same place, with returns 0 and .95 ** (steps - 1).
    half = 0.95 ** (len(played[1].episode.steps) - 1) / 2
    assert (both - plain)[0] == pytest.approx(-2 * half)
    second = len(played[0].episode.steps)
    assert (both - plain)[second] == pytest.approx(2 * half)


# ── the learner ─────────────────────────────────────────────────────────────

CONFIG = GRPOConfig(
    collect=CollectConfig(tasks=3, per_task=4, batch_size=8),
    dense=1.0,
    epochs=2,
    optim=OptimConfig(lr=1e-3, batch_tokens=600),
    limits=HealthLimits(unhealthy="log"),
)


def test_learns_within_its_budget():
    tiny.check_budget(GRPO(CONFIG))


def test_resumes_exactly(tmp_path):
    tiny.check_resume(GRPO(CONFIG), tmp_path)


def test_number_of_iterations_ends_it_too():
    run = Run(seed=0)
    GRPO(replace(CONFIG, iterations=2)).train(tiny.world(), [], tiny.warm_policy(), run)
    assert run.ledger.episodes == 24


def test_what_is_wrong_is_said():
    with pytest.raises(BenchError, match=r"groups of 1 hold nothing to compare"):
        GRPOConfig(collect=CollectConfig(per_task=1))
    with pytest.raises(BenchError, match=r"temperature above 0"):
        GRPOConfig(collect=CollectConfig(per_task=2, temperature=0.0))
    with pytest.raises(BenchError, match=r"cannot follow the schedule 'linear'"):
        GRPOConfig(optim=OptimConfig(schedule="linear"))
    with pytest.raises(BenchError, match=r"did you mean 'mean'"):
        GRPOConfig(baseline="means")
    with pytest.raises(BenchError, match=r"this run has none: give one"):
        GRPO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0))
    with pytest.raises(BenchError, match=r"budget env_steps=0 is spent before GRPO"):
        GRPO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0, budget=Budget(env_steps=0)))
    # Whose actions are all malformed has no group in which one episode did better.
    with pytest.raises(BenchError, match=r"nothing to learn"):
        GRPO(CONFIG).train(tiny.world(), [], tiny.policy(), Run(seed=0, budget=Budget(episodes=20)))


def test_a_policy_that_falls_apart_stops_the_run():
    config = replace(CONFIG, limits=HealthLimits(kl=1e-9))
    with pytest.raises(BenchError, match=r"the KL is .* fallen apart"):
        GRPO(config).train(
            tiny.world(), [], tiny.warm_policy(), Run(seed=0, budget=Budget(episodes=100))
        )


@pytest.mark.parametrize("mean", LOSS_MEANS)
def test_weights_are_dealt_out_among_the_tokens_that_count(played, mean):
    """SPEAR's replay: tokens of steps that are not replayed take no share from the others."""
    data = TokenizedEpisodes.of(played)
    update = [[i] for i in range(len(data.sequences))]
    counted = np.random.default_rng(0).random(data.tokens) < 0.3
    weights = token_weights(data, update, mean, 1, counted)
    assert not weights[~counted].any() and (weights[counted] > 0).all()
    if mean != "constant":
        assert weights.sum() == pytest.approx(1)
    assert not token_weights(data, update, mean, 1, np.zeros_like(counted)).any()
