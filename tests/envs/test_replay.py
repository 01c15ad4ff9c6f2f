"""Recorded episodes are believed only when the environment answers the same again."""

import dataclasses
from pathlib import Path

import gymnasium
import pytest
import toy

from qevolve_envs.episode import Episode, read_episodes, write_episodes
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.factory import text_env
from qevolve_envs.registration import register_all
from qevolve_envs.replay import check_golden, replay, spread, write_golden

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "toy.jsonl"
    assert write_golden(path, toy.ENTRY.id, extra_length=1, reward="dense") == 8
    return path


@pytest.fixture
def episodes(golden):
    return list(read_episodes(golden))


def test_golden_traces_cover_ends_and_both_agents(episodes):
    assert {e.agent for e in episodes} == {"mixed", "expert"}
    assert {e.split for e in episodes} == {"train", "unseen"}
    assert all(e.won and e.terminated for e in episodes if e.agent == "expert")
    assert any(e.truncated for e in episodes)
    assert len({s.feedback for e in episodes for s in e.steps}) == 4


def test_golden_traces_replay(golden, episodes):
    assert check_golden(golden) == len(episodes)
    with gymnasium.make(toy.ENTRY.id, extra_length=1, reward="dense") as env:
        assert [replay(e, env) for e in episodes] == [None] * len(episodes)


def test_golden_traces_are_written_alike_twice(golden, tmp_path):
    write_golden(tmp_path / "again.jsonl", toy.ENTRY.id, extra_length=1, reward="dense")
    assert (tmp_path / "again.jsonl").read_bytes() == golden.read_bytes()


def forged(episode, step=None, **values):
    """A copy of an episode with changed fields, of itself or of one step (from 1)."""
    if step is None:
        return dataclasses.replace(episode, **values)
    steps = list(episode.steps)
    steps[step - 1] = dataclasses.replace(steps[step - 1], **values)
    return dataclasses.replace(episode, steps=steps)


@pytest.mark.parametrize(
    ("step", "values", "where", "name"),
    [
        (3, {"observation": "You win."}, 3, "observation"),
        (3, {"reward": 1.0}, 3, "reward"),
        (3, {"feedback": "malformed"}, 3, "feedback"),
        (3, {"score": 0.9}, 3, "score"),
        (None, {"split": "unseen"}, 0, "split"),
        (None, {"goal": "Do nothing."}, 0, "goal"),
        (None, {"first_observation": "Hello."}, 0, "first_observation"),
        (None, {"score": 0.25}, -1, "score"),
        (None, {"won": False}, -1, "won"),
        (None, {"terminated": False}, -1, "terminated"),
        (None, {"truncated": True}, -1, "truncated"),
        (None, {"digest": "0" * 64}, -1, "digest"),
        (None, {"task_id": "corridor/train/03"}, 0, "first_observation|digest|observation"),
    ],
)
def test_forgery_is_found_at_its_step(episodes, step, values, where, name):
    episode = next(e for e in episodes if e.agent == "expert" and e.split == "train")
    mismatch = replay(forged(episode, step, **values))
    assert mismatch is not None
    assert mismatch.name in name.split("|")
    if len(values) == 1 and "task_id" not in values:
        assert mismatch.step == (len(episode.steps) if where < 0 else where)
        assert ("reset" if where == 0 else f"step {mismatch.step}") in str(mismatch)


@pytest.mark.parametrize(("name", "value"), [("reward", 0), ("reward", -0.0), ("score", False)])
def test_numbers_must_be_written_alike(episodes, name, value):
    episode = next(e for e in episodes if e.steps[0].reward == 0 and e.steps[0].score == 0)
    mismatch = replay(forged(episode, 1, **{name: value}))
    assert (mismatch.step, mismatch.name) == (1, name)


def test_changed_action_is_found(episodes):
    episode = next(e for e in episodes if e.agent == "expert")
    assert replay(forged(episode, 1, action="dance")).step == 1


def test_episode_that_goes_on_after_its_end(episodes):
    episode = next(e for e in episodes if e.agent == "expert")
    longer = forged(episode, steps=[*episode.steps, episode.steps[-1]])
    mismatch = replay(longer)
    assert (mismatch.step, mismatch.name) == (len(longer.steps), "action")


def test_missing_steps_are_found(episodes):
    episode = next(e for e in episodes if e.agent == "expert")
    assert replay(forged(episode, steps=episode.steps[:-1])).name in ("score", "won")


def test_unfinished_episode_of_a_crashed_agent_replays(episodes):
    source = next(e for e in episodes if e.agent == "expert")
    cut = Episode(
        source.env_id, source.env_kwargs, source.task_id, source.split, 0, "x", error="crash"
    )
    with gymnasium.make(toy.ENTRY.id, extra_length=1, reward="dense") as env:
        cut.begin(*env.reset(seed=0, options={"task": source.task_id}))
        cut.record("right", *env.step("right"))
    assert replay(cut) is None


def test_episode_that_never_began_claims_nothing():
    never = Episode(
        toy.ENTRY.id, {}, "corridor/train/00", "train", 0, "x", error="agent.reset raised"
    )
    assert replay(never) is None
    assert replay(forged(never, won=True, score=1.0)).name == "score"
    assert replay(forged(never, truncated=True)).name == "truncated"
    assert replay(forged(never, error=None)).name == "goal"


def test_unknown_environment_task_or_argument(episodes):
    with pytest.raises(UnknownName):
        replay(forged(episodes[0], env_id="toy/Nowhere-v0"))
    with pytest.raises(UnknownName):
        replay(forged(episodes[0], task_id="corridor/train/98"))
    with pytest.raises(UnknownName):
        replay(forged(episodes[0], env_kwargs={"reward": "spars"}))


def test_changed_golden_file_names_line_and_step(episodes, tmp_path):
    episodes[2] = forged(episodes[2], 2, observation="Something else.")
    path = tmp_path / "changed.jsonl"
    write_episodes(path, episodes)
    with pytest.raises(AssertionError, match=r"changed.jsonl, line 3 .*step 2: recorded obs"):
        check_golden(path)


def test_empty_golden_file_is_refused(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.touch()
    with pytest.raises(BadFile, match="no episode"):
        check_golden(path)


def test_spread_keeps_the_ends():
    assert spread(list("abcdefg"), 3) == ["a", "d", "g"]
    assert spread(["a"], 3) == ["a"]
    assert spread([], 3) == []


def test_other_environments_are_refused():
    with pytest.raises(BenchError, match=r"CartPole-v1 is not a text environment"):
        text_env(gymnasium.make("CartPole-v1"))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda path: path.stem)
def test_committed_golden_traces(path):
    register_all()
    assert check_golden(path) > 0
