"""`qevolve-bench robustness`: the same tasks and seeds, clean and perturbed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.agent_options import (
    add_agent_options,
    add_help_with_agents,
    agent_options,
)
from qevolve_bench.commands.options import add_env_arg, at_least, env_kwargs, positive
from qevolve_envs.errors import BadFile, BenchError

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers
    from qevolve_bench.runner.results import Run

STEP_SECONDS = 600.0
_EXAMPLES = """examples:
  qevolve-bench robustness --list
  qevolve-bench robustness --env qevolve/Household-v0 --split unseen --agent expert
  qevolve-bench robustness --env qevolve/Shop-v0 --split seen --agent random \\
      --perturbations typos rename distractors:3 --severity 1 2 --out runs/shop
  qevolve-bench robustness --read runs/shop --outcome score --radar shop.svg
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "robustness",
        help="measure what an agent retains in a perturbed world",
        description="Play a panel clean and perturbed, with the same tasks and seeds, and say what"
        " share of its success the agent retains. With --out it continues what was interrupted.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add_help_with_agents(parser)
    parser.add_argument("--list", action="store_true", help="list the perturbations and leave")
    parser.add_argument(
        "--read",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="play nothing: read runs, submissions or .jsonl files of episodes",
    )
    parser.add_argument("--env", metavar="ID", help="such as qevolve/Household-v0")
    parser.add_argument("--split", help="panel to play, such as unseen")
    parser.add_argument(
        "--agent",
        metavar="NAME",
        help="an agent by its name, or module:factory of your own (see below)",
    )
    add_agent_options(parser)
    parser.add_argument(
        "--perturbations",
        nargs="+",
        metavar="NAME",
        help="such as typos, typos:3 or typos:1+reorder:2; by default all that apply",
    )
    parser.add_argument(
        "--severity",
        nargs="+",
        type=int,
        default=[2],
        metavar="S",
        help="1, 2 or 3, of those given without one; may be several (default 2)",
    )
    parser.add_argument(
        "--episodes",
        type=at_least(1),
        metavar="N",
        help="how many, in each world; by default each task of the panel once",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="K", help="default 0")
    parser.add_argument(
        "--horizon", type=at_least(1), metavar="H", help="steps of an episode, if not the default"
    )
    add_env_arg(parser)
    parser.add_argument(
        "--outcome", choices=("success", "score"), default="success", help="default success"
    )
    parser.add_argument(
        "--batch-size", type=at_least(1), default=16, metavar="B", help="default 16"
    )
    parser.add_argument("--workers", type=at_least(0), metavar="W", help="processes (default 1)")
    parser.add_argument(
        "--step-seconds",
        type=positive,
        default=STEP_SECONDS,
        metavar="S",
        help="time for one answer of the agent, to the whole batch (default %(default)g)",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder that keeps the run")
    parser.add_argument(
        "--force", action="store_true", help="let --out replace a run that is there"
    )
    parser.add_argument(
        "--format", choices=("text", "md", "latex", "json"), default="text", help="default text"
    )
    parser.add_argument(
        "--radar",
        type=Path,
        metavar="FILE",
        help="also draw a radar plot, as SVG, into this file; needs three perturbations",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Plays or reads, and prints the tables."""
    import tempfile

    if args.list:
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
    if args.out is not None:
        return _report(args, [_play(args, args.out)])
    with tempfile.TemporaryDirectory(prefix="qevolve-bench-") as folder:
        return _report(args, [_play(args, Path(folder) / "run")])


def list_perturbations() -> str:
    """What there is, what each severity means, and where it applies."""
    from qevolve_envs.perturb import PERTURBATIONS, environments

    lines = []
    for one in PERTURBATIONS.values():
        where = environments(one.name) if one.needs else []
        envs = ", ".join(env.partition("/")[2] for env in where) or "every environment"
        lines.append(f"{one.name:<12} {one.summary} ({envs})")
        lines += [f"             {i}  {text}" for i, text in enumerate(one.severities, 1)]
    return "\n".join(lines)


def _play(args: argparse.Namespace, out: Path) -> Run:
    """Plays all worlds into a folder."""
    from tqdm import tqdm

    from qevolve_bench.analysis.robustness import choose, perturbed_suite
    from qevolve_bench.runner.jobs import Limits
    from qevolve_bench.runner.results import load_run
    from qevolve_bench.runner.suite import adhoc_suite, run_suite

    clean = adhoc_suite(
        args.env,
        split=args.split,
        episodes=args.episodes,
        seed=args.seed,
        env_kwargs=env_kwargs(args.env_arg),
        max_episode_steps=args.horizon,
    )
    chosen = choose(args.env, args.perturbations, args.severity)
    if args.radar is not None and len({p.partition(":")[0] for p in chosen if "+" not in p}) < 3:
        raise BenchError("A radar plot needs at least three different perturbations.")
    suite = perturbed_suite(clean.cells[0], chosen)
    # disable=None: a bar for a person at a terminal, and nothing in a log file.
    bar = tqdm(unit="episode", file=sys.stderr, disable=None)

    def on_progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        run_suite(
            suite,
            agent=args.agent,
            options=agent_options(args),
            out=out,
            limits=Limits(args.step_seconds, None, None),
            batch_size=args.batch_size,
            workers=args.workers,
            force=args.force,
            on_progress=on_progress,
        )
    finally:
        bar.close()
    return load_run(out)


def _report(args: argparse.Namespace, runs: list[Run]) -> int:
    """Prints the tables, draws the radar and says what failed; returns the exit code."""
    from qevolve_bench.analysis.robustness import robustness
    from qevolve_bench.analysis.robustness_text import radar, radar_svg, render

    episodes = [episode for run_ in runs for cell in run_.cells.values() for episode in cell]
    results = robustness(episodes, outcome=args.outcome)
    print(render(results, format=args.format))
    if args.radar is not None:
        if len(results) > 1:
            raise BenchError("A radar plot shows one agent on one panel; --read one at a time.")
        if radar(results[0]):
            part = args.radar.with_name(args.radar.name + ".part")
            part.write_text(radar_svg(results[0]) + "\n", encoding="utf-8")
            part.replace(args.radar)
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
