"""A parser and a command line made from the same dataclass are inverse to each other."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_bench.cli import build_parser, main
from qevolve_bench.commands.tip import TipOptions
from qevolve_bench.flags import (
    Count,
    Flag,
    Level,
    Nested,
    Pairs,
    add_arguments,
    command_line,
    from_arguments,
)
from qevolve_bench.options import EvalOptions, RobustnessOptions
from qevolve_bench.report.reproduce import training_command
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.docstrings import described

NAME = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
# Whatever can be typed; the first character decides whether a shell word is a flag.
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f\x85"
                             "".join(map(chr, range(0x80, 0xA1)))), max_size=12)  # fmt: skip
# argparse takes two dashes alone for the end of the flags, whatever stands before them.
TEXT = TEXT.filter(lambda text: text != "--")
NUMBER = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
SCALAR = st.none() | st.booleans() | NUMBER | TEXT
PAIRS = st.dictionaries(NAME, SCALAR, max_size=3)
NESTED = st.recursive(
    st.dictionaries(NAME, SCALAR | st.lists(NUMBER, max_size=3), min_size=1, max_size=3),
    lambda inner: st.dictionaries(NAME, SCALAR | inner, min_size=1, max_size=3),
    max_leaves=6,
) | st.just({})
WORD = st.from_regex(r"[A-Za-z0-9_./=:+ -]{1,12}", fullmatch=True)


def parsed(kind: type, words: list[str], **options: Any) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, kind, **options)
    return from_arguments(kind, parser.parse_args(words))


@given(
    st.builds(
        TrainingSpec,
        learner=NAME,
        env_id=WORD,
        env_kwargs=PAIRS,
        horizon=st.none() | st.integers(1, 100),
        split=WORD,
        preset=st.none() | WORD,
        settings=NESTED,
        seed=st.integers(0, 2**63),
        budget=st.dictionaries(NAME, st.floats(0, 1e12), max_size=3),
        demos=st.integers(0, 10**6) | st.from_regex(r"[a-z]{1,8}\.jsonl", fullmatch=True),
        init=st.none() | WORD,
        model=st.none() | WORD,
        scratch=NESTED,
        warm=NESTED,
        reference=st.none() | WORD,
        transcript_config=NESTED,
        device=WORD,
        dtype=WORD,
        attention=st.none() | WORD,
        gradient_checkpointing=st.booleans(),
        lora=NESTED,
        evaluate=st.lists(NAME, max_size=3).map(tuple),
        episodes=st.integers(0, 1000),
        checkpoints=st.integers(1, 99),
        tuning_tasks=st.integers(0, 99),
    )
)
def test_a_training_run_is_read_back_from_its_command_line(spec):
    pytest.importorskip("yaml")
    assert parsed(TrainingSpec, command_line(spec)) == spec
    # The same through a shell, and through the record that a report is made of.
    words = shlex.split(training_command(spec.record()))
    assert words[:2] == ["qevolve-bench", "train"] and words[-2:] == ["--out", "RUN"]
    assert parsed(TrainingSpec, words[2:-2]) == spec


@given(
    st.builds(
        EvalOptions,
        agent=WORD,
        model=st.none() | WORD,
        agent_arg=PAIRS,
        suite=st.none() | WORD,
        env=st.none() | WORD,
        env_arg=PAIRS,
        episodes=st.none() | st.integers(1, 99),
        step_seconds=st.floats(0.001, 1e9),
        out=st.none() | NAME.map(Path),
        force=st.booleans(),
    )
)
def test_an_evaluation_is_read_back_from_its_command_line(options):
    assert parsed(EvalOptions, command_line(options)) == options


@given(
    st.builds(
        RobustnessOptions,
        read=st.none() | st.lists(NAME.map(Path), min_size=1, max_size=3),
        perturbations=st.none() | st.lists(NAME, min_size=1, max_size=3),
        severity=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        outcome=st.sampled_from(["success", "score"]),
    )
    | st.builds(TipOptions, defence=st.lists(NAME, max_size=3).map(tuple), arg=PAIRS)
)
def test_lists_are_read_back_too(options):
    assert parsed(type(options), command_line(options)) == options


def test_a_lora_run_is_not_printed_as_full_fine_tuning():
    """A second list of flags once lacked these."""
    spec = TrainingSpec(
        "grpo",
        "qevolve/Household-v0",
        lora={"rank": 16},
        gradient_checkpointing=True,
        attention="flash_attention_2",
        reference="runs/anchor",
    )
    said = training_command(spec.record())
    for words in (
        "--lora rank=16",
        "--gradient-checkpointing",
        "--attention flash_attention_2",
        "--reference runs/anchor",
    ):
        assert words in said


def test_every_setting_of_a_run_is_an_option_with_help():
    flags = {action.dest: action.help for action in _train_actions()}
    for one in dataclasses.fields(TrainingSpec):
        assert flags[one.name], one.name
        assert described(TrainingSpec)[one.name]


def _train_actions() -> list[argparse.Action]:
    (commands,) = (a for a in build_parser()._actions if isinstance(a.choices, dict))
    return commands.choices["train"]._actions


@dataclass(kw_only=True)
class Options:
    """Do something.

    Attributes:
        place: Place of it.
        depth: Depth, in 5% steps.
        level: Level of it.
        form: Form of it.
        names: Names of them.
        pairs: Pairs of them.
        nested: A setting.
        quiet: Say nothing.
    """

    place: Annotated[Path | None, Flag("")] = None
    depth: Count = 3
    level: Level = 0.95
    form: Literal["text", "md"] = "text"
    names: Annotated[tuple[str, ...], Flag("-n --names", comma=True)] = ()
    pairs: Pairs = field(default_factory=dict)
    nested: Nested = field(default_factory=dict)
    quiet: bool = False


def test_what_an_annotation_says_is_shown_and_checked(capsys):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, Options)
    text = " ".join(parser.format_help().split())
    assert "--depth N depth, in 5% steps (default 3)" in text
    assert "--form {text,md} form of it (default text)" in text
    assert "--names NAMES names of them" in text and "--quiet say nothing" in text
    assert parsed(Options, ["x", "-n", "a,b", "--depth", "4", "--pairs", "a=1"]) == Options(
        place=Path("x"), names=("a", "b"), depth=4, pairs={"a": 1}
    )
    for words, said in (
        (["--depth", "0"], "need an integer of at least 1, not '0'"),
        (["--level", "1"], "need a number between 0 and 1, not '1'"),
        (["--form", "tex"], "invalid choice"),
    ):
        with pytest.raises(argparse.ArgumentError, match=said):
            parsed(Options, words)


@pytest.mark.parametrize("group", ["suites", "leaderboard"])
def test_a_group_alone_lists_what_there_is(group, capsys, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert main([group]) == 0
    out, err = capsys.readouterr()
    assert "core-v0" in out and "quick-v0" in out and err == ""


def test_leaderboards_are_looked_for_where_they_are_named(tmp_path, capsys):
    assert main(["leaderboard", "--root", str(tmp_path / "none")]) == 2
    assert "There is no folder" in capsys.readouterr().err
