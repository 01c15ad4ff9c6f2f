"""The expert of qevolve/Shop-v0: honest, and good."""

from __future__ import annotations

import pytest

from qevolve_envs.agent import TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.shop.env import ShopEnv
from qevolve_envs.shop.expert import Candidate, ParsedRequest, read_page
from qevolve_envs.shop.tasks import PANELS

HORIZON = 10


def no_peeking() -> list[str]:
    raise AssertionError("the expert asks for the admissible commands")


def play(env, task_id):
    """Lets the expert play a task, told nothing but the goal; returns info, commands, feedback."""
    observation, info = env.reset(options={"task": task_id})
    expert = env.expert()
    expert.reset([TaskView("", "", info["goal"], 0, no_peeking)])
    commands, kinds = [], []
    for _ in range(HORIZON):
        (command,) = expert.act([observation])
        observation, _, terminated, _, info = env.step(command)
        commands.append(command)
        kinds.append(info["feedback"])
        if terminated:
            break
    return info, commands, kinds


@pytest.mark.parametrize("split", PANELS)
def test_the_expert_shops_well(split):
    env = ShopEnv()
    ids = env.task_ids(split)[:: 4 if split == "train" else 1]
    runs = [play(env, task_id) for task_id in ids]
    assert sum(info["score"] for info, _, _ in runs) >= 0.95 * len(runs)
    assert sum(info["won"] for info, _, _ in runs) >= 0.9 * len(runs)
    assert all(command == "click[buy now]" for _, (*_, command), _ in runs), "it always buys"
    refused = {Feedback.INVALID, Feedback.MALFORMED}
    assert not any(refused & set(kinds) for _, _, kinds in runs), "it knows what can be done"


def test_the_expert_has_to_read():
    """An expert that always knew what to click would know what it cannot know."""
    env = ShopEnv()
    runs = [play(env, task_id)[1] for task_id in env.task_ids("seen")]
    assert sum("click[features]" in commands for commands in runs) > 0.3 * len(runs)
    assert sum(len([c for c in r if c.startswith("click[Q0")]) > 1 for r in runs) > 0.02 * len(runs)


def test_the_form_of_the_pages_does_not_matter():
    envs = [ShopEnv(observation=form) for form in ("text", "text_rich", "html")]
    for task_id in envs[0].task_ids("seen")[:20]:
        first, *others = (play(env, task_id) for env in envs)
        assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("text", "pieces", "limit"),
    [
        (
            "I need a waterproof, insulated hiking boot with steel toes, size 9, under 90 dollars.",
            ("waterproof", "insulated hiking boot", "steel toes", "size 9"),
            90.0,
        ),
        (
            "Can you find me dog treats for puppies, flavor: duck? I want to pay at most $8.",
            ("dog treats", "puppies", "flavor duck"),
            8.0,
        ),
        ("A lamp", ("lamp",), float("inf")),
        ("", (), float("inf")),
    ],
)
def test_it_takes_wishes_apart(text, pieces, limit):
    assert ParsedRequest.read(text) == ParsedRequest(pieces, limit)


@pytest.mark.parametrize(
    ("piece", "value", "lacks"),
    [
        ("olive", "olive", False),
        ("color olive", "olive", False),
        ("red", None, True),
        ("2 pack pack", "2 pack", False),
        ("size 8", None, True),
        ("large cats", None, False),
        ("", None, False),
    ],
)
def test_it_finds_the_value_of_an_option(piece, value, lacks):
    choices = ["color", "olive", "black", "size", "large", "9", "pack", "2 pack"]
    one = Candidate("Q0", "A Lamp", 3.0, 0, choices)
    assert one.value_for(piece) == value
    assert one.lacks(piece) is lacks


def test_odd_pages_do_not_confuse_it():
    env = ShopEnv()
    for page in ("", "nonsense", "a [SEP] b", "<!DOCTYPE html><p>", "Page 1 (Total results: 0)"):
        expert = env.expert()
        expert.reset([TaskView("", "", "", 0, no_peeking)])
        for _ in range(12):
            (command,) = expert.act([page])
            assert command.startswith("search[")
        assert isinstance(read_page(page), list)
