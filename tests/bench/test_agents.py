from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from qevolve_bench import agents
from qevolve_bench.agents import MockAgent, RandomAgent, ReplayAgent, resolve_agent
from qevolve_envs.agent import Agent, TaskView
from qevolve_envs.errors import BenchError, UnknownName

GOOD = """
class Mine:
    def reset(self, tasks): self.n = len(tasks)
    def act(self, observations): return ["look"] * self.n

def make(): return Mine()
def broken(): return 1 / 0
def leaves(): raise SystemExit("bye")
def half():
    class Half:
        def reset(self, tasks): pass
    return Half()
def nothing(): return None
def forgot(): return Mine
constant = 3
"""


def view(seed=0, commands=("a", "b", "c"), task_id="t"):
    return TaskView("benchtoy/Corridor-v0", task_id, "goal", seed, lambda: commands)


def play(agent, views, steps=20):
    agent.reset(views)
    return [list(agent.act(["o"] * len(views))) for _ in range(steps)]


def test_random_is_seeded_by_the_episode_and_not_by_its_neighbours():
    together = play(RandomAgent(), [view(1), view(2)])
    assert [row[1] for row in together] == [row[0] for row in play(RandomAgent(), [view(2)])]
    assert [row[0] for row in together] != [row[1] for row in together]


def test_random_is_uniform_over_the_commands():
    actions = [row[0] for row in play(RandomAgent(), [view(3)], steps=3000)]
    for command in "abc":
        # Four standard deviations around 1000; the seed is fixed, so this cannot flicker.
        assert abs(actions.count(command) - 1000) < 105


def test_random_answers_nothing_where_nothing_can_be_done():
    assert play(RandomAgent(), [view(commands=())], steps=1) == [[""]]


def test_mock_plays_its_script_in_every_episode():
    assert play(MockAgent(["x", "y"]), [view(), view()], 3) == [["x", "x"], ["y", "y"], ["", ""]]


def test_replay_knows_its_episodes_only():
    agent = ReplayAgent([])
    with pytest.raises(BenchError, match="No recorded episode of t with seed 0"):
        agent.reset([view()])


@pytest.mark.parametrize("name", ["random", "expert"])
def test_built_in_names(name, toy_env):
    assert isinstance(resolve_agent(name, toy_env), Agent)


def test_module_and_factory_from_the_current_directory(workdir, toy_env):
    (workdir / "mine.py").write_text(GOOD)
    agent = resolve_agent("mine:make", toy_env)
    assert play(agent, [view()], 1) == [["look"]]
    assert isinstance(resolve_agent("mine:Mine", toy_env), Agent)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine:maek", "did you mean 'make'"),
        ("mine:", "Unknown name in mine ''"),
        ("mine:broken", "its factory raised ZeroDivisionError: division by zero."),
        ("mine:leaves", "its factory raised SystemExit: bye."),
        ("mine:half", "the Half that its factory returned has no method act."),
        ("mine:nothing", "has no method reset and no method act."),
        ("mine:forgot", "returned a class"),
        ("mine:constant", "int is not callable"),
        ("absent_module:make", "no module named 'absent_module'."),
        ("mine.sub:make", "no module named 'mine.sub'."),
        ("not/a/module.py:make", "is not the dotted name of a module."),
        (":make", "is not the dotted name of a module."),
        ("syntax:make", "importing syntax raised SyntaxError"),
        ("needy:make", "needy needs absent_dependency."),
        ("exits:make", "importing exits raised SystemExit"),
    ],
)
def test_a_bad_reference_is_one_sentence(workdir, toy_env, name, words):
    (workdir / "mine.py").write_text(GOOD)
    (workdir / "syntax.py").write_text("def")
    (workdir / "needy.py").write_text("import absent_dependency")
    (workdir / "exits.py").write_text("raise SystemExit(3)")
    with pytest.raises(BenchError) as error:
        resolve_agent(name, toy_env)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_is_answered_by_the_close_one(toy_env):
    with pytest.raises(UnknownName, match="did you mean 'random'"):
        resolve_agent("randon", toy_env)
    with pytest.raises(UnknownName, match="choose one of random, expert"):
        resolve_agent("zzz", toy_env)


def test_an_error_that_cannot_print_itself_is_still_described(workdir, toy_env):
    (workdir / "odd.py").write_text(
        "class Odd(Exception):\n    def __str__(self): return 1 / 0\ndef make(): raise Odd\n"
    )
    with pytest.raises(BenchError, match="its factory raised Odd"):
        resolve_agent("odd:make", toy_env)


def test_entry_points_are_agents_too(monkeypatch, workdir, toy_env):
    (workdir / "mine.py").write_text(GOOD)
    points = [
        EntryPoint("outsider", "mine:make", agents.ENTRY_POINTS),
        EntryPoint("stale", "gone:make", agents.ENTRY_POINTS),
    ]
    monkeypatch.setattr(agents, "entry_points", lambda group: points)
    with monkeypatch.context() as installed:
        installed.setattr(sys, "path", [str(workdir), *sys.path])
        assert play(resolve_agent("outsider", toy_env), [view()], 1) == [["look"]]
    with pytest.raises(UnknownName, match="did you mean 'outsider'"):
        resolve_agent("outsidr", toy_env)
    with pytest.raises(BenchError, match="entry point gone:make raised ModuleNotFoundError"):
        resolve_agent("stale", toy_env)
