"""Speed of the statistics beside rliable: both sides of every ratio, from one process.

    pip install -e ".[rliable]"             in an environment of its own: rliable needs pandas < 3
    python tests/benchmarks/statistics_speed.py

The same scores, aggregates and numbers of replications go to both; each figure is the best of a few
rounds, in which the two take turns. It is processor time over all threads, so that other work on
the machine decides nothing. Without rliable only our side is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from tabulate import tabulate

from qevolve_bench.statistics import (
    bootstrap,
    crossed_difference,
    probability_of_improvement,
    rank_ranges,
    sign_flip_test,
)

METHODS, RUNS, TASKS = 5, 10, 6
Scores = dict[str, np.ndarray]


def make_scores(methods: int = METHODS) -> Scores:
    """Scores of shape (runs, tasks) for each method."""
    return {f"m{i}": np.random.default_rng(i).random((RUNS, TASKS)) for i in range(methods)}


def our_aggregates(scores: Scores, resamples: int) -> object:
    """Mean, median, IQM and optimality gap with stratified bootstrap intervals."""
    return {
        name: bootstrap(table, resamples=resamples, seed=i)
        for i, (name, table) in enumerate(scores.items())
    }


def our_improvement(scores: Scores, resamples: int) -> object:
    """The first method over the second."""
    first, second = list(scores.values())[:2]
    return probability_of_improvement(first, second, resamples=resamples)


def rliable_sides() -> tuple[Callable[..., object], Callable[..., object]] | None:
    """The same two by rliable, or None where it cannot be imported."""
    try:
        from rliable import library, metrics
    except Exception:  # An incompatible pandas fails with more than an ImportError.
        return None

    def four(table: np.ndarray) -> np.ndarray:
        return np.array(
            [
                metrics.aggregate_mean(table),
                metrics.aggregate_median(table),
                metrics.aggregate_iqm(table),
                metrics.aggregate_optimality_gap(table),
            ]
        )

    def aggregates(scores: Scores, resamples: int) -> object:
        return library.get_interval_estimates(scores, four, reps=resamples)

    def improvement(scores: Scores, resamples: int) -> object:
        pair = {"x": list(scores.values())[:2]}
        return library.get_interval_estimates(
            pair,
            lambda a, b: np.array([metrics.probability_of_improvement(a, b)]),
            reps=resamples,
        )

    return aggregates, improvement


def race(
    ours: Callable[[], object], theirs: Callable[[], object] | None, rounds: int
) -> tuple[float, float | None]:
    """Least processor seconds of both, in turns."""
    mine, other = [], []
    for _ in range(rounds):
        mine.append(_seconds(ours))
        if theirs is not None:
            other.append(_seconds(theirs))
    return min(mine), min(other) if other else None


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def against_rliable(resamples: int, improvements: int, rounds: int) -> list[tuple[str, ...]]:
    """Rows of the table of ratios."""
    scores = make_scores()
    theirs = rliable_sides() or (None, None)
    cases = [
        (
            f"4 aggregates, {METHODS} x {RUNS} x {TASKS}, {resamples:,} replications",
            lambda: our_aggregates(scores, resamples),
            theirs[0] and (lambda: theirs[0](scores, resamples)),
        ),
        (
            f"probability of improvement, {improvements:,} replications",
            lambda: our_improvement(scores, improvements),
            theirs[1] and (lambda: theirs[1](scores, improvements)),
        ),
    ]
    rows = []
    for what, ours, other in cases:
        mine, seconds = race(ours, other, rounds)
        ratio = "rliable is missing" if seconds is None else f"{seconds / mine:,.0f}x"
        rows.append((what, f"{mine:.4f}", "-" if seconds is None else f"{seconds:.2f}", ratio))
    return rows


def own_sizes(rounds: int, resamples: int = 5_000) -> list[tuple[str, str]]:
    """Rows of what a comparison of this suite's size takes."""
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 400)) < 0.6, rng.random((5, 400)) < 0.5
    many = {f"s{i}": {"x": rng.random((1, 400)) < 0.5} for i in range(20)}
    gaps = rng.random(3321) - 0.5
    cases: list[tuple[str, Callable[[], object]]] = [
        (
            f"4 aggregates, 5 seeds x 400 tasks, crossed, {resamples:,}",
            lambda: bootstrap(a, design="crossed", resamples=resamples),
        ),
        ("t over 5 seeds x 400 tasks", lambda: crossed_difference(a, b)),
        ("exact sign flips, 400 tasks", lambda: sign_flip_test((a * 1.0 - b).mean(axis=0))),
        (
            f"{20 * resamples:,} random sign flips, 3,321 tasks",
            lambda: sign_flip_test(gaps, resamples=20 * resamples),
        ),
        (
            f"rank ranges, 20 methods x 400 tasks, {2 * resamples:,}",
            lambda: rank_ranges(many, resamples=2 * resamples),
        ),
    ]
    return [(what, f"{race(call, None, rounds)[0]:.4f}") for what, call in cases]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--resamples", type=int, default=5_000, help="of the aggregates")
    parser.add_argument("--improvements", type=int, default=2_000, help="replications")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many")
    parser.add_argument("--small", action="store_true", help="a small second table")
    args = parser.parse_args(argv)
    rows = against_rliable(args.resamples, args.improvements, args.rounds)
    print(tabulate(rows, headers=("the same input to both", "ours, s", "rliable, s", "ratio")))
    print()
    own = own_sizes(args.rounds, 50 if args.small else 5_000)
    print(tabulate(own, headers=("at the size of this suite", "s")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
