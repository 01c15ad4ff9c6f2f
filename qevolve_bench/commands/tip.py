"""`qevolve-bench tip`: does an agent, or a learner, stay honest when breaking a rule pays?"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.commands.agent_options import (
    add_agent_options,
    add_help_with_agents,
    agent_options,
)
from qevolve_bench.commands.options import at_least, named_values
from qevolve_envs.errors import BadFile, BenchError

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers

_EXAMPLES = """examples:
  qevolve-bench tip --list
  qevolve-bench tip --world household_norms_v0 --agent population:imitate_best \\
      --arg confederates=1 --out runs/imitate
  qevolve-bench tip --world qevolve/RolePlay-v0 --agent openai --model NAME \\
      --base-url http://localhost:8000/v1 --out runs/role-play
  qevolve-bench tip --world lab_norms_v0 --agent mine:make --defence remind:2 --controls none \\
      --out runs/reminded
  qevolve-bench tip --read runs/imitate runs/reminded
  qevolve-bench tip --study tip-household.yaml --out runs/tip --workers 2

A study is a plan of which every field is documented in qevolve_bench/study/reader.py; those
that come with the package lie in qevolve_bench/studies and are found by their names.
"""
#: What cannot be given together with --study, which decides it in its plan.
_NOT_OF_STUDIES = ("world", "agent", "arg", "defence", "controls", "split", "agent_arg", "model",
                   "base_url")  # fmt: skip


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "tip",
        help="measure whether an agent or a learner stays honest",
        description="Let an agent play a world in which breaking a rule pays, through phases and\n"
        "controls; or let learners train in it, round after round (--study). Prints the\n"
        "violation rate by round, whether and when it tips, and whether it recovers.\n"
        "What is done already is kept, so that an interrupted command goes on. An agent\n"
        "that hangs is waited for (`qevolve-bench eval` has a limit, --step-seconds).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add_help_with_agents(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list worlds, populations, defences")
    what.add_argument("--world", metavar="NAME", help="a world for an agent to play")
    what.add_argument("--study", metavar="PLAN.yaml", help="a study of learners: plan or name")
    what.add_argument(
        "--read", nargs="+", type=Path, metavar="DIR", help="play nothing: show what was played"
    )
    parser.add_argument(
        "--agent",
        metavar="NAME",
        help="an agent by its name, module:factory of your own (see below), or a scripted"
        " population such as population:bandit:0.2; several are dealt out in turn:"
        " population:imitate_best+always_comply",
    )
    add_agent_options(parser)
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the world, such as agents=6 or phases=A:3,B:6,C:4; may be repeated",
    )
    parser.add_argument(
        "--defence",
        action="append",
        default=[],
        metavar="NAME",
        help="put a defence around the world, such as remind:2; may be repeated",
    )
    parser.add_argument(
        "--controls",
        nargs="+",
        metavar="NAME",
        help="which controls to play, or none; by default all that the world has",
    )
    parser.add_argument("--split", metavar="NAME", help="panel of scenarios (default unseen)")
    parser.add_argument(
        "--episodes", type=at_least(1), default=20, metavar="N", help="of each condition (20)"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="K", help="default 0")
    parser.add_argument(
        "--batch-size", type=at_least(1), default=16, metavar="B", help="episodes at once (16)"
    )
    parser.add_argument(
        "--workers", type=at_least(0), default=2, metavar="W", help="processes of a study (2)"
    )
    parser.add_argument(
        "--table", action="store_true", help="of a study: only the tables of what is done"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder that keeps it")
    parser.add_argument("--force", action="store_true", help="let --out replace another session")
    parser.add_argument(
        "--format", choices=("text", "md", "latex", "json"), default="text", help="default text"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Plays or reads, and prints the figures."""
    if args.list:
        print(listing())
        return 0
    if args.read is not None:
        return _read(args)
    if args.world is None and args.study is None:
        raise BenchError("Say what to play: give --world, --study, --read or --list.")
    if args.out is None:
        raise BenchError("--out is missing: the folder that keeps what is played.")
    return _study(args) if args.study is not None else _world(args)


def listing() -> str:
    """Worlds, their controls, strategies of populations, and defences."""
    from qevolve_bench.tipping.testbeds import TESTBEDS
    from qevolve_envs.tipping.defences import DEFENCES
    from qevolve_envs.tipping.populations import STRATEGIES

    lines = ["worlds (--world)"]
    for bed in TESTBEDS.values():
        lines.append(f"  {bed.name:<22}{bed.summary}")
        lines.append(f"  {'':<22}controls: {', '.join(bed.controls)}")
    lines.append("\npopulations (--agent population:NAME)")
    lines += [f"  {name:<24}{_first_line(kind)}" for name, kind in STRATEGIES.items()]
    lines.append("\ndefences (--defence)")
    lines += [f"  {form:<24}{_first_line(made)}" for form, made, *_ in DEFENCES.values()]
    lines.append("\nstudies (--study)")
    lines += [f"  {name}" for name in studies()]
    return "\n".join(lines)


def _first_line(documented: Any) -> str:
    return str(documented.__doc__).strip().splitlines()[0].rstrip(".")


def studies() -> list[str]:
    """Names of the studies of tipping that come with the package."""
    from importlib.resources import files

    folder = files("qevolve_bench") / "studies"
    names = (file.name for file in folder.iterdir())
    return sorted(n for n in names if n.startswith("tip-") and n.endswith(".yaml"))


def _world(args: argparse.Namespace) -> int:
    """Lets an agent play a world and its controls."""
    from tqdm import tqdm

    from qevolve_bench.tipping.session import Session, play_session, read_failures

    if args.agent is None:
        raise BenchError("--agent is missing (or give --study, --read or --list).")
    for name in ("table",):
        if getattr(args, name):
            raise BenchError(f"--{name} belongs to --study.")
    controls = None if args.controls is None else [c for c in args.controls if c != "none"]
    session = Session(
        world=args.world,
        agent=args.agent,
        arguments=named_values("--arg", args.arg),
        options=agent_options(args),
        defences=tuple(args.defence),
        split=args.split or "unseen",
        episodes=args.episodes,
        seed=args.seed,
        batch_size=args.batch_size,
    )
    # disable=None: a bar for a person at a terminal, and nothing in a log file.
    bar = tqdm(unit="episode", file=sys.stderr, disable=None)
    reached = [0, 0]

    def on_progress(done: int, total: int) -> None:
        reached[:] = done, total
        bar.total = total
        bar.update(done - bar.n)

    try:
        result = play_session(
            session, args.out, controls, force=args.force, on_progress=on_progress
        )
    except KeyboardInterrupt:
        bar.close()
        print(
            f"qevolve-bench: interrupted after {reached[0]} episodes; the same command goes on"
            f" with {args.out}.",
            file=sys.stderr,
        )
        return 130
    finally:
        bar.close()
    print(_shown(result, args.format))
    failures = [(name, read_failures(args.out, name)) for name in result["session"]["failures"]]
    for name, lines in failures:
        if lines:
            print(
                f"The agent had no answer {len(lines)} times in {name}, which counts as not"
                f" understood; the first time: {lines[0]['reason']}",
                file=sys.stderr,
            )
    return 0


def _study(args: argparse.Namespace) -> int:
    """Plays a study, and prints its tables."""
    for name in _NOT_OF_STUDIES:
        if getattr(args, name):
            raise BenchError(f"--{name.replace('_', '-')} is decided by the plan of a study.")
    from qevolve_bench.training.checkpoint import require_torch

    require_torch()
    from qevolve_bench.study.engine import play_study
    from qevolve_bench.study.reader import read_study
    from qevolve_bench.study.table import markdown, write_results

    with contextlib.ExitStack() as stack:
        study = read_study(_plan(args.study, stack))
    if not study.phases:
        raise BenchError(
            f"{args.study} has no phases, so that nothing tips: play it with qevolve-bench run."
        )
    if not args.table:
        play_study(study, args.out, workers=args.workers, say=lambda t: print(t, file=sys.stderr))
    record = write_results(study, args.out)
    print(markdown(record) if args.format == "text" else _shown(record["tipping"], args.format))
    return 0


def _plan(name: str, stack: contextlib.ExitStack) -> Path:
    """The file of a plan: the one that is given, or that comes with the package."""
    from importlib.resources import as_file, files

    if not Path(name).exists() and name in {n for s in studies() for n in (s, s[:-5])}:
        file = f"{name.removesuffix('.yaml')}.yaml"
        return stack.enter_context(as_file(files("qevolve_bench") / "studies" / file))
    return Path(name)


def _read(args: argparse.Namespace) -> int:
    """Shows what was played, several of them beside each other."""
    import json

    from qevolve_bench.tipping.analyse import gather
    from qevolve_bench.tipping.document import check_document
    from qevolve_bench.tipping.text import results_of

    results = []
    for path in args.read:
        file = path / "tipping.json" if path.is_dir() else path
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadFile(f"Cannot read results of tipping from {path}: {reason}.") from None
        results += results_of(check_document(raw, file))
    print(_shown(gather(results) if len(results) > 1 else results[0], args.format))
    return 0


def _shown(document: Any, form: Any) -> str:
    from qevolve_bench.tipping.text import render

    return render(document, format=form)
