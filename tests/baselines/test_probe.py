"""Learners on probes: each solves what its theory says it solves, and fails where it says so."""

from __future__ import annotations

from functools import cache

import pytest

from qevolve_baselines.probe import clone_behaviour, measure, play_probe, probe_env

pytestmark = pytest.mark.xdist_group("probes")
# Four standard errors of a share of 256 are at most 0.125; the draws are fixed by the seed.


@cache
def start(kind, level):
    """A clone of a probe's behaviour, made once for all tests of a process."""
    return clone_behaviour(probe_env(kind, level), seed=0)


def played(learner, kind, level, **options):
    return play_probe(learner, kind, level, start=start(kind, level), **options)


@pytest.mark.parametrize(("kind", "level"), [("bandit", 4), ("trap", 3), ("refusal", 1)])
def test_a_clone_is_as_good_as_what_it_cloned(kind, level):
    result = measure(probe_env(kind, level), start(kind, level), seed=1)
    behaviour = {"bandit": 0.25, "trap": 0.422, "refusal": 0.784}[kind]
    assert result.success == pytest.approx(behaviour, abs=0.125)
    assert result.malformed < 0.03


@pytest.mark.parametrize("learner", ["rft", "grpo", "ppo", "self_imitation", "q_evolve"])
def test_a_trap_is_unlearned(learner):
    result = played(learner, "trap", 3)
    # The behaviour wins 0.42; within 4,000 steps the online learners are on their way to 1.
    assert result.env_steps < 4_100
    assert result.after.success > 0.75
    assert result.after.malformed < 0.05


def test_rejection_sampling_keeps_refusals_that_won_episodes_hold():
    result = played("rft", "refusal", 1)
    # The closed form of one round has 0.40 of refusals, and a success of 0.935.
    assert result.after.success == pytest.approx(result.cloned_successes, abs=0.08)
    assert result.after.refused > 0.3


def test_q_evolve_unlearns_refusals():
    result = played("q_evolve", "refusal", 1)
    assert result.after.success > 0.97
    assert result.after.refused < 0.05


def test_clipping_each_token_in_a_narrow_box_leaks_into_malformed_actions():
    """A known failure: what is pushed down must go somewhere.

    With ε_low = .8 and ε_high = .4 a bandit's three losing levers may lose .75 · .8 = .6 of the
    mass, of which the winning one takes up at most .25 · .4 = .1. The rest goes to what was never
    sampled. A box of whole actions with ε_high = 3 has place for it.
    """
    narrow = {"policy": {"ratio": "token", "clip_high": 0.4}}
    leaking = played("q_evolve", "bandit", 4, settings=narrow)
    assert leaking.after.malformed > 0.2
    kept = played("q_evolve", "bandit", 4)
    assert kept.after.malformed < 0.02
    assert kept.after.success > 0.95
