"""`qevolve-bench advantages`: the values that Q-Evolve gave its actions, and their quality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Flag, Subparsers, add_command

if TYPE_CHECKING:
    from qevolve_baselines.run.advantage_log import AdvantageRecord

_HEADERS = {
    "action": "action", "steps_won": "in won", "mean_won": "mean", "spread_won": "spread",
    "positive_won": "> 0", "steps_lost": "in lost", "mean_lost": "mean", "spread_lost": "spread",
    "positive_lost": "> 0",
}  # fmt: skip


@dataclass(kw_only=True)
class AdvantagesOptions:
    """Show, for each round of a run of q_evolve, how good its critic and its advantages are.

    Does V predict the return, does value arrive early, and which sign do advantages have before and
    behind refusals? With --episode, show each step of one episode with its reward, label, V, Q and
    advantage.

    Attributes:
        run_folder: Folder of the run.
        round: One round; all by default.
        episode: The steps of the N-th own episode, from 0.
        gae_lambda: Show the advantages that GAE with these λ makes of the same V, rewards and
            labels, with γ = 0.99, divided by their standard deviation and bounded by 3.
    """

    run_folder: Annotated[Path, Flag("", metavar="RUN")]
    round: Annotated[int | None, Flag(metavar="K")] = None
    episode: Annotated[int | None, Flag(metavar="N")] = None
    gae_lambda: Annotated[list[float] | None, Flag(metavar="L")] = None


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "advantages", run, AdvantagesOptions,
        help="look at the critic and the advantages of a run of q_evolve",
    )  # fmt: skip


def run(args: AdvantagesOptions) -> int:
    """Prints the tables."""
    from qevolve_baselines.run.advantage_log import read_advantage_log
    from qevolve_bench.analysis.critic import rounds_of
    from qevolve_envs.errors import BenchError, UnknownName

    lambdas = args.gae_lambda or []
    for value in lambdas:
        if not 0 <= value <= 1:
            raise BenchError(f"--gae-lambda lies between 0 and 1, and {value:g} does not.")
    if lambdas and args.episode is not None:
        raise BenchError("Give --gae-lambda or --episode: an episode shows what was learnt.")
    files = rounds_of(args.run_folder)
    if args.round is not None and args.round not in files:
        raise UnknownName.of("round", str(args.round), [str(number) for number in files])
    rounds = {
        number: list(read_advantage_log(file))
        for number, file in files.items()
        if args.round in (None, number)
    }
    own = {number: [j for j in records if not j.expert] for number, records in rounds.items()}
    if args.episode is not None:
        for number, episodes in own.items():
            if not 0 <= args.episode < len(episodes):
                raise BenchError(
                    f"There is no episode {args.episode}: round {number} has {len(episodes)} own"
                    " episodes, counted from 0."
                )
    for number, records in rounds.items():
        if args.episode is None:
            _overview(records, own[number], lambdas)
        else:
            _trace(own[number][args.episode])
    return 0


def _overview(
    records: list[AdvantageRecord], own: list[AdvantageRecord], lambdas: list[float]
) -> None:
    from tabulate import tabulate

    from qevolve_bench.analysis.critic import calibration, propagation, signs

    first, held = records[0], [j for j in own if j.held_out]
    won = sum(j.won for j in own)
    print(
        f"Round {first.round}: critic {first.critic[:12]}, policy {first.policy[:12]};"
        f" {len(own)} own episodes, {won} won, {len(held)} held out from the critic;"
        f" {len(records) - len(own)} of the expert.\n"
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
        print(tabulate(signs(records, gae_lambda), headers=_HEADERS, floatfmt=".2f"))
    print()


def _trace(one: AdvantageRecord) -> None:
    from tabulate import tabulate

    print(
        f"Round {one.round}, {one.task_id}, seed {one.seed}, {'won' if one.won else 'lost'},"
        f" episode {one.episode[:12]}, critic {one.critic[:12]}, policy {one.policy[:12]}:"
    )
    columns = (one.actions, one.feedback, one.reward, one.label, one.v, one.q, one.advantage)
    headers = ("action", "feedback", "reward", "label", "V", "Q", "advantage")
    print(tabulate(list(zip(*columns, strict=True)), headers, floatfmt=".3f"), end="\n\n")
