"""`qevolve-bench leaderboard`: verified submissions side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qevolve_bench.commands.options import Subparsers
    from qevolve_bench.submissions.leaderboard import Board


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "leaderboard",
        help="build, extend or show leaderboards",
        description="Leaderboards are folders <root>/<suite>/<submission>/, with tables that say"
        " what the submissions amount to once they are replayed.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    build = actions.add_parser(
        "build",
        help="verify all submissions and write the tables",
        description="Verify all submissions and write the tables. Exit code 1: a submission is"
        " refused, or --check finds that the tables are not what the submissions say.",
    )
    build.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a table differs"
    )
    build.set_defaults(run=run_build)
    add = actions.add_parser(
        "add",
        help="verify a submission, put it into its leaderboard and build",
        description="Verify a submission (or pack and verify a run), copy it to"
        " <root>/<suite>/<name>/ and build. Exit code 1: it is refused.",
    )
    add.add_argument("submission", metavar="DIR", type=Path, help="a submission, or a run")
    add.add_argument("--name", help="of its folder; by default that of DIR")
    add.add_argument("--link", metavar="URL", help="https:// address that tells of the agent")
    add.set_defaults(run=run_add)
    show = actions.add_parser("show", help="print the table of a suite, verified now")
    show.add_argument("suite", metavar="SUITE", help="such as core or core-v0")
    show.set_defaults(run=run_show)
    for action in (build, add, show):
        action.add_argument(
            "--root",
            type=Path,
            default=Path("leaderboards"),
            metavar="DIR",
            help="folder of the leaderboards (default leaderboards)",
        )


def run_build(args: argparse.Namespace) -> int:
    """Builds, or checks."""
    from qevolve_bench.submissions.pages import differing, pages, read_boards, write_pages

    boards = read_boards(args.root)
    code = _report_refused(args.root, boards)
    files = pages(args.root, boards)
    if args.check:
        changed = differing(files)
        for path in changed:
            print(f"{path} is not what the submissions say.")
        if changed:
            print("Run: qevolve-bench leaderboard build")
            code = 1
        elif not code:
            print(f"{len(files)} files are what the submissions say.")
        return code
    for path in write_pages(files):
        print(f"{path} written")
    return code


def run_add(args: argparse.Namespace) -> int:
    """Verifies one submission, copies it and builds."""
    from qevolve_bench.submissions.adding import add_submission

    verdict, place = add_submission(args.submission, args.root, name=args.name, link=args.link)
    if verdict.status == "refused":
        for finding in verdict.findings:
            print(finding)
        print(f"{args.submission} is refused")
        return 1
    print(f"{place} is {verdict.status}")
    args.check = False
    return run_build(args)


def run_show(args: argparse.Namespace) -> int:
    """Prints one table."""
    from qevolve_bench.submissions.leaderboard import read_board
    from qevolve_bench.submissions.pages import standings
    from qevolve_bench.suites import load_suite
    from qevolve_envs.errors import BadFile

    suite = load_suite(args.suite)
    folder = args.root / suite.name
    if not folder.is_dir():
        raise BadFile(f"There is no leaderboard {folder}.")
    board = read_board(folder, suite)
    code = _report_refused(args.root, [board])
    print(standings(board, "simple"))
    return code


def _report_refused(root: Path, boards: Sequence[Board]) -> int:
    code = 0
    for board in boards:
        for name, findings in board.refused.items():
            code = 1
            for sentence in findings:
                print(f"{root / board.suite.name / name}: {sentence}", file=sys.stderr)
    return code
