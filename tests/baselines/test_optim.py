"""Gradient steps, against torch's own."""

from __future__ import annotations

import copy

import pytest
import tiny
import torch
from torch import nn

from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_envs.errors import BenchError


def loss_of(model, scale=1.0):
    ids = torch.arange(24).reshape(2, 12)
    return scale * model(input_ids=ids).logits.square().mean()


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3])
def test_a_step_is_adamws_bit_for_bit(clip_norm):
    ours = tiny.policy().model
    theirs = copy.deepcopy(ours)
    config = OptimConfig(lr=1e-2, warmup=0.0, clip_norm=clip_norm, weight_decay=0.01)
    trainer = Trainer(ours.parameters(), config, 10, "policy")
    adam = torch.optim.AdamW(theirs.parameters(), lr=1e-2, betas=(0.9, 0.98), weight_decay=0.01)
    for _ in range(3):
        trainer.backward(loss_of(ours))
        loss_of(theirs).backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        adam.step()
        adam.zero_grad()
        assert trainer.step()["gradient"] == norm.item()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_small_steps_of_few_bits_add_up():
    """A step of 1e-5 is less than bfloat16 resolves at 1, and a thousand of them are not."""
    weight = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    trainer = Trainer([weight], OptimConfig(lr=1e-5, warmup=0.0), 1000, "policy")
    for _ in range(1000):
        trainer.backward(weight.sum())
        trainer.step()
    assert weight.tolist() == pytest.approx([0.99] * 4, abs=0.004)


def test_a_resumed_optimiser_goes_on_where_it_was():
    first, second = tiny.policy(dtype=torch.bfloat16).model, None
    trainer = Trainer(first.parameters(), OptimConfig(lr=1e-3), 8, "policy")
    for update in range(4):
        if update == 2:
            second = copy.deepcopy(first)
            resumed = Trainer(second.parameters(), OptimConfig(lr=1e-3), 8, "policy")
            resumed.load_state_dict(copy.deepcopy(trainer.state_dict()))
        trainer.backward(loss_of(first))
        trainer.step()
        if second is not None:
            resumed.backward(loss_of(second))
            resumed.step()
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_no_number_is_told_in_a_sentence():
    weight = nn.Parameter(torch.ones(2))
    trainer = Trainer([weight], OptimConfig(), 1, "critic")
    with pytest.raises(BenchError, match="loss of the critic is nan at update 1: lower"):
        trainer.backward(weight.sum() * float("nan"))
    weight.grad = torch.tensor([1.0, float("inf")])
    with pytest.raises(BenchError, match="gradient of the critic is not a number at update 1"):
        trainer.step()


def test_what_has_no_gradient_stays():
    used, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    trainer = Trainer([used, idle], OptimConfig(lr=0.1, warmup=0.0), 1, "policy")
    trainer.backward(used.sum())
    trainer.step()
    assert used.tolist() != [1.0, 1.0] and idle.tolist() == [1.0, 1.0]
