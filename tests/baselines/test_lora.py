from __future__ import annotations

import sys

import pytest
import tiny
import torch

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.adapters import LoraSettings, add_lora, merged
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run.run import Run
from qevolve_bench.cli import main
from qevolve_envs.errors import BenchError, MissingData

pytest.importorskip("peft", reason="adapters need the extra lora")
IDS = torch.tensor([[5, 9, 200, 17, 40]])


@torch.no_grad()
def logits(model):
    return model.eval()(input_ids=IDS).logits


@pytest.fixture
def adapted():
    policy = tiny.policy()
    add_lora(policy.model, LoraSettings(rank=4), seed=0)
    return policy


def test_adapters_change_nothing_at_first_and_are_all_that_trains(adapted):
    torch.testing.assert_close(logits(adapted.model), logits(tiny.policy().model))
    trained = [n for n, p in adapted.model.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    again = tiny.policy()
    add_lora(again.model, LoraSettings(rank=4), seed=0)
    for (_, a), (_, b) in zip(
        adapted.model.named_parameters(), again.model.named_parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sft", {"epochs": 2}),
        ("q_evolve", {"rounds": 1, "bc": {"epochs": 1}, "critic": {"epochs": 1},
                      "collect": {"per_task": 1}, "policy": {"epochs": 1}, "unhealthy": "log"}),
    ],
)  # fmt: skip
def test_learners_train_adapters_and_policies_are_saved_merged(adapted, tmp_path, name, settings):
    before = {n: p.clone() for n, p in adapted.model.named_parameters()}
    learner = make_learner(name, None, settings)
    learner.train(tiny.world(), tiny.demos(), adapted, Run(seed=0, folder=tmp_path / "run"))
    moved = [n for n, p in adapted.model.named_parameters() if not torch.equal(p, before[n])]
    assert moved and all("lora_" in n for n in moved)
    adapted.save(tmp_path / "policy")
    plain = Policy.load(tmp_path / "policy")
    assert not any("lora" in n for n, _ in plain.model.named_parameters())
    torch.testing.assert_close(logits(plain.model), logits(adapted.model), atol=1e-5, rtol=1e-4)
    assert any("lora" in n for n, _ in adapted.model.named_parameters()), "saving left it as it was"


def test_a_model_without_adapters_is_merged_already():
    model = tiny.policy().model
    assert merged(model) is model


def test_mistakes_are_told(monkeypatch):
    with pytest.raises(BenchError, match="do not fit the model"):
        add_lora(tiny.policy().model, LoraSettings(targets="no_such_layer"), seed=0)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingData, match=r"qevolve-bench\[lora\]"):
        add_lora(tiny.policy().model, LoraSettings(), seed=0)


def test_the_command_takes_them(tmp_path, capsys):
    pytest.importorskip("tensorboard", reason="curves need the extra tensorboard")
    arguments = ["train", "sft", "--env", tiny.ENV_ID, "--demos", "12", "--set", "epochs=1"]
    form = [
        "--form",
        "context=256",
        "--form",
        "max_observation_tokens=48",
    ]
    out = tmp_path / "run"
    options = ["--lora", "rank=2", "--lora", "targets=q_proj,v_proj", "--dtype", "bfloat16"]
    assert main([*arguments, *form, *options, "--tensorboard", "--out", str(out)]) == 0
    assert list((out / "tensorboard").glob("events*"))
    assert main([*arguments, *form, "--lora", "rang=2", "--out", str(tmp_path / "2")]) == 2
    assert "did you mean 'lora.rank'" in capsys.readouterr().err
    assert not (tmp_path / "2").exists()


def test_without_tensorboard_it_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard.writer", raising=False)
    arguments = ["train", "sft", "--env", tiny.ENV_ID, "--tensorboard"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "qevolve-bench[tensorboard]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
