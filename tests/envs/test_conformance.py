"""Every environment of the catalogue, and every plug-in that is installed, keeps the contract."""

from pathlib import Path

import gymnasium
import pytest

from qevolve_envs.core import Feedback
from qevolve_envs.episode import read_episodes
from qevolve_envs.errors import MissingData
from qevolve_envs.registration import all_entries, register_all
from qevolve_envs.testing import TextEnvConformance, fuzz
from qevolve_envs.vector import make_vec

GOLDEN = Path(__file__).parents[1] / "golden"
#: Kinds of feedback that a world has no use for: rounds of role-play are numbered, so none looks
#: like another.
NEVER = {"qevolve/RolePlay-v0": {Feedback.UNCHANGED}}
ENTRIES = [pytest.param(entry, id=entry.id) for entry in all_entries()]

register_all()


def skip_without_data(entry):
    """Skips, naming what is missing; an embedded environment is never skipped."""
    if entry.nondeterministic:
        pytest.skip("An episode need not repeat itself here; tests/parity holds its own checks.")
    try:
        gymnasium.make(entry.id).close()
    except MissingData as error:
        if not entry.needs:
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("entry", ENTRIES)
class TestCatalogue(TextEnvConformance):
    @pytest.fixture(autouse=True)
    def _environment(self, entry):
        skip_without_data(entry)
        self.env_id = entry.id

    def test_golden_traces_are_committed(self, entry):
        if entry.needs:
            pytest.skip("Golden traces of official games would carry their data.")
        name = entry.id.split("/", 1)[1].lower()
        assert (GOLDEN / f"{name}.jsonl").is_file()

    def test_expert_wins(self, entry):
        """On the golden tasks, where the environment has an expert at all."""
        if entry.needs:
            pytest.skip("The golden episodes of embedded environments are looked at.")
        episodes = read_episodes(GOLDEN / f"{entry.id.split('/', 1)[1].lower()}.jsonl")
        assert all(episode.won for episode in episodes if episode.agent == "expert")

    def test_lockstep_is_gymnasiums_loop(self, entry):
        runs = []
        for mode in ("lockstep", "sync"):
            envs = make_vec(entry.id, 2, mode=mode, admissible=True)
            observations, info = envs.reset(seed=5)
            run = [(observations, list(info["task_id"]))]
            for _ in range(entry.max_episode_steps + 3):
                # An episode that is over may have no command left.
                offered = info["admissible_commands"]
                actions = [commands[len(commands) // 3] if commands else "" for commands in offered]
                observations, rewards, *ends, info = envs.step(actions)
                run.append((observations, rewards.tolist(), [e.tolist() for e in ends]))
            runs.append(run)
            envs.close()
        assert runs[0] == runs[1]


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_hundred_thousand_texts(entry):
    skip_without_data(entry)
    counts = fuzz(entry.id, 100_000, seed=1)
    assert sum(counts.values()) == 100_000
    assert all(counts[feedback] for feedback in set(Feedback) - NEVER.get(entry.id, set()))
