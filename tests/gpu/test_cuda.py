"""The learners on a CUDA device; ``pytest -m gpu tests/gpu``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.decoding import GenerateDecoder, LockstepDecoder
from qevolve_baselines.model.forward import data_logprobs
from qevolve_baselines.run.run import Run
from qevolve_bench.cli import main

QUICK = {
    "sft": {"epochs": 2},
    "q_evolve": {
        "rounds": 1,
        "bc": {"epochs": 4},
        "collect": {"per_task": 2},
        "critic": {"epochs": 2},
        "policy": {"epochs": 1},
        "unhealthy": "log",
    },
}


def on_gpu(dtype=torch.float32):
    made = tiny.policy(heads=4, kv_heads=2, dtype=dtype)
    made.model.to("cuda")
    return made


def test_lockstep_is_generate():
    model = on_gpu(torch.float64).model.eval()
    rng = np.random.default_rng(0)
    decoders = LockstepDecoder(model), GenerateDecoder(model, 0)
    for decoder in decoders:
        decoder.begin(4)
    transcripts = [rng.integers(3, 300, size=n).tolist() for n in (5, 9, 3, 20)]
    for _ in range(4):
        uniforms = rng.random((4, 8))
        ours, theirs = (
            d.turn(transcripts, uniforms, stop=2, max_new_tokens=8, temperature=0.8)
            for d in decoders
        )
        assert [a.ids for a in ours] == [b.ids for b in theirs]
        for row, answer in enumerate(ours):
            np.testing.assert_allclose(answer.logprobs, theirs[row].logprobs, atol=1e-5)
            transcripts[row] = [*transcripts[row], *answer.ids, *rng.integers(3, 300, size=row + 1)]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.15)], ids=["f32", "bf16"]
)
def test_stored_logprobs_are_those_of_a_whole_pass(dtype, tolerance):
    actor = on_gpu(dtype)
    played = tiny.own_episodes(actor, 12)
    stored = np.concatenate([x.logprobs for t in played for x in t.transcripts])
    fresh = data_logprobs(
        actor.model, TokenizedEpisodes.of(played), temperature=1.0, token_budget=2000
    )
    np.testing.assert_allclose(stored, fresh, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", QUICK)
def test_learners_train(name, dtype, tmp_path):
    policy = on_gpu(dtype)
    run = Run(seed=0, folder=tmp_path, accelerator=True)
    make_learner(name, None, QUICK[name]).train(tiny.world(), tiny.demos(), policy, run)
    assert run.ledger.accelerator_seconds > 0
    assert all(torch.isfinite(p).all() for p in policy.model.parameters())
    losses = [json.loads(x).get("loss") for x in (tmp_path / "metrics.jsonl").open()]
    losses = [x for x in losses if x is not None]
    assert len(losses) > 2 and all(np.isfinite(losses))


def test_the_command_trains_and_its_policy_loads_anywhere(tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "sft", "--env", tiny.ENV_ID, "--demos", "12", "--device", "cuda"]
    form = [
        "--form",
        "context=256",
        "--form",
        "max_observation_tokens=48",
    ]
    options = ["--dtype", "bfloat16", "--gradient-checkpointing", "--set", "epochs=2"]
    assert main([*arguments, *form, *options, "--out", str(out)]) == 0
    from qevolve_baselines.model.policy import Policy

    assert Policy.load(out / "policy").device.type == "cpu"
