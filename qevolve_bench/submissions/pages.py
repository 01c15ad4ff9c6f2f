"""The pages of the leaderboards: Markdown and JSON, the same bytes for the same submissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from qevolve_bench.analysis.render import table
from qevolve_bench.schema import json_text
from qevolve_bench.statistics import Estimate, RankRange
from qevolve_bench.submissions.files import MANIFEST
from qevolve_bench.submissions.leaderboard import (
    LEVEL,
    CellResult,
    Leaderboard,
    LeaderboardRow,
    read_board,
)
from qevolve_bench.submissions.manifest import SUBMISSION_NAME
from qevolve_bench.submissions.published import read_published, render_published
from qevolve_bench.suites import load_suite, suite_names
from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file

PAGE = "README.md"
TABLE = "table.json"
PUBLISHED = "published.json"
PUBLISHED_PAGE = "published.md"
BEGIN = "<!-- begin: written by `qevolve-bench leaderboard build` -->"
END = "<!-- end -->"
_NOTE = (
    "Written by `qevolve-bench leaderboard build`, which verifies every submission: do not edit."
)
_SCHEMA = 1


def read_boards(root: Path) -> list[Leaderboard]:
    """The leaderboard of each suite that has a folder, by name.

    Raises:
        BadFile: When there is no such folder, or one in it has submissions, but neither the name
            of a suite nor a page of its own.
    """
    if not root.is_dir():
        raise BadFile(f"There is no folder {root}: give that of the leaderboards with --root.")
    known = set(suite_names())
    boards = []
    for path in _folders(root):
        if path.name in known:
            boards.append(read_board(path, load_suite(path.name)))
        elif not (path / PAGE).exists() and any(
            (child / MANIFEST).exists() for child in _folders(path)
        ):
            raise BadFile(
                f"{path} holds submissions, but is not named after a suite: {', '.join(known)}."
            )
    return boards


def pages(root: Path, boards: Sequence[Leaderboard]) -> dict[Path, str]:
    """Content of every generated file, by its path."""
    files: dict[Path, str] = {}
    for board in boards:
        folder = root / board.suite.name
        files[folder / PAGE] = _page(board)
        files[folder / TABLE] = json_text(_table(board))
    published = root / PUBLISHED
    if published.exists():
        files[root / PUBLISHED_PAGE] = render_published(read_published(published))
    files[root / PAGE] = _with_index(root / PAGE, _index(root, boards))
    return files


def write_pages(files: Mapping[Path, str]) -> list[Path]:
    """Writes the files that are not so already; returns these."""
    changed = differing(files)
    for path in changed:
        write_file(path, files[path].encode("utf-8"))
    return changed


def differing(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing, or hold something else."""
    changed = []
    for path, text in files.items():
        try:
            same = path.read_bytes() == text.encode("utf-8")
        except OSError:
            same = False
        if not same:
            changed.append(path)
    return changed


def standings(board: Leaderboard, format: str = "md") -> str:
    """The table of a board, one row for each submission."""
    plain = format != "md"
    rows = [
        (
            "" if row.rank is None else str(row.rank),
            row.submission if plain else f"[{row.submission}]({row.submission}/)",
            _agent(row, plain),
            *_numbers(row.overall),
            "" if row.overall is None else str(row.overall.episodes),
            "" if row.overall is None else str(row.overall.failed),
            f"{row.ledger['env_steps']:,}",
            f"{row.ledger['prompt_tokens']:,}",
            f"{row.ledger['generated_tokens']:,}",
            row.status,
            row.version,
        )
        for row in board.rows
    ]
    headers = (
        "rank",
        "submission",
        "agent",
        "normalised",
        "score",
        "success",
        "episodes",
        "failed",
        "env steps",
        "tokens read",
        "written",
        "replay",
        "played with",
    )
    return table(headers, rows, format)


def _page(board: Leaderboard) -> str:
    suite = board.suite
    episodes = [cell.count for cell in suite.cells]
    known = "" if None in episodes else f", {sum(c for c in episodes if c):,} episodes"
    parts = [
        f"# {suite.name}",
        f"{suite.description} {len(suite.cells)} cells{known}; digest `{suite.digest[:16]}`.",
        _NOTE,
        "## Standings",
        standings(board) if board.rows else "There is no submission yet.",
        f"Means over the cells, each of which weighs the same; [ ] hold {LEVEL:.0%} intervals."
        " *Normalised* is the score, where the suite's random"
        " agent has 0 and its expert 1. The rank goes by it, among the verified; [ ] behind a rank"
        " hold the places that the tasks leave open. Failed episodes are not won, and count."
        " *verified*: every action was replayed, and every observation, reward, score and digest"
        " came out the same. Tokens are what the submission says.",
    ]
    if board.rows:
        parts += ["## Cells", _cell_table(board)]
    reasons = [
        f"- `{row.submission}`: {_plain(reason)}." for row in board.rows for reason in row.reasons
    ]
    if reasons:
        parts += ["## Not verified", "\n".join(reasons)]
    return "\n\n".join(parts) + "\n"


def _cell_table(board: Leaderboard) -> str:
    rows = [
        (cell.name, row.submission, *_numbers(numbers), numbers.episodes, numbers.failed)
        for cell in board.suite.cells
        for row in board.rows
        if (numbers := row.cells.get(cell.name)) is not None
    ]
    headers = ("cell", "submission", "normalised", "score", "success", "episodes", "failed")
    return table(headers, rows)


def _numbers(numbers: CellResult | None) -> tuple[str, str, str]:
    if numbers is None:
        return "", "", ""
    normalised = "" if numbers.normalised is None else str(numbers.normalised)
    return normalised, str(numbers.score), str(numbers.success)


def _agent(row: LeaderboardRow, plain: bool) -> str:
    if plain:
        return row.agent
    # A code span, in which Markdown reads nothing; backticks and bars cannot be in a name.
    return f"`{row.agent}`" + (f" ([more]({row.link}))" if row.link else "")


def _plain(text: str) -> str:
    """Foreign text that Markdown and HTML read as it is written."""
    return "".join(f"\\{c}" if c in "\\`|<>[]()*_#!&~" else c for c in text)


def _table(board: Leaderboard) -> dict[str, Any]:
    suite = {"suite": board.suite.name, "digest": board.suite.digest, "level": LEVEL}
    return {"schema": _SCHEMA, **suite, "rows": [_plain_data(row) for row in board.rows]}


def _plain_data(value: Any) -> Any:
    """Plain data of a row; estimates are [value, low, high]."""
    if isinstance(value, Estimate):
        # Rounded, so that no machine's last bit shows.
        return [round(number, 6) + 0.0 for number in (value.value, *value.interval)]
    if isinstance(value, RankRange):
        return {"rank": value.rank, "low": value.low, "high": value.high}
    if isinstance(value, CellResult | LeaderboardRow):
        return {field.name: _plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain_data(one) for key, one in value.items()}
    return value


def _index(root: Path, boards: Sequence[Leaderboard]) -> str:
    rows = []
    for board in boards:
        best = board.rows[0] if board.rows else None
        rows.append(
            (
                f"[{board.suite.name}]({board.suite.name}/{PAGE})",
                str(len(board.suite.cells)),
                str(len(board.rows)),
                "" if best is None else f"`{best.submission}`",
                "" if best is None else _numbers(best.overall)[0],
                board.suite.description,
            )
        )
    headers = ("suite", "cells", "submissions", "first", "normalised", "what")
    parts = [table(headers, rows)]
    names = {board.suite.name for board in boards}
    studies = [
        f"- [{_plain(_title(path / PAGE))}]({path.name}/{PAGE})"
        for path in _folders(root)
        if path.name not in names and (path / PAGE).is_file()
    ]
    if studies:
        parts.append("Studies, which are no leaderboards of submissions:\n\n" + "\n".join(studies))
    if (root / PUBLISHED).exists():
        parts.append(f"[What others have published]({PUBLISHED_PAGE}), on the official simulators.")
    return "\n\n".join(parts)


def _with_index(page: Path, index: str) -> str:
    """The page as it is, with the index between its marks."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = f"# Leaderboards\n\n{BEGIN}\n{END}\n"
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"Cannot read {page}: {error}.") from None
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BadFile(f"{page} lacks the marks {BEGIN} and {END}, between which the index belongs.")
    return f"{head}{BEGIN}\n\n{index}\n\n{END}{tail}"


def _title(page: Path) -> str:
    """The first heading of a page, or the name of its folder."""
    with page.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("# ") and line[2:].strip():
                return line[2:].strip()
    return page.parent.name


def _folders(root: Path) -> list[Path]:
    return sorted(
        path for path in root.iterdir() if path.is_dir() and SUBMISSION_NAME.fullmatch(path.name)
    )
