"""`qevolve-bench suites`: lists and shows the suites, and measures their anchors."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Count, Flag, Subparsers, add_command, add_group

if TYPE_CHECKING:
    from qevolve_bench.suites import Cell, Suite
    from qevolve_envs.errors import BenchError


@dataclass(kw_only=True)
class SuiteListOptions:
    """List the suites: named, versioned sets of tasks that an agent is evaluated on."""


@dataclass(kw_only=True)
class SuiteShowOptions:
    """Show the cells, counts and digests of a suite.

    Attributes:
        suite: A suite, such as core, core-v0 or my_suite.json.
        json: Print the suite as JSON.
    """

    suite: Annotated[str, Flag("", metavar="NAME")]
    json: bool = False


@dataclass(kw_only=True)
class SuiteMeasureOptions:
    """Measure the panels of a suite and its anchors, random and expert; write them into its file.

    Cells whose environment is absent stay as they are.

    Attributes:
        file: File of the suite (.json).
        rounds: Number of times that the random agent plays each panel.
    """

    file: Annotated[Path, Flag("")]
    rounds: Count = 10


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    actions = add_group(
        subparsers, "suites", run_list, SuiteListOptions, help="list or show the suites"
    )
    add_command(actions, "list", run_list, SuiteListOptions, help="list the suites")
    add_command(actions, "show", run_show, SuiteShowOptions, help="show the cells of a suite")
    add_command(
        actions, "measure", run_measure, SuiteMeasureOptions,
        help="measure the panels and anchors of a suite file",
    )  # fmt: skip


def run_list(args: SuiteListOptions) -> int:
    """Prints the table of suites."""
    from tabulate import tabulate

    from qevolve_bench.suites import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    rows = [(s.name, len(s.cells), _total(s), s.digest[:12], s.description) for s in suites]
    headers = ("suite", "cells", "episodes", "digest", "what")
    widths = [None, None, None, None, 50]
    print(tabulate(rows, headers, disable_numparse=True, maxcolwidths=widths))
    return 0


def run_show(args: SuiteShowOptions) -> int:
    """Prints one suite."""
    from tabulate import tabulate

    from qevolve_bench.suites import load_suite

    suite = load_suite(args.suite)
    if args.json:
        print(json.dumps(suite.to_json(), indent=1))
        return 0
    rows = [_row(cell) for cell in suite.cells]
    columns = ("cell", "environment", "split", "horizon", "seeds", "tasks", "episodes", "panel")
    print(textwrap.fill(f"{suite.name}: {suite.description}", 100) + "\n")
    print(tabulate(rows, columns, disable_numparse=True))
    anchored = [cell for cell in suite.cells if cell.anchors]
    if anchored:
        measured = [
            (cell.name, agent, f"{a.success:.3f}", f"{a.score:.3f}", str(a.episodes))
            for cell in anchored
            for agent, a in cell.anchors.items()
        ]
        print("\nAnchors, over the whole panel:\n")
        headers = ("cell", "agent", "success", "score", "episodes")
        print(tabulate(measured, headers, disable_numparse=True))
    print(f"\n{_total(suite)} episodes; digest {suite.digest}")
    return 0


def run_measure(args: SuiteMeasureOptions) -> int:
    """Measures, and replaces the file."""
    from qevolve_bench.anchors import measure_suite
    from qevolve_bench.schema import write_json
    from qevolve_bench.suites import read_suite

    def on_skip(cell: Cell, error: BenchError) -> None:
        print(f"{cell.name} is left as it is: {error}", file=sys.stderr)

    suite = measure_suite(read_suite(args.file), rounds=args.rounds, on_skip=on_skip)
    write_json(args.file, suite.to_json())
    print(f"{args.file} measured; digest {suite.digest}")
    return 0


def _row(cell: Cell) -> tuple[str, ...]:
    from qevolve_envs.factory import PERTURBATION

    kwargs = " ".join(
        str(value) if name == PERTURBATION else f"{name}={value}"
        for name, value in cell.env_kwargs.items()
    )
    return (
        cell.name,
        f"{cell.env_id} {kwargs}".rstrip(),
        cell.split,
        str(cell.horizon),
        " ".join(map(str, cell.seeds)),
        "?" if cell.tasks is None else str(cell.tasks),
        "?" if cell.count is None else str(cell.count),
        "?" if cell.panel is None else cell.panel[:12],
    )


def _total(suite: Suite) -> str:
    counts = [cell.count for cell in suite.cells]
    known = sum(count for count in counts if count is not None)
    return str(known) if None not in counts else f"{known}+"
