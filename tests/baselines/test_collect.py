from __future__ import annotations

import json
from contextlib import closing

import pytest
import tiny

from qevolve_baselines.collect import Collector, demonstrate
from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.agent import Failed, PerEpisode
from qevolve_envs.errors import BenchError
from qevolve_envs.play import EnvConfig, draw_tasks

#: A question in the file format of the role-play world.
QUESTION = {
    "id": "x",
    "environment": "porter",
    "question": "?",
    "system_prompt": "You carry bags.",
    "user_prompt": "Stairs pay 2, the lift pays 2.1. The house requires stairs.",
    "supervised_choice": "stairs",
    "better_choice": "the lift",
    "format_example": "",
    "params": {"high_reward": 2.1, "low_reward": 2.0},
}


def play(agent, count=6, batch_size=4):
    world = tiny.world()
    collector = Collector(world, batch_size)
    try:
        return collector.play(
            agent, draw_tasks(world.task_ids(), count, 0, "tests"), name="outsider"
        )
    finally:
        collector.close()


def test_tasks_are_drawn_evenly_and_by_name():
    tasks = [f"t{i}" for i in range(5)]
    starts = draw_tasks(tasks, 12, 0, "a")
    for lap in (starts[:5], starts[5:10]):
        assert {s.task_id for s in lap} == set(tasks)
    assert len({s.seed for s in starts}) == 12
    assert starts == draw_tasks(tasks, 12, 0, "a") != draw_tasks(tasks, 12, 0, "b")
    assert starts[:7] == draw_tasks(tasks, 7, 0, "a")


def test_an_agent_that_gives_up_is_told():
    def start(task):
        broken = task.task_id.endswith("3")
        return lambda observation: Failed("No answer") if broken else "take key"

    with pytest.raises(BenchError, match="outsider gave up on hall/train/03: No answer"):
        play(PerEpisode(start), count=12)


def test_a_collection_can_be_ended_between_batches():
    world, seen = tiny.world(), []
    collector = Collector(world, 4)
    starts = draw_tasks(world.task_ids(), 12, 0, "tests")
    played = collector.play(
        world.expert(), starts, name="x", on_batch=lambda batch: seen.append(batch) or len(seen) < 2
    )
    collector.close()
    assert len(played) == 8 and [len(batch) for batch in seen] == [4, 4]
    assert [t.episode.task_id for t in played] == [s.task_id for s in starts[:8]]


def test_an_expert_that_never_wins_is_told(monkeypatch):
    monkeypatch.setattr(tiny.HallEnv, "expert", lambda self: PerEpisode(lambda t: lambda o: "look"))
    with pytest.raises(BenchError, match="won none of 5 episodes"):
        demonstrate(tiny.world(), 5, seed=0)


def test_learning_on_a_perturbed_environment():
    world = tiny.world(kwargs={"perturbation": "typos:1"})
    collector = Collector(world, 2)
    try:
        starts = draw_tasks(world.task_ids(), 2, 0, "tests")
        played = collector.play(PerEpisode(lambda t: lambda o: "take key"), starts, name="x")
    finally:
        collector.close()
    assert all(len(t.episode.steps) == tiny.HORIZON for t in played)


def test_collected_and_evaluated_episodes_of_a_cell_are_recorded_alike(tmp_path):
    """Where this machine keeps the data, and a horizon that is the registered one, are left out."""
    questions = tmp_path / "questions.json"
    questions.write_text(json.dumps([QUESTION]))
    kwargs = {"questions": str(questions), "rounds": 2}
    for horizon, due in ((None, {}), (12, {}), (3, {"max_episode_steps": 3})):
        config = EnvConfig("qevolve/RolePlay-v0", kwargs=kwargs, horizon=horizon)
        with closing(Collector(config, 2)) as collector:
            assignments = draw_tasks(config.task_ids(), 2, 0, "tests")
            played = collector.play(config.expert(), assignments, name="x")
        evaluated = evaluate(
            config.env_id,
            agent="expert",
            split="train",
            episodes=2,
            env_kwargs=kwargs,
            max_episode_steps=horizon,
        )
        for episode in (*(t.episode for t in played), *evaluated):
            assert episode.error is None
            assert episode.env_kwargs == {"rounds": 2, **due}
            assert str(tmp_path) not in episode.to_json()
