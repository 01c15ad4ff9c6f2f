"""`qevolve-bench compare`: agents or learners on the tasks they share, with corrected tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qevolve_bench.flags import Flag, Level, Seed, Subparsers, add_command
from qevolve_bench.schema import Bounds
from qevolve_envs.errors import BenchError

_EXAMPLES = """examples:
  qevolve-bench compare runs/mine runs/expert
  qevolve-bench compare new=runs/b old=runs/a --outcome score --format md
  qevolve-bench compare 'runs/q_evolve-*' 'runs/rft-*' --at env_steps=40000
  qevolve-bench compare runs/*/curve.jsonl --baseline rft --format latex
"""


@dataclass(kw_only=True)
class CompareOptions:
    """Compare evaluations, submissions, files of episodes, or training runs, on shared tasks.

    Learners are compared over seeds and tasks, at an equal budget.

    Attributes:
        sides: A run folder, a submission, a .jsonl of episodes, a training run with its
            curve.jsonl, or a glob in quotes (all it matches are runs of one method).
        outcome: The outcome that is compared.
        at: Budget at which learners are compared, such as env_steps=40000 or trained_tokens;
            default: the env_steps that all of them reached.
        threshold: Also show the cost at which each learner reached this success or score.
        baseline: Compare all others with this one only.
        test: The test; auto: sign flips over tasks for agents, t over seeds and tasks for learners.
        correction: For all tests together; bh is Benjamini-Hochberg.
        level: Level of the intervals.
        seed: Seed of random sign flips.
        format: Format of the tables.
    """

    sides: Annotated[list[str], Flag("", metavar="[NAME=]PATH")]
    outcome: Literal["success", "score"] = "success"
    at: Annotated[str | None, Flag(metavar="AXIS=AMOUNT")] = None
    threshold: Annotated[float | None, Bounds(0, 1, within=True), Flag(metavar="T")] = None
    baseline: Annotated[str | None, Flag(metavar="NAME")] = None
    test: Literal["auto", "sign-flip"] = "auto"
    correction: Literal["holm", "bh", "none"] = "holm"
    level: Level = 0.95
    seed: Seed = 0
    format: Literal["text", "md", "latex", "csv", "json"] = "text"


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "compare", run, CompareOptions,
        help="compare evaluations or learners", epilog=_EXAMPLES,
    )  # fmt: skip


def run(args: CompareOptions) -> int:
    """Reads, compares and prints."""
    from qevolve_bench.analysis.compare import compare, costs, unshared
    from qevolve_bench.analysis.outcomes import BudgetPoint, read_sides
    from qevolve_bench.analysis.render import comparison_text

    budget = None if args.at is None else BudgetPoint.parse(args.at)
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
        comparison_text(
            found,
            [*sources.notes, *unshared(sources.sides)],
            costs=spent,
            format=args.format,
            outcome=args.outcome,
            level=args.level,
        )
    )
    return 0
