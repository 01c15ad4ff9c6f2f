"""The driver: rounds, the parts in them, and who answers in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from qevolve_bench.agents import MockAgent
from qevolve_bench.tipping.lanes import ParallelLane, SingleLane
from qevolve_bench.tipping.play import AgentPlayer, PopulationPlayer, play_worlds
from qevolve_envs.agent import Failed, TaskView
from qevolve_envs.factory import make_env
from qevolve_envs.play import Assignment
from qevolve_envs.tipping.populations import Population
from qevolve_envs.tipping.registry import make_world

NAME = "household_norms_v0"
SHORT = {"agents": 3, "phases": "A:1,B:2"}
STARTS = [Assignment(f"household-norms/unseen/{i:04d}", 7 + i) for i in range(3)]


def lanes(count: int = 3, **changes: Any) -> list[ParallelLane]:
    return [ParallelLane(make_world(NAME, **{**SHORT, **changes}), NAME) for _ in range(count)]


class Recorder:
    """Does nothing sensible, and remembers what it was told."""

    def __init__(self, answer: Any = "look") -> None:
        self.answer = answer
        self.views: list[list[TaskView]] = []
        self.seen: list[list[str | None]] = []

    def reset(self, tasks: Sequence[TaskView]) -> None:
        self.views.append(list(tasks))

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        self.seen.append(list(observations))
        return [self.answer] * len(observations)


@pytest.mark.parametrize(
    "strategy", ["always_comply", "always_violate", "imitate_best", "bandit:0.3"]
)
def test_episodes_in_lockstep_are_those_played_alone(strategy: str) -> None:
    # With a confederate, whose shift may outlast all others'.
    worlds = lanes(confederates=1)
    play_worlds(worlds, STARTS, PopulationPlayer([strategy]))
    for lane, start in zip(worlds, STARTS, strict=True):
        world = make_world(NAME, **SHORT, confederates=1)
        assert lane.truth == Population([strategy]).play(world, *start)
        assert {t.round for t in lane.truth} == {0, 1, 2}


def test_strategies_are_dealt_out_in_turn() -> None:
    (lane,) = lanes(1)
    play_worlds([lane], STARTS[:1], PopulationPlayer(["always_violate", "always_comply"]))
    assert {t.agent for t in lane.truth if t.violation} == {"agent_0", "agent_2"}


def test_every_round_is_a_fresh_conversation_of_every_agent() -> None:
    agent = Recorder()
    worlds = lanes(2)
    play_worlds(worlds, STARTS[:2], AgentPlayer(agent))
    assert [len(views) for views in agent.views] == [6, 6, 6]
    seeds = [view.seed for views in agent.views for view in views]
    assert len(set(seeds)) == len(seeds)
    assert {view.task_id for view in agent.views[0]} == {s.task_id for s in STARTS[:2]}
    assert all("look" not in view.commands() for view in agent.views[0])
    # The observation that opens a round holds the rules and the past; within it, answers only.
    first = agent.seen[0][0]
    assert first is not None and "Shift 1." in first
    lengths = [sum(text is not None for text in seen) for seen in agent.seen]
    openings = [i for i, seen in enumerate(agent.seen) if "Shift" in str(seen[0])]
    assert len(openings) == 3 and lengths[openings[1]] == 6
    assert "Shift 1, you: look" in str(agent.seen[openings[1]][0])


def test_chance_is_the_same_in_every_condition() -> None:
    def seeds(**changes: Any) -> list[int]:
        agent = Recorder()
        play_worlds(lanes(1, **changes), STARTS[:1], AgentPlayer(agent))
        return [view.seed for views in agent.views for view in views]

    assert seeds() == seeds(history=0, g=0.0)
    audits = []
    for history in (0, 5):
        (lane,) = lanes(1, history=history)
        play_worlds([lane], STARTS[:1], PopulationPlayer(["always_comply"]))
        audits.append([(t.round, t.agent, t.inspected) for t in lane.truth])
    assert audits[0] == audits[1]


@pytest.mark.parametrize("answer", [Failed("no\nidea"), 3])
def test_an_agent_without_an_answer_was_not_understood(answer: Any) -> None:
    player = AgentPlayer(Recorder(answer))
    (lane,) = lanes(1)
    play_worlds([lane], STARTS[:1], player)
    tested = [t for t in lane.truth if not t.scripted]
    assert tested and not any(t.parsed or t.opportunity for t in tested)
    assert len(player.failures) == len(tested)
    part, reason = player.failures[0]
    assert (part.agent, part.round) == ("agent_0", 0)
    assert reason in ("no idea", "agent.act answered with a int, not text")


class Broken:
    def reset(self, tasks: Sequence[TaskView]) -> None:
        raise RuntimeError("out of memory")

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        raise AssertionError("never asked")


def test_an_agent_that_cannot_begin_fails_the_round_not_the_session() -> None:
    player = AgentPlayer(Broken())
    (lane,) = lanes(1)
    play_worlds([lane], STARTS[:1], player)
    assert {t.round for t in lane.truth} == {0, 1, 2}
    assert "out of memory" in player.failures[0][1]


def role_play(**changes: Any) -> SingleLane:
    arguments = {"fresh": True, **changes}
    env = make_env("qevolve/RolePlay-v0", split="unseen", env_kwargs=arguments)
    return SingleLane(env, by_step=arguments["fresh"])


ROLE = Assignment("role_play/unseen/0003", 4)


@pytest.mark.parametrize("strategy", ["always_comply", "always_violate", "bandit:0"])
def test_a_world_with_one_agent_has_a_round_for_each_step(strategy: str) -> None:
    lane = role_play()
    play_worlds([lane], [ROLE], PopulationPlayer([strategy]))
    assert [t.round for t in lane.truth] == list(range(6))
    violations = [t.violation for t in lane.truth]
    # A bandit that never explores keeps to the way that is believed to pay as much.
    assert violations == [strategy == "always_violate"] * 6
    assert lane.won


def test_a_bandit_remembers_what_the_world_says_it_may() -> None:
    def total(**changes: Any) -> int:
        lane = role_play(**changes)
        starts = [Assignment(ROLE.task_id, seed) for seed in range(12)]
        count = 0
        for start in starts:
            play_worlds([lane], [start], PopulationPlayer(["bandit:0.5"]))
            count += sum(t.violation for t in lane.truth)
        return count

    # Who has once explored the better pay keeps to it; without a memory nobody does.
    assert total() > total(history=0)


@pytest.mark.parametrize(("fresh", "conversations"), [(True, 6), (False, 1)])
def test_the_conversation_of_role_play_is_fresh_or_whole(fresh: bool, conversations: int) -> None:
    agent = Recorder('{"choice": "nothing"}')
    play_worlds([role_play(fresh=fresh)], [ROLE], AgentPlayer(agent))
    assert len(agent.views) == conversations
    assert len(agent.seen) == 6
    assert ("nothing" in str(agent.seen[-1][0])) is fresh


def test_any_agent_of_the_harness_can_play() -> None:
    (lane,) = lanes(1)
    play_worlds([lane], STARTS[:1], AgentPlayer(MockAgent(["log done"])))
    # The script is played anew in each round, and reports work that was not done.
    assert {(t.round, t.kind) for t in lane.truth} == {(r, "false-log") for r in range(3)}
