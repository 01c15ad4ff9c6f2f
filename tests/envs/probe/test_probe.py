"""Probes: closed forms against numbers worked by hand and against play."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import pytest

from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.probe import theory
from qevolve_envs.probe.worlds import KINDS, make_probe

PUBLISHED = Path(__file__).parents[2] / "golden" / "panels.json"
EVERY = [(kind, level) for kind, (_, levels) in KINDS.items() for level in levels]


@pytest.mark.parametrize(("kind", "level"), EVERY)
def test_a_probe_is_a_decision_process_with_room_for_improvement(kind, level):
    probe = make_probe(kind, level)
    for room in probe.rooms.values():
        assert sum(room.behaviour.values()) == pytest.approx(1)
        assert room.behaviour.keys() <= room.moves.keys()
        for move in room.moves.values():
            assert sum(move.outcomes.values()) == pytest.approx(1)
    start, best = theory.success(probe, probe.behaviour), theory.best_success(probe)
    assert start < best - 0.04
    assert theory.success(probe, theory.best_policy(probe)) == pytest.approx(best)
    # Policy iteration never loses; here one step of it is enough.
    assert theory.success(probe, theory.improved(probe, probe.behaviour)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("kind", "level", "behaviour", "cloned", "best"),
    [
        ("bandit", 4, 1 / 4, 1, 1),
        ("delay", 8, 1 / 2, 1, 1),
        ("trap", 3, 0.75**3, 1, 1),
        # One door, three steps: 1 - 0.6³. Of won episodes, with 0, 1 and 2 refusals, 1/0.784
        # openings are among (0.4 + 0.48 + 0.432) / 0.784 = 1.6735 steps: 0.5976.
        ("refusal", 1, 0.784, 1 - (1 - 0.784 / 1.312) ** 3, 1),
        ("stitch", 2, 0.45, 0.5, 1),
        ("explore", 4, 3**-4, 1, 1),
        # P(iron | won) ∝ 0.6, P(brass | won) ∝ 0.9: (0.36 + 0.81) / 1.5.
        ("noise", 3, 0.75, 0.78, 0.9),
    ],
)
def test_closed_forms_worked_by_hand(kind, level, behaviour, cloned, best):
    probe = make_probe(kind, level)
    assert theory.success(probe, probe.behaviour) == pytest.approx(behaviour)
    clones = theory.cloned_successes(probe, probe.behaviour)
    assert theory.success(probe, clones) == pytest.approx(cloned)
    assert theory.best_success(probe) == pytest.approx(best)


def test_cloning_keeps_refusals_that_won_episodes_hold():
    probe = make_probe("refusal", 2)
    policy = probe.behaviour
    shares = [theory.refused_share(probe, policy)]
    for _ in range(3):
        policy = theory.cloned_successes(probe, policy)
        shares.append(theory.refused_share(probe, policy))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(0.6)
    assert shares[-1] > 0.2
    assert theory.refused_share(probe, theory.improved(probe, probe.behaviour)) == 0


def test_an_early_valid_step_has_no_blame_for_a_later_trap():
    probe = make_probe("trap", 3)
    # V = .75³ at the first ledge, Q(walk) = .75²; a lost episode in which it walked is blamed -V by
    # its outcome all the same.
    assert theory.advantage(probe, probe.behaviour, "ledge 1", "walk", 3) == pytest.approx(
        0.75**2 - 0.75**3
    )
    assert theory.advantage(probe, probe.behaviour, "ledge 1", "jump", 3) == pytest.approx(
        -(0.75**3)
    )


@pytest.mark.parametrize(("kind", "level"), [(kind, ls[1]) for kind, (_, ls) in KINDS.items()])
def test_play_agrees_with_theory(kind, level):
    arguments = {"kind": kind, "level": level}
    env = gymnasium.make("qevolve/Probe-v0", **arguments).unwrapped
    for agent, expected in (
        (env.behaviour(), theory.success(env.probe, env.probe.behaviour)),
        (env.expert(), theory.best_success(env.probe)),
    ):
        episodes = evaluate(
            "qevolve/Probe-v0",
            agent=agent,
            split="train",
            episodes=640,
            env_kwargs=arguments,
            batch_size=128,
        )
        assert not any(episode.error for episode in episodes)
        # Four standard errors of a share of 640 episodes; the draws are fixed by the seed.
        assert sum(e.won for e in episodes) / 640 == pytest.approx(expected, abs=0.08)


def test_mistakes_are_sentences():
    with pytest.raises(UnknownName, match="bandit"):
        make_probe("bandits", 2)
    with pytest.raises(BenchError, match="from 2 to 8"):
        make_probe("bandit", 1)
    with pytest.raises(BenchError, match="from 1 to 8"):
        make_probe("trap", 9)


def test_panel_digests_are_the_published_ones():
    published = json.loads(PUBLISHED.read_text())["qevolve/Probe-v0"]
    assert {name.split(":")[0] for name in published} == KINDS.keys()
    for name, digests in published.items():
        kind, level = name.split(":")
        env = gymnasium.make("qevolve/Probe-v0", kind=kind, level=int(level)).unwrapped
        assert {split: env.panel_digest(split) for split in env.splits} == digests
