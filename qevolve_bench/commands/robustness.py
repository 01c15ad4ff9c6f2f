"""`qevolve-bench robustness`: the same tasks and seeds, clean and perturbed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.shared import HelpWithAgents, episode_bar, kept
from qevolve_bench.flags import Subparsers, add_command
from qevolve_bench.options import (
    RobustnessOptions,
)
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.files import write_file

if TYPE_CHECKING:
    from qevolve_bench.runner.results import EvaluationRun

_EXAMPLES = """examples:
  qevolve-bench robustness --list
  qevolve-bench robustness --env qevolve/Household-v0 --split unseen --agent expert
  qevolve-bench robustness --env qevolve/Shop-v0 --split seen --agent random \\
      --perturbations typos rename distractors:3 --severity 1 2 --out runs/shop
  qevolve-bench robustness --read runs/shop --outcome score --radar shop.svg
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "robustness", run, RobustnessOptions,
        help="measure what an agent retains in a perturbed world",
        epilog=_EXAMPLES, help_action=HelpWithAgents,
    )  # fmt: skip


def run(args: RobustnessOptions) -> int:
    """Plays or reads, and prints the tables."""
    if args.list_all:
        print(list_perturbations())
        return 0
    if args.radar is not None and not args.radar.resolve().parent.is_dir():
        raise BadFile(f"Cannot write {args.radar}: its folder does not exist.")
    if args.read is not None:
        from qevolve_bench.runner.results import load_run

        return _report(args, [load_run(path) for path in args.read])
    for name in ("env", "split", "agent"):
        if getattr(args, name) is None:
            raise BenchError(f"--{name} is missing (or give --read or --list).")
    with kept(args.out) as out:
        return _report(args, [_play(args, out)])


def list_perturbations() -> str:
    """Describes the perturbations: their severities, and the environments that they apply to."""
    from qevolve_envs.perturb import PERTURBATIONS, environments

    lines = []
    for one in PERTURBATIONS.values():
        where = environments(one.name) if one.needs else []
        envs = ", ".join(env.partition("/")[2] for env in where) or "every environment"
        lines.append(f"{one.name:<12} {one.summary} ({envs})")
        lines += [f"             {i}  {text}" for i, text in enumerate(one.severities, 1)]
    return "\n".join(lines)


def _play(args: RobustnessOptions, out: Path) -> EvaluationRun:
    """Plays the clean world and the perturbed ones into a folder."""
    from qevolve_bench.analysis.robustness import choose, perturbed_suite
    from qevolve_bench.runner.results import load_run
    from qevolve_bench.runner.suite import run_suite
    from qevolve_bench.runner.worker import AgentLimits

    assert args.env is not None and args.agent is not None
    clean = args.panel()
    chosen = choose(args.env, args.perturbations, args.severity)
    if args.radar is not None and len({p.partition(":")[0] for p in chosen if "+" not in p}) < 3:
        raise BenchError("A radar plot needs at least three different perturbations.")
    with episode_bar() as bar:
        run_suite(
            perturbed_suite(clean.cells[0], chosen),
            agent=args.agent,
            options=args.agent_options(),
            out=out,
            limits=AgentLimits(args.step_seconds, None, None),
            batch_size=args.batch_size,
            workers=args.workers,
            force=args.force,
            on_progress=bar,
        )
    return load_run(out)


def _report(args: RobustnessOptions, runs: list[EvaluationRun]) -> int:
    """Prints the tables, draws the radar and says what failed; returns the exit code."""
    from qevolve_bench.analysis.render import robustness_text
    from qevolve_bench.analysis.robustness import robustness
    from qevolve_bench.report.charts import radar_file

    episodes = [episode for run_ in runs for cell in run_.cells.values() for episode in cell]
    results = robustness(episodes, outcome=args.outcome)
    print(robustness_text(results, format=args.format))
    if args.radar is not None:
        if len(results) > 1:
            raise BenchError("A radar plot shows one agent on one panel; --read one at a time.")
        picture = radar_file(results[0])
        if picture:
            write_file(args.radar, picture)
        else:
            print(f"Nothing is retained, so {args.radar} was not drawn.", file=sys.stderr)
    failed = [episode for episode in episodes if episode.error is not None]
    if failed:
        print(
            f"{len(failed)} of {len(episodes)} episodes failed, the first on {failed[0].task_id}:"
            f" {failed[0].error}",
            file=sys.stderr,
        )
    return 1 if len(failed) == len(episodes) else 0
