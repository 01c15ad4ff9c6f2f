"""What is solvable stays solvable, for every perturbation, embedded environment and severity.

The proof is by playing. The scripted expert plays the clean task; its commands, said in the words
of the perturbed world and repeated where they failed silently, then win the perturbed one, step by
step with the same rewards, within the horizon. The plain expert need not win, because it reads
exact sentences and names; that it does not is what a robustness table shows. Experts that undo a
perturbation (below) do.
"""

import re

import gymnasium
import pytest

from qevolve_envs.agent import PerEpisode, TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.language import find_language
from qevolve_envs.perturb import PERTURBATIONS, applicable, make_perturbed
from qevolve_envs.perturb.distractors import IRRELEVANT
from qevolve_envs.perturb.noise import MOST_FAILURES
from qevolve_envs.perturb.rename import draw_names, swap_names
from qevolve_envs.registration import register_all
from qevolve_envs.replay import spread

register_all()
ENVS = ("qevolve/Household-v0", "qevolve/Shop-v0", "qevolve/Lab-v0")
PAIRS = [
    pytest.param(env_id, f"{name}:{severity}", id=f"{env_id.split('/')[1]}-{name}:{severity}")
    for env_id in ENVS
    for name in applicable(env_id)
    for severity in (1, 2, 3)
]
EVERYTHING = "+".join(f"{name}:3" for name in PERTURBATIONS)


def play(env, agent, task, seed=0):
    """Plays one episode; returns whether it was won, and the actions with their rewards."""
    text, info = env.reset(seed=seed, options={"task": task})
    world = env.unwrapped
    agent.reset([TaskView("", task, info["goal"], seed, world.admissible_commands)])
    steps, over = [], False
    while not over:
        action = agent.act([text])[0]
        text, reward, terminated, truncated, info = env.step(action)
        steps.append((action, reward))
        over = terminated or truncated
    return info["won"], steps


def solved_tasks(env_id, per_split):
    """(task, the expert's commands with their rewards) of clean tasks that the expert solves."""
    found = []
    clean = gymnasium.make(env_id, reward="dense")
    for split in clean.unwrapped.splits:
        for task in spread(clean.unwrapped.task_ids(split), per_split):
            won, steps = play(clean, clean.unwrapped.expert(), task)
            if won:
                found.append((task, steps))
    assert len(found) >= per_split
    return found


_solved = {}


def solved(env_id, per_split=4):
    if (env_id, per_split) not in _solved:
        _solved[env_id, per_split] = solved_tasks(env_id, per_split)
    return _solved[env_id, per_split]


def replay_in(env, task, steps, seed):
    """Says the true commands in a perturbed world; repeats what failed silently."""
    env.reset(seed=seed, options={"task": task})
    failing = "failures" in env.unwrapped.perturbation
    info, over = {}, False
    for command, due in steps:
        assert not over, "the horizon is too short for the expert's own commands"
        action = env.unwrapped.say(command)
        for _ in range(1 + MOST_FAILURES):
            before = env.unwrapped._delivered
            _, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            if env.unwrapped._delivered > before:
                break
            assert failing and info["feedback"] is Feedback.UNCHANGED and reward == 0
        assert reward == pytest.approx(due), f"{action!r} is worth {reward}, {command!r} was {due}"
    return info["won"]


@pytest.mark.parametrize(("env_id", "perturbation"), PAIRS)
def test_the_true_commands_win(env_id, perturbation):
    env = make_perturbed(env_id, perturbation, reward="dense")
    for seed, (task, steps) in enumerate(solved(env_id)):
        assert replay_in(env, task, steps, seed), f"{task} cannot be solved any more"


@pytest.mark.parametrize("env_id", ENVS)
def test_the_true_commands_win_whatever_comes_together(env_id):
    env = make_perturbed(env_id, EVERYTHING, reward="dense")
    for seed, (task, steps) in enumerate(solved(env_id)):
        assert replay_in(env, task, steps, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "perturbation"), PAIRS)
def test_the_true_commands_win_on_many_tasks(env_id, perturbation):
    env = make_perturbed(env_id, perturbation, reward="dense")
    for seed, (task, steps) in enumerate(solved(env_id, 60)):
        assert replay_in(env, task, steps, seed), f"{task} cannot be solved any more"


# ── experts that know of the perturbation ───────────────────────────────────


class Aware(PerEpisode):
    """Another agent, told what the world would have said, and translated back.

    Args:
        inner: The agent.
        env_id: The environment.
        perturbation: ``rename:N`` or ``distractors:N``.
    """

    def __init__(self, inner, env_id, perturbation):
        self._inner, self._env_id = inner, env_id
        self._name, severity = perturbation.split(":")
        self._severity = int(severity)
        super().__init__(self._start)

    def _start(self, task):
        names = find_language(self._env_id).names
        swap = draw_names(task.task_id, self._severity, names)

        def plain(text):
            if self._name == "rename":
                return swap_names(text, swap, names)
            for sentence in IRRELEVANT:
                text = text.replace(sentence, "")
            text = re.sub(r"(?:^(?: *\[SEP\] *)+)|(?:(?: *\[SEP\] *)+$)", "", text.strip())
            return re.sub(r"( \[SEP\] ){2,}", " [SEP] ", text).strip()

        def spoken(command):
            renamed = self._name == "rename"
            return swap_names(command, swap, names) if renamed else command

        view = TaskView(task.env_id, task.task_id, plain(task.goal), task.seed, task.commands)
        self._inner.reset([view])
        return lambda text: spoken(self._inner.act([plain(text)])[0])


@pytest.mark.parametrize("severity", (1, 2, 3))
@pytest.mark.parametrize("env_id", ENVS)
def test_an_expert_that_knows_the_names_plays_as_ever(env_id, severity):
    env = make_perturbed(env_id, f"rename:{severity}", reward="dense")
    for task, steps in solved(env_id):
        aware = Aware(env.unwrapped.expert(), env_id, f"rename:{severity}")
        won, played = play(env, aware, task)
        assert won and [r for _, r in played] == [r for _, r in steps]


@pytest.mark.parametrize("severity", (1, 2, 3))
@pytest.mark.parametrize("env_id", ENVS[::2])
def test_an_expert_that_ignores_what_is_irrelevant_wins(env_id, severity):
    """Not in the shop, where unrelated products are read like any other; see below."""
    env = make_perturbed(env_id, f"distractors:{severity}")
    for task, _ in solved(env_id):
        aware = Aware(env.unwrapped.expert(), env_id, f"distractors:{severity}")
        assert play(env, aware, task)[0]


@pytest.mark.parametrize("perturbation", ("strict:3", "horizon:3", "reorder:3"))
@pytest.mark.parametrize("env_id", ENVS)
def test_the_plain_expert_does_not_mind(env_id, perturbation):
    """Commands to the letter, a shorter horizon and lists in another order are nothing to it."""
    if (env_id, perturbation) == (ENVS[1], "reorder:3"):
        pytest.skip("The shopper trusts the order of results, and may buy another product.")
    env = make_perturbed(env_id, perturbation)
    for task, _ in solved(env_id):
        assert play(env, env.unwrapped.expert(), task)[0]
