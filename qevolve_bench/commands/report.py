"""`qevolve-bench report`: one self-contained page about everything that was played."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import at_least

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers

_EXAMPLES = """examples:
  qevolve-bench report runs/mine runs/expert -o report.html
  qevolve-bench report leaderboards/core-v0/expert leaderboards/core-v0/random runs/mine
  qevolve-bench report new=runs/b old=runs/a runs/robust --baseline old --figures figures/
  qevolve-bench report studies/household 'runs/q_evolve-*' --at env_steps=40000
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "report",
        help="one page with numbers, figures and episodes",
        description="Make one self-contained HTML page of evaluations, robustness runs,"
        " submissions, files of episodes, training runs and studies: leaderboard, intervals,"
        " comparisons, profiles, learning curves, robustness, tasks, and every episode step by"
        " step. It loads nothing from anywhere.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="[NAME=]PATH",
        help="a run folder, a submission, a .jsonl of episodes, a training run with its"
        " curve.jsonl, the folder of a study, a tipping.json, or a glob in quotes (all it matches"
        " are runs of one method)",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page (default %(default)s)",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="DIR",
        help="also write every figure as SVG, and as PNG with the extra [report]",
    )
    parser.add_argument("--title", default="qevolve-bench report", help="of the page")
    parser.add_argument(
        "--outcome", choices=("success", "score"), default="success", help="default success"
    )
    parser.add_argument(
        "--at",
        metavar="AXIS=AMOUNT",
        help="budget at which learners are compared, such as env_steps=40000; default: what all of"
        " them reached",
    )
    parser.add_argument("--baseline", metavar="NAME", help="compare all others with this one only")
    parser.add_argument("--level", type=_share, default=0.95, metavar="L", help="default 0.95")
    parser.add_argument(
        "--episodes",
        type=at_least(0),
        metavar="N",
        help="at most N episodes of each method and cell in the browser (default all)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reads, computes, and writes the page."""
    from qevolve_bench.analysis.sources import Budget
    from qevolve_bench.report import png
    from qevolve_bench.report.episodes import pack
    from qevolve_bench.report.files import check_figures, check_free, write_figures
    from qevolve_bench.report.inputs import read_inputs
    from qevolve_bench.report.numbers import compute
    from qevolve_bench.report.page import build
    from qevolve_envs.files import write_file

    check_free(args.out, force=args.force)
    if args.figures is not None:
        check_figures(args.figures, force=args.force)
    budget = None if args.at is None else Budget.parse(args.at)
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
        if not png.available():
            print(
                "PNG files are left out: they need matplotlib"
                " (pip install 'qevolve-bench[report]').",
                file=sys.stderr,
            )
    return 0


def _options(args: argparse.Namespace) -> list[str]:
    """The options that the page depends on."""
    options: list[str] = []
    for flag, value, default in (
        ("--title", args.title, "qevolve-bench report"),
        ("--outcome", args.outcome, "success"),
        ("--at", args.at, None),
        ("--baseline", args.baseline, None),
        ("--level", args.level, 0.95),
        ("--episodes", args.episodes, None),
    ):
        if value != default:
            options += [flag, str(value)]
    return options


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"need a number between 0 and 1, not {text!r}")
    return share
