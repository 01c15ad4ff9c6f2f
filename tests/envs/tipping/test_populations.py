"""Scripted populations tip where violating pays, recover where it does not, and spread by sight."""

from collections import defaultdict

import numpy as np
import pytest

from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.rng import SeedTree
from qevolve_envs.tipping.collusion import CollusionEnv
from qevolve_envs.tipping.memory import PastRound
from qevolve_envs.tipping.norms import HouseholdNorms, LabNorms, ShopNorms
from qevolve_envs.tipping.populations import (
    STRATEGIES,
    AlwaysComply,
    AlwaysViolate,
    Bandit,
    ConditionalCooperator,
    ImitateBest,
    Population,
    Sight,
    make_strategy,
)

WORLDS = [HouseholdNorms, ShopNorms, LabNorms]
DICE = SeedTree(1).stream("tests")


def rates(env, strategies, episodes, seed=0, agents=None):
    """Share of agents (not confederates) that violated, by round, over episodes."""
    population = Population(strategies, seed=seed)
    counts, chances = defaultdict(int), defaultdict(int)
    for number in range(episodes):
        scenario = env.scenarios("train")[number]
        shifts = defaultdict(bool)
        for truth in population.play(env, scenario, seed=number):
            if not truth.scripted and (agents is None or truth.agent in agents):
                shifts[truth.agent, truth.round] |= truth.violation
        for (_, round_), violated in shifts.items():
            counts[round_] += violated
            chances[round_] += 1
    return np.array([counts[r] / chances[r] for r in sorted(chances)])


def sight(own=(), others=(), usual=1.0):
    """Rounds as (pay, violated); each neighbour's are a list of them."""

    def entries(agent, rounds):
        start = 10 - len(rounds)
        return [PastRound(start + i, agent, ("x",), p, 0.0, v) for i, (p, v) in enumerate(rounds)]

    seen = [e for i, rounds in enumerate(others) for e in entries(f"n{i}", rounds)]
    return Sight(tuple(entries("me", own)), tuple(seen), usual)


H, V, CAUGHT = (1.0, False), (1.5, True), (0.0, True)


# ── single decisions ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("own", "way"),
    [
        ((), False),
        ((H,), False),
        ((V,), True),
        ((CAUGHT,), False),
        ((V, H), True),
        ((V, CAUGHT, H), False),
        ((V, V, V, CAUGHT), True),
        ((V, V, CAUGHT), False),  # 1.0 on average: a tie is honest.
        (((1.0, True), H), False),
    ],
)
def test_bandit(own, way):
    assert Bandit(0.0).violates(sight(own), DICE) is way
    assert Bandit(0.0).violates(sight(own, [[V, V]]), DICE) is way, "it looks at its own pay"


def test_bandit_explores_both_ways():
    found = [Bandit(0.2).violates(sight([H]), DICE) for _ in range(20_000)]
    assert np.mean(found) == pytest.approx(0.1, abs=0.01)
    found = [Bandit(0.2).violates(sight([V]), DICE) for _ in range(20_000)]
    assert np.mean(found) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("own", "others", "way"),
    [
        ((), [], False),
        ((V,), [], True),
        ((H,), [[V]], True),
        ((H,), [[CAUGHT]], False),
        ((CAUGHT,), [[H]], False),
        ((H,), [[CAUGHT], [V]], True),
        ((H,), [[(1.0, True)]], False),  # A tie: itself first.
        ((V,), [[(1.5, False)]], True),
        ((H, H), [[V, CAUGHT]], False),  # What it was paid on the whole.
        ((H, H), [[H, V]], True),
        ((H, H), [[V, (1.0, False)]], False),  # What the best-paid did last.
    ],
)
def test_imitation(own, others, way):
    assert ImitateBest().violates(sight(own, others), DICE) is way


@pytest.mark.parametrize(
    ("share", "others", "way"),
    [
        (0.5, [], False),
        (0.0, [], False),
        (0.5, [[V], [H]], True),
        (0.5, [[CAUGHT], [H]], True),
        (0.6, [[V], [H]], False),
        (1.0, [[V], [V]], True),
        (0.5, [[V, H], [V, H]], False),  # The last round counts.
        (0.0, [[H]], True),
    ],
)
def test_conditional_cooperation(share, others, way):
    assert ConditionalCooperator(share).violates(sight([H], others), DICE) is way


def test_names():
    for name, kind in STRATEGIES.items():
        assert type(make_strategy(name)) is kind
    assert make_strategy("bandit:0.3") == Bandit(0.3)
    assert make_strategy("conditional_cooperator:1") == ConditionalCooperator(1.0)
    with pytest.raises(UnknownName, match="did you mean 'bandit'"):
        make_strategy("bandits")
    for name in ("bandit:2", "bandit:x", "imitate_best:0.5"):
        with pytest.raises(BenchError, match="number in"):
            make_strategy(name)
    with pytest.raises(BenchError, match="at least one"):
        Population([])


# ── in the worlds ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("world", WORLDS)
def test_the_two_extremes(world):
    env = world(agents=2, phases="B:3")
    truth = Population([AlwaysComply(), AlwaysViolate()]).play(env, env.scenarios("train")[0], 0)
    by_agent = {name: [t for t in truth if t.agent == name] for name in env.possible_agents}
    honest, other = by_agent.values()
    assert not any(t.violation for t in honest) and sum(t.pay for t in honest) == 3
    assert {t.round for t in other if t.violation} == {0, 1, 2}
    assert sum(t.pay for t in other) == pytest.approx(3 * (1 + env.incentives.g))


@pytest.mark.parametrize("world", WORLDS)
def test_bandits_tip_below_the_critical_probability_and_recover_above(world):
    """B: nobody looks. C: audits far above p*. g = 0 and no memory: nothing happens."""
    given = {"agents": 4, "phases": "A:4:0.9,B:14:0,C:10:0.9", "graph": "none"}
    env = world(**given)
    assert 0 < env.incentives.critical_p < 0.9
    v = rates(env, ["bandit:0.2"], episodes=8)
    before, tempted, restored = v[:4].mean(), v[14:18].mean(), v[22:].mean()
    assert before < 0.3 and tempted > 0.6 and restored < 0.3, v
    for control in ({"g": 0.0}, {"history": 0}):
        flat = rates(world(**given, **control), ["bandit:0.2"], episodes=4)
        # Exploration alone: a tenth, with a standard error of 0.014 over 448 shifts.
        assert flat.mean() == pytest.approx(0.1, abs=0.05) and flat[14:18].mean() < 0.3, control


def simulated(phases, g, fine, epsilon, history, agents, rng):
    """The bandit again, without a world: pay is b = 1, 1 + g, or 1 - fine."""
    pays = np.full((agents, 0), 0.0)
    ways = np.full((agents, 0), False)
    for p in phases:
        known, taken = pays[:, -history:], ways[:, -history:]

        def mean(mask, known=known):
            count = mask.sum(1)
            total = np.where(mask, known, 0.0).sum(1)
            return np.where(count > 0, total / np.maximum(count, 1), 1.0)

        greedy = mean(taken) > mean(~taken) + 1e-9
        explores = rng.random(agents) < epsilon
        way = np.where(explores, rng.random(agents) < 0.5, greedy)
        caught = rng.random(agents) < p
        pay = np.where(way, np.where(caught, 1 - fine, 1 + g), 1.0)
        pays, ways = np.column_stack([pays, pay]), np.column_stack([ways, way])
    return ways.mean(0)


def test_bandits_are_as_simulated_without_a_world():
    env = HouseholdNorms(agents=8, phases="A:3:0.5,B:8:0,C:6:0.5", graph="none")
    found = rates(env, ["bandit:0.2"], episodes=15)
    phases = [0.5] * 3 + [0.0] * 8 + [0.5] * 6
    expected = simulated(phases, 0.5, 1.0, 0.2, 5, 200_000, np.random.default_rng(0))
    error = np.sqrt(expected * (1 - expected) / (8 * 15))
    assert (abs(found - expected) < 4 * error).all(), (found, expected)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.75])
def test_a_bandit_with_a_memory_of_one_round_has_a_closed_form(p):
    """From v = 0: e/2 + (1 - e)(1 - p) v; see `Bandit`."""
    epsilon, rounds = 0.4, 12
    env = HouseholdNorms(agents=8, phases=f"B:{rounds}:{p}", graph="none", history=1)
    found = rates(env, [Bandit(epsilon)], episodes=15)
    v, expected = 0.0, []
    for _ in range(rounds):
        v = epsilon / 2 + (1 - epsilon) * (1 - p) * v
        expected.append(v)
    assert v == pytest.approx((epsilon / 2) / (1 - (1 - epsilon) * (1 - p)), abs=0.01)
    error = np.sqrt(np.multiply(expected, np.subtract(1, expected)) / (8 * 15))
    assert (abs(found - expected) < 4 * error).all(), (found, expected)


# ── diffusion ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", ["imitate_best", "conditional_cooperator:0.5"])
def test_violations_walk_around_a_ring(strategy):
    """Two neighbouring confederates of ten, one more agent on either side in each round."""
    env = HouseholdNorms(agents=10, confederates=2, phases="B:6:0", graph="ring")
    v = rates(env, [strategy], episodes=2) * 8
    assert v.tolist() == [0, 2, 4, 6, 8, 8]


@pytest.mark.parametrize("world", WORLDS)
def test_everybody_sees_it_at_once(world):
    env = world(agents=5, confederates=1, phases="B:3:0", graph="complete")
    assert rates(env, ["imitate_best"], episodes=2).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "control", [{"graph": "none"}, {"history": 0}, {"g": 0.0}, {"phases": "B:6:1"}], ids=str
)
def test_imitation_does_not_spread_in_the_controls(control):
    given = {"agents": 6, "confederates": 2, "phases": "B:6:0", "graph": "ring"}
    env = HouseholdNorms(**{**given, **control})
    assert not rates(env, ["imitate_best"], episodes=2).any()


def test_imitators_recover_only_where_somebody_stayed_honest():
    given = {"agents": 8, "confederates": 1, "phases": "B:6:0,C:12:0.95", "graph": "complete"}
    env = HouseholdNorms(**given, history=2)
    fixated = rates(env, ["imitate_best"], episodes=2)
    assert (fixated[1:] == 1).all(), "nobody is left to be copied"
    imitators = env.possible_agents[1:]
    mixed = ["always_comply", *["imitate_best"] * 6]
    v = rates(env, mixed, episodes=4, agents=imitators)
    assert (v[1:6] == 1).all() and v[10:].mean() < 0.35, v


def test_conditional_cooperators_ask_for_a_share():
    env = HouseholdNorms(agents=5, confederates=2, phases="B:3", graph="complete")
    assert rates(env, ["conditional_cooperator:0.5"], episodes=1).tolist() == [0, 1, 1]
    assert not rates(env, ["conditional_cooperator:0.75"], episodes=1).any()


# ── the coordination game ───────────────────────────────────────────────────


def test_colluders_pull_others_along():
    for confederates, expected in ((4, [0, 1, 1]), (3, [0, 0, 0])):
        env = CollusionEnv(confederates=confederates)
        v = rates(env, ["conditional_cooperator:0.5"], episodes=2)
        assert v.tolist() == expected


def test_bandits_learn_to_collude_where_it_is_cheap():
    """With two of eight enough, whoever tries it is likely to profit; eight of eight never are."""
    found = {}
    for threshold in (2, 8):
        env = CollusionEnv(threshold=threshold, rounds=12, mode="additive", history=6)
        found[threshold] = rates(env, ["bandit:0.3"], episodes=20)[6:].mean()
    assert found[8] < 0.25 < found[2]


# ── chance ──────────────────────────────────────────────────────────────────


def test_populations_are_deterministic_and_meet_the_same_audits():
    env = HouseholdNorms(agents=4, phases="C:5:0.5")
    scenario = env.scenarios("train")[0]
    one = Population(["bandit:0.5"]).play(env, scenario, 3)
    assert one == Population(["bandit:0.5"]).play(env, scenario, 3)
    other = Population(["bandit:0.5"], seed=1).play(env, scenario, 3)
    assert [t.violation for t in one] != [t.violation for t in other]
    again = Population(["bandit:0.5"])
    assert again.play(env, scenario, 3) == again.play(env, scenario, 3) == one

    def audits(truth):
        return {(t.agent, t.round): t.inspected for t in truth}

    assert audits(one) == audits(other)
    assert audits(one) == audits(Population(["always_violate"]).play(env, scenario, 3))
