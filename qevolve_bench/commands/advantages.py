"""`qevolve-bench advantages`: what Q-Evolve thought of its actions, and how far to trust it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qevolve_baselines.run.advantage_log import Judged
    from qevolve_bench.commands.options import Subparsers

_HEADERS = {
    "action": "action", "steps_won": "in won", "mean_won": "mean", "spread_won": "spread",
    "positive_won": "> 0", "steps_lost": "in lost", "mean_lost": "mean", "spread_lost": "spread",
    "positive_lost": "> 0",
}  # fmt: skip


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "advantages",
        help="look at the critic and the advantages of a run of q_evolve",
        description="Show, for each round of a run of q_evolve, whether V predicts the return,"
        " whether value arrives early, and which sign advantages have before and behind refusals;"
        " or, with --episode, each step of one episode with its reward, label, V, Q and advantage.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--round", type=int, metavar="K", help="one round (default: all)")
    parser.add_argument(
        "--episode", type=int, metavar="N", help="the steps of the N-th own episode, from 0"
    )
    parser.add_argument(
        "--gae-lambda",
        type=float,
        nargs="+",
        default=[],
        metavar="L",
        help="show what GAE with these λ makes of the same V, rewards and labels, with γ = 0.99,"
        " divided by their standard deviation and bounded by 3",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the tables."""
    from qevolve_baselines.run.advantage_log import read_judged
    from qevolve_bench.analysis.critic import rounds_of
    from qevolve_envs.errors import BenchError, UnknownName

    for value in args.gae_lambda:
        if not 0 <= value <= 1:
            raise BenchError(f"--gae-lambda lies between 0 and 1, and {value:g} does not.")
    if args.gae_lambda and args.episode is not None:
        raise BenchError("Give --gae-lambda or --episode: an episode shows what was learnt.")
    files = rounds_of(args.run_folder)
    if args.round is not None and args.round not in files:
        raise UnknownName.of("round", str(args.round), [str(number) for number in files])
    rounds = {
        number: list(read_judged(file))
        for number, file in files.items()
        if args.round in (None, number)
    }
    own = {number: [j for j in judged if not j.expert] for number, judged in rounds.items()}
    if args.episode is not None:
        for number, episodes in own.items():
            if not 0 <= args.episode < len(episodes):
                raise BenchError(
                    f"There is no episode {args.episode}: round {number} has {len(episodes)} own"
                    " episodes, counted from 0."
                )
    for number, judged in rounds.items():
        if args.episode is None:
            _overview(judged, own[number], args.gae_lambda)
        else:
            _trace(own[number][args.episode])
    return 0


def _overview(judged: list[Judged], own: list[Judged], lambdas: list[float]) -> None:
    from tabulate import tabulate

    from qevolve_bench.analysis.critic import calibration, propagation, signs

    first, held = judged[0], [j for j in own if j.held_out]
    won = sum(j.won for j in own)
    print(
        f"Round {first.round}: critic {first.critic[:12]}, policy {first.policy[:12]};"
        f" {len(own)} own episodes, {won} won, {len(held)} held out from the critic;"
        f" {len(judged) - len(own)} of the expert.\n"
    )
    if not own:
        return
    shown = held or own
    print(f"Calibration on {'held-out' if held else 'all'} own episodes, by tenths of V:")
    print(tabulate(calibration(shown), headers="keys", floatfmt=".3f"))
    print("\nMean V by quarters of an own episode:")
    print(tabulate(propagation(own), headers="keys", floatfmt=".3f"))
    chosen: list[float | None] = [*lambdas] or [None]
    for gae_lambda in chosen:
        how = "" if gae_lambda is None else f", computed anew with λ = {gae_lambda:g}"
        print(f"\nAdvantages{how}:")
        print(tabulate(signs(judged, gae_lambda), headers=_HEADERS, floatfmt=".2f"))
    print()


def _trace(one: Judged) -> None:
    from tabulate import tabulate

    print(
        f"Round {one.round}, {one.task_id}, seed {one.seed}, {'won' if one.won else 'lost'},"
        f" episode {one.episode[:12]}, critic {one.critic[:12]}, policy {one.policy[:12]}:"
    )
    columns = (one.actions, one.feedback, one.reward, one.label, one.v, one.q, one.advantage)
    headers = ("action", "feedback", "reward", "label", "V", "Q", "advantage")
    print(tabulate(list(zip(*columns, strict=True)), headers, floatfmt=".3f"), end="\n\n")
