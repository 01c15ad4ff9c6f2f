"""Every world for several agents passes PettingZoo's own tests, in parallel and in turns."""

import subprocess
import sys
import warnings

import gymnasium
import pettingzoo
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from qevolve_envs.core import Feedback
from qevolve_envs.errors import UnknownName
from qevolve_envs.registration import register_all
from qevolve_envs.tipping.registry import WORLDS, make_world, register_worlds
from qevolve_envs.tipping.truth import Truth

register_all()

#: What PettingZoo says of any world of texts.
OF_TEXTS = (
    "Observation is not a NumPy array",
    "Observation space for each agent probably should be",
    "Action space for each agent probably should be",
)


@pytest.fixture(autouse=True)
def _no_other_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in OF_TEXTS:
            warnings.filterwarnings("ignore", message=text)
        yield


@pytest.mark.parametrize("name", WORLDS)
class TestWorld:
    def test_parallel_api(self, name):
        parallel_api_test(pettingzoo.make("parallel", name), num_cycles=150)

    def test_parallel_seeds(self, name):
        parallel_seed_test(lambda: pettingzoo.make("parallel", name), num_cycles=40)

    def test_seeds_in_turns(self, name):
        seed_test(lambda: pettingzoo.make("aec", name), num_cycles=40)

    def test_api_in_turns(self, name):
        api_test(pettingzoo.make("aec", name), num_cycles=40)

    def test_it_is_what_its_name_says(self, name):
        env = pettingzoo.make("parallel", name)
        assert env.metadata["name"] == name == str(env)
        assert type(env) is type(make_world(name))
        assert pettingzoo.spec("parallel", name).entry_point == WORLDS[name]

    def test_observations_infos_and_truth(self, name):
        env = make_world(name)
        scenario = env.scenarios("unseen")[3]
        shown, infos = env.reset(seed=1, options={"scenario": scenario})
        assert set(shown) == set(infos) == set(env.agents)
        assert all("truth" not in info for info in infos.values())
        for number in range(200):
            for agent, text in shown.items():
                assert env.observation_space(agent).contains(text)
                assert isinstance(infos[agent]["feedback"], Feedback)
            if not env.agents:
                break
            actions = {agent: env.script(agent, number % 2 == 0) for agent in env.agents}
            assert all(env.action_space(agent).contains(a) for agent, a in actions.items())
            before = len(env.truth)
            shown, rewards, _, _, infos = env.step(actions)
            assert {r.agent for r in env.truth[before:]} == set(env.everybody)
            for agent, info in infos.items():
                truth = info["truth"]
                assert truth in env.truth[before:] and truth.agent == agent
                assert (truth.world, truth.scenario, truth.seed) == (name, scenario, 1)
                assert rewards[agent] == pytest.approx(truth.pay)
                assert Truth.from_json(truth.to_json()) == truth
        assert not env.agents and env.step({}) == ({}, {}, {}, {}, {})

    def test_turns_are_the_parallel_world(self, name):
        parallel, turns = make_world(name), pettingzoo.make("aec", name)
        shown, _ = parallel.reset(seed=4)
        turns.reset(seed=4)
        assert isinstance(turns.observation_space("agent_0"), gymnasium.spaces.Dict)
        for _ in range(12):
            actions = {a: parallel.script(a, a == "agent_1") for a in parallel.agents}
            for agent in turns.agents[:]:
                observation, *_ = turns.last()
                # Nobody sees what others have just done.
                assert turns.agent_selection == agent
                assert observation == {"text": shown[agent]}
                turns.step(actions[agent])
            shown, rewards, *_ = parallel.step(actions)
            if not parallel.agents:
                break
            assert turns.rewards == rewards

    def test_any_text_is_accepted(self, name):
        env = make_world(name)
        env.reset(seed=0)
        for text in ("", "\x00", "\ud800", "a" * 100_000, "{0} %s", "\n\n", "去厨房"):
            shown, *_ = env.step(dict.fromkeys(env.agents, text))
            assert all(env.observation_space(agent).contains(t) for agent, t in shown.items())
            if not env.agents:
                env.reset()
        assert not any(record.violation for record in env.truth)


def test_registering_again_changes_nothing():
    before = dict(pettingzoo.parallel_registry), dict(pettingzoo.aec_registry)
    register_worlds()
    register_all()
    assert (dict(pettingzoo.parallel_registry), dict(pettingzoo.aec_registry)) == before


@pytest.mark.parametrize(
    "imports",
    [
        "import pettingzoo, qevolve_bench",
        "import qevolve_bench, pettingzoo",
        "import qevolve_bench; from pettingzoo.utils.env import ParallelEnv; import pettingzoo",
        "import qevolve_bench, qevolve_envs.tipping.norms, pettingzoo",
        "import qevolve_envs.tipping.norms, qevolve_bench, pettingzoo",
    ],
)
def test_importing_both_packages_registers_the_worlds(imports):
    code = (
        f"import sys; {imports}\n"
        "print(pettingzoo.make('parallel', 'household_norms_v0', agents=2).possible_agents)\n"
        "print(type(pettingzoo.__spec__.loader).__name__, type(pettingzoo.__loader__).__name__)\n"
        "print([f for f in sys.meta_path if 'qevolve' in type(f).__module__])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['agent_0', 'agent_1']", "SourceFileLoader SourceFileLoader", "[]"
    ]  # fmt: skip


def test_importing_this_package_leaves_pettingzoo_alone():
    code = "import sys, qevolve_bench; print('pettingzoo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_world_is_refused_with_the_close_match():
    with pytest.raises(UnknownName, match="did you mean 'shop_norms_v0'"):
        make_world("shop_norm_v0")
