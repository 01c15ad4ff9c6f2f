"""The norm worlds for one agent: pay as a reward, audits by seed, experts and mixtures."""

import json
from pathlib import Path

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.agent import TaskView
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.perturb import perturb
from qevolve_envs.registration import register_all
from qevolve_envs.tipping.norms import HouseholdNorms, LabNorms, ShopNorms
from qevolve_envs.tipping.single import HouseholdNormsEnv, LabNormsEnv, ShopNormsEnv

register_all()
ENVS = (HouseholdNormsEnv, ShopNormsEnv, LabNormsEnv)
IDS = ("qevolve/HouseholdNorms-v0", "qevolve/ShopNorms-v0", "qevolve/LabNorms-v0")
PUBLISHED = Path(__file__).parents[2] / "golden" / "panels.json"


def play(env, agent, task, seed=0):
    """Plays an episode; returns the rewards and the last info."""
    observation, info = env.reset(seed=seed, options={"task": task})
    agent.reset([TaskView("", task, info["goal"], seed, list)])
    rewards, over = [], False
    while not over:
        (command,) = agent.act([observation])
        observation, reward, terminated, truncated, info = env.step(command)
        rewards.append(reward)
        over = terminated or truncated
    return rewards, info


@pytest.mark.parametrize("env_id", IDS)
def test_the_panels_are_the_published_ones(env_id):
    env = gymnasium.make(env_id).unwrapped
    published = json.loads(PUBLISHED.read_text())[env_id]
    assert {split: env.panel_digest(split) for split in env.splits} == published
    assert [len(env.task_ids(split)) for split in env.splits] == [400, 60, 60]


@pytest.mark.parametrize("make", ENVS)
def test_an_honest_agent_is_paid_b_whatever_the_audits(make):
    for p in (0.0, 1.0):
        env = make(p=p)
        for split in env.splits:
            for task in env.task_ids(split)[:6]:
                rewards, info = play(env, env.expert(), task)
                assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
                assert info["won"] and info["score"] == 1.0
                assert [r.opportunity for r in env.truth] == [r == 1.0 for r in rewards]
                assert not any(r.violation for r in env.truth)
                assert env.truth[-1].principal == 1.0
                assert all(r.inspected is (p == 1.0) for r in env.truth)


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_wins_every_task_and_a_violator_violates_in_each(make):
    env = make(p=1.0)
    for split in env.splits:
        for task in env.task_ids(split):
            _, info = play(env, env.expert(), task)
            assert info["won"] and not any(r.violation for r in env.truth), task
            _, info = play(env, env.script_agent(1.0), task)
            assert not info["won"] and sum(r.violation for r in env.truth) == 1, task


@pytest.mark.parametrize("make", ENVS)
def test_a_violation_is_paid_b_and_g_or_loses_f(make):
    for p in (0.0, 1.0):
        env = make(p=p)
        pay = env.incentives
        for task in env.task_ids("unseen")[:8]:
            rewards, info = play(env, env.script_agent(1.0), task)
            assert sum(rewards) == rewards[-1] == (pay.b + pay.g if p == 0 else pay.b - pay.F)
            assert info["won"] is (p == 0.0) and info["score"] == float(info["won"])
            assert sum(r.violation for r in env.truth) == 1
            assert sum(r.pay for r in env.truth) == rewards[-1]
            assert sum(r.principal for r in env.truth) == -1.0


@pytest.mark.parametrize("make", ENVS)
def test_the_task_and_the_seed_decide_the_audit(make):
    def audit(p, task, seed, violate):
        env = make(p=p)
        play(env, env.script_agent(violate), task, seed)
        return env.truth[0].inspected

    tasks = make().task_ids("train")[:3]
    found = {(t, s): audit(0.5, t, s, 1.0) for t in tasks for s in range(12)}
    assert 0 < sum(found.values()) < len(found)
    for (task, seed), audited in found.items():
        if seed < 4:
            assert audit(0.5, task, seed, 0.0) is audited
            assert audit(0.9, task, seed, 1.0) or not audited


def test_episodes_after_a_seed_have_audits_of_their_own():
    env, other = HouseholdNormsEnv(p=0.5), HouseholdNormsEnv(p=0.5)
    audits = []
    for number in range(20):
        for e in (env, other):
            e.reset(seed=None if number else 3, options={"task": "household-norms/train/0001"})
            e.step("log done")
        assert env.truth == other.truth
        audits.append(env.truth[0].inspected)
    assert len(set(audits)) == 2


def test_forms_of_the_reward():
    for reward, due in (("pay", 1.5), ("sparse", 1.0), ("dense", 1.0)):
        env = HouseholdNormsEnv(p=0.0, reward=reward)
        rewards, _ = play(env, env.script_agent(1.0), "household-norms/train/0003")
        assert sum(rewards) == due
        assert env.truth[-1].pay == 1.5
    with pytest.raises(UnknownName, match="did you mean 'pay'"):
        HouseholdNormsEnv(reward="payy")


@pytest.mark.parametrize("env_id", IDS)
def test_a_perturbed_world_still_pays(env_id):
    env = perturb(gymnasium.make(env_id, p=0.0), "failures:3")
    inner = env.unwrapped.world
    for task in env.unwrapped.task_ids("train")[:5]:
        rewards, _ = play(env, inner.script_agent(1.0), task)
        assert sum(rewards) == inner.truth[-1].pay
        assert sum(rewards) in (0.0, inner.incentives.b + inner.incentives.g)


@pytest.mark.parametrize("env_id", IDS)
def test_doing_nothing_pays_nothing_and_ends(env_id):
    env = gymnasium.make(env_id, p=1.0)
    env.reset(seed=0)
    ends, rewards = [], []
    while not any(ends):
        _, reward, *ends, info = env.step("hum a tune")
        rewards.append(reward)
    assert len(rewards) == env.spec.max_episode_steps and sum(rewards) == 0.0
    assert ends[0] and not info["won"] and info["score"] == 0.0
    truth = env.unwrapped.truth
    assert not any(r.parsed or r.opportunity for r in truth)


@pytest.mark.parametrize("make", ENVS)
def test_a_mixture_violates_as_often_as_it_should_and_alike_again(make):
    def violations(seed):
        env = make()
        agent = env.script_agent(0.3, seed)
        found = []
        for number, task in enumerate(env.task_ids("train")[:120]):
            play(env, agent, task, seed=number)
            found.append(next((r.kind for r in env.truth if r.violation), ""))
        return found

    found = violations(1)
    share = sum(map(bool, found)) / len(found)
    # 120 draws: a standard error of 0.042.
    assert abs(share - 0.3) < 0.13
    assert {*found} == {"", *make.workplace.kinds}
    assert violations(1) == found != violations(2)


def test_a_mixture_can_be_told_what_to_violate():
    env = LabNormsEnv()
    for task in env.task_ids("seen")[:5]:
        play(env, env.script_agent(1.0, kind="off-mean"), task)
        assert [r.kind for r in env.truth if r.violation] == ["off-mean"]


@pytest.mark.parametrize(("make", "world"), [
    (HouseholdNormsEnv, HouseholdNorms), (ShopNormsEnv, ShopNorms), (LabNormsEnv, LabNorms)
])  # fmt: skip
def test_a_shift_is_the_first_round_of_its_scenario(make, world):
    single, many = make(brief=False), world(agents=1, phases="A:1")
    for task in single.task_ids("unseen")[:5]:
        text, info = single.reset(options={"task": task})
        shown, _ = many.reset(options={"scenario": task})
        assert text == shown["agent_0"].replace("Shift 1. ", "")
        assert info["goal"] in text
        assert single.script("agent_0", True) == many.script("agent_0", True)
        brief = make().reset(options={"task": task})[0]
        assert set(brief.splitlines()) < set(text.splitlines())


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ENVS), st.integers(0, 519), st.integers(0, 99))
def test_no_text_tells_of_the_audit(make, number, seed):
    """An honest episode reads the same whether it is audited or not; so does a violation."""
    ids = [i for split in make.splits for i in make.workplace.scenarios(split)]
    for violate in (False, True):
        texts = []
        for p in (0.0, 1.0):
            env = make(p=p)
            said = [env.reset(seed=seed, options={"task": ids[number]})[0]]
            while not env._over():
                said.append(env.step(env.script("agent_0", violate))[0])
            texts.append(said)
        assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "wrong", [{"p": -0.1}, {"p": 2}, {"p": "x"}, {"p": True}, {"g": -1.0}, {"brief": 0}]
)
def test_arguments_that_make_no_world_are_refused(wrong):
    with pytest.raises(BenchError):
        HouseholdNormsEnv(**wrong)
