"""`qevolve-bench tip`: does an agent, or a learner, stay honest when breaking a rule pays?"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from qevolve_bench.commands.shared import HelpWithAgents, episode_bar, interrupted
from qevolve_bench.flags import Count, Flag, Pairs, Seed, Subparsers, add_command
from qevolve_bench.options import AgentOptions, Workers
from qevolve_bench.schema import Bounds
from qevolve_envs.errors import BenchError

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


@dataclass(kw_only=True)
class TipOptions(AgentOptions):
    """Measure whether an agent, or a learner, stays honest where breaking a rule pays.

    An agent plays the world through phases and controls; or learners train in it, round after round
    (--study). Printed are the violation rate by round, whether and when it tips, and whether it
    recovers. What is done already is kept, so that an interrupted command continues. An agent that
    hangs is waited for (qevolve-bench eval has a limit, --step-seconds).

    Attributes:
        list_all: List worlds, populations, defences and studies.
        world: A world for an agent to play.
        study: A study of learners: the file of its plan, or a name.
        read: Play nothing: show what was played.
        agent: An agent by its name, module:factory of your own (see below), or a scripted
            population such as population:bandit:0.2; several are dealt out in turn:
            population:imitate_best+always_comply.
        arg: An argument of the world, such as agents=6 or phases=A:3,B:6,C:4; may be repeated.
        defence: Put a defence around the world, such as remind:2; may be repeated.
        controls: Controls to play, or none; by default all that the world has.
        split: Panel of scenarios; by default unseen.
        episodes: Episodes of each condition.
        seed: Seed of the draw and of the episodes.
        batch_size: Episodes that are played in lockstep.
        workers: Processes of a study.
        table: Of a study: only the tables of what is done.
        out: Folder that keeps the traces and the result.
        force: Let --out replace another session.
        format: Format of the tables.
    """

    list_all: Annotated[bool, Flag("--list", exclusive=True)] = False
    world: Annotated[str | None, Flag(metavar="NAME", exclusive=True)] = None
    study: Annotated[str | None, Flag(metavar="PLAN.yaml", exclusive=True)] = None
    read: Annotated[list[Path] | None, Flag(metavar="DIR", exclusive=True)] = None
    agent: Annotated[str | None, Flag(metavar="NAME")] = None
    arg: Pairs = field(default_factory=dict)
    defence: Annotated[tuple[str, ...], Flag(metavar="NAME", repeat=True)] = ()
    controls: Annotated[list[str] | None, Flag(metavar="NAME")] = None
    split: Annotated[str | None, Flag(metavar="NAME")] = None
    episodes: Count = 20
    seed: Seed = 0
    batch_size: Annotated[int, Bounds(1), Flag(metavar="B")] = 16
    workers: Workers = 2
    table: bool = False
    out: Annotated[Path | None, Flag(metavar="DIR")] = None
    force: bool = False
    format: Literal["text", "md", "latex", "json"] = "text"


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "tip", run, TipOptions,
        help="measure whether an agent or a learner stays honest",
        epilog=_EXAMPLES, help_action=HelpWithAgents,
    )  # fmt: skip


def run(args: TipOptions) -> int:
    """Plays or reads, and prints the figures."""
    if args.list_all:
        print(listing())
        return 0
    if args.read is not None:
        return _read(args.read, args.format)
    if args.world is None and args.study is None:
        raise BenchError("Say what to play: give --world, --study, --read or --list.")
    if args.out is None:
        raise BenchError("--out is missing: the folder that keeps what is played.")
    if args.study is not None:
        return _study(args, args.study, args.out)
    assert args.world is not None
    return _world(args, args.world, args.out)


def listing() -> str:
    """Describes the worlds and their controls, populations, defences and studies."""
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
    """Names the studies of tipping that come with the package."""
    from importlib.resources import files

    folder = files("qevolve_bench") / "studies"
    names = (file.name for file in folder.iterdir())
    return sorted(n for n in names if n.startswith("tip-") and n.endswith(".yaml"))


def _world(args: TipOptions, world: str, out: Path) -> int:
    """Lets an agent play a world and its controls."""
    from qevolve_bench.tipping.session import Session, play_session, read_failures

    if args.agent is None:
        raise BenchError("--agent is missing (or give --study, --read or --list).")
    if args.table:
        raise BenchError("--table belongs to --study.")
    controls = None if args.controls is None else [c for c in args.controls if c != "none"]
    session = Session(
        world=world,
        agent=args.agent,
        arguments=args.arg,
        options=args.agent_options(),
        defences=args.defence,
        split=args.split or "unseen",
        episodes=args.episodes,
        seed=args.seed,
        batch_size=args.batch_size,
    )
    try:
        with episode_bar() as bar:
            result = play_session(session, out, controls, force=args.force, on_progress=bar)
    except KeyboardInterrupt:
        return interrupted(f" after {bar.done} episodes; the same command goes on with {out}.")
    print(_shown(result, args.format))
    failures = [(name, read_failures(out, name)) for name in result["session"]["failures"]]
    for name, lines in failures:
        if lines:
            print(
                f"The agent had no answer {len(lines)} times in {name}, which counts as not"
                f" understood; the first time: {lines[0]['reason']}",
                file=sys.stderr,
            )
    return 0


def _study(args: TipOptions, plan: str, out: Path) -> int:
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
        study = read_study(_plan(plan, stack))
    if not study.phases:
        raise BenchError(
            f"{plan} has no phases, so that nothing tips: play it with qevolve-bench run."
        )
    if not args.table:
        play_study(study, out, workers=args.workers, say=lambda t: print(t, file=sys.stderr))
    record = write_results(study, out)
    print(markdown(record) if args.format == "text" else _shown(record["tipping"], args.format))
    return 0


def _plan(name: str, stack: contextlib.ExitStack) -> Path:
    """Finds the file of a plan: the one that is given, or that comes with the package."""
    from importlib.resources import as_file, files

    if not Path(name).exists() and name in {n for s in studies() for n in (s, s[:-5])}:
        file = f"{name.removesuffix('.yaml')}.yaml"
        return stack.enter_context(as_file(files("qevolve_bench") / "studies" / file))
    return Path(name)


def _read(paths: list[Path], form: str) -> int:
    """Shows what was played, several of them beside each other."""
    from qevolve_bench.schema import read_json
    from qevolve_bench.tipping.analyse import gather
    from qevolve_bench.tipping.document import check_document
    from qevolve_bench.tipping.text import results_of

    results = []
    for path in paths:
        file = path / "tipping.json" if path.is_dir() else path
        results += results_of(check_document(read_json(file), file))
    print(_shown(gather(results) if len(results) > 1 else results[0], form))
    return 0


def _shown(document: Any, form: Any) -> str:
    from qevolve_bench.tipping.text import render

    return render(document, format=form)
