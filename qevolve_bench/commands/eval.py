"""`qevolve-bench eval`: an agent plays a suite or a panel, and every number has its interval."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.shared import HelpWithAgents, episode_bar, interrupted, kept
from qevolve_bench.flags import Subparsers, add_command, command_line
from qevolve_bench.options import EvalOptions, PanelOptions
from qevolve_envs.errors import BadFile, BenchError

if TYPE_CHECKING:
    from qevolve_bench.runner.results import EvaluationRun
    from qevolve_bench.statistics import Estimate
    from qevolve_bench.suites import Cell, Suite


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "eval", run, EvalOptions, help="evaluate an agent", help_action=HelpWithAgents
    )


def run(args: EvalOptions) -> int:
    """Evaluates, keeps the run and prints the table."""
    suite = _suite(args)
    if args.submit is not None:
        _check_submit(args, args.submit)
    if args.out is not None and args.out.suffix in (".jsonl", ".json"):
        raise BadFile(f"--out names the folder of a run, not a file such as {args.out}.")
    with kept(args.out) as out:
        return _evaluate(args, suite, out)


def _check_submit(args: EvalOptions, submit: Path) -> None:
    """Refuses, before anything is played, what could not be packed or would never be verified."""
    from qevolve_bench.runner.results import MANIFEST
    from qevolve_bench.suites import suite_names

    if args.suite is None:
        raise BenchError(
            "--submit is for runs of a suite, because no other is ever verified: give --suite, one"
            f" of {', '.join(suite_names())}, instead of --env and --split."
        )
    if submit.exists():
        raise BadFile(f"{submit} exists: choose another --submit.")
    if args.out is not None and not args.force and (args.out / MANIFEST).exists():
        raise BadFile(
            f"{args.out} holds a finished run, which"
            f" `qevolve-bench leaderboard add {args.out}` packs; to play anew, choose another --out"
            " or replace it with --force."
        )


def _suite(args: EvalOptions) -> Suite:
    from qevolve_bench.suites import load_suite

    if args.suite is not None:
        given = PanelOptions(
            env=args.env, split=args.split, episodes=args.episodes, seed=args.seed,
            horizon=args.horizon, env_arg=args.env_arg,
        )  # fmt: skip
        flags = [word for word in command_line(given) if word.startswith("--")]
        if flags:
            raise BenchError(f"A suite fixes what is played: give --suite without {flags[0]}.")
        return load_suite(args.suite)
    for name in ("env", "split"):
        if getattr(args, name) is None:
            raise BenchError(f"Give --suite, or --env and --split: --{name} is missing.")
    return args.panel()


def _evaluate(args: EvalOptions, suite: Suite, out: Path) -> int:
    from qevolve_bench.runner.results import load_run
    from qevolve_bench.runner.suite import run_suite
    from qevolve_bench.runner.worker import AgentLimits

    try:
        with episode_bar() as bar:
            run_suite(
                suite,
                agent=args.agent,
                options=args.agent_options(),
                out=out,
                limits=AgentLimits(args.step_seconds, args.episode_seconds, args.memory),
                batch_size=args.batch_size,
                workers=args.workers,
                backend=args.backend,
                force=args.force,
                on_progress=bar,
            )
    except KeyboardInterrupt:
        rest = (
            "nothing is kept, because there is no --out."
            if args.out is None
            else f"they lie in {out}, and the same command continues."
        )
        return interrupted(f" after {bar.done} of {bar.total} episodes; {rest}")
    played = load_run(out)
    if args.out is not None:
        print(f"{bar.total} episodes in {out}", file=sys.stderr)
    if args.submit is not None:
        from qevolve_bench.submissions.submission import pack

        pack(out, args.submit)
        print(f"Submission in {args.submit}", file=sys.stderr)
    return _report(args, played)


def _report(args: EvalOptions, played: EvaluationRun) -> int:
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


def _table(args: EvalOptions, played: EvaluationRun, cells: dict[str, Cell]) -> str:
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
