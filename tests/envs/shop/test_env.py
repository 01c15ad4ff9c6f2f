"""qevolve/Shop-v0 as an agent meets it."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import gymnasium
import numpy as np
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.core import Feedback
from qevolve_envs.errors import UnknownName
from qevolve_envs.shop.env import ShopEnv, embedded_shop
from qevolve_envs.shop.tasks import PANELS, make_task, task_ids

TASK = task_ids("train")[0]


@pytest.fixture
def env() -> ShopEnv:
    return ShopEnv(render_mode="ansi")


def purchase(spec) -> list[str]:
    """What buys the product that a goal was made from."""
    words = " ".join((spec.product.title, *spec.goal.attributes, *spec.goal.options.values()))
    choices = [f"click[{value}]" for value in spec.goal.options.values()]
    return [f"search[{words}]", f"click[{spec.product.ident}]", *choices, "click[buy now]"]


def test_an_episode_in_full(env):
    observation, info = env.reset(options={"task": TASK})
    assert observation == env.render()
    assert observation == f"Shop [SEP] Instruction: [SEP] {info['goal']} [SEP] Search"
    assert info == {
        "task_id": TASK,
        "goal": make_task(TASK).goal.instruction,
        "feedback": Feedback.OK,
        "score": 0.0,
        "won": False,
    }
    *_, info = env.step("dance wildly")
    assert info["feedback"] is Feedback.MALFORMED
    *_, info = env.step("click[buy now]")
    assert info["feedback"] is Feedback.INVALID
    *first, last = purchase(make_task(TASK))
    for command in first:
        observation, reward, terminated, truncated, info = env.step(command)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert info["feedback"] is Feedback.OK
    assert make_task(TASK).product.title in observation
    _, reward, terminated, _, info = env.step(last)
    assert (reward, terminated) == (1.0, True)
    assert info["won"] and info["score"] == 1.0


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_a_wrong_purchase_ends_the_episode(form):
    env = ShopEnv(reward=form)
    spec = make_task(TASK)
    assert spec.goal.options, "or else there is nothing to leave out"
    env.reset(options={"task": TASK})
    for command in purchase(spec)[:2]:
        env.step(command)
    _, reward, terminated, _, info = env.step("buy")
    assert terminated and not info["won"]
    assert 0.0 < info["score"] < 1.0
    assert reward == (info["score"] if form == "dense" else 0.0)


@pytest.mark.parametrize("split", PANELS)
def test_no_goal_is_met_by_chance(split):
    env = ShopEnv()
    chance = np.random.default_rng(0)
    scores = []
    for task_id in env.task_ids(split)[:200]:
        env.reset(options={"task": task_id})
        for _ in range(10):
            commands = env.admissible_commands()
            _, _, terminated, _, info = env.step(commands[int(chance.integers(len(commands)))])
            if terminated:
                break
        scores.append(info["score"])
    assert sum(scores) / len(scores) <= 0.25


def test_the_horizon_is_ten_and_free():
    for steps in (10, 4):
        env = gymnasium.make("qevolve/Shop-v0", max_episode_steps=steps if steps != 10 else None)
        env.reset(seed=1)
        ends = [env.step("search[red lamp]")[3] for _ in range(steps)]
        assert ends == [False] * (steps - 1) + [True]


def test_the_shop_is_shared_and_small():
    """One catalogue and index for all copies in a process, below 150 MB together."""
    ShopEnv().reset(seed=0)
    tracemalloc.start()
    try:
        envs = [ShopEnv() for _ in range(4)]
        for env in envs:
            env.reset(seed=0)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(env._shop() is embedded_shop() for env in envs)
    assert size < 4 * 1_000_000
    assert len(pickle.dumps(envs[0])) < 20_000, "the shop is not pickled"


def test_it_can_be_copied_in_mid_episode(env):
    env.reset(options={"task": TASK})
    commands = purchase(make_task(TASK))
    for command in commands[:2]:
        env.step(command)
    copies = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    for command in ("click[features]", "click[< prev]", *commands[2:]):
        answer = env.step(command)
        for other in copies:
            assert other.step(command) == answer
            assert other.admissible_commands() == env.admissible_commands()


def test_the_content_of_a_task_is_complete(env):
    spec = make_task(TASK)
    content = env.task(TASK).content
    assert content["price"] == spec.product.price < content["budget"]
    assert content["product"] == spec.product.ident


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"split": "unsen"}, "did you mean 'unseen'"),
        ({"observation": "txt"}, "did you mean 'text'"),
        ({"reward": "spars"}, "did you mean 'sparse'"),
    ],
)
def test_unknown_arguments_suggest_the_close_match(kwargs, message):
    with pytest.raises(UnknownName, match=message):
        ShopEnv(**kwargs)
    with pytest.raises(UnknownName, match="did you mean 'seen'"):
        ShopEnv().task_ids("sen")
