"""The losses of SFT and GRPO agree with TRL's, on transcripts of several turns.

TRL is no dependency: in an environment that has torch and this package, `pip install trl`.
"""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.data.batches import TokenizedEpisodes, make_batch
from qevolve_baselines.learners.sft import sft_loss
from qevolve_baselines.learners.surrogate import surrogate_loss, token_weights
from qevolve_baselines.model.forward import action_logits, token_figures
from qevolve_baselines.model.policy import Policy

pytest.importorskip("trl", reason="TRL is not installed; it is compared with only where it is")


@pytest.fixture(scope="module")
def data():
    """Episodes of different lengths, with observations between the actions."""
    return TokenizedEpisodes.of(tiny.own_episodes(tiny.warm_policy(), 6))


def ours(policy, data):
    batch = make_batch(data, range(len(data.sequences)), "cpu")
    figures = token_figures(action_logits(policy.model, batch), batch, 1.0)
    return batch, figures.logprobs


def gradient(policy, loss):
    policy.model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters()])


def arguments(kind, folder, **more):
    return kind(
        output_dir=str(folder),
        report_to=[],
        use_cpu=True,
        bf16=False,
        **more,
    )


def labels_of(batch):
    labels = torch.full_like(batch.ids, -100)
    labels[batch.rows, batch.columns] = batch.ids[batch.rows, batch.columns]
    return labels


def test_sft_loss_is_that_of_transformers_and_trl(data, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    policy = tiny.warm_policy()
    batch, logprobs = ours(policy, data)
    loss = sft_loss(logprobs, torch.ones_like(logprobs))
    slopes = gradient(policy, loss)
    labels = labels_of(batch)
    mask = batch.filled.long()

    output = policy.model(input_ids=batch.ids, attention_mask=mask, labels=labels)
    assert loss.item() == pytest.approx(output.loss.item(), rel=1e-5)

    trainer = SFTTrainer(
        model=policy.model,
        args=arguments(SFTConfig, tmp_path, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=Dataset.from_dict({"input_ids": [batch.ids[0].tolist()]}),
        processing_class=policy.tokenizer,
    )
    inputs = {"input_ids": batch.ids, "attention_mask": mask, "labels": labels}
    theirs = trainer.compute_loss(policy.model, inputs)
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-5)
    torch.testing.assert_close(slopes, gradient(policy, theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("theirs", "mean", "upper"),
    [("grpo", "episode", 0.2), ("bnpo", "token", 0.28), ("dr_grpo", "constant", 0.2)],
)
def test_grpo_loss_is_that_of_trl(data, tmp_path, theirs, mean, upper):
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    # From a folder, because TRL loads its reference model from where the model came from.
    tiny.warm_policy().save(tmp_path / "policy")
    policy = Policy.load(tmp_path / "policy")
    batch, logprobs = ours(policy, data)
    generator = torch.Generator().manual_seed(0)

    def near(values, spread):
        return (values + spread * torch.randn(values.shape, generator=generator)).detach()

    # Ratios on both sides of the clip range.
    old, reference = near(logprobs, 0.3), near(logprobs, 0.5)
    per_episode = torch.randn(len(data.sequences), generator=generator)
    advantages = per_episode[batch.rows]
    longest = 64
    weights = token_weights(data, [list(range(len(data.sequences)))], mean, longest)
    loss, _ = surrogate_loss(
        logprobs,
        old,
        reference,
        advantages,
        torch.from_numpy(weights)[batch.tokens].to(logprobs),
        clip_low=0.2,
        clip_high=upper,
        kl=0.1,
    )
    slopes = gradient(policy, loss)

    trainer = GRPOTrainer(
        model=policy.model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments(
            GRPOConfig,
            tmp_path,
            beta=0.1,
            epsilon=0.2,
            epsilon_high=upper,
            loss_type=theirs,
            use_bias_correction_kl=False,
            num_generations=2,
            per_device_train_batch_size=2,
            max_completion_length=longest,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        processing_class=policy.tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    # All but the first token is "completion"; what the environment said in it is masked as what a
    # tool said. Ours has no numbers for those tokens, and any will do.
    inside = torch.zeros(batch.ids.shape)
    inside[batch.rows, batch.columns] = 1.0

    def spread_out(values):
        table = torch.zeros(batch.ids.shape)
        table[batch.rows, batch.columns] = values
        return table[:, 1:]

    mask = batch.filled.long()
    inputs = {
        "prompt_ids": batch.ids[:, :1],
        "prompt_mask": mask[:, :1],
        "completion_ids": batch.ids[:, 1:],
        "completion_mask": mask[:, 1:],
        "tool_mask": inside[:, 1:],
        "advantages": per_episode,
        "old_per_token_logps": spread_out(old),
        "ref_per_token_logps": spread_out(reference),
        "num_items_in_batch": inside.sum(),
    }
    value = trainer._compute_loss(policy.model, inputs)
    assert loss.item() == pytest.approx(value.item(), rel=1e-4)
    torch.testing.assert_close(slopes, gradient(policy, value), rtol=1e-3, atol=1e-6)
    assert np.isfinite(slopes).all()
