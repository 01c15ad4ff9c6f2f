"""qevolve/Household-v0 as an agent meets it."""

from __future__ import annotations

import copy
import pickle

import gymnasium
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.agent import TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.errors import UnknownName
from qevolve_envs.household.env import HouseholdEnv
from qevolve_envs.household.kinds import SIZES
from qevolve_envs.household.synonyms import canonical
from qevolve_envs.household.tasks import PANELS, task_ids

#: A kitchen task: wash a glass (cabinet 1 or countertop 1) and put it in a fridge.
TASK = task_ids("train")[0]


@pytest.fixture
def env() -> HouseholdEnv:
    return HouseholdEnv(render_mode="ansi")


def no_peeking() -> list[str]:
    raise AssertionError("the expert asks for the admissible commands")


def begin(env, task_id):
    """Starts the expert on a task, told nothing but the goal."""
    observation, info = env.reset(options={"task": task_id})
    expert = env.expert()
    expert.reset([TaskView("", "", info["goal"], 0, no_peeking)])
    return expert, observation, info


def play(env, task_id):
    """Lets the expert play a task; returns the last info and the kinds of feedback."""
    expert, observation, info = begin(env, task_id)
    kinds = []
    for _ in range(30):
        (command,) = expert.act([observation])
        observation, _, terminated, _, info = env.step(command)
        kinds.append(info["feedback"])
        if terminated:
            break
    return info, kinds


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("split", ["seen", "unseen"])
def test_the_expert_wins(size, split):
    env = HouseholdEnv(size=size, split=split)
    outcomes = [play(env, task_id) for task_id in env.task_ids(split)]
    won = sum(info["won"] for info, _ in outcomes)
    assert won >= 0.95 * len(outcomes)
    refused = {Feedback.INVALID, Feedback.MALFORMED}
    assert not any(refused & set(kinds) for _, kinds in outcomes), "it knows what can be done"


def test_the_expert_wins_on_training_tasks():
    env = HouseholdEnv()
    outcomes = [play(env, task_id) for task_id in env.task_ids("train")[::5]]
    assert sum(info["won"] for info, _ in outcomes) >= 0.95 * len(outcomes)


def test_the_expert_has_to_search():
    """An expert that walked straight to everything would know what it cannot know."""
    env = HouseholdEnv(split="seen")
    lengths = [len(play(env, task_id)[1]) for task_id in env.task_ids("seen")]
    assert max(lengths) > 15
    assert sum(length > 8 for length in lengths) > 0.3 * len(lengths)


def test_an_episode_in_full(env):
    observation, info = env.reset(options={"task": TASK})
    assert observation == env.render()
    assert f"Your task: {info['goal']}." in observation
    assert info == {
        "task_id": TASK,
        "goal": info["goal"],
        "feedback": Feedback.OK,
        "score": 0.0,
        "won": False,
    }
    observation, reward, terminated, truncated, info = env.step("dance wildly")
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["feedback"] is Feedback.MALFORMED
    assert "know how" in observation
    observation, *_, info = env.step("take glass 99 from sink 1")
    assert info["feedback"] is Feedback.INVALID
    _, *_, info = env.step("look")
    assert info["feedback"] is Feedback.OK
    _, *_, info = env.step("look")
    assert info["feedback"] is Feedback.UNCHANGED


def test_scores_rise_with_the_goal(env):
    """Dense rewards are the increases of the score, and add up to 1 on success."""
    env = HouseholdEnv(reward="dense", split="seen")
    for task_id in env.task_ids("seen")[:30]:
        expert, observation, info = begin(env, task_id)
        scores, total, terminated = [info["score"]], 0.0, False
        while not terminated:
            (command,) = expert.act([observation])
            observation, reward, terminated, _, info = env.step(command)
            total += reward
            scores.append(info["score"])
        assert scores[0] == 0.0 and scores[-1] == 1.0
        assert total == pytest.approx(1.0)
        assert all(0.0 <= score < 1.0 for score in scores[:-1])
        assert any(0.0 < score < 1.0 for score in scores), "progress shows before success"


def test_sparse_reward_is_paid_once(env):
    expert, observation, info = begin(env, TASK)
    rewards = []
    while not info["won"]:
        (command,) = expert.act([observation])
        observation, reward, _, _, info = env.step(command)
        rewards.append(reward)
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("look around", "look"),
        ("I", "inventory"),
        ("Walk over to the Fridge 1.", "go to fridge 1"),
        ("pick up the mug 2 from the coffee table 1", "take mug 2 from coffee table 1"),
        ("take apple 1 out of fridge 1", "take apple 1 from fridge 1"),
        ("place mug 1 in shelf 2", "put mug 1 on shelf 2"),
        ("put mug 1 on cabinet 2", "put mug 1 in cabinet 2"),
        ("move  bar of soap 1   to the bathtub 1", "put bar of soap 1 in bathtub 1"),
        ("clean fork 1 with sink 1", "wash fork 1 in sink 1"),
        ("microwave potato 1 with microwave 1", "heat potato 1 in microwave 1"),
        ("chill cup 1 in fridge 1", "cool cup 1 in fridge 1"),
        ("turn on desk lamp 1", "switch on desk lamp 1"),
        ("use desk lamp 1", "switch on desk lamp 1"),
        ("turn off the desk lamp 1", "switch off desk lamp 1"),
        ("shut drawer 3", "close drawer 3"),
        ("inspect drawer 3", "examine drawer 3"),
        ("dance", "dance"),
        ("go to", "go to"),
        ("take mug 1", "take mug 1"),
    ],
)
def test_synonyms(said, meant):
    assert canonical(said) == meant


def test_synonyms_are_understood_by_the_world(env):
    env.reset(options={"task": TASK})
    observation, *_, info = env.step("Walk to the countertop 1!")
    assert info["feedback"] is Feedback.OK
    assert observation.startswith("You walk to the countertop 1.")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": "smal"}, "did you mean 'small'"),
        ({"split": "unsen"}, "did you mean 'unseen'"),
        ({"reward": "spars"}, "did you mean 'sparse'"),
        ({"render_mode": "human"}, "ansi"),
    ],
)
def test_unknown_arguments_suggest_the_close_match(kwargs, message):
    with pytest.raises(UnknownName, match=message):
        HouseholdEnv(**kwargs)


def test_it_can_be_copied_in_mid_episode(env):
    """The compiled game does not pickle; the task and the facts do."""
    env.reset(options={"task": TASK})
    for command in ("go to cabinet 1", "open cabinet 1", "go to countertop 1"):
        env.step(command)
    taking = next(c for c in env.admissible_commands() if c.startswith("take"))
    env.step(taking)
    copies = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    for command in ("inventory", "go to cabinet 1", "look", "nonsense"):
        answer = env.step(command)
        for other in copies:
            assert other.step(command) == answer
            assert other.admissible_commands() == env.admissible_commands()


def test_it_is_made_with_and_without_the_prefix():
    for name in ("qevolve/Household-v0", "qevolve_bench:qevolve/Household-v0"):
        env = gymnasium.make(name, size="small", split="unseen")
        assert env.spec.max_episode_steps == 30
        _, info = env.reset(seed=3)
        assert info["task_id"] in task_ids("unseen", "small")


def test_a_task_of_another_split_or_size_can_be_asked_for(env):
    for split in PANELS:
        for size in SIZES:
            task_id = task_ids(split, size)[1]
            _, info = env.reset(options={"task": task_id})
            assert info["task_id"] == task_id
            assert env.task(task_id).split == split
