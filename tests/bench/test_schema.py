"""Every reader of the harness refuses what a file must not hold, and names the place."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_bench.cli import main
from qevolve_bench.runner.results import load_run, read_lines
from qevolve_bench.schema import (
    Bounds,
    Scalar,
    Sha256,
    Share,
    convert,
    parse_json,
    quoted,
    read_json,
    read_record,
    read_yaml,
)
from qevolve_bench.schema import read_lines as read_json_lines
from qevolve_envs.errors import BadFile


class Rate(TypedDict):
    value: float
    n: int


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    digest: Sha256 | None = None


@dataclass(slots=True)
class Plan:
    seed: Annotated[int, Bounds(0)]
    share: Share = 0.5
    outcome: Literal["success", "score"] = "success"
    parts: tuple[Part, ...] = ()
    pair: tuple[int, float] = (0, 0.0)
    rates: dict[str, Rate] = field(default_factory=dict)
    options: Mapping[str, Scalar] = field(default_factory=dict)
    demos: int | str = 0
    anything: Any = None


def test_data_become_what_they_are_annotated_as():
    raw = {
        "seed": 3,
        "share": 1,
        "outcome": "score",
        "parts": [{"name": "a"}, {"name": "b", "digest": "0" * 64}],
        "pair": [1, 2],
        "rates": {"x": {"value": 1, "n": 2}},
        "options": {"a": None, "b": True, "c": 1.5},
        "demos": "file.jsonl",
        "anything": {"deep": [1]},
    }
    plan = convert(raw, Plan, "a plan")
    assert plan == Plan(**{**raw, "parts": (Part("a"), Part("b", "0" * 64)), "pair": (1, 2.0)})
    assert type(plan.share) is float and type(plan.pair[1]) is float
    assert convert({"seed": 0}, Plan, "a plan") == Plan(0)
    # A TypedDict is the data themselves, so that they can be written again byte for byte.
    rate = {"value": 1, "n": 2}
    assert convert(rate, Rate, "a rate") is rate and type(rate["value"]) is int


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sede": 1}, "a plan has an unknown field 'sede': did you mean 'seed'?"),
        ({"zzz": 1}, "a plan has an unknown field 'zzz'"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"seed": True}, "seed must be a whole number, not true"),
        ({"seed": 1.0}, "seed must be a whole number, not 1.0"),
        ({"seed": None}, "seed must be a whole number, not null"),
        ({"share": 2}, "share must be between 0 and 1, not 2.0"),
        ({"share": math.nan}, "share must be a finite number"),
        ({"outcome": "wins"}, "outcome must be success or score, not 'wins'"),
        ({"parts": {}}, "parts must be a list, not an object"),
        ({"parts": [{"name": "a"}, {}]}, "parts[1] lacks the field 'name'"),
        ({"parts": [{"nme": "a", "name": "a"}]}, "parts[0] has an unknown field 'nme': did you"),
        ({"parts": [{"name": "a", "digest": "0"}]}, "parts[0].digest must be a SHA-256, not '0'"),
        ({"pair": [1]}, "pair must have 2 members, not 1"),
        ({"rates": {"x y": {"value": "1", "n": 2}}}, "rates.'x y'.value must be a number, not '1'"),
        ({"rates": {"x": {"n": 2}}}, "rates.x lacks the field 'value'"),
        ({"options": {"a": [1]}}, "options.a must be text, a number or true or false, not a list"),
        ({"options": {"a": math.inf}}, "options.a must be a finite number"),
        ({"demos": True}, "demos must be a whole number or text, not true"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change, words):
    with pytest.raises(BadFile) as error:
        convert({"seed": 0, **change}, Plan, "a plan")
    assert words in str(error.value)


def test_errors_of_files_name_the_file_and_the_line(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"schema": 1, "sede": 0, "seed": 0}))
    with pytest.raises(BadFile) as error:
        read_record(file, Plan, 1, "a plan")
    assert str(error.value) == f"{file}: a plan has an unknown field 'sede': did you mean 'seed'?"
    with pytest.raises(BadFile, match=r"plan.json: a plan has schema version 1, this release rea"):
        read_record(file, Plan, 2, "a plan")
    file.write_text('{"schema": 1, "seed": 0, "seed": 1}')
    with pytest.raises(BadFile, match=r"plan\.json names the field 'seed' twice in one object\."):
        read_record(file, Plan, 1, "a plan")
    lines = tmp_path / "lines.jsonl"
    for text, words in (
        ('{"n": 1, "value": 1}\n{"n": 1}\n', "line 2: the line lacks the field 'value'."),
        ('{"n": 1, "value": 1}\n{"n": 1, "va', "line 2: truncated (no newline at its end)."),
        ('{"n": 1, "value": NaN}\n', "line 1: the line has the non-finite number NaN."),
        ("\n", "line 1: the line is not JSON"),
    ):
        lines.write_text(text)
        with pytest.raises(BadFile) as error:
            list(read_json_lines(lines, lambda raw: convert(raw, Rate, "the line")))
        assert str(error.value).startswith(f"{lines}, {words}")
    packed = tmp_path / "lines.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"n": 1, "value": 1}\n'))
    assert list(read_json_lines(packed, lambda raw: raw)) == [{"n": 1, "value": 1}]


def test_yaml_is_read_by_the_same_rules(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("seed: 1\nshare: 1e-1\nparts: [{name: a}]\n")
    assert read_yaml(file, Plan, "a plan") == Plan(1, 0.1, parts=(Part("a"),))
    for text, words in (
        ("sede: 1\nseed: 0", "plan.yaml: a plan has an unknown field 'sede': did you mean 'seed'?"),
        ("seed: 1\nshare: .5\nseed: 2\n", "plan.yaml, line 3: the field 'seed' is named twice"),
        ("seed: .nan", "seed must be"),
        ("- 1", "does not hold"),
    ):
        file.write_text(text)
        with pytest.raises(BadFile) as error:
            read_yaml(file, Plan, "a plan")
        assert words in str(error.value)


# ── hostile text ────────────────────────────────────────────────────────────


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_ordinary_json_is_read(raw):
    assert parse_json(json.dumps(raw).encode()) == raw


@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_refused_in_one_sentence(data):
    try:
        parse_json(data)
    except BadFile as error:
        assert str(error).isascii() and "\n" not in str(error)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 2**64, -(2**64)])
def test_odd_numbers_are_refused_at_any_depth(number):
    with pytest.raises(BadFile):
        parse_json(json.dumps({"a": [{"b": [number]}]}).encode())


@given(st.text() | st.integers() | st.lists(st.text()))
def test_quoted_text_is_harmless(value):
    text = quoted(value)
    assert text.isascii() and text.isprintable() and len(text) <= 62


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "pipe", "."])
def test_only_ordinary_files_are_read(tmp_path, device):
    """A link to an endless device would fill the memory, and a pipe would never end."""
    if device == "pipe":
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "run" / "episodes").mkdir(parents=True)
    for name in ("manifest.json", "x.jsonl", "x.jsonl.gz"):
        (tmp_path / "run" / name).symlink_to(tmp_path / device)
    for read in (
        lambda: load_run(tmp_path / "run"),
        lambda: list(read_lines(tmp_path / "run" / "x.jsonl")),
        lambda: list(read_lines(tmp_path / "run" / "x.jsonl.gz")),
        lambda: read_json(Path(tmp_path / "run" / "manifest.json")),
    ):
        with pytest.raises(BadFile, match=r"it is not an ordinary file|Is a directory"):
            read()


def test_a_line_without_an_end_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("qevolve_bench.schema.MAX_LINE_BYTES", 1000)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(BadFile, match="line 1: longer than 1,000 bytes"):
        list(read_lines(tmp_path / "x.jsonl.gz"))


@pytest.mark.parametrize("command", ["compare", "report"])
def test_a_strangers_folder_cannot_hang_a_command(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name in ("curve.jsonl", "episodes.jsonl"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).symlink_to("/dev/zero")
        assert main([command, str(folder / name), str(folder / name)]) == 2
        assert "it is not an ordinary file" in capsys.readouterr().err
