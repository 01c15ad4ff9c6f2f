"""Every advantage can be traced, and the tables about critics say what is in the traces."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.losses import generalised_advantages
from qevolve_baselines.run.advantage_log import AdvantageRecord, read_advantage_log
from qevolve_baselines.run.run import Run
from qevolve_bench.analysis.critic import calibration, propagation, rounds_of, signs, situations
from qevolve_bench.cli import main
from qevolve_envs.errors import BadFile, MissingData

OPTIM = {"batch_tokens": 400}
SETTINGS = {
    "rounds": 2,
    "collect": {"per_task": 2, "batch_size": 8},
    "critic": {"epochs": 1, "optim": OPTIM, "held_out": 0.2},
    "policy": {"epochs": 1, "optim": OPTIM},
    "advantage_norm": "none",
    "advantage_clip": 0.0,
    "unhealthy": "log",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    policy = tiny.warm_policy()
    (place / "before").write_text(policy.digest())
    run = Run(seed=0, folder=place)
    make_learner("q_evolve", None, SETTINGS).train(tiny.world(), tiny.demos(), policy, run)
    return place


def test_each_advantage_follows_from_what_is_kept_beside_it(folder: Path) -> None:
    files = rounds_of(folder)
    assert list(files) == [1, 2]
    policies, critics = set(), set()
    for number, file in files.items():
        records = list(read_advantage_log(file))
        policies |= {j.policy for j in records}
        critics |= {j.critic for j in records}
        own = [j for j in records if not j.expert]
        assert len(records) > len(own) > 0 and {j.round for j in records} == {number}
        assert any(j.held_out for j in own) and not all(j.held_out for j in own)
        for j in records:
            rewards = np.array(j.reward) + np.array(j.label)
            bounds = np.array([0, len(j.v)])
            expected = generalised_advantages(rewards, np.array(j.v), bounds, 0.99, 0.95)
            assert j.advantage == pytest.approx(expected.tolist(), abs=1e-4)
            powers = 0.99 ** np.arange(len(rewards))
            assert j.returns[0] == pytest.approx(float(powers @ rewards), abs=1e-4)
            assert j.won == (sum(j.reward) > 0)
            labels = {"ok": 0.0, "unchanged": -0.1, "invalid": -0.2, "malformed": -0.3}
            assert j.label == [labels[kind] for kind in j.feedback]
    assert len(policies) == len(critics) == 2
    assert (folder / "before").read_text() in policies


def test_a_trace_names_an_episode_that_can_be_played_again(folder: Path) -> None:
    (first, *_) = [j for j in read_advantage_log(rounds_of(folder)[1]) if not j.expert]
    world = tiny.world()
    env = world.make()
    _, info = env.reset(seed=first.seed, options={"task": first.task_id})
    rewards, feedback = [], []
    for action in first.actions:
        _, reward, _, _, info = env.step(action)
        rewards.append(float(reward))
        feedback.append(info["feedback"])
    assert (rewards, feedback) == (first.reward, first.feedback)


def made(v: list[float], returns: list[float], won: bool, kinds: list[str]) -> AdvantageRecord:
    n = len(v)
    return AdvantageRecord(
        round=1, policy="p", critic="c", expert=False, held_out=True, task_id="t", seed=0,
        episode="e", won=won, actions=["a"] * n, feedback=kinds, reward=[0.0] * n,
        label=[0.0] * n, returns=returns, v=v, q=v,
        advantage=[r - x for r, x in zip(returns, v, strict=True)],
    )  # fmt: skip


JUDGED = [
    made([0.2, 0.4, 0.6, 0.8], [1.0, 1.0, 1.0, 1.0], True, ["ok", "ok", "invalid", "ok"]),
    made([0.1, 0.0], [0.0, -0.2], False, ["ok", "invalid"]),
]


def test_the_tables_by_hand() -> None:
    low, high = calibration(JUDGED, bins=2)
    assert (low["v"], low["return"], low["steps"]) == pytest.approx((0.1, 4 / 15 * 1, 3), abs=1e-9)
    assert (high["v"], high["return"], high["steps"]) == pytest.approx((0.6, 1.0, 3))
    halves = propagation(JUDGED, parts=2)
    assert [row["won"] for row in halves] == pytest.approx([0.3, 0.7])
    assert [row["lost"] for row in halves] == pytest.approx([0.1, 0.0])
    shown = replace(JUDGED[0], expert=True, advantage=[1.0, 1.0, 1.0, -1.0])
    expert, accepted, recovery, first = signs([shown, *JUDGED])
    assert (expert["action"], expert["steps_won"], expert["mean_won"]) == ("the expert's", 4, 0.5)
    assert expert["spread_won"] == pytest.approx(0.75**0.5) and expert["positive_won"] == 0.75
    assert (accepted["action"], accepted["steps_won"], accepted["steps_lost"]) == ("accepted", 2, 1)
    assert accepted["mean_won"] == pytest.approx((0.8 + 0.6) / 2)
    assert (accepted["positive_won"], accepted["positive_lost"]) == (1.0, 0.0)
    assert recovery["mean_won"] == pytest.approx(0.2) and recovery["steps_lost"] == 0
    assert first["mean_lost"] == pytest.approx(-0.2)


def test_situations_by_hand() -> None:
    kinds = ["ok", "invalid", "malformed", "invalid", "ok", "unchanged", "ok"]
    one = made([0.0] * 7, [0.0] * 7, False, kinds)
    one = replace(one, actions=["a", "b", "c", "b", "d", "d", "a"])
    assert situations(one) == [
        "accepted", "refused, first", "refused, behind a refusal", "refused, sent before",
        "accepted, behind a refusal", "refused, sent before", "accepted, behind a refusal",
    ]  # fmt: skip


def test_another_lambda_is_computed_from_the_same_critic() -> None:
    one = replace(
        JUDGED[0],
        actions=["a", "b"],
        feedback=["ok", "ok"],
        reward=[0.0, 1.0],
        label=[-0.1, 0.0],
        returns=[0.0, 0.0],
        v=[0.5, 0.5],
        q=[0.0, 0.0],
        advantage=[9.0, 9.0],
    )
    deltas = np.array([-0.1 + 0.99 * 0.5 - 0.5, 0.5])
    (row,) = signs([one], gae_lambda=0.0)
    assert row["mean_won"] == pytest.approx((deltas / deltas.std()).mean())
    both = np.array([deltas[0] + 0.99 * deltas[1], deltas[1]])
    (row,) = signs([one], gae_lambda=1.0)
    assert row["mean_won"] == pytest.approx((both / both.std()).clip(-3, 3).mean())
    (row,) = signs([one])
    assert row["mean_won"] == 9.0


def test_the_command_shows_rounds_and_episodes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advantages", str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.count("Calibration on held-out own episodes") == 2 and "Round 2" in text
    assert main(["advantages", str(folder), "--gae-lambda", "0", "0.95"]) == 0
    assert capsys.readouterr().out.count("computed anew with λ = 0.95:") == 2
    assert main(["advantages", str(folder), "--round", "1", "--episode", "0"]) == 0
    text = capsys.readouterr().out
    first = next(j for j in read_advantage_log(rounds_of(folder)[1]) if not j.expert)
    assert first.task_id in text and "Round 2" not in text
    assert text.count("\n") == len(first.actions) + 4


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--round", "3"], "Unknown round"),
        (["--gae-lambda", "7"], "lies between 0 and 1"),
        (["--gae-lambda", "nan"], "need a number"),
        (["--gae-lambda", "0.5", "--episode", "0"], "Give --gae-lambda or --episode"),
        (["--episode", "9999"], "own episodes, counted from 0"),
    ],
)
def test_mistakes_are_sentences(
    folder: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advantages", str(folder), *options]) == 2
    assert reason in capsys.readouterr().err


def test_damage_is_named_with_its_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="holds no advantages"):
        rounds_of(tmp_path)
    good = gzip.decompress(rounds_of(folder)[1].read_bytes())
    file = tmp_path / "round-1.jsonl.gz"
    for content, line in (
        (gzip.compress(good)[:-40], "line [0-9]+"),
        (b"text", "line 0"),
        (gzip.compress(b""), "no trajectory"),
        (gzip.compress(good.replace(b'"v": [', b'"v": ["x", ', 1)), "line 1"),
        (gzip.compress(good.replace(b'"v": [', b'"v": [0.5, ', 1)), "line 1"),
        (gzip.compress(good.replace(b'"seed": ', b'"seed": -1.5e', 1)), "line 1"),
        (gzip.compress(good.replace(b'"won"', b'"win"', 1)), "line 1"),
        (gzip.compress(good + b"[]\n"), f"line {len(good.splitlines()) + 1}"),
    ):
        file.write_bytes(content)
        with pytest.raises(BadFile, match=line):
            list(read_advantage_log(file))


def test_the_folder_of_an_earlier_release_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "judged").mkdir()
    for file in rounds_of(folder).values():
        (tmp_path / "judged" / file.name).write_bytes(file.read_bytes())
    assert [file.name for file in rounds_of(tmp_path).values()] == [
        file.name for file in rounds_of(folder).values()
    ]
