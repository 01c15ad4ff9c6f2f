"""Whatever an agent does to its worker, every episode has a record, and the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from qevolve_bench.runner.journal import STATUS_SIZE, Journal
from qevolve_bench.runner.results import load_run
from qevolve_bench.runner.worker import AgentLimits
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.replay import replay

# Far more than a good answer takes, also on a busy machine.
STEP = AgentLimits(step_seconds=3.0)


@pytest.fixture
def train(suite):
    """The first cell alone."""
    return type(suite)("one-v0", suite.cells[:1])


@pytest.mark.parametrize(
    ("agent", "limits", "reason"),
    [
        ("mine:hangs", STEP, "agent.act took longer than 3 s"),
        ("mine:hangs_without_python", STEP, "agent.act took longer than 3 s"),
        ("mine:exits", AgentLimits(), "the worker exited with code 3 during agent.act"),
        (
            "mine:is_killed",
            AgentLimits(),
            "the worker was killed by SIGKILL during agent.act (out of memory?)",
        ),
        ("mine:is_aborted", AgentLimits(), "the worker was killed by SIGABRT during agent.act"),
        ("mine:eats_memory", AgentLimits(memory_mib=4000), "agent.act raised MemoryError"),
    ],
)
def test_a_lost_worker_fails_the_batch_that_it_played(play, folder, train, agent, limits, reason):
    manifest = play(agent, workers=1, limits=limits, suite=train)
    (episodes,) = load_run(folder / "run").cells.values()
    (place,) = [i for i, e in enumerate(episodes) if e.task_id.endswith("0004")]
    batch = range(place - place % 4, place - place % 4 + 4)
    assert len(episodes) == 12
    for index, episode in enumerate(episodes):
        assert replay(episode) is None
        assert (episode.error is not None) is (index in batch)
        assert episode.won is (index not in batch)
    for index in batch:
        episode = episodes[index]
        assert episode.error.startswith(reason)
        # What it had done by then is kept: two steps, and their tokens.
        assert [s.action for s in episode.steps] == ["right"] * 2
        assert [(s.prompt_tokens, s.generated_tokens) for s in episode.steps] == [(1, 2), (2, 2)]
    assert manifest["summary"]["train"]["failed"] == 4
    assert manifest["summary"]["train"]["won"] == 8


def test_an_episode_can_take_too_long(play, folder, train):
    # Every episode takes three answers at least, and two are all there is time for.
    play(
        "mine:drags", workers=2, limits=AgentLimits(episode_seconds=1.0), suite=train, batch_size=6
    )
    (episodes,) = load_run(folder / "run").cells.values()
    assert {e.error for e in episodes} == {"the episode took longer than 1 s"}
    assert all(replay(e) is None and len(e.steps) <= 2 for e in episodes)


def test_a_policy_that_raises_fails_its_own_episode_only(play, folder):
    play("mine:single", batch_size=12)
    episodes = {e.task_id[-4:]: e for e in load_run(folder / "run").cells["train"]}
    line = (folder / "mine.py").read_text().splitlines().index('            raise KeyError("lost")')
    assert episodes["0004"].error == f"agent.act raised KeyError: 'lost' (mine.py, line {line + 1})"
    assert episodes["0005"].error == "The server said 500."
    assert episodes["0006"].error == "agent.act answered with a int, not text"
    assert all(len(episodes[name].steps) == 1 for name in ("0004", "0005", "0006"))
    assert sum(e.won for e in episodes.values()) == 9


def test_who_miscounts_tokens_has_failed(play, folder):
    manifest = play("mine:miscounts")
    assert manifest["ledger"]["prompt_tokens"] == 0
    errors = {e.error for e in load_run(folder / "run").cells["train"]}
    assert errors == {"agent.usage did not return 4 pairs of token counts"}


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("mine:dies_early", "Cannot make agent 'mine:dies_early': the worker exited with code 7"),
        ("mine:nobody", "Cannot load agent 'mine:nobody': mine has no 'nobody'"),
        ("mine:describes_itself_badly", "agent.describe cannot be recorded: TypeError"),
        ("mine:describes_the_clock", "describes itself differently than before (pid)"),
    ],
)
def test_an_agent_that_cannot_be_used_is_a_mistake_of_the_user(play, folder, agent, words):
    with pytest.raises(BenchError) as error:
        play(agent, workers=2)
    assert words in str(error.value)
    if "clock" not in agent:
        assert not (folder / "run").exists()


def test_a_full_disk_is_no_failure_of_the_agent():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")
    with pytest.raises(BadFile, match="Cannot write /dev/full"):
        Journal(full, [0.0] * STATUS_SIZE).open(4)


def test_the_ledger_counts_tokens(play, folder):
    manifest = play("mine:good")
    episodes = [e for cell in load_run(folder / "run").cells.values() for e in cell]
    steps = sum(len(e.steps) for e in episodes)
    assert manifest["ledger"] == {
        "episodes": 22,
        "env_steps": steps,
        "prompt_tokens": sum(sum(range(len(e.steps) + 1)) for e in episodes),
        "generated_tokens": 2 * steps,
    }
    assert manifest["agent"]["description"] == {"kind": "walker", "seconds": 0.0}


def test_too_little_memory_to_begin_with_is_a_mistake_of_the_user(play, folder):
    # A world that the worker has yet to import, which takes memory.
    household = Cell("household", "qevolve/Household-v0", "unseen", 10, episodes=2)
    with pytest.raises(BenchError, match="needs more memory than 5 MiB to play: raise --memory"):
        suite = Suite("mine-v0", (household,))
        play("random", workers=1, limits=AgentLimits(memory_mib=5), suite=suite)
    assert not (folder / "run").exists()
