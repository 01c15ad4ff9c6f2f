from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from qevolve_baselines import parallel
from qevolve_baselines.data.batches import (
    TokenizedEpisodes,
    bucketed,
    draw_updates,
    flat,
    make_batch,
    passes_of,
)
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.model.forward import action_logits, data_logprobs, token_figures
from qevolve_baselines.model.policy import TranscriptConfig
from qevolve_envs.errors import BenchError


@pytest.fixture(scope="module")
def actor():
    # A context that overflows within an episode, so that episodes have several transcripts.
    return tiny.policy(
        transcript_config=TranscriptConfig(
            context=110, max_action_tokens=8, max_observation_tokens=30
        )
    )


@pytest.fixture(scope="module")
def played(actor):
    return tiny.own_episodes(actor, 20)


@pytest.fixture(scope="module")
def data(played):
    assert any(len(t.transcripts) > 1 for t in played)
    return TokenizedEpisodes.of(played)


def test_every_action_token_is_there_once_in_order(data, played):
    written = [i for t in played for x in t.transcripts for _, a, b in x.spans for i in x.ids[a:b]]
    assert [s.ids[t] for s in data.sequences for t in s.targets] == written
    assert data.tokens == len(written) == int(data.step_tokens.sum())
    assert np.concatenate(
        [s.first + np.arange(len(s.targets)) for s in data.sequences]
    ).tolist() == (list(range(data.tokens)))
    assert data.steps == sum(len(t.episode.steps) for t in played) == len(data.step_tokens)
    np.testing.assert_array_equal(np.bincount(data.token_steps), data.step_tokens)


def test_states_stand_before_actions_and_actions_end_in_their_last_token(data, actor):
    opening = actor.tokenizer.convert_tokens_to_ids("<act>")
    for step in range(data.steps):
        (sample, before), (same, last) = data.state_at[step], data.action_at[step]
        assert sample == same and last - before == data.step_tokens[step]
        assert data.sequences[sample].ids[before] == opening


def test_batches_say_the_same_as_the_data(data):
    for indices in bucketed([len(s.ids) for s in data.sequences], 500):
        batch = make_batch(data, indices, "cpu")
        assert batch.size == int(batch.filled.sum()) <= batch.ids.numel()
        for row, index in enumerate(indices):
            sample = data.sequences[index]
            here = batch.rows == row
            assert batch.ids[row][batch.filled[row]].tolist() == sample.ids
            assert batch.columns[here].tolist() == sample.targets.tolist()
            assert batch.steps[here].tolist() == sample.steps.tolist()
            assert data.token_steps[batch.tokens[here]].tolist() == sample.steps.tolist()
        assert batch.of.tolist() == sorted(set(batch.steps.tolist()))
        for (rows, columns), table in (
            (batch.state, data.state_at),
            (batch.action, data.action_at),
        ):
            assert [indices[r] for r in rows] == table[batch.of, 0].tolist()
            assert columns.tolist() == table[batch.of, 1].tolist()


@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=60),
    batch_tokens=st.integers(1, 600),
    pass_tokens=st.integers(1, 600),
)
def test_updates_deal_out_every_sample_once(lengths, batch_tokens, pass_tokens):
    updates = draw_updates(
        lengths, batch_tokens=batch_tokens, pass_tokens=pass_tokens, rng=np.random.default_rng(0)
    )
    assert sorted(i for u in updates for p in u for i in p) == list(range(len(lengths)))
    for update in updates[:-1]:
        sizes = [lengths[i] for p in update for i in p]
        assert sum(sizes) >= batch_tokens and sum(sizes) - max(sizes) < batch_tokens
    for one_pass in (p for u in updates for p in u):
        padded = len(one_pass) * max(lengths[i] for i in one_pass)
        assert padded <= pass_tokens or len(one_pass) == 1
        assert max(lengths[i] for i in one_pass) <= 1.5 * min(lengths[i] for i in one_pass)


def test_updates_mix_lengths():
    lengths = [50] * 100 + [200] * 100
    updates = draw_updates(
        lengths, batch_tokens=2500, pass_tokens=5000, rng=np.random.default_rng(1)
    )
    for update in updates[:-1]:
        assert {lengths[i] for p in update for i in p} == {50, 200}


def test_shares_add_up_to_the_mean_over_the_update(data):
    lengths = [len(s.ids) for s in data.sequences]
    (update,) = draw_updates(
        lengths, batch_tokens=10**6, pass_tokens=300, rng=np.random.default_rng(2)
    )
    assert len(update) > 2
    figures = np.random.default_rng(3).random(data.tokens)
    of_steps = np.random.default_rng(4).random(data.steps)
    tokens = steps = 0.0
    for batch, fraction in passes_of(data, update, "cpu"):
        tokens += fraction.tokens * figures[batch.tokens].mean()
        steps += fraction.steps * of_steps[batch.of].mean()
    assert tokens == pytest.approx(figures.mean())
    assert steps == pytest.approx(of_steps.mean())


def test_one_pass_gives_the_logprobs_that_were_stored_while_sampling(data, played, actor):
    stored = np.concatenate([x.logprobs for t in played for x in t.transcripts])
    fresh = data_logprobs(actor.model, data, temperature=1.0, token_budget=400)
    np.testing.assert_allclose(stored, fresh, atol=1e-4)


def test_figures_of_tokens_are_those_of_the_distribution(data, actor):
    batch = make_batch(data, [0, 1], "cpu")
    logits = action_logits(actor.model, batch)
    figures = token_figures(logits, batch, 0.7)
    distribution = torch.distributions.Categorical(logits=logits / 0.7)
    written = batch.ids[batch.rows, batch.columns]
    torch.testing.assert_close(figures.logprobs, distribution.log_prob(written))
    torch.testing.assert_close(figures.entropy, distribution.entropy())


def test_what_is_known_per_step_is_repeated_per_token(data):
    per_step = np.arange(data.steps) * 0.5
    per_token = flat(data, per_step)
    assert len(per_token) == data.tokens
    assert per_token[: data.step_tokens[0]].tolist() == [0.0] * data.step_tokens[0]
    assert per_token[-1] == per_step[-1]


def test_nothing_to_learn_from_is_told_in_a_sentence(played):
    with pytest.raises(BenchError, match="no action to learn from"):
        TokenizedEpisodes.of([])
    with pytest.raises(BenchError, match="no action to learn from"):
        TokenizedEpisodes.of([Trajectory(played[0].episode, [])])


@pytest.mark.parametrize("processes", [2, 3, 9])
def test_processes_share_an_update_also_a_small_one(data, monkeypatch, processes):
    """The last update of an epoch may have fewer transcripts than there are processes."""
    update = [[0, 3], [1]]
    whole = sum(len(data.sequences[i].ids) for i in (0, 3, 1))
    monkeypatch.setattr(parallel, "size", lambda: processes)
    tokens: list[int] = []
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        read = list(passes_of(data, update, "cpu"))
        assert sum(batch.size for batch, _ in read) == whole, "every ledger counts what all read"
        shares += [share for _, share in read]
        tokens += [t for batch, fraction in read if fraction.tokens for t in batch.tokens.tolist()]
    assert np.sum(shares, axis=0).tolist() == pytest.approx([1, 1])
    assert shares.count((0.0, 0.0)) == max(0, processes - 3)
    assert sorted(tokens) == sorted(
        t for i in (0, 1, 3) for t in make_batch(data, [i], "cpu").tokens.tolist()
    )
