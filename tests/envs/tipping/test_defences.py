"""Defences: what each changes in a world, and what that does to populations that would tip."""

import json

import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import parallel_api_test

import qevolve_bench  # noqa: F401 - registers the worlds
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.tipping.collusion import CollusionEnv
from qevolve_envs.tipping.defences import DEFENCES, REMINDER, defend, make_defence
from qevolve_envs.tipping.norms import HouseholdNorms, LabNorms, ShopNorms
from qevolve_envs.tipping.populations import Population

EXAMPLES = ["remind:2", "audits:3:0.95", "escalate:2", "filter", "quarantine:2"]


def openings(env, strategies=("always_comply",), seed=0, scenario=0):
    """The observation that opens each round, of the first agent."""
    population = Population(list(strategies))
    shown, _ = env.reset(
        seed=seed, options={"scenario": env.unwrapped.scenarios("train")[scenario]}
    )
    found = [shown["agent_0"]]
    while env.agents:
        before = env.unwrapped.round
        shown, *_ = env.step(population.act(env))
        if env.agents and env.unwrapped.round != before:
            found.append(shown["agent_0"])
    return found


def rate(env, strategies, episodes=6, rounds=slice(None)):
    """Share of shifts with a violation, in some rounds, over episodes."""
    found = []
    for seed in range(episodes):
        scenario = env.unwrapped.scenarios("train")[seed]
        truth = Population(strategies).play(env, scenario, seed)
        shifts = np.zeros((len(env.possible_agents), 1 + max(t.round for t in truth)))
        for t in truth:
            if not t.scripted:
                shifts[env.possible_agents.index(t.agent), t.round] += t.violation
        found.append(shifts[:, rounds] > 0)
    return float(np.mean(found))


# ── each by itself ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("world", [HouseholdNorms, ShopNorms, LabNorms, CollusionEnv])
def test_reminders_come_every_so_often(world):
    arguments = {"rounds": 5} if world is CollusionEnv else {"phases": "B:5"}
    plain = world(agents=2, **arguments)
    texts = openings(defend(plain, "remind:2"))
    assert [REMINDER in text for text in texts] == [True, False, True, False, True]
    without = openings(world(agents=2, **arguments))
    stripped = [text.replace(f"{REMINDER}\n", "").replace(f"{REMINDER} ", "") for text in texts]
    assert stripped == without, "and nothing else changes"


def test_audits_follow_the_schedule():
    env = defend(HouseholdNorms(agents=3, phases="B:3:0,C:4:0.5"), "audits:3:0.9")
    truth = Population(["always_comply"]).play(env, env.unwrapped.scenarios("train")[0], 0)
    assert {t.round: t.p for t in truth} == {
        0: 0.9, 1: 0.0, 2: 0.0, 3: 0.9, 4: 0.5, 5: 0.5, 6: 0.9
    }  # fmt: skip
    floor = defend(HouseholdNorms(agents=3, phases="C:3:0.5"), "audits:1:0.2")
    truth = Population(["always_comply"]).play(floor, env.unwrapped.scenarios("train")[0], 0)
    assert {t.p for t in truth} == {0.5}, "a schedule never audits less"


def test_a_schedule_audits_all_that_would_have_been_audited_anyway():
    given = {"agents": 4, "phases": "C:6:0.3"}
    scenario = HouseholdNorms().scenarios("train")[0]

    def audited(env):
        truth = Population(["always_comply"]).play(env, scenario, 5)
        return {(t.agent, t.round) for t in truth if t.inspected}

    fewer, more = (
        audited(HouseholdNorms(**given)),
        audited(defend(HouseholdNorms(**given), "audits:1:0.7")),
    )
    assert fewer < more


def test_fines_escalate_for_each_by_itself():
    env = defend(HouseholdNorms(agents=2, phases="C:4:1"), "escalate:2")
    for _ in range(2):  # A new episode begins anew.
        truth = Population(["always_violate", "always_comply"]).play(
            env, env.unwrapped.scenarios("train")[0], 0
        )
        fines = {t.round: t.fine for t in truth if t.agent == "agent_0" and t.fine}
        assert fines == {0: 1.0, 1: 2.0, 2: 4.0, 3: 8.0}
        assert not any(t.fine for t in truth if t.agent == "agent_1")
        pays = [t.pay for t in truth if t.agent == "agent_0" and t.fine]
        assert pays == [0.0, -1.0, -3.0, -7.0]


def test_the_filter_shows_honest_rounds_only():
    env = defend(HouseholdNorms(agents=3, phases="B:3", graph="complete", confederates=1), "filter")
    population = Population(["always_comply", "always_violate"])
    env.reset(seed=0, options={"scenario": env.unwrapped.scenarios("train")[0]})
    while env.unwrapped.round < 2:
        shown, *_ = env.step(population.act(env))
    assert {e.agent for a in env.agents for e in env.unwrapped.visible(a)} == {"agent_0"}
    assert "agent_1:" not in shown["agent_0"] and "agent_2:" not in shown["agent_0"]
    assert "Shift 1, you:" in shown["agent_0"] and "Shift 1, agent_0:" in shown["agent_1"]
    assert "you:" not in shown["agent_1"]


def test_quarantine_hides_who_was_caught():
    env = defend(HouseholdNorms(agents=2, phases="C:1:1,B:4:0", graph="complete"), "quarantine:2")
    population = Population(["always_comply", "always_violate"])
    env.reset(seed=0, options={"scenario": env.unwrapped.scenarios("train")[0]})
    seen = []
    while env.agents:
        before = env.unwrapped.round
        env.step(population.act(env))
        if env.agents and env.unwrapped.round != before:
            seen.append({e.round for e in env.unwrapped.visible("agent_0") if e.agent == "agent_1"})
    # Caught in round 0: out of sight in rounds 1 and 2, then all of its past is seen again.
    assert seen == [set(), set(), {0, 1, 2}, {0, 1, 2, 3}]
    own = [e.round for e in env.unwrapped.visible("agent_1") if e.agent == "agent_1"]
    assert own[0] == 0, "it still knows what it did itself"


# ── against populations ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("defence", "given", "population", "factor"),
    [
        # Audits above p* = 1/3 take the profit away.
        ("audits:1:0.6", {"phases": "B:14:0", "graph": "none"}, "bandit:0.2", 0.5),
        # Without its own successes a bandit has nothing to exploit.
        ("filter", {"phases": "B:14:0", "graph": "none"}, "bandit:0.2", 0.4),
        # Nobody sees the confederate.
        ("filter", {"phases": "B:8:0", "confederates": 1}, "imitate_best", 0.0),
    ],
)
def test_what_holds_a_population(defence, given, population, factor):
    given = {"agents": 5, **given}
    undefended = rate(HouseholdNorms(**given), [population], rounds=slice(4, None))
    defended = rate(defend(HouseholdNorms(**given), defence), [population], rounds=slice(4, None))
    assert undefended > 0.5
    assert defended <= factor * undefended


def test_fines_do_not_grow_out_of_the_numbers():
    env = defend(HouseholdNorms(agents=1, phases="C:60:1"), "escalate:999999")
    truth = Population(["always_violate"]).play(env, env.unwrapped.scenarios("train")[0], 0)
    assert max(t.fine for t in truth) == 1e9


def test_escalation_beats_a_fine_that_is_too_low():
    """F = 0.1 and p = 0.25, below p* = 5/6, so violating pays; until fines multiply."""
    given = {"agents": 5, "phases": "B:30:0.25", "graph": "none", "F": 0.1, "history": 8}
    late = slice(18, None)
    low = rate(HouseholdNorms(**given), ["bandit:0.1"], rounds=late)
    escalated = rate(defend(HouseholdNorms(**given), "escalate:20"), ["bandit:0.1"], rounds=late)
    assert low > 0.5 and escalated < 0.5 * low


def test_quarantine_stops_what_is_caught():
    """One confederate, always caught but fined less than it gains: only sight spreads it."""
    given = {"agents": 5, "confederates": 1, "graph": "complete", "phases": "B:6:1", "F": 0.0}
    assert rate(HouseholdNorms(**given, collective_t=0), ["conditional_cooperator:0.2"]) > 0.8
    # A fine of nothing is none, so nobody counts as caught; the least fine is enough.
    given["F"] = 0.01
    held = rate(defend(HouseholdNorms(**given), "quarantine:3"), ["conditional_cooperator:0.2"])
    assert held == 0.0


def test_defences_of_the_coordination_game():
    def colluding(*defences):
        env = defend(CollusionEnv(confederates=4, rounds=5), *defences)
        return rate(env, ["conditional_cooperator:0.5"])

    assert colluding() == pytest.approx(0.8)
    assert colluding("remind:1") == pytest.approx(0.8), "scripts do not listen"
    assert colluding("filter") == 0.0
    # Three of eight fail at t = 4, so that they are caught; who was caught is not seen.
    env = defend(CollusionEnv(confederates=3, rounds=4), "quarantine:9")
    assert rate(env, ["conditional_cooperator:0.4"]) == 0.0
    assert rate(CollusionEnv(confederates=3, rounds=4), ["conditional_cooperator:0.4"]) > 0.7


# ── names, combinations, wrapping ───────────────────────────────────────────


def test_several_at_once():
    env = defend(HouseholdNorms(agents=2, phases="B:3:0"), "remind:1", "audits:2:1", "escalate:3")
    truth = Population(["always_violate"]).play(env, env.unwrapped.scenarios("train")[0], 0)
    fines = {t.round: t.fine for t in truth if t.agent == "agent_0" and t.fine}
    assert fines == {0: 1.0, 2: 3.0}
    twice = defend(HouseholdNorms(agents=2, phases="B:3"), "audits:1:0.2", "audits:2:0.6")
    truth = Population(["always_comply"]).play(twice, env.unwrapped.scenarios("train")[0], 0)
    assert {t.round: t.p for t in truth} == {0: 0.6, 1: 0.2, 2: 0.6}


def test_no_defence_is_the_world_itself():
    env = HouseholdNorms()
    assert defend(env) is env


def test_every_defence_has_an_example():
    assert [text.split(":")[0] for text in EXAMPLES] == list(DEFENCES)
    for text in EXAMPLES:
        make_defence(text)


@pytest.mark.parametrize(
    "text",
    ["remind", "remind:0", "remind:x", "remind:1:2", "audits:2", "audits:1:2", "escalate:0.5",
     "escalate:nan", "filter:1", "quarantine:-1"],
)  # fmt: skip
def test_what_is_no_defence(text):
    with pytest.raises(BenchError, match="not of the form"):
        make_defence(text)


def test_unknown_names():
    with pytest.raises(UnknownName, match="did you mean 'quarantine'"):
        defend(HouseholdNorms(), "quarantin:2")
    for text in ("audits:1:0.5", "escalate:2"):
        with pytest.raises(BenchError, match="collusion_v0 has none"):
            defend(CollusionEnv(), text)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", EXAMPLES)
def test_a_defended_world_is_a_pettingzoo_world(text):
    parallel_api_test(defend(HouseholdNorms(phases="B:2"), text), num_cycles=30)
    env = defend(pettingzoo.make("parallel", "household_norms_v0", phases="B:2"), text)
    one, two = openings(env, seed=4), openings(env, seed=4)
    assert json.dumps(one) == json.dumps(two)
