"""`qevolve-bench list`: the environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Flag, Subparsers, add_command

if TYPE_CHECKING:
    from qevolve_envs.catalog import EnvEntry


@dataclass(kw_only=True)
class ListOptions:
    """List the environments, or describe one.

    Attributes:
        env: Describe this environment.
    """

    env: Annotated[str | None, Flag("")] = None


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(subparsers, "list", run, ListOptions, help="list the environments")


def run(args: ListOptions) -> int:
    """Prints the table of environments, or one environment's page."""
    from qevolve_envs.registration import all_entries, unknown_environment

    entries = {entry.id: entry for entry in all_entries()}
    if args.env is None:
        print(_table(list(entries.values())))
        return 0
    if args.env not in entries:
        raise unknown_environment(args.env, entries)
    print(_page(entries[args.env]))
    return 0


def _table(entries: list[EnvEntry]) -> str:
    from tabulate import tabulate

    rows = [(e.id, e.max_episode_steps, ", ".join(e.splits), e.needs, e.summary) for e in entries]
    headers = ("environment", "horizon", "splits", "needs", "summary")
    # Wrapped, so that it fits a terminal of a hundred columns.
    widths = [None, None, 12, 24, 30]
    text: str = tabulate(rows, headers, disable_numparse=True, maxcolwidths=widths)
    return text


def _page(entry: EnvEntry) -> str:
    import inspect

    from tabulate import tabulate

    facts = [("horizon", f"{entry.max_episode_steps} steps"), ("splits", ", ".join(entry.splits))]
    if entry.needs:
        facts.append(("needs", entry.needs))
    facts += [(f"--env-arg {name}=", help_) for name, help_ in entry.kwargs.items()]
    table = tabulate(facts, tablefmt="plain", disable_numparse=True)
    parts = [entry.id, entry.summary, table, inspect.getdoc(entry.load()) or ""]
    return "\n\n".join(part for part in parts if part)
