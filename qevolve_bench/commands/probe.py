"""`qevolve-bench probe`: learners on small worlds whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Count, Flag, Seed, Subparsers, add_command

if TYPE_CHECKING:
    from qevolve_baselines.probe import ProbeResult


@dataclass(kw_only=True)
class ProbeOptions:
    """Show which questions learners answer: each begins with a clone of a policy of known quality.

    A probe is a world of a few rooms with one dial (qevolve-bench list qevolve/Probe-v0). The table
    holds the exact success of the policy that is cloned, of what one round of rejection sampling
    makes of it, and of the best policy; then what each learner reached, sampled, with its interval
    over episodes. A learner and a probe take some ten seconds of one core.

    Attributes:
        learners: Learners by name; their preset "probe" is used where there is one.
        kind: Kinds of probes; by default all.
        level: The dial of all of them; by default each kind's middle one.
        seed: Seed of everything that is drawn.
        env_steps: Environment steps that a learner may take.
    """

    learners: Annotated[list[str], Flag("", metavar="LEARNER")]
    kind: Annotated[list[str], Flag(metavar="KIND")] = field(default_factory=list)
    level: Annotated[int | None, Flag(metavar="N")] = None
    seed: Seed = 0
    env_steps: Count = 4_000


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "probe", run, ProbeOptions,
        help="test learners on small worlds whose answers are known",
    )  # fmt: skip


def run(args: ProbeOptions) -> int:
    """Plays the probes and prints the table."""
    from qevolve_bench.training.checkpoint import require_torch
    from qevolve_envs.probe.worlds import KINDS, make_probe

    require_torch()
    import torch

    from qevolve_baselines.learners.base import find_learner, presets
    from qevolve_baselines.probe import clone_behaviour, play_probe, probe_env
    from qevolve_bench.analysis.render import table
    from qevolve_envs.errors import BenchError

    torch.set_num_threads(1)  # Models of this size are slower with more of them.
    for learner in args.learners:
        find_learner(learner)
    probes = [
        make_probe(kind, args.level if args.level is not None else KINDS[kind][1][1])
        if kind in KINDS
        else make_probe(kind, 1)  # Raises, with the close match.
        for kind in args.kind or KINDS
    ]
    rows = []
    for probe in probes:
        start = clone_behaviour(probe_env(probe.kind, probe.level), args.seed)
        cells: list[str] = []
        exact: list[str] = []
        for learner in args.learners:
            try:
                result = play_probe(
                    learner,
                    probe.kind,
                    probe.level,
                    args.seed,
                    start=start,
                    preset="probe" if "probe" in presets(learner) else None,
                    env_steps=args.env_steps,
                )
            except BenchError as error:
                cells.append("stopped")
                print(f"{learner} on {probe.kind} {probe.level}: {error}", flush=True)
                continue
            cells.append(_reached(result))
            exact = [
                f"{share:.3f}" for share in (result.behaviour, result.cloned_successes, result.best)
            ]
        rows.append([f"{probe.kind} {probe.level}", *(exact or ["", "", ""]), *cells])
    headers = ["probe", "start", "one RFT round", "best", *args.learners]
    print(table(headers, rows, "text"))
    print(
        "\nSuccess; start, one RFT round and best are exact. [ ] hold 95% intervals over"
        " episodes of one seed;\nin ( ) the share of commands that were refused or malformed,"
        " where it is above 1%."
    )
    return 0


def _reached(result: ProbeResult) -> str:
    from qevolve_bench.statistics import Estimate, wilson_interval

    after = result.after
    text = str(Estimate(after.success, wilson_interval(after.won, after.episodes)))
    wasted = after.refused + after.malformed
    return text + (f" ({wasted:.0%})" if wasted > 0.01 else "")
