"""A shorter horizon, and never shorter than the expert needs."""

import math

import pytest

from qevolve_envs.agent import PerEpisode
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.horizon import LEFT, Horizon, expert_steps

ENVS = ("qevolve/Household-v0", "qevolve/Shop-v0", "qevolve/Lab-v0")


def length(env, task):
    env.reset(options={"task": task})
    for step in range(1, 200):
        if env.step("nonsense")[3]:
            return step
    return None


@pytest.mark.parametrize("env_id", ENVS)
def test_the_horizon_is_a_share_but_at_least_what_the_expert_needs(env_id):
    lengths = {}
    for severity in (1, 2, 3):
        env = make_perturbed(env_id, f"horizon:{severity}", split="unseen")
        world, horizon = env.unwrapped.world, env.unwrapped.horizon
        for task in env.unwrapped.task_ids("unseen")[:24]:
            needed = expert_steps(world, task, horizon)
            lengths[task, severity] = length(env, task)
            share = math.ceil(LEFT[severity - 1] * horizon)
            assert lengths[task, severity] == max(share, needed) <= horizon
    shortest = {s: min(n for (_, at), n in lengths.items() if at == s) for s in (1, 2, 3)}
    assert shortest[3] <= shortest[2] < shortest[1]


def test_a_task_that_the_expert_does_not_solve_keeps_its_horizon(monkeypatch):
    env = make_perturbed("qevolve/Household-v0", "horizon:3")
    stuck = PerEpisode(lambda task: lambda text: "look")
    monkeypatch.setattr(env.unwrapped.world, "expert", lambda: stuck)
    assert length(env, "household/train/0005") == 30


def test_the_expert_plays_a_task_only_once(monkeypatch):
    layer, played = Horizon(2), []
    monkeypatch.setattr(
        "qevolve_envs.perturb.horizon.expert_steps", lambda world, task, h: played.append(task) or 3
    )
    assert [layer.limit(None, t, 20) for t in ("a", "b", "a", "a")] == [12] * 4
    assert played == ["a", "b"]
