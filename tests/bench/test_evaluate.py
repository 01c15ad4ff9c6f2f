from __future__ import annotations

import inspect
from collections import Counter

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_bench.agents import MockAgent, ReplayAgent
from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.runner.results import summarise
from qevolve_envs.core import Feedback
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.guard import MAX_RECORDED_ACTION
from qevolve_envs.play import draw_tasks

TOY = "benchtoy/Corridor-v0"
PANEL = [f"corridor/train/{i:04d}" for i in range(12)]


def lines(episodes):
    return [episode.to_json() for episode in episodes]


# ── which tasks ─────────────────────────────────────────────────────────────


def test_the_whole_panel_is_played_once():
    drawn = draw_tasks(PANEL, None, 0)
    assert sorted(a.task_id for a in drawn) == PANEL
    assert drawn == draw_tasks(PANEL, len(PANEL), 0)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**70))
def test_the_draw_is_even_nested_and_has_no_seed_twice(size, episodes, seed):
    panel = PANEL[:size]
    drawn = draw_tasks(panel, episodes, seed)
    assert len(drawn) == episodes
    assert drawn == draw_tasks(panel, episodes + 5, seed)[:episodes]
    counts = Counter(a.task_id for a in drawn)
    plays = [counts[task_id] for task_id in panel]
    assert max(plays) - min(plays) <= 1
    assert len({(a.task_id, a.seed) for a in drawn}) == episodes


def test_seeds_draw_different_tasks():
    draws = {tuple(a.task_id for a in draw_tasks(PANEL, 3, seed)) for seed in range(50)}
    assert len(draws) > 40
    first = Counter(draw_tasks(PANEL, 1, seed)[0].task_id for seed in range(1200))
    assert set(first) == set(PANEL) and max(first.values()) < 150


def test_the_seed_of_an_episode_does_not_depend_on_its_place():
    seeds = dict(draw_tasks(PANEL, None, 4))
    assert seeds == dict(draw_tasks(PANEL[::-1], None, 4))


def test_an_empty_panel_is_refused():
    with pytest.raises(BenchError, match="no tasks"):
        draw_tasks([], None, 0)


def test_the_draw_is_the_same_in_every_release():
    # Published results depend on it; a change here needs a new version of the protocol.
    assert draw_tasks(PANEL, 3, 0) == [
        ("corridor/train/0006", 2654363733),
        ("corridor/train/0004", 4231031550),
        ("corridor/train/0003", 912463414),
    ]


# ── how they are played ─────────────────────────────────────────────────────


def test_an_evaluation_is_a_pure_function_of_its_arguments():
    arguments = {"agent": "random", "split": "train", "seed": 3}
    first = evaluate(TOY, **arguments)
    np.random.seed(5)  # noqa: NPY002 - the global generator must not matter
    assert lines(evaluate(TOY, **arguments)) == lines(first)
    assert lines(evaluate(TOY, **{**arguments, "seed": 4})) != lines(first)


@pytest.mark.parametrize("agent", ["random", "expert"])
def test_the_batch_size_changes_nothing(agent):
    runs = [
        lines(evaluate(TOY, agent=agent, split="train", episodes=15, batch_size=size))
        for size in (1, 4, 15, 100)
    ]
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_a_longer_evaluation_begins_with_the_shorter_one():
    short = evaluate(TOY, agent="random", split="test", episodes=3)
    assert lines(short) == lines(evaluate(TOY, agent="random", split="test", episodes=8))[:3]


def test_the_expert_wins_and_everything_is_recorded():
    episodes = evaluate(TOY, agent="expert", split="test", seed=1)
    assert sorted(e.task_id for e in episodes) == [f"corridor/test/{i:04d}" for i in range(5)]
    for episode in episodes:
        assert (episode.env_id, episode.split, episode.agent) == (TOY, "test", "expert")
        assert episode.won and episode.terminated and episode.error is None
        assert episode.score == 1.0 == episode.total_reward
        assert len(episode.steps) == 3 + int(episode.task_id[-4:]) % 3
        assert episode.goal == "Reach the door." and "from the door" in episode.first_observation


@pytest.mark.parametrize("horizon", [None, 4])
def test_any_episode_can_be_replayed_with_plain_gymnasium(horizon):
    episodes = evaluate(
        TOY,
        agent="random",
        split="train",
        episodes=14,
        env_kwargs={"size": "large", "reward": "dense"},
        max_episode_steps=horizon,
    )
    assert any(step.action == "roll" for e in episodes for step in e.steps)  # chance is replayed
    for played in episodes:
        env = gymnasium.make(played.env_id, split=played.split, **played.env_kwargs)
        again = Episode(TOY, played.env_kwargs, played.task_id, "train", played.seed, "random")
        again.begin(*env.reset(seed=played.seed, options={"task": played.task_id}))
        for step in played.steps:
            again.record(step.action, *env.step(step.action))
        assert again == played
        assert again.truncated and len(again.steps) == (horizon or 10)


def test_the_replay_agent_reproduces_an_evaluation():
    first = evaluate(TOY, agent="random", split="train")
    again = evaluate(TOY, agent=ReplayAgent(first), agent_name="random", split="train")
    assert lines(again) == lines(first)


def test_the_horizon_is_the_registered_one_or_the_given_one():
    def steps(**options):
        (episode,) = evaluate(TOY, agent=MockAgent([]), split="test", episodes=1, **options)
        assert episode.truncated and not episode.won and episode.error is None
        return len(episode.steps), episode.env_kwargs

    assert steps() == (10, {})
    assert steps(max_episode_steps=2) == (2, {"max_episode_steps": 2})


def test_the_agent_is_named_by_its_class_unless_told():
    options = {"split": "test", "episodes": 1, "max_episode_steps": 1}
    assert evaluate(TOY, agent=MockAgent([]), **options)[0].agent == "MockAgent"
    assert evaluate(TOY, agent=MockAgent([]), agent_name="x", **options)[0].agent == "x"


def test_each_episode_is_announced_once_as_it_ends():
    announced = []
    episodes = evaluate(
        TOY, agent="expert", split="train", batch_size=5, on_episode=announced.append
    )
    assert sorted(lines(announced)) == sorted(lines(episodes))
    batch = [len(e.steps) for e in announced[:5]]
    assert batch == sorted(batch), "shorter episodes of a lockstep batch end first"


def test_the_module_of_an_id_is_imported_and_kept(workdir):
    source = "import gymnasium, bench_toy\ngymnasium.register('own/C-v0', bench_toy.CorridorEnv,"
    (workdir / "own_env.py").write_text(source + " max_episode_steps=2)\n")
    (episode,) = evaluate("own_env:own/C-v0", agent="expert", split="test", episodes=1)
    assert episode.env_id == "own_env:own/C-v0"
    del gymnasium.registry["own/C-v0"]


# ── failures ────────────────────────────────────────────────────────────────


class Faulty:
    """Goes right; at the third call of `act`, `fault` makes the answers."""

    def __init__(self, fault, on_reset=None):
        self.fault, self.on_reset, self.calls, self.seen = fault, on_reset, 0, []

    def reset(self, tasks):
        self.calls, self.n = 0, len(tasks)
        if self.on_reset:
            raise self.on_reset

    def act(self, observations):
        self.calls += 1
        self.seen.append(list(observations))
        good = ["right"] * self.n
        return self.fault(good) if self.calls == 3 else good


HERE = " (test_evaluate.py, line %d)"


def line_of(function, text="raise error"):
    source, first = inspect.getsourcelines(function)
    (offset,) = [i for i, line in enumerate(source) if text in line]
    return first + offset


def raises(error):
    def fault(good):
        raise error

    return fault


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (raises(ValueError("no\nidea")), "agent.act raised ValueError: no idea"),
        (raises(SystemExit(0)), "agent.act raised SystemExit: 0"),
        (raises(BenchError("Mine.")), "agent.act raised BenchError: Mine."),
        (lambda good: good[:-1], "agent.act returned 3 answers for 4 episodes"),
        (lambda good: [*good, "right"], "agent.act returned 5 answers for 4 episodes"),
        (lambda good: None, "agent.act returned a NoneType, not a list of text"),
        (lambda good: "look", "agent.act returned a str, not a list of text"),
        (lambda good: set(good), "agent.act returned a set, not a list of text"),
    ],
)
def test_a_fault_of_the_batch_fails_all_that_run(fault, reason):
    episodes = evaluate(TOY, agent=Faulty(fault), split="train", batch_size=4)
    assert len(episodes) == 12
    for episode in episodes:
        assert episode.error.removesuffix(HERE % line_of(raises)) == reason
        assert ("raised" in reason) is episode.error.endswith(HERE % line_of(raises))
        assert not (episode.won or episode.terminated or episode.truncated)
        assert len(episode.steps) == 2
        assert episode.score == episode.steps[-1].score == max(0, 2 - start(episode)) / 3
    summary = summarise(episodes)
    assert (summary.n, summary.failed, summary.success.value) == (12, 12, 0.0)


def start(episode):
    return int(episode.task_id[-4:]) % 3


def test_an_answer_that_is_not_text_fails_its_episode_only():
    def fault(good):
        return [None, 7, *good[2:]]

    episodes = evaluate(TOY, agent=Faulty(fault), split="train", episodes=4, batch_size=4)
    assert [e.error for e in episodes] == [
        "agent.act answered with a NoneType, not text",
        "agent.act answered with a int, not text",
        None,
        None,
    ]
    assert [e.won for e in episodes] == [False, False, True, True]
    assert [len(e.steps) for e in episodes[:2]] == [2, 2]


def test_an_answer_that_no_record_may_hold_fails_its_episode_only():
    # As long as what `verify` accepts, or one character longer.

    def fault(good):
        return ["x" * (MAX_RECORDED_ACTION + 1), "x" * MAX_RECORDED_ACTION, *good[2:]]

    episodes = evaluate(TOY, agent=Faulty(fault), split="train", episodes=4, batch_size=4)
    assert [e.error for e in episodes] == [
        "agent.act answered with more than 100,000 characters",
        *[None] * 3,
    ]
    assert len(episodes[0].steps) == 2
    assert len(episodes[1].steps[2].action) == MAX_RECORDED_ACTION
    assert episodes[1].steps[2].feedback == "malformed"


def test_what_is_over_is_none_and_its_answer_is_ignored():
    def fault(good):
        return good

    agent = Faulty(fault)
    episodes = evaluate(TOY, agent=agent, split="train", batch_size=12)
    for turn, observations in enumerate(agent.seen):
        over = [len(e.steps) <= turn for e in episodes]
        assert over == [o is None for o in observations]


def test_episodes_that_ended_before_the_fault_stay_won():
    class LateFault(Faulty):
        def act(self, observations):
            if self.calls == 4:
                raise RuntimeError("late")
            return super().act(observations)

    episodes = evaluate(TOY, agent=LateFault(lambda good: good), split="train", batch_size=12)
    for episode in episodes:
        assert episode.won is (start(episode) < 2)
        assert (episode.error is None) is (start(episode) < 2)


def test_a_crash_in_reset_fails_the_batch():
    agent = Faulty(None, on_reset=MemoryError("full"))
    episodes = evaluate(TOY, agent=agent, split="test", batch_size=2)
    where = HERE % line_of(Faulty.reset, "raise self.on_reset")
    assert {e.error for e in episodes} == {f"agent.reset raised MemoryError: full{where}"}
    assert all(not e.steps and e.goal and e.digest for e in episodes)


def test_an_agent_may_write_into_the_list_it_is_given():
    class Vandal(Faulty):
        def act(self, observations):
            answers = super().act(observations)
            observations.clear()
            return answers

    assert all(
        e.won for e in evaluate(TOY, agent=Vandal(lambda good: good), split="test", batch_size=5)
    )


def test_texts_of_numpy_become_plain_text():
    class Arrays:
        def reset(self, tasks):
            self.n = len(tasks)

        def act(self, observations):
            return np.array(["right"] * self.n)

    episodes = evaluate(TOY, agent=Arrays(), split="test")
    assert all(e.won and type(e.steps[0].action) is str for e in episodes)


def test_any_text_is_an_action():
    texts = ["", "\x00\udcff", "☃" * 5000, "look\nlook"]
    (episode,) = evaluate(TOY, agent=MockAgent(texts), split="test", episodes=1)
    assert [s.action for s in episode.steps[:4]] == texts
    assert {s.feedback for s in episode.steps} == {Feedback.MALFORMED.value}
    assert Episode.from_json(episode.to_json()) == episode


def test_an_environment_that_crashes_fails_its_episode_and_is_made_anew():
    class Saboteur(Faulty):
        batches = 0

        def reset(self, tasks):
            super().reset(tasks)
            self.batches += 1

        def act(self, observations):
            answers = super().act(observations)
            return ["crash", *answers[1:]] if self.batches == 1 and self.calls == 2 else answers

    episodes = evaluate(TOY, agent=Saboteur(lambda good: good), split="train", batch_size=4)
    first, *others = episodes
    assert first.error == "environment raised RuntimeError: the world ends on action 'crash'"
    assert not first.won and len(first.steps) == 1
    assert all(e.won and e.error is None for e in others)
    clean = evaluate(TOY, agent=Faulty(lambda good: good), split="train", batch_size=4)
    assert [e.digest for e in others] == [e.digest for e in clean[1:]]


def test_a_number_that_no_record_can_hold_is_a_failure(monkeypatch):
    from bench_toy import CorridorEnv

    def progress(self):
        return (float("nan") if self.place == 1 else 0.0), False

    monkeypatch.setattr(CorridorEnv, "_progress", progress)
    for episode in evaluate(TOY, agent="expert", split="test"):
        assert episode.error.startswith("environment raised ValueError: reward or score is not")
        assert Episode.from_json(episode.to_json()) == episode


@pytest.mark.parametrize("where", ["reset", "act"])
def test_an_interrupt_is_no_failure_of_the_agent(where):
    agent = Faulty(raises(KeyboardInterrupt()))
    if where == "reset":
        agent = Faulty(None, on_reset=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        evaluate(TOY, agent=agent, split="test")


def test_every_environment_is_closed(monkeypatch):
    from bench_toy import CorridorEnv

    made, closed = [], []
    init = CorridorEnv.__init__

    def counted(self, **kwargs):
        init(self, **kwargs)
        made.append(self)

    counted.__signature__ = inspect.signature(init)
    monkeypatch.setattr(CorridorEnv, "__init__", counted)
    monkeypatch.setattr(CorridorEnv, "close", lambda self: closed.append(self))
    evaluate(TOY, agent="expert", split="train", batch_size=5)
    with pytest.raises(KeyboardInterrupt):
        evaluate(TOY, agent=Faulty(raises(KeyboardInterrupt())), split="train", batch_size=5)
    assert len(made) == 10
    assert sorted(map(id, made)) == sorted(map(id, closed))


# ── arguments ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env_id": "benchtoy/Coridor-v0"}, "did you mean 'benchtoy/Corridor-v0'"),
        ({"env_id": "benchtoy/Corridor-v7"}, "did you mean 'benchtoy/Corridor-v0'"),
        ({"env_id": "benchtoy/Corridor"}, "did you mean 'benchtoy/Corridor-v0'"),
        ({"env_id": "qevolve/Houshold-v0"}, "did you mean 'qevolve/Household-v0'"),
        ({"env_id": "Household-v0"}, "did you mean 'qevolve/Household-v0'"),
        ({"env_id": "no_such_module:x/Y-v0"}, "no module named 'no_such_module'"),
        ({"env_id": "!"}, "Unknown environment '!'"),
        ({"env_id": ""}, "Unknown environment ''"),
        ({"env_id": "CartPole-v1", "split": None}, "not a text environment"),
        ({"env_id": "benchtoy/Endless-v0"}, "benchtoy/Endless-v0 has no horizon"),
        ({"env_id": "benchtoy/Missing-v0"}, "Cannot load benchtoy/Missing-v0: ModuleNotFoundError"),
        ({"split": "trian"}, "did you mean 'train'"),
        ({"agent": "exprt"}, "did you mean 'expert'"),
        ({"env_kwargs": {"sise": "small"}}, "did you mean 'size'"),
        ({"env_kwargs": {"size": "smal"}}, "did you mean 'small'"),
        ({"env_kwargs": {"reward": "spare"}}, "did you mean 'sparse'"),
        ({"env_kwargs": {"size": ["small"]}}, "not a list"),
        ({"env_kwargs": {"size": float("inf")}}, "must be finite"),
        ({"env_kwargs": {"data": "/no/such/file"}}, "No such file"),
        ({"env_kwargs": {"split": "test"}}, "give it as split"),
        ({"env_kwargs": {"max_episode_steps": 3}}, "give it as horizon"),
        ({"episodes": 0}, "episodes must be at least 1, not 0."),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0."),
        ({"seed": -1}, "seed must be at least 0, not -1."),
        ({"max_episode_steps": 0}, "horizon must be at least 1, not 0."),
    ],
)
def test_a_wrong_argument_is_one_sentence(changes, words):
    arguments = {"env_id": TOY, "agent": "expert", "split": "train", **changes}
    with pytest.raises(BenchError) as error:
        evaluate(arguments.pop("env_id"), **arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_environment_without_anything_close_points_to_the_list():
    with pytest.raises(UnknownName) as error:
        evaluate("zzz/Zzz-v0", agent="random", split="train")
    assert "qevolve" in str(error.value)


# ── summaries ───────────────────────────────────────────────────────────────


def test_a_summary_counts_failures_in_the_denominator():
    def fault(good):
        return [None, *good[1:]]

    episodes = evaluate(TOY, agent=Faulty(fault), split="train", episodes=4, batch_size=4)
    summary = summarise(episodes)
    assert (summary.n, summary.failed) == (4, 1)
    assert summary.success.value == 0.75
    assert summary.success.interval == pytest.approx((0.3006, 0.9544), abs=5e-5)
    assert summary.env_steps == sum(len(e.steps) for e in episodes)
    assert summary.steps.value == summary.env_steps / 4
    assert summary.score.value == pytest.approx((3 + episodes[0].score) / 4)
    assert summary == summarise(episodes)
    assert str(summary.success) == "0.750 [0.301, 0.954]"


def test_there_is_no_summary_of_nothing():
    with pytest.raises(BenchError, match="no episodes"):
        summarise([])
