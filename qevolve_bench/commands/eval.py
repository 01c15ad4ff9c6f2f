"""`qevolve-bench eval`: an agent plays a suite or a panel, and every number has its interval."""

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
    from qevolve_bench.statistics import Estimate
    from qevolve_bench.suites import Cell, Suite

#: Options that describe a single panel, and that a suite therefore excludes.
_PANEL = ("split", "episodes", "seed", "horizon")
STEP_SECONDS = 600.0


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "eval",
        help="evaluate an agent",
        description="Evaluate an agent on a suite (--suite) or on one panel (--env and --split).\n"
        "The same command gives the same episodes, byte for byte; with --out it\n"
        "continues what was interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add_help_with_agents(parser)
    parser.add_argument(
        "--agent",
        required=True,
        metavar="NAME",
        help="an agent by its name, or module:factory of your own (see below)",
    )
    add_agent_options(parser)
    what = parser.add_argument_group("what is played")
    what.add_argument("--suite", metavar="NAME", help="such as core, core-v0 or my_suite.json")
    what.add_argument("--env", metavar="ID", help="such as qevolve/Household-v0")
    what.add_argument("--split", help="panel to play, such as unseen")
    what.add_argument(
        "--episodes",
        type=at_least(1),
        metavar="N",
        help="how many; by default each task of the panel once",
    )
    what.add_argument("--seed", type=at_least(0), metavar="K", help="default 0")
    what.add_argument(
        "--horizon", type=at_least(1), metavar="H", help="steps of an episode, if not the default"
    )
    add_env_arg(what)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--batch-size",
        type=at_least(1),
        default=16,
        metavar="B",
        help="episodes that the agent plays in lockstep (default 16)",
    )
    how.add_argument(
        "--workers",
        type=at_least(0),
        metavar="W",
        help="processes (default 1; on Ray one for each CPU of the cluster; 0 plays in this"
        " process, without limits, for a debugger)",
    )
    how.add_argument(
        "--backend",
        default="local",
        metavar="NAME",
        help="local, or ray for the cluster of $RAY_ADDRESS (extra [ray])",
    )
    how.add_argument(
        "--step-seconds",
        type=positive,
        default=STEP_SECONDS,
        metavar="S",
        help="time for one answer of the agent, to the whole batch (default %(default)g); what"
        " takes longer has failed",
    )
    how.add_argument(
        "--episode-seconds", type=positive, metavar="S", help="time for an episode (default: any)"
    )
    how.add_argument(
        "--memory",
        type=at_least(1),
        metavar="MIB",
        help="address space of a worker (default: any); what needs more has failed",
    )
    result = parser.add_argument_group("the result")
    result.add_argument("--out", type=Path, metavar="RUN", help="folder that keeps the run")
    result.add_argument(
        "--force", action="store_true", help="let --out replace a run that is there"
    )
    result.add_argument(
        "--submit", type=Path, metavar="DIR", help="pack the run as a submission into this folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates, keeps the run and prints the table."""
    import tempfile

    suite = _suite(args)
    if args.submit is not None:
        _check_submit(args)
    if args.out is not None:
        if args.out.suffix in (".jsonl", ".json"):
            raise BadFile(f"--out names the folder of a run, not a file such as {args.out}.")
        return _evaluate(args, suite, args.out)
    with tempfile.TemporaryDirectory(prefix="qevolve-bench-") as folder:
        return _evaluate(args, suite, Path(folder) / "run")


def _check_submit(args: argparse.Namespace) -> None:
    """Refuses, before anything is played, what could not be packed or would never be verified."""
    from qevolve_bench.runner.results import MANIFEST
    from qevolve_bench.suites import suite_names

    if args.suite is None:
        raise BenchError(
            "--submit is for runs of a suite, because no other is ever verified: give --suite, one"
            f" of {', '.join(suite_names())}, instead of --env and --split."
        )
    if args.submit.exists():
        raise BadFile(f"{args.submit} exists: choose another --submit.")
    if args.out is not None and not args.force and (args.out / MANIFEST).exists():
        raise BadFile(
            f"{args.out} holds a finished run, which"
            f" `qevolve-bench leaderboard add {args.out}` packs; to play anew, choose another --out"
            " or replace it with --force."
        )


def _suite(args: argparse.Namespace) -> Suite:
    from qevolve_bench.runner.suite import adhoc_suite
    from qevolve_bench.suites import load_suite

    if args.suite is not None:
        given = [f"--{name}" for name in _PANEL if getattr(args, name) is not None]
        given += ["--env"] * (args.env is not None) + ["--env-arg"] * bool(args.env_arg)
        if given:
            raise BenchError(f"A suite fixes what is played: give --suite without {given[0]}.")
        return load_suite(args.suite)
    for name in ("env", "split"):
        if getattr(args, name) is None:
            raise BenchError(f"Give --suite, or --env and --split: --{name} is missing.")
    return adhoc_suite(
        args.env,
        split=args.split,
        episodes=args.episodes,
        seed=args.seed or 0,
        env_kwargs=env_kwargs(args.env_arg),
        max_episode_steps=args.horizon,
    )


def _evaluate(args: argparse.Namespace, suite: Suite, out: Path) -> int:
    from tqdm import tqdm

    from qevolve_bench.runner.jobs import Limits
    from qevolve_bench.runner.results import load_run
    from qevolve_bench.runner.suite import run_suite

    # disable=None: a bar for a person at a terminal, and nothing in a log file.
    bar = tqdm(unit="episode", file=sys.stderr, disable=None)
    state = (0, 0)

    def on_progress(done: int, total: int) -> None:
        nonlocal state
        state = (done, total)
        bar.total = total
        bar.update(done - bar.n)

    try:
        run_suite(
            suite,
            agent=args.agent,
            options=agent_options(args),
            out=out,
            limits=Limits(args.step_seconds, args.episode_seconds, args.memory),
            batch_size=args.batch_size,
            workers=args.workers,
            backend=args.backend,
            force=args.force,
            on_progress=on_progress,
        )
    except KeyboardInterrupt:
        bar.close()
        rest = (
            "nothing is kept, because there is no --out."
            if args.out is None
            else f"they lie in {out}, and the same command continues."
        )
        print(
            f"qevolve-bench: interrupted after {state[0]} of {state[1]} episodes; {rest}",
            file=sys.stderr,
        )
        return 130
    finally:
        bar.close()
    played = load_run(out)
    if args.out is not None:
        print(f"{state[1]} episodes in {out}", file=sys.stderr)
    if args.submit is not None:
        from qevolve_bench.submissions.submission import pack

        pack(out, args.submit)
        print(f"Submission in {args.submit}", file=sys.stderr)
    return _report(args, played)


def _report(args: argparse.Namespace, played: Run) -> int:
    """Prints the tables, and what failed; returns the exit code."""
    manifest, suite = played.manifest, played.suite
    assert manifest is not None and suite is not None
    if args.suite is None:
        print(f"{args.env}, split {args.split}, seed {args.seed or 0}\n")
    else:
        print(f"{suite.name}, agent {args.agent}\n")
    print(_table(args, played, {cell.name: cell for cell in suite.cells}))
    for cell, reason in manifest["skipped"].items():
        print(f"\n{cell} was skipped: {reason}")
    every = [episode for episodes in played.cells.values() for episode in episodes]
    if any(len({e.task_id for e in cell}) < len(cell) for cell in played.cells.values()):
        print("Tasks were played repeatedly, which the intervals take for independent tasks.")
    failures = [episode for episode in every if episode.error is not None]
    if failures:
        print(f"\n{len(failures)} failed, the first on {failures[0].task_id}:")
        print(failures[0].error)
    if len(failures) == len(every):
        print("qevolve-bench: every episode failed.", file=sys.stderr)
        return 1
    return 0


def _table(args: argparse.Namespace, played: Run, cells: dict[str, Cell]) -> str:
    from tabulate import tabulate

    from qevolve_bench.runner.results import summarise

    rows: list[list[object]] = []
    anchored = all(cells[name].anchors for name in played.cells)
    for name, episodes in played.cells.items():
        summary = summarise(episodes)
        row: list[object] = [args.agent if args.suite is None else name]
        row += [str(summary.success), str(summary.score)]
        if anchored:
            row.append(_normalised(summary.score, cells[name]))
        row += [f"{summary.steps:.1f}", summary.n, summary.failed, summary.env_steps]
        rows.append(row)
    headers = ["agent" if args.suite is None else "cell", "success", "score"]
    headers += ["normalised"] * anchored + ["steps", "n", "failed", "env steps"]
    table: str = tabulate(rows, headers, disable_numparse=True)
    notes = f"[ ] hold {summary.level:.0%} intervals; n counts the failed episodes too."
    if anchored:
        notes += "\nNormalised: the score, where the random agent's is 0 and the expert's 1."
    return f"{table}\n\n{notes}"


def _normalised(score: Estimate, cell: Cell) -> str:
    from qevolve_bench.statistics import Estimate, Interval

    low, high = cell.anchors["random"].score, cell.anchors["expert"].score
    if not low < high:
        return "-"
    value, *ends = [(x - low) / (high - low) for x in (score.value, *score.interval)]
    return str(Estimate(value, Interval(*ends)))
