"""Leaderboards say what the submissions say: no more, no less, and always alike."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from qevolve_bench.analysis.estimate import mean_of_cells
from qevolve_bench.cli import main
from qevolve_bench.runner.results import load_run
from qevolve_bench.statistics import Estimate, Interval, wilson_interval
from qevolve_bench.submissions import pages as leaderboard_pages
from qevolve_bench.submissions.leaderboard import read_board
from qevolve_bench.submissions.pages import BEGIN, END, pages, read_boards, standings
from qevolve_bench.submissions.published import read_published, render_published
from qevolve_bench.suites import load_suite
from qevolve_envs.errors import BadFile

COMMITTED = Path(__file__).parents[2] / "leaderboards"
QUICK = "quick-v0"

pytestmark = pytest.mark.skipif(
    not COMMITTED.is_dir(), reason="needs the repository's leaderboards"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A root with the committed submissions of the smallest suite, built; nobody changes it."""
    root = tmp_path_factory.mktemp("leaderboards")
    shutil.copytree(COMMITTED / QUICK, root / QUICK)
    assert main(["leaderboard", "build", "--root", str(root)]) == 0
    return root


@pytest.fixture
def root(built, tmp_path):
    shutil.copytree(built, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture(scope="module")
def board(built):
    return read_board(built / QUICK, load_suite(QUICK))


def leaderboard(*arguments):
    return main(["leaderboard", *map(str, arguments)])


# ── the committed ones ──────────────────────────────────────────────────────


def test_committed_tables_are_what_the_submissions_say(capsys):
    assert leaderboard("build", "--check", "--root", COMMITTED) == 0
    assert capsys.readouterr().out.endswith("files are what the submissions say.\n")


@pytest.mark.parametrize("suite", ["quick-v0", "core-v0"])
def test_random_and_expert_are_in(suite):
    table = json.loads((COMMITTED / suite / "table.json").read_text())
    rows = {row["submission"]: row for row in table["rows"]}
    assert {"random", "expert"} <= rows.keys()
    assert {rows[name]["status"] for name in ("random", "expert")} == {"verified"}
    assert rows["expert"]["overall"]["normalised"][0] > 0.9
    assert table["digest"] == load_suite(suite).digest


# ── the numbers ─────────────────────────────────────────────────────────────


def test_numbers_are_those_of_the_episodes(board, built):
    run = load_run(built / QUICK / "random")
    row = next(row for row in board.rows if row.submission == "random")
    scores = []
    for cell in board.suite.cells:
        episodes, numbers = run.cells[cell.name], row.cells[cell.name]
        won = sum(e.won for e in episodes)
        mean = math.fsum(e.score for e in episodes) / len(episodes)
        assert numbers.success.value == pytest.approx(won / len(episodes))
        assert numbers.success.interval == wilson_interval(won, len(episodes))
        assert numbers.score.value == pytest.approx(mean)
        low, high = cell.anchors["random"].score, cell.anchors["expert"].score
        assert numbers.normalised.value == pytest.approx((mean - low) / (high - low))
        assert numbers.normalised.interval.low <= numbers.normalised.value
        scores.append(mean)
    assert row.overall.score.value == pytest.approx(np.mean(scores))
    assert row.overall.episodes == 60
    assert row.ledger["env_steps"] == sum(len(e.steps) for es in run.cells.values() for e in es)


def test_interval_of_a_mean_of_cells():
    """Worked by hand: (0.2 + 0.6)/2, less sqrt(0.03^2 + 0.04^2)/2, plus sqrt(0.06^2 + 0.08^2)/2."""
    cells = [Estimate(0.2, Interval(0.17, 0.26)), Estimate(0.6, Interval(0.56, 0.68))]
    mean = mean_of_cells(cells)
    assert mean.value == pytest.approx(0.4)
    assert tuple(mean.interval) == pytest.approx((0.375, 0.45))


def test_interval_of_a_mean_of_cells_covers():
    """Simulated: three cells of 40 episodes, some of them rare; 95 % intervals hold the truth."""
    rng = np.random.default_rng(0)
    rates = np.array([0.02, 0.3, 0.9])
    held = 0
    for wins in rng.binomial(40, rates, size=(2000, 3)):
        cells = [Estimate(w / 40, wilson_interval(int(w), 40)) for w in wins]
        low, high = mean_of_cells(cells).interval
        held += low <= rates.mean() <= high
    assert 0.93 <= held / 2000 <= 0.985


def test_the_better_is_first_and_the_rank_says_what_is_open(board):
    assert [row.submission for row in board.rows] == ["expert", "random"]
    assert [(row.rank.rank, row.rank.low, row.rank.high) for row in board.rows] == [
        (1, 1, 1),
        (2, 2, 2),
    ]


def test_equal_submissions_share_a_place(root):
    shutil.copytree(root / QUICK / "random", root / QUICK / "again")
    rows = read_board(root / QUICK, load_suite(QUICK)).rows
    assert [(row.submission, str(row.rank)) for row in rows[1:]] == [
        ("again", "2 [2-3]"),
        ("random", "2 [2-3]"),
    ]


# ── building and checking ───────────────────────────────────────────────────


def test_building_twice_changes_nothing(root, capsys):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert leaderboard("build", "--root", root) == 0
    assert capsys.readouterr().out == ""
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert leaderboard("build", "--check", "--root", root) == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (f"{QUICK}/README.md", "verified", "VERIFIED"),
        (f"{QUICK}/table.json", '"failed": 0', '"failed": 1'),
        ("README.md", QUICK, "quick-v9"),
    ],
)
def test_check_catches_an_edited_table(root, capsys, name, old, new):
    path = root / name
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    assert path.read_text() != text
    capsys.readouterr()
    assert leaderboard("build", "--check", "--root", root) == 1
    assert f"{path} is not what the submissions say." in capsys.readouterr().out
    assert path.read_text() != text, "--check writes nothing"
    assert leaderboard("build", "--root", root) == 0
    assert path.read_text() == text


def test_check_catches_a_row_too_many_or_too_few(root):
    shutil.rmtree(root / QUICK / "expert")
    assert leaderboard("build", "--check", "--root", root) == 1


def test_refused_submission_is_no_row_and_fails_the_build(root, capsys):
    path = root / QUICK / "expert" / "manifest.json"
    path.write_text(path.read_text().replace('"success": 0.9,', '"success": 1.0,', 1))
    capsys.readouterr()
    assert leaderboard("build", "--root", root) == 1
    captured = capsys.readouterr()
    assert "expert: shop-unseen: the summary in manifest.json says success 1.0" in captured.err
    table = json.loads((root / QUICK / "table.json").read_text())
    assert [row["submission"] for row in table["rows"]] == ["random"]
    assert leaderboard("build", "--check", "--root", root) == 1


def test_submission_that_is_a_link_is_refused(root, capsys):
    (root / QUICK / "expert").rename(root / "elsewhere")
    (root / QUICK / "expert").symlink_to("../elsewhere")
    capsys.readouterr()
    assert leaderboard("build", "--root", root) == 1
    assert "is a symbolic link" in capsys.readouterr().err


def test_text_around_the_index_is_kept(root):
    page = root / "README.md"
    page.write_text(f"# Mine\n\n{BEGIN}\nold\n{END}\n\nMore.\n")
    assert leaderboard("build", "--root", root) == 0
    text = page.read_text()
    assert text.startswith("# Mine\n\n") and text.endswith("\n\nMore.\n")
    assert "old" not in text and f"[{QUICK}]({QUICK}/README.md)" in text
    page.write_text("# Mine\n")
    assert leaderboard("build", "--root", root) == 2


def test_studies_are_linked_and_left_alone(root):
    study = root / "household-cpu"
    (study / "run").mkdir(parents=True)
    (study / "README.md").write_text("\n# Nine `[learners]` | <b>one</b> room\n")
    (study / "run" / "manifest.json").write_text("{}")
    (root / "empty").mkdir()
    (root / ".git").mkdir()
    assert leaderboard("build", "--root", root) == 0
    expected = r"- [Nine \`\[learners\]\` \| \<b\>one\</b\> room](household-cpu/README.md)"
    assert expected in (root / "README.md").read_text().splitlines()
    assert sorted(p.name for p in study.iterdir()) == ["README.md", "run"]


def test_folder_of_no_suite_is_named(root, capsys):
    shutil.copytree(root / QUICK, root / "quick-v9")
    (root / "quick-v9" / "README.md").unlink()
    assert leaderboard("build", "--root", root) == 2
    assert "quick-v9 holds submissions, but is not named after a suite" in capsys.readouterr().err


def test_odd_names_are_refused(root, capsys):
    (root / QUICK / "<b>").mkdir()
    assert leaderboard("build", "--root", root) == 2
    assert "a submission is named by" in capsys.readouterr().err


def test_missing_root_is_told(tmp_path, capsys):
    for action in (["build"], ["show", "quick"], ["add", str(COMMITTED / QUICK / "random")]):
        assert leaderboard(*action, "--root", tmp_path / "nothing") == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_suite_without_submissions_has_a_page(tmp_path):
    (tmp_path / QUICK).mkdir()
    boards = read_boards(tmp_path)
    assert boards[0].rows == []
    assert "There is no submission yet." in pages(tmp_path, boards)[tmp_path / QUICK / "README.md"]


def test_unverified_rows_have_their_reason_and_no_rank(root, monkeypatch):
    from qevolve_bench.submissions import submission
    from qevolve_envs.catalog import EnvEntry

    entry = EnvEntry(
        "qevolve/Lab-v0", "qevolve_envs.lab.env:LabEnv", 24, ("unseen",), "", nondeterministic=True
    )
    monkeypatch.setattr(submission, "all_entries", lambda: (entry,))
    assert leaderboard("build", "--root", root) == 0
    page = (root / QUICK / "README.md").read_text()
    assert "## Not verified" in page
    assert "`expert`: lab-unseen: qevolve/Lab-v0 does not answer alike twice" in page
    rows = json.loads((root / QUICK / "table.json").read_text())["rows"]
    assert [(row["submission"], row["rank"], row["status"]) for row in rows] == [
        ("expert", None, "unverified"),
        ("random", None, "unverified"),
    ]


# ── adding and showing ──────────────────────────────────────────────────────


def test_adding_a_submission(root, capsys):
    source = COMMITTED / QUICK / "random"
    link = "https://example.org/agents/random"
    capsys.readouterr()
    assert leaderboard("add", source, "--name", "mine", "--link", link, "--root", root) == 0
    assert f"{root / QUICK / 'mine'} is verified" in capsys.readouterr().out
    assert f"`random` ([more]({link}))" in (root / QUICK / "README.md").read_text()
    assert leaderboard("build", "--check", "--root", root) == 0
    assert leaderboard("add", source, "--name", "mine", "--root", root) == 2
    assert "mine exists: give another --name." in capsys.readouterr().err


def test_adding_nothing_that_is_refused(root, tmp_path, capsys):
    shutil.copytree(COMMITTED / QUICK / "random", tmp_path / "forged")
    (tmp_path / "forged" / "run.py").touch()
    before = sorted(root.rglob("*"))
    assert leaderboard("add", tmp_path / "forged", "--root", root) == 1
    assert "'run.py' does not belong into a submission" in capsys.readouterr().out
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "../up"],
        ["--name", "A B"],
        ["--name", ""],
        ["--name", "x", "--link", "javascript:alert(1)"],
        ["--name", "x", "--link", "https://example.org/) | x"],
    ],
)
def test_adding_under_an_odd_name_or_link(root, capsys, arguments):
    before = sorted(root.rglob("*"))
    assert leaderboard("add", COMMITTED / QUICK / "random", *arguments, "--root", root) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(root.rglob("*")) == before


def test_adding_what_is_not_there_is_misuse(root, tmp_path, capsys):
    assert leaderboard("add", tmp_path / "nothing", "--root", root) == 2
    assert "nothing is not a folder: give that of a submission" in capsys.readouterr().err


def test_from_an_evaluation_to_a_row(root, tmp_path, capsys):
    """What a newcomer does, by the real commands."""
    run = tmp_path / "my-run"
    assert main(["eval", "--suite", "quick", "--agent", "random", "--out", str(run)]) == 0
    assert leaderboard("add", run, "--root", root) == 0
    capsys.readouterr()
    assert leaderboard("show", "quick", "--root", root) == 0
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [
        ["1", "expert", "expert"],
        ["2", "[2-3]", "my-run"],
        ["2", "[2-3]", "random"],
    ]
    same = (root / QUICK / "my-run" / "episodes").iterdir()
    for path in same:
        assert path.read_bytes() == (root / QUICK / "random" / "episodes" / path.name).read_bytes()


def test_plain_table_has_no_markdown(board):
    assert "`" not in standings(board, "text")
    assert "](" not in standings(board, "text")


# ── what others published ───────────────────────────────────────────────────


def test_published_numbers_stand_apart():
    groups = read_published(COMMITTED / "published.json")
    page = render_published(groups)
    assert page == (COMMITTED / leaderboard_pages.PUBLISHED_PAGE).read_text()
    for group in groups:
        assert all(group[field] for field in ("title", "source", "metric", "protocol"))
    values = [v for g in groups for row in g["rows"] for v in row["values"]]
    assert len(values) >= 70
    assert all(0 < (v[0] if isinstance(v, list) else v) < 100 for v in values)
    assert "| Q-Evolve  | Llama-2-7B-Chat     | 70.5" in page
    assert "86.1 ± 4.7" in page


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda raw: raw.update(schema=2), "has schema version 2, this release reads 1"),
        (lambda raw: raw.update(groups={}), "groups must be a list, not an object"),
        (lambda raw: raw["groups"][0].pop("source"), r"groups\[0\] lacks the field 'source'"),
        (
            lambda raw: raw["groups"][0]["columns"][0].pop("split"),
            r"columns\[0\] lacks the field 'split'",
        ),
        (
            lambda raw: raw["groups"][0]["rows"][0].pop("model"),
            r"rows\[0\] lacks the field 'model'",
        ),
        (lambda raw: raw["groups"][0]["rows"][0]["values"].pop(), "one value for each column"),
        (
            lambda raw: raw["groups"][0]["rows"][0].update(values=["9"] * 5),
            r"values\[0\] must be a number",
        ),
    ],
)
def test_published_file_is_checked(tmp_path, edit, expected):
    raw = json.loads((COMMITTED / "published.json").read_text())
    edit(raw)
    path = tmp_path / "published.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(BadFile, match=expected):
        read_published(path)


def test_published_file_that_is_none(tmp_path):
    with pytest.raises(BadFile, match="Cannot read"):
        read_published(tmp_path / "published.json")
    (tmp_path / "published.json").write_text("{")
    with pytest.raises(BadFile, match="not JSON"):
        read_published(tmp_path / "published.json")
