"""`qevolve-bench suites`: which suites there are, what is in them, and measuring their anchors."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import at_least

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers
    from qevolve_bench.suites import Cell, Suite
    from qevolve_envs.errors import BenchError


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "suites",
        help="list or show the suites",
        description="Suites: named, versioned sets of tasks that an agent is evaluated on.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    list_ = actions.add_parser("list", help="list the suites")
    list_.set_defaults(run=run_list)
    show = actions.add_parser("show", help="show a suite's cells, counts and digests")
    show.add_argument("suite", metavar="NAME", help="such as core, core-v0 or my_suite.json")
    show.add_argument("--json", action="store_true", help="print the suite as JSON")
    show.set_defaults(run=run_show)
    measure = actions.add_parser(
        "measure",
        help="measure the panels and anchors of a suite file",
        description="Measure the panels and the random and expert anchors of a suite and write them"
        " into its file. Cells whose environment is absent stay as they are.",
    )
    measure.add_argument("file", metavar="FILE", type=Path, help="the suite's .json file")
    measure.add_argument(
        "--rounds",
        type=at_least(1),
        default=10,
        metavar="N",
        help="how often the random agent plays each panel (default 10)",
    )
    measure.set_defaults(run=run_measure)


def run_list(args: argparse.Namespace) -> int:
    """Prints the table of suites."""
    from tabulate import tabulate

    from qevolve_bench.suites import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    rows = [(s.name, len(s.cells), _total(s), s.digest[:12], s.description) for s in suites]
    headers = ("suite", "cells", "episodes", "digest", "what")
    widths = [None, None, None, None, 50]
    print(tabulate(rows, headers, disable_numparse=True, maxcolwidths=widths))
    return 0


def run_show(args: argparse.Namespace) -> int:
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


def run_measure(args: argparse.Namespace) -> int:
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
