"""The agent `hf`, with models of two layers that are made here."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from qevolve_bench.agents import resolve_agent
from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.agent import Describes, Failed, ReportsUsage, TaskView
from qevolve_envs.errors import BenchError, MissingData

pytest.importorskip("torch")
pytest.importorskip("transformers")

TOY = "benchtoy/Corridor-v0"
CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + CHAT
)


@pytest.fixture(scope="module")
def plain(tiny_model):
    return tiny_model("plain")


@pytest.fixture
def make(toy_env):
    return lambda model, **options: resolve_agent(
        "hf", toy_env, {"model": model, "max_tokens": 6, "prompt": "act", **options}
    )


def view(index=0):
    return TaskView(TOY, f"corridor/test/{index:04d}", "Reach the door.", 40 + index, list)


def turns(agent, observations, n=2):
    """The raw answers of `n` turns with the same observations."""
    agent.reset([view(i) for i in range(len(observations))])
    return [list(agent.act(observations)) for _ in range(n)]


def test_it_plays_and_counts(make, plain):
    agent = make(plain)
    assert isinstance(agent, ReportsUsage) and isinstance(agent, Describes)
    episodes = evaluate(TOY, agent=agent, split="test", episodes=3, max_episode_steps=2)
    assert all(e.error is None and len(e.steps) == 2 for e in episodes)
    turns(agent, ["o0", "oo1", None], n=1)
    (read, written), (longer, _), none = agent.usage()
    assert longer > read > 50 and 1 <= written <= 6 and none == (0, 0)


def test_greedy_answers_do_not_depend_on_neighbours_or_seed(make, plain):
    observations = ["a", "a much longer observation than the others", "b"]
    together = turns(make(plain), observations)
    for i, observation in enumerate(observations):
        assert [row[i] for row in together] == [row[0] for row in turns(make(plain), [observation])]
    assert turns(make(plain, batch_size=2), observations) == together


def test_sampling_is_seeded_by_the_episode(make, plain):
    together = turns(make(plain, temperature=1.0), ["o", "o", "o"])
    assert turns(make(plain, temperature=1.0), ["o", "o", "o"]) == together
    assert turns(make(plain, temperature=1.0, batch_size=1), ["o", "o", "o"]) == together
    assert len(set(together[0])) == 3  # The same words, but three seeds.


def test_sampling_draws_from_the_softmax():
    import torch

    from qevolve_bench.llm.huggingface import _gumbel_noise

    logits = torch.tensor([[2.0, 1.0, 0.0]]).repeat(4000, 1)
    drawn = _gumbel_noise(0.5, range(4000))(torch.zeros(4000, 1), logits).argmax(-1)
    counts = Counter(drawn.tolist())
    expected = torch.softmax(logits[0] / 0.5, 0)  # 0.867, 0.117, 0.016
    for token, probability in enumerate(expected.tolist()):
        # Four standard deviations; the seeds are fixed, so this cannot flicker.
        assert abs(counts[token] / 4000 - probability) < 4 * (probability / 4000) ** 0.5


@pytest.mark.parametrize(
    ("template", "begins", "ends"),
    [
        (None, "You act in a text world", "Observation: Your task: Reach the door.\n\no\n"),
        (
            CHAT,
            "<system>You act in a text world",
            "<user>Your task: Reach the door.\n\no\n<assistant>",
        ),
        (
            NO_SYSTEM,
            "<user>You act in a text world",
            "Your task: Reach the door.\n\no\n<assistant>",
        ),
    ],
)
def test_the_dialogue_becomes_text(make, tiny_model, template, begins, ends):
    from qevolve_bench.llm.dialogue import Dialogue
    from qevolve_bench.llm.prompt import load_prompt

    agent = make(tiny_model("chat", template))
    dialogue = Dialogue(load_prompt("act"), TOY, "Reach the door.")
    dialogue.observe("o")
    text = agent._backend._text(dialogue.messages())
    assert text.startswith(begins) and text.endswith(ends)
    assert turns(agent, ["o"], n=1) == turns(agent, ["o"], n=1)


def test_a_dialogue_that_is_too_long_fails_its_episode_only(make, tiny_model):
    agent = make(tiny_model("short", positions=512))
    ((good, bad),) = turns(agent, ["o", "x y" * 300], n=1)
    assert isinstance(good, str)
    assert isinstance(bad, Failed) and "more than the model's 512" in bad.reason
    assert "history=N" in bad.reason
    assert agent.usage()[1] == (0, 0)


def test_the_description_names_the_weights_and_not_the_folder(make, plain, tmp_path):
    described = make(plain).describe()
    text = json.dumps(described)
    assert str(Path(plain).parent) not in text
    assert (described["model"], described["dtype"]) == ("plain", "float32")
    assert described["prompt"]["name"] == "act" and described["temperature"] == 0.0
    copy = tmp_path / "plain"
    shutil.copytree(plain, copy)
    assert make(str(copy)).describe() == described
    (copy / "model.safetensors").write_bytes(
        (copy / "model.safetensors").read_bytes()[:-1] + b"\x01"
    )
    assert make(str(copy)).describe()["model_digest"] != described["model_digest"]


def test_dtype(make, plain):
    assert make(plain, dtype="bfloat16").describe()["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    ("break_it", "options", "words"),
    [
        (lambda f: shutil.rmtree(f), {}, "is not a folder with a model (it has no config.json)"),
        (lambda f: (f / "config.json").write_text("{"), {}, "Cannot load the model in"),
        (lambda f: (f / "config.json").write_text("{}"), {}, "Cannot load the model in"),
        (lambda f: (f / "model.safetensors").unlink(), {}, "Cannot load the model in"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), {}, "Cannot load the model"),
        (lambda f: (f / "tokenizer.json").write_text("[]"), {}, "Cannot load the model in"),
        (lambda f: None, {"dtype": "flaot32"}, "did you mean 'float32'"),
        (lambda f: None, {"device": "abacus"}, "Cannot load the model in"),
        (lambda f: None, {"temperature": -1}, "must be at least 0, not -1"),
        (lambda f: None, {"max_token": 3}, "did you mean 'max_tokens'"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(make, plain, tmp_path, break_it, options, words):
    folder = tmp_path / "model"
    shutil.copytree(plain, folder)
    break_it(folder)
    with pytest.raises(BenchError) as error:
        make(str(folder), **options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_without_transformers_it_says_what_to_install(make, plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        MissingData, match=r"needs transformers: pip install 'qevolve-bench\[train\]'"
    ):
        make(plain)
