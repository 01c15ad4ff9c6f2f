"""What a perturbed environment reports: the true world's score, and what the agent sees."""

import gymnasium
import numpy as np
import pytest
import toy  # noqa: F401 - registers toy/Corridor-v0

from qevolve_envs.agent import TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.perturb import make_perturbed, perturb
from qevolve_envs.perturb.noise import LOST

CORRIDOR = "toy/Corridor-v0"
HOUSEHOLD = "qevolve/Household-v0"


def walk(env, steps=25, seed=4):
    """Plays admissible commands drawn by chance; yields (command, answer)."""
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    for _ in range(steps):
        commands = env.unwrapped.admissible_commands()
        command = commands[int(rng.integers(len(commands)))]
        answer = env.step(command)
        yield command, answer
        if answer[2] or answer[3]:
            return


def test_the_same_seed_draws_the_same_tasks_as_in_the_clean_world():
    clean, other = gymnasium.make(HOUSEHOLD), make_perturbed(HOUSEHOLD, "typos:3")
    for seed in (3, None, None, 8, None):
        told = [env.reset(seed=seed)[1]["task_id"] for env in (clean, other)]
        assert told[0] == told[1]


def test_later_episodes_of_a_seed_are_disturbed_differently():
    env = make_perturbed(CORRIDOR, "failures:3")
    patterns = set()
    for seed in (3, None, None, None):
        env.reset(seed=seed, options={"task": "corridor/train/00"})
        answers = [env.step("look")[4]["feedback"] for _ in range(20)]
        patterns.add(tuple(env.unwrapped.layers[0].fails(env.unwrapped._moment) for _ in answers))
        patterns.add(tuple(answers))
    assert len(patterns) > 2


def test_chance_does_not_depend_on_the_actions_before():
    """The i-th action fails or not, whatever the actions before it were."""
    patterns = []
    for action in ("look", "right", "nonsense"):
        env = make_perturbed(CORRIDOR, "failures:3", max_episode_steps=100)
        env.reset(seed=9, options={"task": "corridor/train/01"})
        world = env.unwrapped
        pattern = []
        for _ in range(30):
            before = world._delivered
            if env.step(action)[2]:
                break
            pattern.append(world._delivered == before)
        patterns.append(pattern)
    assert patterns[0] == patterns[1] == patterns[2] and any(patterns[0])


def test_an_action_that_fails_leaves_everything_as_it_was():
    env = make_perturbed(HOUSEHOLD, "failures:3", split="seen", reward="dense")
    observation, info = env.reset(seed=1)
    world, failed = env.unwrapped, 0
    for _ in range(40):
        commands = world.admissible_commands()
        before = (observation, info["score"], world._delivered, commands)
        observation, reward, _, truncated, info = env.step(commands[-1])
        if world._delivered == before[2]:
            failed += 1
            assert info["feedback"] is Feedback.UNCHANGED and reward == 0 and not truncated
            assert (observation, info["score"], world._delivered, world.admissible_commands()) == (
                before
            )
        if truncated:
            break
    assert failed > 3


def test_what_fails_silently_costs_no_time():
    env = make_perturbed(CORRIDOR, "failures:3", max_episode_steps=10)
    env.reset(seed=2)
    steps = 0
    truncated = False
    while not truncated:
        truncated = env.step("look")[3]
        steps += 1
    assert 10 < steps <= 30 and env.unwrapped._delivered == 10


@pytest.mark.parametrize("perturbation", ("typos:3", "dropout:3", "distractors:3", "paraphrase:3"))
def test_score_reward_and_feedback_are_those_of_the_world(perturbation):
    """But for what the agent sees twice: that is UNCHANGED by definition."""
    clean = gymnasium.make(HOUSEHOLD, reward="dense", split="seen")
    env = make_perturbed(HOUSEHOLD, perturbation, reward="dense", split="seen")
    clean.reset(seed=4)
    shown = env.reset(seed=4)[0]
    rng = np.random.default_rng(0)
    for _ in range(25):
        commands = clean.unwrapped.admissible_commands()
        action = ("blurb", commands[int(rng.integers(len(commands)))])[int(rng.random() < 0.9)]
        _, reward, terminated, truncated, info = clean.step(action)
        answer = env.step(action)
        assert answer[1:4] == (reward, terminated, truncated)
        assert (answer[4]["score"], answer[4]["won"]) == (info["score"], info["won"])
        if answer[0] != shown:
            assert answer[4]["feedback"] is info["feedback"]
        shown = answer[0]


def test_a_lost_observation_leaves_the_admissible_commands():
    env = make_perturbed(HOUSEHOLD, "dropout:3", admissible=True)
    lost = 0
    for _, (text, *_, info) in walk(env):
        lost += text == LOST
        assert info["admissible_commands"] == env.unwrapped.admissible_commands() != []
    assert lost > 2


def test_the_expert_is_the_worlds_own():
    env = perturb(gymnasium.make(HOUSEHOLD), "rename:3").unwrapped
    assert type(env.expert()) is type(env.world.expert())


def test_rendering_shows_what_the_agent_sees():
    env = make_perturbed(HOUSEHOLD, "dropout:3", render_mode="ansi")
    for _, (text, *_) in walk(env):
        assert env.render() == text


@pytest.mark.parametrize("perturbation", ("dropout:3", "typos:3", "distractors:3"))
def test_an_expert_that_is_lost_plays_on(perturbation):
    """It reads exact texts, so that it may lose; but it is not an agent that crashes."""
    env = make_perturbed("qevolve/Lab-v0", perturbation, split="unseen")
    expert = env.unwrapped.expert()
    for task in env.unwrapped.task_ids("unseen")[:58]:
        text, info = env.reset(seed=3, options={"task": task})
        expert.reset([TaskView("", task, info["goal"], 3, list)])
        over = False
        while not over:
            text, _, terminated, truncated, _ = env.step(expert.act([text])[0])
            over = terminated or truncated
