"""The same in other words: nothing that matters is lost."""

import re

import pytest

from qevolve_envs.agent import TaskView
from qevolve_envs.language import find_language
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.paraphrase import Wordbook

ENVS = ("qevolve/Household-v0", "qevolve/Shop-v0", "qevolve/Lab-v0")
LANGUAGES = [find_language(env_id) for env_id in ENVS]
BOOKS = [rules for one in LANGUAGES for rules in (one.goals, one.observations)]


def slots(wording):
    return set(re.findall(r"\{(\w+)\}", wording))


@pytest.mark.parametrize("rules", BOOKS)
def test_all_wordings_of_a_sentence_say_the_same(rules):
    for wordings in rules:
        assert len(wordings) >= 3 and len(set(wordings)) == len(wordings)
        for wording in wordings[1:]:
            # {in} may be left out where the sentence says it in another way; names may not.
            assert slots(wordings[0]) - {"in", "room"} <= slots(wording) <= slots(wordings[0])


@pytest.mark.parametrize("env_id", ENVS)
def test_observations_have_the_same_number_of_wordings(env_id):
    assert {len(wordings) for wordings in find_language(env_id).observations} == {3}


def test_a_wordbook_by_example():
    book = Wordbook(
        [
            ("You see {list}.", "There are {list}.", "In view: {list}."),
            ("It weighs {n} g.", "{n} g is what it weighs.", "{n} g."),
        ]
    )
    text = "You see a cat, and a dog 1. It weighs 2.5 g. You seem odd."
    assert book.reword(text, lambda n: 0) == text
    told = "There are a cat, and a dog 1. 2.5 g is what it weighs. You seem odd."
    assert book.reword(text, lambda n: 1) == told
    assert book.reword("<p>You see a cat.</p>", lambda n: 2) == "<p>In view: a cat.</p>"


@pytest.mark.parametrize("env_id", ENVS)
def test_every_instruction_is_reworded_and_keeps_its_names_and_numbers(env_id):
    env = make_perturbed(env_id, "paraphrase:1").unwrapped
    for split in env.splits:
        for task_id in env.task_ids(split)[:150]:
            plain, told = env.world.task(task_id).goal, env.task(task_id).goal
            assert plain != told and "{" not in told
            assert sorted(set(re.findall(r"\d+", plain))) == sorted(set(re.findall(r"\d+", told)))
            if env_id == "qevolve/Household-v0":
                content = env.world.task(task_id).content
                assert content["target"] in told
                assert content["thing"].split()[-1][:3] in told
            if env_id == "qevolve/Shop-v0":
                wanted = env.world.task(task_id).content
                for value in wanted["options"].values():
                    assert value in told


def test_every_sentence_of_a_labs_instruction_is_reworded():
    env = make_perturbed("qevolve/Lab-v0", "paraphrase:1").unwrapped
    for task_id in env.task_ids("train")[:116]:
        told = env.task(task_id).goal
        for sentence in re.split(r"(?<=\.) ", env.world.task(task_id).goal):
            assert sentence not in told


@pytest.mark.parametrize("env_id", ENVS)
def test_severities(env_id):
    """1 keeps observations, 2 has one wording for a sentence, 3 has several."""
    env = {s: make_perturbed(env_id, f"paraphrase:{s}") for s in (1, 2, 3)}
    task = env[1].unwrapped.task_ids("train")[7]
    shown = {s: [e.reset(seed=1, options={"task": task})[0]] for s, e in env.items()}
    world = env[1].unwrapped.world
    clean = [world.render() or world.last_observation]
    expert = world.expert()
    goal = world.task(task).goal
    expert.reset([TaskView("", task, goal, 0, world.admissible_commands)])
    told = env[1].unwrapped.task(task).goal
    for _ in range(6):
        command = expert.act([clean[-1].replace(told, goal)])[0]
        for s, e in env.items():
            shown[s].append(e.step(command)[0])
        clean.append(world.last_observation)
        if world._progress()[1]:
            break
    assert shown[1] == [text.replace(goal, told) for text in clean]
    assert shown[2] != shown[1] != shown[3]
    assert all(goal not in text for texts in shown.values() for text in texts)
    again = [env[s].unwrapped.reset(seed=2, options={"task": task})[0] for s in (2, 3)]
    assert again == [shown[2][0], shown[3][0]], "a task begins the same whatever the seed"


def test_most_of_what_a_household_says_is_reworded():
    env = make_perturbed("qevolve/Household-v0", "paraphrase:2")
    world = env.unwrapped.world
    kept = total = 0
    for seed in range(8):
        env.reset(seed=seed)
        for step in range(12):
            commands = env.unwrapped.admissible_commands()
            text = env.step(commands[(5 * step + seed) % len(commands)])[0]
            total += 1
            kept += text == world.last_observation
    assert kept / total < 0.1
