"""`qevolve-bench export-alfworld`: a generated household task as a game for the official engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "export-alfworld",
        help="write household tasks as ALFWorld games",
        description="Write tasks of qevolve/Household-v0 as game.tw-pddl files that the official"
        " ALFWorld engine plays, with the domain and grammar of your own alfworld installation.",
    )
    parser.add_argument("tasks", nargs="+", metavar="TASK", help="such as household/unseen/0013")
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder laid out like ALFWorld's data, which qevolve/ALFWorld-v0 takes as data=DIR",
    )
    parser.add_argument("--domain", type=Path, metavar="FILE", help="another alfred.pddl")
    parser.add_argument("--grammar", type=Path, metavar="FILE", help="another alfred.twl2")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the games, after everything that could be wrong was looked at."""
    from qevolve_envs.errors import BenchError
    from qevolve_envs.household.alfworld import DATA_FOLDER, FOLDERS
    from qevolve_envs.household.export import alfworld_logic, export_task, task_type, to_alfworld
    from qevolve_envs.household.tasks import make_task

    specs = [make_task(task_id) for task_id in args.tasks]
    if (args.domain is None) != (args.grammar is None):
        raise BenchError("--domain and --grammar belong together: give both, or neither.")
    if args.domain is None:
        domain, grammar = alfworld_logic()
    else:
        domain, grammar = _read(args.domain), _read(args.grammar)
    for spec in specs:
        to_alfworld(spec, domain, grammar)
    for spec in specs:
        name = f"{task_type(spec)}-{spec.id.replace('/', '-')}"
        folder = args.out / DATA_FOLDER / FOLDERS[spec.split] / name / "trial"
        print(export_task(spec, folder, domain, grammar))
    return 0


def _read(path: Path) -> str:
    from qevolve_envs.errors import BadFile

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise BadFile(f"Cannot read {path}: {reason}.") from None
