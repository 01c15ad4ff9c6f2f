"""`qevolve-bench leaderboard`: verified submissions side by side."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Flag, Subparsers, add_command, add_group
from qevolve_bench.options import Folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qevolve_bench.submissions.leaderboard import Leaderboard


@dataclass(kw_only=True)
class LeaderboardOptions:
    """List the leaderboards: folders <root>/<suite>/<submission>/, with tables of the replayed.

    Attributes:
        root: Folder of the leaderboards.
    """

    root: Folder = Path("leaderboards")


@dataclass(kw_only=True)
class BuildOptions(LeaderboardOptions):
    """Verify all submissions and write the tables.

    Exit code 1: a submission is refused, or --check finds that the tables are not what the
    submissions say.

    Attributes:
        check: Write nothing; exit with 1 where a table differs.
    """

    check: bool = False


@dataclass(kw_only=True)
class AddOptions(LeaderboardOptions):
    """Verify a submission (or pack and verify a run), copy it to <root>/<suite>/<name>/ and build.

    Exit code 1: it is refused.

    Attributes:
        submission: A submission, or a run.
        name: Name of its folder; by default that of DIR.
        link: An https:// address of a page about the agent.
    """

    submission: Annotated[Path, Flag("", metavar="DIR")]
    name: str | None = None
    link: Annotated[str | None, Flag(metavar="URL")] = None


@dataclass(kw_only=True)
class ShowOptions(LeaderboardOptions):
    """Print the table of a suite, verified now.

    Attributes:
        suite: A suite, such as core or core-v0.
    """

    suite: Annotated[str, Flag("")]


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    actions = add_group(
        subparsers, "leaderboard", run_list, LeaderboardOptions,
        help="list, build, extend or show leaderboards",
    )  # fmt: skip
    add_command(
        actions, "build", run_build, BuildOptions, help="verify all submissions, write the tables"
    )
    add_command(
        actions, "add", run_add, AddOptions,
        help="verify a submission, put it into its leaderboard and build",
    )  # fmt: skip
    add_command(
        actions, "show", run_show, ShowOptions, help="print the table of a suite, verified now"
    )


def run_list(args: LeaderboardOptions) -> int:
    """Prints the leaderboards that there are, and the numbers of their submissions."""
    from tabulate import tabulate

    from qevolve_bench.submissions.files import MANIFEST
    from qevolve_bench.suites import suite_names
    from qevolve_envs.errors import BadFile

    if not args.root.is_dir():
        raise BadFile(f"There is no folder {args.root}: give that of the leaderboards with --root.")
    rows = [
        (name, len(list((args.root / name).glob(f"*/{MANIFEST}"))))
        for name in suite_names()
        if (args.root / name).is_dir()
    ]
    print(tabulate(rows, ("leaderboard", "submissions")))
    print(f"\nA table: qevolve-bench leaderboard show NAME --root {args.root}")
    return 0


def run_build(args: BuildOptions) -> int:
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


def run_add(args: AddOptions) -> int:
    """Verifies one submission, copies it and builds."""
    from qevolve_bench.submissions.submission import add_submission

    verdict, place = add_submission(args.submission, args.root, name=args.name, link=args.link)
    if verdict.status == "refused":
        for finding in verdict.findings:
            print(finding)
        print(f"{args.submission} is refused")
        return 1
    print(f"{place} is {verdict.status}")
    return run_build(BuildOptions(root=args.root))


def run_show(args: ShowOptions) -> int:
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
    print(standings(board, "text"))
    return code


def _report_refused(root: Path, boards: Sequence[Leaderboard]) -> int:
    code = 0
    for board in boards:
        for name, findings in board.refused.items():
            code = 1
            for sentence in findings:
                print(f"{root / board.suite.name / name}: {sentence}", file=sys.stderr)
    return code
