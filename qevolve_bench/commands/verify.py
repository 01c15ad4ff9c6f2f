"""`qevolve-bench verify`: a submission is replayed before it is believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Flag, Subparsers, add_command
from qevolve_bench.options import File
from qevolve_envs.errors import BadFile

if TYPE_CHECKING:
    from qevolve_bench.submissions.submission import Verdict


@dataclass(kw_only=True)
class VerifyOptions:
    """Replay every action of a submission and recompute each reward, score and digest.

    Exit code 0: verified; 1: not verified, with the reasons; 2: misuse. It is safe on folders of
    strangers.

    Attributes:
        submission: Folder of the submission.
        suite: The suite that it has to play, if that is not one of this package.
        json: Print the verdict as JSON.
    """

    submission: Annotated[Path, Flag("", metavar="DIR")]
    suite: File | None = None
    json: bool = False


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(subparsers, "verify", run, VerifyOptions, help="replay a submission")


def run(args: VerifyOptions) -> int:
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
