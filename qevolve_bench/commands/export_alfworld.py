"""`qevolve-bench export-alfworld`: a generated household task as a game for the official engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from qevolve_bench.flags import Flag, Subparsers, add_command
from qevolve_bench.options import File, Folder


@dataclass(kw_only=True)
class ExportOptions:
    """Write tasks of qevolve/Household-v0 as games (game.tw-pddl) of the official ALFWorld engine.

    The domain and grammar are those of your own alfworld installation.

    Attributes:
        tasks: Tasks, such as household/unseen/0013.
        out: Folder laid out like ALFWorld's data, which qevolve/ALFWorld-v0 takes as data=DIR.
        domain: Another alfred.pddl.
        grammar: Another alfred.twl2.
    """

    tasks: Annotated[list[str], Flag("", metavar="TASK")]
    out: Folder
    domain: File | None = None
    grammar: File | None = None


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(
        subparsers, "export-alfworld", run, ExportOptions,
        help="write household tasks as ALFWorld games",
    )  # fmt: skip


def run(args: ExportOptions) -> int:
    """Writes the games, after all mistakes were looked for."""
    from qevolve_envs.errors import BenchError
    from qevolve_envs.household.alfworld import DATA_FOLDER, FOLDERS
    from qevolve_envs.household.export import alfworld_logic, export_task, task_type, to_alfworld
    from qevolve_envs.household.tasks import make_task

    specs = [make_task(task_id) for task_id in args.tasks]
    if (args.domain is None) != (args.grammar is None):
        raise BenchError("--domain and --grammar belong together: give both, or neither.")
    if args.domain is None or args.grammar is None:
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
