"""`qevolve-bench verify`: a submission is replayed before it is believed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_envs.errors import BadFile

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers
    from qevolve_bench.submissions.submission import Verdict


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "verify",
        help="replay a submission",
        description="Replay every action of a submission and recompute each reward, score and"
        " digest. Exit code 0: verified; 1: not verified, with the reasons; 2: misuse. It is safe"
        " on folders that nobody vouches for.",
    )
    parser.add_argument("submission", metavar="DIR", type=Path, help="the submission's folder")
    parser.add_argument(
        "--suite",
        metavar="FILE",
        type=Path,
        help="the suite that it has to play, if that is not one of this package",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verifies and prints the verdict."""
    from qevolve_bench.submissions.submission import verify
    from qevolve_bench.suites import read_suite

    if not args.submission.is_dir():
        raise BadFile(f"{args.submission} is not a folder: give that of a submission.")
    suite = None if args.suite is None else read_suite(args.suite)
    verdict = verify(args.submission, suite=suite)
    print(json.dumps(verdict.to_json(), indent=1) if args.json else _text(verdict))
    return 0 if verdict.status == "verified" else 1


def _text(verdict: Verdict) -> str:
    lines = [str(finding) for finding in verdict.findings]
    if not lines:
        lines = [f"{c.cell.name}: {c.reason}." for c in verdict.cells.values() if c.reason]
    if verdict.suite is None or verdict.manifest is None:
        return "\n".join([*lines, "refused"])
    episodes = sum(len(cell.episodes) for cell in verdict.cells.values())
    agent = verdict.manifest["agent"]["name"]
    lines.append(
        f"{verdict.status}: {verdict.suite.name} by {agent},"
        f" {episodes} episodes, {verdict.env_steps} steps"
    )
    return "\n".join(lines)
