"""Leaderboards: results of verified submissions, side by side.

A leaderboard is a folder ``<suite>/`` of submissions under one root. Everything here is a pure
function of the submissions and of the suite; `qevolve_bench.submissions.pages` writes it down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qevolve_bench.analysis.estimate import bootstrap_mean, mean_of_cells, rate_or_mean
from qevolve_bench.analysis.outcomes import CellOutcomes, task_means
from qevolve_bench.analysis.rank import rank_methods
from qevolve_bench.runner.results import EvaluationLedger, Manifest
from qevolve_bench.statistics import Estimate, Interval, RankRange
from qevolve_bench.statistics.checks import Array
from qevolve_bench.submissions.manifest import SUBMISSION_NAME
from qevolve_bench.submissions.submission import Status, Verdict, verify
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile
from qevolve_envs.rng import seed_sequence

LEVEL = 0.95
RESAMPLES = 10_000
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_REVISION = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class CellResult:
    """Result of a submission in one cell, or over all of them (each weighs the same).

    Attributes:
        normalised: Score between the suite's anchors: 0 is the random agent, 1 the expert; None
            where the suite has no anchors.
        score: Mean final score.
        success: Rate of won episodes.
        episodes: How many, the failed ones included.
        failed: How many ended by an error outside of the world.
    """

    normalised: Estimate | None
    score: Estimate
    success: Estimate
    episodes: int
    failed: int


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One submission.

    Attributes:
        submission: Name of its folder.
        agent: What it calls its agent.
        link: Where more is said of the agent, or ``""``.
        status: ``verified`` or ``unverified``.
        reasons: Why cells are not verified.
        rank: Rank among the verified submissions; None for any other.
        overall: Result over all cells; None where one was not played.
        cells: Result of each cell that was played.
        ledger: What it cost. Tokens are the submission's claim.
        version: Version and revision of this package that it was played with, as it says.
    """

    submission: str
    agent: str
    link: str
    status: Status
    reasons: tuple[str, ...]
    rank: RankRange | None
    overall: CellResult | None
    cells: dict[str, CellResult]
    ledger: EvaluationLedger
    version: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The leaderboard of one suite.

    Attributes:
        suite: What was played.
        rows: The best first; those without a rank last.
        refused: By submission, why it is not listed.
    """

    suite: Suite
    rows: list[LeaderboardRow]
    refused: dict[str, list[str]] = field(default_factory=dict)


def read_board(folder: Path, suite: Suite) -> Leaderboard:
    """Verifies all submissions in the folder of a suite, and ranks them.

    Raises:
        BadFile: For an entry whose name is none of a submission.
    """
    verdicts: dict[str, Verdict] = {}
    refused: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() or path.name.startswith("."):
            continue
        if not SUBMISSION_NAME.fullmatch(path.name):
            raise BadFile(f"{path}: a submission is named by a-z, 0-9, dot, hyphen and underscore.")
        verdict = verify(path, suite=suite)
        if verdict.status == "refused":
            refused[path.name] = [str(finding) for finding in verdict.findings]
        else:
            verdicts[path.name] = verdict
    return Leaderboard(suite, _rows(suite, verdicts), refused)


def _rows(suite: Suite, verdicts: Mapping[str, Verdict]) -> list[LeaderboardRow]:
    verified = {
        name: _scores(suite, verdict)
        for name, verdict in sorted(verdicts.items())
        if verdict.status == "verified"
    }
    seed = seed_sequence(0, "leaderboard", suite.name, "ranks")
    ranks = rank_methods(verified, level=LEVEL, seed=seed)
    rows = [_row(name, suite, verdict, ranks.get(name)) for name, verdict in verdicts.items()]
    return sorted(rows, key=_place)


def _place(row: LeaderboardRow) -> tuple[int, float, str]:
    if row.rank is not None:
        return 0, row.rank.rank, row.submission
    if row.overall is not None:
        return 1, -(row.overall.normalised or row.overall.score).value, row.submission
    return 2, 0.0, row.submission


def _scores(suite: Suite, verdict: Verdict) -> dict[str, CellOutcomes]:
    """Scores that the ranking goes by, normalised if all cells of the suite can be."""
    normalise = all(_span(cell) for cell in suite.cells)
    tables = {}
    for cell in suite.cells:
        if means := task_means(verdict.cells[cell.name].episodes, "score"):
            scores = np.array([list(means.values())])
            scores = _normalised(scores, cell) if normalise else scores
            tables[cell.name] = CellOutcomes(tuple(means), scores)
    return tables


def _row(name: str, suite: Suite, verdict: Verdict, rank: RankRange | None) -> LeaderboardRow:
    manifest = verdict.manifest
    assert manifest is not None
    cells = {
        cell.name: _cell_result(suite, cell, episodes)
        for cell in suite.cells
        if (episodes := verdict.cells[cell.name].episodes)
    }
    return LeaderboardRow(
        submission=name,
        agent=manifest["agent"]["name"],
        link=manifest["agent"]["description"].get("link", ""),
        status=verdict.status,
        reasons=tuple(f"{n}: {c.reason}" for n, c in verdict.cells.items() if c.reason),
        rank=rank,
        overall=_overall(list(cells.values())) if len(cells) == len(suite.cells) else None,
        cells=cells,
        ledger=manifest["ledger"],
        version=_version(manifest),
    )


def _cell_result(suite: Suite, cell: Cell, episodes: Sequence[Episode]) -> CellResult:
    scores, won = (
        np.array(list(task_means(episodes, outcome).values())) for outcome in ("score", "success")
    )
    # Repetitions of a task are not independent of each other, the tasks are.
    of_success = rate_or_mean if len(won) == len(episodes) else bootstrap_mean
    names = ("leaderboard", suite.name, cell.name)
    score = bootstrap_mean(scores, LEVEL, RESAMPLES, seed_sequence(0, *names, "score"))
    return CellResult(
        normalised=_map(score, cell) if _span(cell) else None,
        score=score,
        success=of_success(won, LEVEL, RESAMPLES, seed_sequence(0, *names, "success")),
        episodes=len(episodes),
        failed=sum(e.error is not None for e in episodes),
    )


def _overall(cells: Sequence[CellResult]) -> CellResult:
    normalised = [cell.normalised for cell in cells if cell.normalised is not None]
    return CellResult(
        score=mean_of_cells([cell.score for cell in cells]),
        success=mean_of_cells([cell.success for cell in cells]),
        normalised=mean_of_cells(normalised) if len(normalised) == len(cells) else None,
        episodes=sum(cell.episodes for cell in cells),
        failed=sum(cell.failed for cell in cells),
    )


def _span(cell: Cell) -> float:
    """Distance of the anchors' scores; 0 where they cannot normalise anything."""
    if not {"random", "expert"} <= cell.anchors.keys():
        return 0.0
    return max(0.0, cell.anchors["expert"].score - cell.anchors["random"].score)


def _normalised(scores: Array, cell: Cell) -> Array:
    return (scores - cell.anchors["random"].score) / _span(cell)


def _map(score: Estimate, cell: Cell) -> Estimate:
    value, low, high = _normalised(np.array([score.value, *score.interval]), cell).tolist()
    return Estimate(value, Interval(low, high))


def _version(manifest: Manifest) -> str:
    """Version and revision that the submission names, if they look like such."""
    provenance = manifest["provenance"]
    packages, git = provenance.get("packages"), provenance.get("git")
    version = packages.get("qevolve-bench") if isinstance(packages, dict) else None
    text = version if isinstance(version, str) and _VERSION.fullmatch(version) else "?"
    state = git.get("package") if isinstance(git, dict) else None
    revision = state.get("revision") if isinstance(state, dict) else None
    if isinstance(revision, str) and _REVISION.fullmatch(revision):
        dirty = isinstance(state, dict) and state.get("dirty") is not False
        text += f" ({revision[:10]}{', changed' if dirty else ''})"
    return text
