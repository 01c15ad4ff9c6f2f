from __future__ import annotations

import pytest
import tiny

from qevolve_baselines.rollout import Collector, demonstrate, draw_starts
from qevolve_envs.agent import Failed, PerEpisode
from qevolve_envs.errors import BenchError


def play(agent, count=6, batch_size=4):
    world = tiny.world()
    collector = Collector(world, batch_size)
    try:
        return collector.play(
            agent, draw_starts(world.task_ids(), count, 0, "tests"), name="outsider"
        )
    finally:
        collector.close()


def test_tasks_are_drawn_evenly_and_by_name():
    tasks = [f"t{i}" for i in range(5)]
    starts = draw_starts(tasks, 12, 0, "a")
    for lap in (starts[:5], starts[5:10]):
        assert {s.task_id for s in lap} == set(tasks)
    assert len({s.seed for s in starts}) == 12
    assert starts == draw_starts(tasks, 12, 0, "a") != draw_starts(tasks, 12, 0, "b")
    assert starts[:7] == draw_starts(tasks, 7, 0, "a")


def test_an_agent_that_gives_up_is_told():
    def start(task):
        broken = task.task_id.endswith("3")
        return lambda observation: Failed("No answer") if broken else "take key"

    with pytest.raises(BenchError, match="outsider gave up on hall/train/03: No answer"):
        play(PerEpisode(start), count=12)


def test_a_collection_can_be_ended_between_batches():
    world, seen = tiny.world(), []
    collector = Collector(world, 4)
    starts = draw_starts(world.task_ids(), 12, 0, "tests")
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
        starts = draw_starts(world.task_ids(), 2, 0, "tests")
        played = collector.play(PerEpisode(lambda t: lambda o: "take key"), starts, name="x")
    finally:
        collector.close()
    assert all(len(t.episode.steps) == tiny.HORIZON for t in played)
