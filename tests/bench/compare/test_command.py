from __future__ import annotations

import csv
import io
import json

import pytest

from qevolve_bench.cli import main

BETTER = [1] * 24 + [0] * 16
WORSE = [1] * 8 + [0] * 16 + [1] * 4 + [0] * 12


@pytest.fixture
def run(capsys):
    """Runs ``compare``; returns (exit code, stdout, stderr)."""

    def runs(*argv):
        code = main(["compare", *(str(a) for a in argv)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runs


@pytest.fixture
def pair(bare):
    return bare("new", BETTER), bare("old", WORSE)


def test_text(run, pair):
    code, out, err = run(*pair)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    headers = "cell A B success of A success of B A - B p d tasks seeds"
    assert " ".join(lines[0].split()) == headers
    assert "60.0 [44.6, 73.7]" in lines[2] and "30.0 [8.5, 48.7]" in lines[2]
    assert "Tests: exact sign flips over tasks." in lines
    assert lines[-1] == "new beats old on Household unseen by 30.0 points [8.5, 48.7], p = 0.012."


def test_markdown(run, pair):
    _, out, _ = run(*pair, "--format", "md")
    assert out.startswith("| cell ") and "\n- new beats old on" in out


def test_latex(run, pair):
    _, out, _ = run(*pair, "--format", "latex")
    assert out.startswith(r"\begin{tabular}") and "\n% new beats old on" in out


def test_csv(run, pair):
    _, out, _ = run(*pair, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["a"], row["b"], row["tasks"]) == ("new", "old", "40")
    assert float(row["difference"]) == pytest.approx(0.3)
    assert row["conclusion"].startswith("new beats old")


def test_json(run, pair):
    _, out, _ = run(*pair, "--format", "json", "--outcome", "score", "--level", "0.9")
    document = json.loads(out)
    (found,) = document["comparisons"]
    assert (document["outcome"], document["level"]) == ("score", 0.9)
    assert found["cell"] == {
        "env_id": "qevolve/Household-v0",
        "env_kwargs": {},
        "split": "unseen",
    }
    assert found["A"]["name"] == "new" and len(found["interval"]) == 2
    assert found["tasks_ahead"] == [16, 4] and document["costs"] == []


def test_json_without_intervals_is_null_not_nan(run, bare):
    _, out, _ = run(bare("a", [1]), bare("b", [0]), "--format", "json")
    (found,) = json.loads(out, parse_constant=pytest.fail)["comparisons"]
    assert found["interval"] is None and found["p"] is None


def test_learners(run, training):
    folders = [*training("q_evolve", 0.9), *training("rft", 0.4), *training("sft", 0.4)]
    code, out, _ = run(*folders, "--at", "env_steps=1000", "--threshold", "0.7")
    assert code == 0
    assert "Learners at env_steps = 1,000." in out and "p (Holm)" in out
    assert "q_evolve beats rft on Household unseen (size=small) by " in out
    assert (
        "rft reached success 0.7 on Household unseen (size=small) in 0 of 5 runs within 1,000"
        " env_steps." in out
    )
    again = run(*folders, "--at", "env_steps=1000", "--threshold", "0.7")
    assert again[1] == out
    costs = json.loads(run(*folders, "--threshold", "0.7", "--format", "json")[1])["costs"]
    assert [c["reached"] for c in costs][1:] == [0, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "env_steps=10"], "--at is for training runs"),
        (["--threshold", "0.5"], "--threshold is for training runs"),
        (["--threshold", "50"], "need a number between 0 and 1, not '50'"),
        (["--level", "95"], "need a number between 0 and 1, not '95'"),
        (["--baseline", "ol"], "Unknown baseline 'ol': did you mean 'old'?"),
        (["--format", "html"], "'html'"),
    ],
)
def test_mistakes_are_one_sentence(run, pair, options, words):
    code, out, err = run(*pair, *options)
    assert (code, out) == (2, "")
    assert err.startswith("qevolve-bench: ") and err.count("\n") == 1 and words in err


def test_one_side_is_not_enough(run, pair, training):
    assert "There is only new to compare: name a second side" in run(pair[0])[2]
    assert "There is only rft to compare" in run(*training("rft", 0.5))[2]


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "qevolve-bench compare runs/mine runs/expert" in capsys.readouterr().out


def test_episodes_that_failed_are_told(run, bare):
    code, out, _ = run(bare("q", [0] * 8), bare("crash", [None] * 3 + [0] * 5))
    assert code == 0 and "did the same on every one of the 8 tasks" in out
    told = "3 of 8 episodes of crash in Household unseen failed by an error, the first: crashed."
    assert told in out.splitlines()
