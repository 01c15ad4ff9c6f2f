from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from scipy.stats import chi2
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    MistralConfig,
)

from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.model import decoding
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.decoding import (
    GenerateDecoder,
    LockstepDecoder,
    draw,
    reads_in_lockstep,
)
from qevolve_baselines.model.forward import action_logits, data_logprobs, head_logits, hidden_states
from qevolve_baselines.model.policy import Policy, TranscriptConfig
from qevolve_envs.agent import TaskView

STOP = 2
WIDTH = 6


def foreign(config_class, **settings):
    """A model of another family, with the tiny tokenizer's vocabulary."""
    vocabulary = len(tiny.policy().tokenizer)
    config = config_class(vocab_size=vocabulary, pad_token_id=0, bos_token_id=None, **settings)
    config.eos_token_id = STOP
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = AutoModelForCausalLM.from_config(config)
        for parameter in made.parameters():  # Far from uniform, so that differences show.
            parameter.data.mul_(3)
    return made.eval()


SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 160,
}
MODELS = {
    "llama-mha": lambda: tiny.policy(heads=4, kv_heads=4).model.eval(),
    "llama-gqa": lambda: tiny.policy(heads=4, kv_heads=2).model.eval(),
    "qwen2-gqa": lambda: tiny.policy(architecture="qwen2", heads=4, kv_heads=1).model.eval(),
    "qwen3-mha": lambda: tiny.policy(architecture="qwen3", heads=2, kv_heads=2).model.eval(),
    "gpt2": lambda: foreign(GPT2Config, n_embd=32, n_layer=2, n_head=4, n_positions=96),
    "gemma2": lambda: foreign(Gemma2Config, **SMALL, sliding_window=96, query_pre_attn_scalar=8),
}


def dialogue(rng, turns):
    """Ragged chunks of what five rows read at each turn; they end at different times."""

    def chunk():
        return rng.integers(3, 300, size=int(rng.integers(1, 9))).tolist()

    last = [turns, turns - 1, 1, turns, 2]
    return [[chunk() if turn < end else None for end in last] for turn in range(turns)]


def converse(decoder, chunks, *, temperature=1.0, seed=0, greedy=False, restart=None):
    """Plays a dialogue: transcripts after it, and all that was sampled."""
    rows = len(chunks[0])
    rng = np.random.default_rng(seed)
    transcripts = [[] for _ in range(rows)]
    said = []
    decoder.begin(rows)
    for turn, reading in enumerate(chunks):
        for row, chunk in enumerate(reading):
            if chunk is not None:
                if restart == (turn, row):
                    transcripts[row] = transcripts[row][:2] + transcripts[row][-5:]
                transcripts[row] += chunk
        given = [
            list(transcripts[row]) if chunk is not None else None
            for row, chunk in enumerate(reading)
        ]
        uniforms = None if greedy else rng.random((rows, WIDTH))
        answers = decoder.turn(
            given, uniforms, stop=STOP, max_new_tokens=WIDTH, temperature=temperature
        )
        for row, answer in enumerate(answers):
            assert (given[row] is None) == (answer.ids == [])
            assert STOP not in answer.ids[:-1] and len(answer.ids) <= WIDTH
            transcripts[row] += answer.ids
        said.append((given, answers))
    return said


@torch.no_grad()
def check_against_full_forward(model, said, temperature):
    """Each answer's log-probabilities are those of one plain pass over everything before it."""
    for given, answers in said:
        for before, answer in zip(given, answers, strict=True):
            if before is None:
                continue
            ids = torch.tensor([[*before, *answer.ids]])
            logits = model(input_ids=ids).logits[0, len(before) - 1 : -1]
            expected = torch.log_softmax(logits.float() / temperature, -1)
            expected = expected.gather(1, torch.tensor(answer.ids)[:, None])[:, 0]
            np.testing.assert_allclose(answer.logprobs, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("greedy", [False, True], ids=["sampled", "greedy"])
@pytest.mark.parametrize("name", MODELS)
def test_lockstep_is_generate_is_a_full_forward(name, greedy):
    model = MODELS[name]()
    chunks = dialogue(np.random.default_rng(1), turns=5)
    options = {"temperature": 1.0 if greedy else 0.7, "greedy": greedy, "restart": (3, 0)}
    ours = converse(LockstepDecoder(model), chunks, **options)
    theirs = converse(GenerateDecoder(model, pad=0), chunks, **options)
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        assert [x.ids for x in a] == [x.ids for x in b]
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x.logprobs, y.logprobs, atol=1e-5)
    check_against_full_forward(model, ours, options["temperature"])


def test_reading_in_pieces_changes_nothing(monkeypatch):
    model = MODELS["llama-gqa"]()
    chunks = dialogue(np.random.default_rng(2), turns=4)
    whole = converse(LockstepDecoder(model), chunks)
    monkeypatch.setattr(decoding, "MASK_NUMBERS", 200)
    pieces = converse(LockstepDecoder(model), chunks)
    assert [[a.ids for a in answers] for _, answers in pieces] == [
        [a.ids for a in answers] for _, answers in whole
    ]
    check_against_full_forward(model, pieces, 1.0)


@pytest.mark.parametrize("length", [30, 200])
def test_rows_with_much_to_read_are_read_apart(monkeypatch, length):
    # 200 tokens are more than the cache has room for when they come.
    model = MODELS["llama-gqa"]()
    rng = np.random.default_rng(3)
    chunks = dialogue(rng, turns=5)
    chunks[1][0] = rng.integers(3, 300, size=length).tolist()
    chunks[3][3] = rng.integers(3, 300, size=length).tolist()
    apart = []
    absorb = decoding.RaggedCache.absorb

    def noted(self, rows, other):
        apart.append(rows.tolist())
        absorb(self, rows, other)

    monkeypatch.setattr(decoding.RaggedCache, "absorb", noted)
    said = converse(LockstepDecoder(model), chunks, restart=(2, 1))
    assert [0] in apart and len(apart) >= 2
    check_against_full_forward(model, said, 1.0)
    monkeypatch.setattr(decoding, "LONG_CHUNK", float("inf"))
    together = converse(LockstepDecoder(model), chunks, restart=(2, 1))
    assert [[a.ids for a in answers] for _, answers in together] == [
        [a.ids for a in answers] for _, answers in said
    ]


def test_padding_never_reads_past_the_end_of_a_model_with_absolute_positions():
    """One row begins anew with a long text while another stands near the end of its context."""
    model = foreign(GPT2Config, n_embd=32, n_layer=1, n_head=2, n_positions=64)
    rng = np.random.default_rng(0)
    decoder = LockstepDecoder(model)
    decoder.begin(3)
    options = {"stop": STOP, "max_new_tokens": WIDTH, "temperature": 1.0}
    full = [rng.integers(3, 300, size=64 - WIDTH).tolist() for _ in range(3)]
    decoder.turn([full[0][:40], full[1][:8], full[2]], None, **options)
    said = decoder.turn([full[0], full[2], None], None, **options)
    check_against_full_forward(model, [([full[0], full[2], None], said)], 1.0)


def test_stored_logprobs_are_those_of_the_sampling_distribution():
    """Of whole episodes: what a training pass over the transcripts computes."""
    actor = tiny.policy(seed=3)
    actor.model.get_output_embeddings().weight.data.mul_(4)
    for temperature in (1.0, 0.6):
        trajectories = tiny.own_episodes(actor, 12, temperature=temperature)
        stored = np.concatenate([t.logprobs for x in trajectories for t in x.transcripts])
        data = TokenizedEpisodes.of(trajectories)
        fresh = data_logprobs(actor.model, data, temperature=temperature, token_budget=600)
        np.testing.assert_allclose(stored, fresh, atol=1e-5)


def test_sampling_follows_the_softmax():
    logits = torch.tensor([0.3, -1.0, 2.0, -9.0, 0.0, 1.1, float("-inf"), -0.4])
    n = 20_000
    uniforms = torch.from_numpy(np.random.default_rng(5).random(n))
    tokens, logprobs = draw(logits.expand(n, -1), uniforms, 0.8)
    probabilities = torch.softmax(logits / 0.8, -1)
    counts = torch.bincount(tokens, minlength=8)
    assert counts[6] == 0
    kept = probabilities * n > 5
    expected = probabilities[kept] * n
    statistic = float(((counts[kept] - expected) ** 2 / expected).sum())
    assert statistic < chi2.ppf(0.999, int(kept.sum()) - 1)
    torch.testing.assert_close(logprobs, torch.log(probabilities)[tokens])


def test_a_decoder_samples_from_the_softmax():
    """One position, many rows: the frequencies of the first token of an answer."""
    model = MODELS["llama-gqa"]()
    model.get_output_embeddings().weight.data.mul_(8)
    prompt, rows = [5, 9, 200, 17], 2000
    decoder = LockstepDecoder(model)
    decoder.begin(rows)
    uniforms = np.random.default_rng(7).random((rows, 1))
    said = decoder.turn([prompt] * rows, uniforms, stop=STOP, max_new_tokens=1, temperature=1.0)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    expected = torch.softmax(logits, -1).numpy() * rows
    counts = np.bincount([a.ids[0] for a in said], minlength=len(expected))
    often = expected > 5
    assert often.sum() > 5
    observed = [*counts[often], counts[~often].sum()]
    wanted = [*expected[often], expected[~often].sum()]
    statistic = sum((o - w) ** 2 / w for o, w in zip(observed, wanted, strict=True))
    assert statistic < chi2.ppf(0.999, len(wanted) - 1)


@pytest.mark.parametrize("kind", ["lockstep", "generate"])
def test_an_episode_does_not_depend_on_its_neighbours(kind):
    actor = tiny.policy(dtype=torch.float64)
    views = [
        TaskView(tiny.ENV_ID, "t", f"Open the {tiny.COLOURS[i % 4]} door.", i, list)
        for i in range(16)
    ]
    answers = ["You see.", "What do you mean?", "You are at the red door."]

    def play(chosen):
        agent = PolicyAgent(actor, temperature=1.0, decoder=kind)
        agent.reset(chosen)
        said = [agent.act(["long " * (v.seed % 5) + "hall" for v in chosen])]
        # Neighbours end at different times.
        for turn, answer in enumerate(answers):
            here = [None if v.seed % 4 == turn and v.seed != 5 else answer for v in chosen]
            said.append(agent.act(here))
        return [[said[t][i] for t in range(4)] for i in range(len(chosen))], agent

    together, agent = play(views)
    alone, lonely = play([views[5]])
    assert together[5] == alone[0]
    assert agent.finish(5, "bye")[0].ids == lonely.finish(0, "bye")[0].ids


# ── models of other families ────────────────────────────────────────────────

SCALED = {
    "gemma2": lambda: foreign(
        Gemma2Config, **SMALL, final_logit_softcapping=2.0, query_pre_attn_scalar=8
    ),
    "cohere": lambda: foreign(
        CohereConfig, **{k: v for k, v in SMALL.items() if k != "head_dim"}, logit_scale=0.3
    ),
    "granite": lambda: foreign(
        GraniteConfig,
        **{k: v for k, v in SMALL.items() if k != "head_dim"},
        logits_scaling=4.0,
    ),
    "llama": MODELS["llama-gqa"],
    "gpt2": MODELS["gpt2"],
}


@pytest.mark.parametrize("name", SCALED)
@torch.no_grad()
def test_logits_are_the_models_own(name):
    model = SCALED[name]()
    ids = torch.tensor([[5, 9, 200, 17, 40]])
    states = hidden_states(model, ids)
    torch.testing.assert_close(head_logits(model, states), model(input_ids=ids).logits)


def test_models_that_cannot_be_read_in_lockstep_get_generate():
    form = TranscriptConfig(context=96, max_action_tokens=8, max_observation_tokens=32)
    tokenizer = tiny.policy().tokenizer
    short = foreign(MistralConfig, **SMALL, sliding_window=48)
    assert not reads_in_lockstep(short, 96) and reads_in_lockstep(short, 48)
    assert isinstance(Policy(short, tokenizer, form).decoder(), GenerateDecoder)
    long = foreign(MistralConfig, **SMALL, sliding_window=96)
    assert isinstance(Policy(long, tokenizer, form).decoder(), LockstepDecoder)
    long.config._attn_implementation = "flash_attention_2"
    assert not reads_in_lockstep(long, 96)
    assert not reads_in_lockstep(MODELS["gemma2"](), 97)


def test_a_whole_pass_over_a_batch_uses_only_what_is_before_each_token():
    actor = tiny.policy()
    data = TokenizedEpisodes.of([actor.encoder.demonstration(d) for d in tiny.demos()])
    from qevolve_baselines.data.batches import make_batch

    batch = make_batch(data, range(len(data.sequences)), "cpu")
    with torch.no_grad():
        together = action_logits(actor.model, batch)
        for i, sample in enumerate(data.sequences):
            alone = actor.model(input_ids=torch.tensor([sample.ids])).logits[0, sample.targets - 1]
            torch.testing.assert_close(together[batch.rows == i], alone, atol=1e-5, rtol=1e-4)
