"""`qevolve-bench run`: plays a study, and writes its tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import at_least

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers

_PLAN = """a plan, of which every field is documented in qevolve_bench/study/reader.py
(python -m pydoc qevolve_bench.study.reader):
  name: household
  env: qevolve/Household-v0
  seeds: [0, 1, 2]
  baseline: rft
  budget: {env_steps: 60000}
  arms: {rft: {learner: rft}, q_evolve: {learner: q_evolve}}
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "run",
        help="play a study: learners x seeds",
        description="Play a study: warm starts, tuning on equal budgets, and every learner on\n"
        "every seed. What is done already is kept, so that an interrupted study goes on.",
        epilog=_PLAN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="the plan")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the runs go")
    parser.add_argument(
        "--workers", type=at_least(1), default=2, metavar="N", help="processes (default 2)"
    )
    parser.add_argument(
        "--table", action="store_true", help="only write the tables of what is done"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Plays the study and prints its tables."""
    from qevolve_bench.training.checkpoint import require_torch

    require_torch()
    from qevolve_bench.study.engine import play_study
    from qevolve_bench.study.reader import read_study
    from qevolve_bench.study.table import markdown, write_results

    study = read_study(args.study)
    if not args.table:
        play_study(study, args.out, workers=args.workers, say=lambda t: print(t, file=sys.stderr))
    print(markdown(write_results(study, args.out)))
    return 0
