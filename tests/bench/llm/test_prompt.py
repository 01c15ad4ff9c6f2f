from __future__ import annotations

import json

import pytest

from qevolve_bench.llm.prompt import load_prompt
from qevolve_envs.catalog import CATALOG
from qevolve_envs.errors import BenchError

OWN = """
name = "own"
version = 3
marker = "Do"
system = "{world}"
first = "{goal} {observation}"
next = "{observation}"
elided = "{turns} {observation}"
commands = "{commands}"
demonstration = "Do: {action}"
"""


@pytest.mark.parametrize("name", ["react", "act"])
def test_what_comes_with_the_package(name):
    prompt = load_prompt(name)
    assert (prompt.name, prompt.version) == (name, 1)
    assert f"{prompt.marker}:" in prompt.system
    # The observations of a probe name its commands.
    assert {entry.id for entry in CATALOG} - {"qevolve/Probe-v0"} == prompt.worlds.keys()
    described = json.loads(json.dumps(prompt.describe()))
    assert described["digest"] == prompt.digest and described["system"] == prompt.system


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("react", "4a892640eba367c2cd8d8a71f08d2504630a45544f1a9cee0ccd9d0ac3830b73"),
        ("act", "09412ea794c12b23fcd30a950bc44d0ce058f4fdb07a51a109bf1d0ae8bfd54d"),
    ],
)
def test_published_prompts_stay_as_they_are(name, digest):
    assert load_prompt(name).digest == digest


def test_the_digest_is_over_every_word(tmp_path):
    path = tmp_path / "own.toml"
    digests = set()
    for change in ("", "version = 4", 'next = "> {observation}"', '[worlds]\n"x/Y-v0" = "Walk."'):
        field = change.split(" =")[0]
        lines = [line for line in OWN.splitlines() if not (change and line.startswith(field))]
        path.write_text("\n".join([*lines, change]))
        digests.add(load_prompt(str(path)).digest)
        assert load_prompt(str(path)).digest in digests
    assert len(digests) == 4


def test_own_worlds_add_to_the_shipped_ones_and_replace_them(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN + '[worlds]\n"x/Y-v0" = "Walk."\n"qevolve/Lab-v0" = "Think."\n')
    worlds = load_prompt(str(path)).worlds
    assert worlds["x/Y-v0"] == "Walk." and worlds["qevolve/Lab-v0"] == "Think."
    assert worlds["qevolve/Shop-v0"] == load_prompt("react").worlds["qevolve/Shop-v0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "Cannot read the prompt"),
        ('name = "x"', "it lacks commands"),
        (OWN + "extra = 1", "Unknown field of a prompt 'extra'"),
        (OWN.replace("version = 3", 'version = "3"'), "version must not be a str"),
        (OWN.replace("version = 3", "version = true"), "version must not be a bool"),
        (OWN.replace('"Do"', '" "'), "the marker must not be empty"),
        (OWN.replace("{goal}", "{gaol}"), "the placeholder {gaol}, but only {goal}, {observation}"),
        (OWN.replace("{goal}", "{}"), "the placeholder {}"),
        (OWN.replace("{goal}", "{goal!r}"), "the placeholder {goal}"),
        (OWN.replace("{goal}", "{goal.seed}"), "the placeholder {goal.seed}"),
        (OWN.replace("{goal}", "{"), "first is no template"),
        (OWN + "[worlds]\nx = 3", "the world x must be described by a text"),
        (OWN.replace('name = "own"', 'name = "own"\nworlds = 3'), "worlds must be a table"),
    ],
)
def test_a_bad_prompt_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(BenchError) as error:
        load_prompt(str(path))
    assert words in str(error.value)


def test_unknown_and_absent_prompts():
    with pytest.raises(BenchError, match="did you mean 'react'"):
        load_prompt("reakt")
    with pytest.raises(BenchError, match=r"Cannot read the prompt absent.toml: No such file"):
        load_prompt("absent.toml")
