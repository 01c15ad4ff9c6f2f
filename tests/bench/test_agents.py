from __future__ import annotations

import argparse
import sys
from importlib.metadata import EntryPoint

import pytest

from qevolve_bench import agents
from qevolve_bench.agents import MockAgent, RandomAgent, ReplayAgent, resolve_agent
from qevolve_bench.flags import add_arguments, from_arguments
from qevolve_bench.options import AgentOptions
from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.agent import Agent, Failed, TaskView
from qevolve_envs.episode import Episode, Step, write_episodes
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
def sized(size, speed=1):
    mine = Mine()
    mine.size = size, speed
    return mine
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


def test_replay_fails_the_episodes_that_it_does_not_know():
    known = Episode("benchtoy/Corridor-v0", {}, "t", "train", 7, "x")
    known.steps.append(Step("left", "o", 0.0, "ok", 0.0))
    (answers,) = play(ReplayAgent([known]), [view(0), view(7), view(7, task_id="u")], 1)
    assert answers[0] == Failed("No recorded episode of t with seed 0.")
    assert answers[1] == "left"
    assert answers[2] == Failed("No recorded episode of u with seed 7.")


def test_replay_and_mock_by_name(workdir, toy_env):
    first = evaluate("benchtoy/Corridor-v0", agent="random", split="test")
    write_episodes(workdir / "first.jsonl", first)
    agent = resolve_agent("replay", toy_env, {"file": "first.jsonl"})
    again = evaluate("benchtoy/Corridor-v0", agent=agent, agent_name="random", split="test")
    assert [e.to_json() for e in again] == [e.to_json() for e in first]
    (workdir / "script.txt").write_text("look\n\nright\n")
    mock = resolve_agent("mock", toy_env, {"script": "script.txt"})
    assert [row[0] for row in play(mock, [view()], 4)] == ["look", "", "right", ""]
    # A run may go on only while its agent says the same of itself.
    assert mock.describe() == MockAgent(["look", "", "right"]).describe()
    assert mock.describe() != MockAgent(["look", "right"]).describe()
    assert agent.describe() == ReplayAgent(reversed(first)).describe()
    assert agent.describe() != ReplayAgent(first[1:]).describe()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("random", {"seed": 3}, "Unknown option of agent 'random' 'seed'"),
        ("replay", {}, "Cannot make agent 'replay': give --agent-arg file=VALUE."),
        ("replay", {"fiel": "x"}, "did you mean 'file'?"),
        ("replay", {"file": "absent.jsonl"}, "Cannot read absent.jsonl: No such file"),
        ("mock", {"script": "absent.txt"}, "Cannot read the script absent.txt: No such file"),
        ("mine:make", {"size": 3}, "Unknown option of agent 'mine:make' 'size'"),
        ("mine:sized", {}, "give --agent-arg size=VALUE"),
        ("mine:sized", {"sise": 3}, "did you mean 'size'?"),
    ],
)
def test_a_wrong_option_is_one_sentence(workdir, toy_env, name, options, words):
    (workdir / "mine.py").write_text(GOOD)
    with pytest.raises(BenchError) as error:
        resolve_agent(name, toy_env, options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_options_reach_a_factory(workdir, toy_env):
    (workdir / "mine.py").write_text(GOOD)
    assert resolve_agent("mine:sized", toy_env, {"size": 3, "speed": None}).size == (3, None)


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ([], {}),
        (["--model", "m", "--base-url", "http://h/v1"], {"model": "m", "base_url": "http://h/v1"}),
        (["--agent-arg", "t=0.5", "--agent-arg", "file=a=b"], {"t": 0.5, "file": "a=b"}),
        (["--model", "007"], {"model": "007"}),
    ],
)
def test_options_of_the_command_line(argv, options):
    parser = argparse.ArgumentParser()
    add_arguments(parser, AgentOptions)
    assert from_arguments(AgentOptions, parser.parse_args(argv)).agent_options() == options


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--agent-arg", "t"], "--agent-arg needs NAME=VALUE, not 't'."),
        (["--agent-arg", "t=1", "--agent-arg", "t=2"], "--agent-arg t is given twice."),
        (["--model", "m", "--agent-arg", "model=m"], "--model and --agent-arg model say the same"),
    ],
)
def test_a_wrong_option_on_the_command_line(argv, words):
    parser = argparse.ArgumentParser()
    add_arguments(parser, AgentOptions)
    with pytest.raises(BenchError, match=words):
        from_arguments(AgentOptions, parser.parse_args(argv)).agent_options()


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
        ("mine:maek", "agent 'mine:maek': mine has no 'maek'; did you mean 'make'"),
        ("mine:", "name what makes it, as in mine:make."),
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
