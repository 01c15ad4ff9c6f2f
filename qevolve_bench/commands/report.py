"""`qevolve-bench report`: one self-contained page about everything that was played."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from qevolve_bench.flags import Flag, Level, Subparsers, add_command, command_line
from qevolve_bench.options import Folder
from qevolve_bench.schema import Bounds

_EXAMPLES = """examples:
  qevolve-bench report runs/mine runs/expert -o report.html
  qevolve-bench report leaderboards/core-v0/expert leaderboards/core-v0/random runs/mine
  qevolve-bench report new=runs/b old=runs/a runs/robust --baseline old --figures figures/
  qevolve-bench report studies/household 'runs/q_evolve-*' --at env_steps=40000
"""


@dataclass(kw_only=True)
class ReportOptions:
    """Make one self-contained HTML page of everything that was played.

    It takes evaluations, robustness runs, submissions, files of episodes, training runs and
    studies, and shows a leaderboard, intervals, comparisons, profiles, learning curves, robustness,
    tasks, and every episode step by step. It loads nothing from anywhere.

    Attributes:
        inputs: A run folder, a submission, a .jsonl of episodes, a training run with its
            curve.jsonl, the folder of a study, a tipping.json, or a glob in quotes (all it matches
            are runs of one method).
        out: File of the page.
        figures: Also write every figure as SVG, and as PNG with the extra [report].
        title: Title of the page.
        outcome: The outcome that is shown.
        at: Budget at which learners are compared, such as env_steps=40000; default: what all of
            them reached.
        baseline: Compare all others with this one only.
        level: Level of the intervals.
        episodes: At most N episodes of each method and cell in the browser (default all).
        force: Replace what is there.
    """

    inputs: Annotated[list[str], Flag("", metavar="[NAME=]PATH")]
    out: Annotated[Path, Flag("-o --out", metavar="FILE")] = Path("report.html")
    figures: Folder | None = None
    title: str = "qevolve-bench report"
    outcome: Literal["success", "score"] = "success"
    at: Annotated[str | None, Flag(metavar="AXIS=AMOUNT")] = None
    baseline: Annotated[str | None, Flag(metavar="NAME")] = None
    level: Level = 0.95
    episodes: Annotated[int | None, Bounds(0), Flag(metavar="N")] = None
    force: bool = False


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "report", run, ReportOptions,
        help="one page with numbers, figures and episodes", epilog=_EXAMPLES,
    )  # fmt: skip


def run(args: ReportOptions) -> int:
    """Reads, computes, and writes the page."""
    from qevolve_bench.analysis.outcomes import BudgetPoint
    from qevolve_bench.report.episodes import pack
    from qevolve_bench.report.files import check_figures, check_free, png_available, write_figures
    from qevolve_bench.report.inputs import read_inputs
    from qevolve_bench.report.numbers import compute
    from qevolve_bench.report.page import build
    from qevolve_envs.files import write_file

    check_free(args.out, force=args.force)
    if args.figures is not None:
        check_figures(args.figures, force=args.force)
    budget = None if args.at is None else BudgetPoint.parse(args.at)
    inputs = read_inputs(args.inputs, outcome=args.outcome, budget=budget)
    numbers = compute(inputs, outcome=args.outcome, level=args.level, baseline=args.baseline)
    packed = pack(inputs.methods, most=args.episodes)
    report = build(numbers, inputs, packed, title=args.title, options=_options(args))
    page = report.page.encode()
    write_file(args.out, page)
    print(f"{args.out}: {len(page) / 1e6:.1f} MB, {len(packed.index['rows']):,} episodes.")
    if args.figures is not None:
        written = write_figures(args.figures, report.figures)
        print(f"{args.figures}: {len(written)} files.")
        if not png_available():
            print(
                "PNG files are left out: they need matplotlib"
                " (pip install 'qevolve-bench[report]').",
                file=sys.stderr,
            )
    return 0


def _options(args: ReportOptions) -> list[str]:
    """Spells the options that the page depends on."""
    plain = ReportOptions(inputs=[])
    return command_line(replace(args, inputs=[], out=plain.out, figures=None, force=False))
