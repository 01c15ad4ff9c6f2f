"""qevolve/Lab-v0 as an agent meets it."""

from __future__ import annotations

import copy
import pickle

import gymnasium
import numpy as np
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.agent import TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.errors import UnknownName
from qevolve_envs.lab.env import LabEnv
from qevolve_envs.lab.gold import gold
from qevolve_envs.lab.tasks import KINDS, PANELS, make_task, task_ids

HORIZON = 24


def of_kind(kind, split="train", turn=0):
    """Id of a task of a kind: they take turns."""
    return task_ids(split)[[k for _, k in KINDS].index(kind) + turn * len(KINDS)]


def no_peeking():
    raise AssertionError("the expert asks for the admissible commands")


def play(env, task_id):
    """Lets the expert play; returns the last info and the kinds of feedback."""
    observation, info = env.reset(options={"task": task_id})
    expert = env.expert()
    expert.reset([TaskView("", "", info["goal"], 0, no_peeking)])
    kinds = []
    for _ in range(HORIZON):
        (command,) = expert.act([observation])
        observation, _, terminated, _, info = env.step(command)
        kinds.append(info["feedback"])
        if terminated:
            break
    return info, kinds


@pytest.mark.parametrize("simplify", ["standard", "easy"])
@pytest.mark.parametrize("split", list(PANELS))
def test_the_expert_wins(simplify, split):
    env = LabEnv(simplify=simplify, split=split)
    outcomes = [play(env, task_id) for task_id in env.task_ids(split)]
    assert sum(info["won"] for info, _ in outcomes) >= 0.98 * len(outcomes)
    refused = {Feedback.INVALID, Feedback.MALFORMED}
    assert not any(refused & set(kinds) for _, kinds in outcomes), "it knows what can be done"


def test_the_random_agent_gets_nowhere():
    env = gymnasium.make("qevolve/Lab-v0", admissible=True, disable_env_checker=True)
    rng = np.random.default_rng(0)
    scores = []
    for split in PANELS:
        for task_id in task_ids(split)[::5]:
            _, info = env.reset(options={"task": task_id})
            over = False
            while not over:
                command = str(rng.choice(info["admissible_commands"]))
                _, _, terminated, truncated, info = env.step(command)
                over = terminated or truncated
            scores.append(info["score"])
    assert np.mean(scores) <= 0.15


def test_an_episode_in_full():
    env = LabEnv(render_mode="ansi")
    observation, info = env.reset(options={"task": task_ids("train")[0]})
    assert observation == env.render()
    assert f"Your task: {info['goal']}" in observation
    assert sorted(info) == ["feedback", "goal", "score", "task_id", "won"]
    for command, feedback in (
        ("dance wildly", Feedback.MALFORMED),
        ("pick up the moon", Feedback.INVALID),
        ("look around", Feedback.OK),
        ("look around", Feedback.UNCHANGED),
    ):
        _, reward, terminated, truncated, info = env.step(command)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert info["feedback"] is feedback


@pytest.mark.parametrize("kind", [kind for _, kind in KINDS])
def test_scores_rise_step_by_step(kind):
    """Dense rewards are the increases of the score, and add up to 1."""
    env = LabEnv(reward="dense", split="unseen")
    task_id = of_kind(kind, "unseen", 3)
    _, info = env.reset(options={"task": task_id})
    scores, total = [info["score"]], 0.0
    for command in gold(task_id):
        _, reward, *_, info = env.step(command)
        total += reward
        scores.append(info["score"])
    assert scores[0] == 0.0 and scores == sorted(scores) and scores[-1] == 1.0
    assert total == pytest.approx(1.0)
    assert any(0.0 < score < 1.0 for score in scores), "progress shows before success"


def test_sparse_reward_is_paid_once():
    env = LabEnv()
    task_id = of_kind("melt")
    env.reset(options={"task": task_id})
    rewards = [env.step(command)[1] for command in gold(task_id)]
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


def test_focusing_on_the_wrong_thing_ends_the_episode():
    env = LabEnv()
    task_id = of_kind("boil")
    env.reset(options={"task": task_id})
    for command in gold(task_id):
        env.step(command)
        if command.startswith("pick up"):
            break
    vessel = make_task(task_id).items[0]["name"]
    _, reward, terminated, _, info = env.step(f"focus on {vessel}")
    assert terminated and not info["won"] and reward == 0.0


def test_the_wrong_box_ends_the_episode():
    env = LabEnv()
    for turn in range(5):
        task_id = of_kind("mass", turn=turn)
        boxes = [i["name"] for i in make_task(task_id).items if i["kind"] == "box"]
        *before, last = gold(task_id)
        wrong = next(box for box in boxes if box not in last)
        env.reset(options={"task": task_id})
        for command in before:
            env.step(command)
        _, _, terminated, _, info = env.step(f"put parcel in {wrong}")
        assert terminated and not info["won"] and info["score"] < 1.0


def test_a_lucky_guess_is_not_an_experiment():
    """The right box without a measurement earns nothing: sub-goals are counted in order."""
    env = LabEnv()
    task_id = of_kind("mass")
    env.reset(options={"task": task_id})
    for command in [c for c in gold(task_id) if not c.startswith("use")]:
        _, _, terminated, _, info = env.step(command)
    assert not terminated and info["score"] == 0.0


def test_easy_is_easier():
    task_id = of_kind("grow-fruit")
    easy = LabEnv(simplify="easy")
    observation, _ = easy.reset(options={"task": task_id})
    assert "House plan:" in observation
    assert sum(c.startswith("go to ") for c in easy.admissible_commands()) == 9
    assert easy.step("go to foundry")[4]["feedback"] is Feedback.OK
    assert "You are in the foundry" in easy.step("wait 5")[0]
    assert len(gold(task_id, easy=True)) <= len(gold(task_id))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"simplify": "eazy"}, "did you mean 'easy'"),
        ({"split": "unsen"}, "did you mean 'unseen'"),
        ({"reward": "spars"}, "did you mean 'sparse'"),
    ],
)
def test_unknown_arguments_suggest_the_close_match(kwargs, message):
    with pytest.raises(UnknownName, match=message):
        LabEnv(**kwargs)


@pytest.mark.parametrize("kind", ["unknown-conductivity", "unknown-melting-point", "grow-fruit"])
def test_it_can_be_copied_in_mid_episode(kind):
    """With a circuit half built, a hot crucible, a growing plant, and a question open."""
    env = LabEnv()
    task_id = of_kind(kind)
    commands = gold(task_id)
    middle = 2 * len(commands) // 3
    env.reset(options={"task": task_id})
    for command in commands[:middle]:
        env.step(command)
    env.step("examine wire")
    copies = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    for command in ["1", *commands[middle:]]:
        answer = env.step(command)
        for other in copies:
            assert other.step(command) == answer
            assert other.admissible_commands() == env.admissible_commands()
    assert answer[4]["won"]


def test_it_is_made_with_and_without_the_prefix():
    for name in ("qevolve/Lab-v0", "qevolve_bench:qevolve/Lab-v0"):
        env = gymnasium.make(name, simplify="easy", split="unseen")
        assert env.spec.max_episode_steps == HORIZON
        assert env.reset(seed=3)[1]["task_id"] in task_ids("unseen")
