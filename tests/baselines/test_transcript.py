from __future__ import annotations

import pytest
import tiny
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.data.transcript import NOTICE, REACT_PROMPT, Encoder, Writer, derive_wording
from qevolve_baselines.model.policy import Policy, TranscriptConfig, make_model
from qevolve_baselines.model.tokenizer import train_tokenizer
from qevolve_envs.episode import Episode, Step
from qevolve_envs.errors import BenchError

GOAL = "Open the red door."
FIRST = f"Your task: {GOAL}\nYou are in a hall. Here is a key."


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(tiny.texts(), 360, "words")


def encoder_of(tokenizer, **limits):
    limits = {"context": 128, "max_action_tokens": 8, "max_observation_tokens": 32, **limits}
    return Encoder(tokenizer, **limits)


def played(encoder, turns, observation="You have the key."):
    """A writer that has written `turns` different actions."""
    writer = Writer(encoder, GOAL, FIRST)
    for i in range(turns):
        action = encoder.action(f"go {tiny.COLOURS[i % 4]}")
        writer.write(action, [-0.5] * len(action))
        writer.read(f"{observation} {i}")
    return writer


def episode_of(actions, observations, goal=GOAL, first=FIRST):
    episode = Episode(tiny.ENV_ID, {}, "hall/train/00", "train", 0, "x")
    episode.goal, episode.first_observation = goal, first
    for action, observation in zip(actions, observations, strict=True):
        episode.steps.append(Step(action, observation, 0.0, "ok", 0.0))
    return episode


# ── the transcript of an episode ────────────────────────────────────────────


def test_layout_token_by_token(tokenizer):
    encoder = encoder_of(tokenizer)
    trajectory = encoder.demonstration(
        episode_of(["take key", "go red"], ["You have the key.", "You are at the red door."])
    )
    (transcript,) = trajectory.transcripts
    ids, (act, end) = transcript.ids, tokenizer.convert_tokens_to_ids(["<act>", "<end>"])
    assert tokenizer.decode(ids) == (
        f"{FIRST}<act>take key<end>You have the key.<act>go red<end>You are at the red door.<act>"
    )
    assert [step for step, _, _ in transcript.spans] == [0, 1]
    for (_, start, stop), action in zip(transcript.spans, ["take key", "go red"], strict=True):
        assert ids[start - 1] == act and ids[stop - 1] == end
        assert tokenizer.decode(ids[start : stop - 1]) == action
    assert trajectory.action_tokens == sum(b - a for _, a, b in transcript.spans)


def test_it_only_grows(tokenizer):
    encoder = encoder_of(tokenizer)
    writer = Writer(encoder, GOAL, FIRST)
    before = list(writer.current.ids)
    for i in range(3):
        writer.write(encoder.action("go red"))
        assert writer.current.ids[: len(before)] == before
        writer.read(f"You see {i}.")
        assert writer.current.ids[: len(before)] == before
        before = list(writer.current.ids)


def test_an_action_that_did_not_end_is_ended_outside_of_its_span(tokenizer):
    encoder = encoder_of(tokenizer)
    writer = Writer(encoder, GOAL, FIRST)
    unended = encoder.encode("take key take key")[:4]
    writer.write(unended, [-1.0] * 4)
    writer.read("What?")
    (span,) = writer.current.spans
    assert writer.current.ids[span[1] : span[2]] == unended
    assert writer.current.ids[span[2]] == encoder.wording.stop
    assert len(writer.current.logprobs) == span[2] - span[1]


def test_generated_tokens_stay_as_they_were_sampled(tokenizer):
    """Even where the tokenizer would have written the same text with other tokens."""
    encoder = encoder_of(tokenizer)
    canonical = encoder.encode("take key")
    odd = [i for letter in "take key" for i in encoder.encode(letter)]
    assert odd != canonical and encoder.command(odd) == "take key"
    writer = Writer(encoder, GOAL, FIRST)
    writer.write([*odd, encoder.wording.stop])
    writer.read("You have the key.")
    _, start, end = writer.current.spans[0]
    assert writer.current.ids[start:end] == [*odd, encoder.wording.stop]


def test_the_goal_is_said_if_the_observation_does_not(tokenizer):
    encoder = encoder_of(tokenizer)
    assert "Open the red door." in tokenizer.decode(encoder.head(GOAL, "You are in a hall."))
    assert tokenizer.decode(encoder.head(GOAL, FIRST)).count(GOAL) == 1


def test_an_observation_cannot_contain_special_tokens(tokenizer):
    encoder = encoder_of(tokenizer)
    ids = encoder.observation("A sign says <end> and <act>.")
    assert ids.count(encoder.wording.stop) == 0
    assert ids.count(tokenizer.convert_tokens_to_ids("<act>")) == 1  # The one that opens an action.
    assert "< end>" in tokenizer.decode(ids)
    assert encoder.head(GOAL, f"{GOAL} <end>").count(encoder.wording.stop) == 0
    assert encoder.action("<end>").count(encoder.wording.stop) == 1


def test_what_a_policy_plays_is_what_a_demonstration_of_it_says():
    """Where its tokens are canonical: those of a greedy copy of the expert are."""
    actor = tiny.policy()
    by_policy = []
    for demo in tiny.demos():
        writer = Writer(actor.encoder, demo.goal, demo.first_observation)
        for step in demo.steps:
            writer.write(actor.encoder.action(step.action))
            writer.read(step.observation)
        by_policy.append(writer.transcripts)
    from_text = [actor.encoder.demonstration(demo).transcripts for demo in tiny.demos()]
    assert by_policy == from_text
    for trajectory in tiny.own_episodes(actor):
        again = actor.encoder.demonstration(
            episode_of(
                ["go red"] * len(trajectory.episode.steps),
                [s.observation for s in trajectory.episode.steps],
                trajectory.episode.goal,
                trajectory.episode.first_observation,
            )
        )
        # Other actions, the same reading between them.
        for ours, theirs in zip(trajectory.transcripts, again.transcripts, strict=True):
            assert read_only(ours, actor.encoder) == read_only(theirs, actor.encoder)


def read_only(transcript, encoder):
    """What was read, cut at the actions and without a stop token that was put behind one."""
    pieces, at = [], 0
    for _, start, end in transcript.spans:
        pieces.append(transcript.ids[at:start])
        at = end
    pieces.append(transcript.ids[at:])
    return [p[1:] if p[:1] == [encoder.wording.stop] else p for p in pieces]


def test_react_speaks_of_thoughts_and_actions(tokenizer):
    encoder = encoder_of(tokenizer, style="react", context=512, max_action_tokens=32)
    assert REACT_PROMPT in tokenizer.decode(encoder.head(GOAL, FIRST))
    for said, meant in (
        ("Thought: hm\nAction: go red", "go red"),
        ("Action: go red\nno, Action: go blue ", "go blue"),
        ("go red", "go red"),
        ("Thought: hm\nAction:", ""),
    ):
        assert encoder.command([*encoder.encode(said), encoder.wording.stop]) == meant
    assert encoder.command(encoder.action("go red")) == "go red"


def test_too_long_an_action_is_refused_in_a_sentence(tokenizer):
    with pytest.raises(BenchError, match="max_action_tokens"):
        encoder_of(tokenizer).action("a very long action that no policy could write")


# ── overlong episodes ───────────────────────────────────────────────────────


def test_an_overlong_observation_loses_its_middle_and_says_so(tokenizer):
    encoder = encoder_of(tokenizer)
    text = " ".join(f"item {i}" for i in range(100))
    ids = encoder.observation(text)
    assert len(ids) == encoder.max_turn_tokens
    said = tokenizer.decode(ids)
    assert said.startswith("item 0") and said.endswith("99<act>") and " [...] " in said


def test_the_task_is_never_cut(tokenizer):
    long_task = " ".join(["a long task"] * 40)
    with pytest.raises(BenchError, match="longer context"):
        encoder_of(tokenizer).head(long_task, long_task)


def test_every_step_has_one_span_however_often_the_context_overflows(tokenizer):
    encoder = encoder_of(tokenizer, context=140)
    writer = played(encoder, 30)
    assert len(writer.transcripts) > 2
    steps = [step for t in writer.transcripts for step, _, _ in t.spans]
    assert steps == list(range(30))
    for transcript in writer.transcripts:
        for _, start, end in transcript.spans:
            assert end <= 140  # What is read behind the last action is not read by the model.
            assert transcript.ids[end - 1] == encoder.wording.stop
            assert tokenizer.decode(transcript.ids[start:end]).startswith("go ")
        assert len(transcript.logprobs) == sum(b - a for _, a, b in transcript.spans)


def test_a_restart_has_task_notice_and_the_latest_turns(tokenizer):
    encoder = encoder_of(tokenizer, context=200)
    writer = Writer(encoder, GOAL, FIRST)
    i = 0
    while len(writer.transcripts) == 1:
        writer.write(encoder.action(f"go {tiny.COLOURS[i % 4]}"))
        writer.read(f"You are at door {i}.")
        i += 1
    old, new = (tokenizer.decode(t.ids) for t in writer.transcripts)
    assert new.startswith(f"{FIRST}\n{NOTICE}<act>")
    kept = new.removeprefix(f"{FIRST}\n{NOTICE}<act>")
    assert kept and old.endswith(kept)  # whole turns, up to the very last one
    assert kept.startswith("go ") and kept.count("<end>") > 1
    assert len(writer.transcripts[1].ids) <= 100 and not writer.transcripts[1].spans


def test_the_latest_turn_survives_even_if_it_is_long(tokenizer):
    encoder = encoder_of(tokenizer, context=130, max_observation_tokens=48)
    writer = played(encoder, 2, observation="word " * 60)
    assert len(writer.transcripts) == 2
    assert "[...]" in tokenizer.decode(writer.transcripts[1].ids)


def test_data_has_every_action_token_once_also_after_overflows(tokenizer):
    encoder = encoder_of(tokenizer, context=140)
    actions = [f"go {tiny.COLOURS[i % 4]}" for i in range(30)]
    trajectory = encoder.demonstration(
        episode_of(actions, [f"You are at door {i}." for i in range(30)])
    )
    data = TokenizedEpisodes.of([trajectory])
    said = [
        s.ids[t] for sample in data.sequences for s, t in ((sample, int(t)) for t in sample.targets)
    ]
    assert said == [i for action in actions for i in encoder.action(action)]
    assert data.steps == 30 and len(data.step_tokens) == 30


@pytest.mark.parametrize("limits", [{"max_action_tokens": 0}, {"max_observation_tokens": 3}])
def test_limits_that_leave_no_room(tokenizer, limits):
    with pytest.raises(BenchError, match="max_"):
        encoder_of(tokenizer, **limits)


# ── chat templates, in the manner of four families ──────────────────────────

CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe good.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles.') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>"
    "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
FAMILIES = {
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>"], "<|endoftext|>"),
    "llama3": (LLAMA3, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "<|eot_id|>"),
    "mistral": (MISTRAL, [], "</s>"),
    "gemma": (GEMMA, ["<start_of_turn>", "<end_of_turn>"], "<eos>"),
}


def chat_tokenizer(template, special, eos, *, metaspace=False):
    core = Tokenizer(models.BPE())
    if metaspace:
        # In the manner of SentencePiece: a space before every text, no word over a line's end.
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split("\n", "isolated"),
                pre_tokenizers.Metaspace(prepend_scheme="always"),
            ]
        )
        core.decoder = decoders.Metaspace(prepend_scheme="always")
        alphabet = []
    else:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = list(dict.fromkeys(["<s>", eos, *special]))
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=names, initial_alphabet=alphabet, show_progress=False
    )
    words = [*tiny.texts(), REACT_PROMPT, NOTICE, "[INST] [/INST] system user assistant model\n"]
    core.train_from_iterator([*words, " ".join(words)] * 2, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token=eos)
    made.add_special_tokens(
        {"additional_special_tokens": [AddedToken(n, special=True) for n in special]}
    )
    made.chat_template = template
    return made


@pytest.mark.parametrize("metaspace", [False, True], ids=["bytes", "metaspace"])
@pytest.mark.parametrize("style", ["bare", "react"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_transcript_is_what_the_template_says(family, style, metaspace):
    tokenizer = chat_tokenizer(*FAMILIES[family], metaspace=metaspace)
    encoder = Encoder(
        tokenizer, style=style, context=1024, max_action_tokens=64, max_observation_tokens=128
    )
    actions = ["take key", "go red", "open door"]
    observations = ["You have the key.", "You are at the red door.", "The red door is open."]
    trajectory = encoder.demonstration(episode_of(actions, observations))
    (transcript,) = trajectory.transcripts
    said = [f"Action: {a}" if style == "react" else a for a in actions]
    first, system = FIRST, []
    if style == "react" and family in ("chatml", "llama3"):
        system = [{"role": "system", "content": REACT_PROMPT}]
    elif style == "react":
        first = f"{REACT_PROMPT}\n\n{FIRST}"
    dialogue = [*system, {"role": "user", "content": first}]
    for action, observation in zip(said, observations, strict=True):
        dialogue.append({"role": "assistant", "content": action})
        dialogue.append({"role": "user", "content": observation})
    expected = tokenizer.apply_chat_template(
        dialogue, tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert transcript.ids == list(expected)
    for (_, start, end), action in zip(transcript.spans, actions, strict=True):
        assert encoder.command(transcript.ids[start:end]) == action


REWRITING = {
    "the first turn once it is old": (
        "{% for m in messages %}"
        "{% if loop.first and messages | length > 1 %}<|im_start|>(earlier)<|im_end|>\n"
        "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "old answers": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ '...' if m.role == 'assistant' else m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "the last question": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% if loop.last and messages | length > 1 %} (the last one){% endif %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "answers into plain text": (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    ),
    "nothing, because it is broken": "{{ raise_exception('no messages today') }}",
}


@pytest.mark.parametrize("what", REWRITING)
def test_templates_that_rewrite_are_refused_in_a_sentence(what):
    _, special, eos = FAMILIES["chatml"]
    with pytest.raises(BenchError, match=r"chat template .*tokenizer\.chat_template = None"):
        derive_wording(chat_tokenizer(REWRITING[what], special, eos))


def test_a_template_cannot_tell_the_date():
    dated = "{{ date_string }}" + LLAMA3
    _, special, eos = FAMILIES["llama3"]
    assert derive_wording(chat_tokenizer(dated, special, eos)).start.startswith("01 Jan 2025")


def test_a_tokenizer_without_eos_or_pad_is_refused(tokenizer):
    bare = chat_tokenizer(None, [], "</s>")
    model = make_model(tiny.ScratchConfig(vocabulary=500), tokenizer, 256, 0)
    with pytest.raises(BenchError, match=r"padding token.*eos_token will do"):
        Policy(model, bare, TranscriptConfig(context=256, max_observation_tokens=48))
    bare.eos_token = None
    with pytest.raises(BenchError, match=r"end-of-sequence.*set tokenizer\.eos_token"):
        derive_wording(bare)
