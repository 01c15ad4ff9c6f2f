"""`qevolve-bench compare`: who is better, on shared tasks, with intervals and corrected tests."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import at_least
from qevolve_envs.errors import BenchError

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers

_EXAMPLES = """examples:
  qevolve-bench compare runs/mine runs/expert
  qevolve-bench compare new=runs/b old=runs/a --outcome score --format md
  qevolve-bench compare 'runs/q_evolve-*' 'runs/rft-*' --at env_steps=40000
  qevolve-bench compare runs/*/curve.jsonl --baseline rft --format latex
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "compare",
        help="compare evaluations or learners",
        description="Compare evaluations, submissions, files of episodes, or training runs, on the"
        " tasks they share. Learners are compared over seeds and tasks, at an equal budget.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sides",
        nargs="+",
        metavar="[NAME=]PATH",
        help="a run folder, a submission, a .jsonl of episodes, a training run with its"
        " curve.jsonl, or a glob in quotes (all it matches are runs of one method)",
    )
    parser.add_argument(
        "--outcome", choices=("success", "score"), default="success", help="default success"
    )
    parser.add_argument(
        "--at",
        metavar="AXIS=AMOUNT",
        help="budget at which learners are compared, such as env_steps=40000 or trained_tokens;"
        " default: the env_steps that all of them reached",
    )
    parser.add_argument(
        "--threshold",
        type=_share,
        metavar="T",
        help="also say what each learner spent to reach this success or score",
    )
    parser.add_argument("--baseline", metavar="NAME", help="compare all others with this one only")
    parser.add_argument(
        "--test",
        choices=("auto", "sign-flip"),
        default="auto",
        help="auto: sign flips over tasks for agents, t over seeds and tasks for learners",
    )
    parser.add_argument(
        "--correction",
        choices=("holm", "bh", "none"),
        default="holm",
        help="for all tests together (default holm; bh: Benjamini-Hochberg)",
    )
    parser.add_argument("--level", type=_share, default=0.95, metavar="L", help="default 0.95")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="K", help="of random sign flips; default 0"
    )
    parser.add_argument(
        "--format",
        choices=("text", "md", "latex", "csv", "json"),
        default="text",
        help="default text",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reads, compares and prints."""
    from qevolve_bench.analysis.compare import compare, costs, unshared
    from qevolve_bench.analysis.compare_text import render
    from qevolve_bench.analysis.sources import Budget, read_sides

    budget = None if args.at is None else Budget.parse(args.at)
    sources = read_sides(args.sides, outcome=args.outcome, budget=budget)
    if not sources.learners and (budget or args.threshold is not None):
        option = "--at" if budget else "--threshold"
        raise BenchError(f"{option} is for training runs with a curve.jsonl, and there is none.")
    if len(sources.sides) < 2:
        raise BenchError(
            f"There is only {sources.sides[0].name} to compare: name a second side, or give each"
            " run an argument and a name of its own."
        )
    found = compare(
        sources.sides,
        outcome=args.outcome,
        baseline=args.baseline,
        test=args.test,
        correction=args.correction,
        level=args.level,
        seed=args.seed,
    )
    spent = (
        []
        if args.threshold is None
        else costs(
            sources.learners, sources.axis, args.threshold, outcome=args.outcome, level=args.level
        )
    )
    print(
        render(
            found,
            [*sources.notes, *unshared(sources.sides)],
            costs=spent,
            format=args.format,
            outcome=args.outcome,
            level=args.level,
        )
    )
    return 0


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"need a number between 0 and 1, not {text!r}")
    return share
