"""`qevolve-bench run`: plays a study, and writes its tables."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from qevolve_bench.flags import Count, Flag, Subparsers, add_command
from qevolve_bench.options import Folder

_PLAN = """a plan, of which every field is documented in qevolve_bench/study/reader.py
(python -m pydoc qevolve_bench.study.reader):
  name: household
  env: qevolve/Household-v0
  seeds: [0, 1, 2]
  baseline: rft
  budget: {env_steps: 60000}
  arms: {rft: {learner: rft}, q_evolve: {learner: q_evolve}}
"""


@dataclass(kw_only=True)
class RunOptions:
    """Play a study: warm starts, tuning on equal budgets, and every learner on every seed.

    What is done already is kept, so that an interrupted study continues.

    Attributes:
        study: The plan.
        out: Folder of the runs.
        workers: Processes.
        table: Only write the tables of what is done.
    """

    study: Annotated[Path, Flag("", metavar="STUDY.yaml")]
    out: Folder
    workers: Count = 2
    table: bool = False


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "run", run, RunOptions, help="play a study: learners x seeds", epilog=_PLAN
    )


def run(args: RunOptions) -> int:
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
