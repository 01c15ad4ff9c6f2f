"""`qevolve-bench demo`: the whole way in minutes, on a laptop without a GPU."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.flags import Count, Subparsers, add_command
from qevolve_bench.options import Folder

if TYPE_CHECKING:
    from qevolve_bench.training.specification import TrainingResult


@dataclass(kw_only=True)
class DemoOptions:
    """See a small agent learn, in minutes, on a laptop without a GPU.

    The expert demonstrates; its behaviour is cloned into a small model made from scratch; the clone
    is improved by Q-Evolve and by more cloning; and they are compared.

    Attributes:
        out: Keep the runs here, and continue them.
        workers: Processes.
    """

    out: Folder | None = None
    workers: Count = 2


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(subparsers, "demo", run, DemoOptions, help="see a small agent learn, in minutes")


def run(args: DemoOptions) -> int:
    """Plays the demonstration study and prints its table."""
    from qevolve_bench.training.checkpoint import require_torch

    require_torch()
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        return _demo(args.out, args.workers)
    with tempfile.TemporaryDirectory(prefix="qevolve-demo-") as folder:
        return _demo(Path(folder), args.workers)


def _demo(folder: Path, workers: int) -> int:
    from qevolve_bench.study.engine import play_study, run_folder
    from qevolve_bench.study.reader import read_study
    from qevolve_bench.training.specification import read_result

    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {text}", file=sys.stderr)

    with as_file(files("qevolve_bench") / "studies" / "demo.yaml") as file:
        study = read_study(file)
    say(
        f"{study.demos} demonstrations, then behaviour cloning into a model from scratch"
        " (minutes) ..."
    )
    play_study(study, folder, workers=workers, say=say)
    seed = study.seeds[0]
    runs = {"behaviour cloning (SFT)": read_result(run_folder(folder, seed, "warm"))}
    names = {"sft_longer": "SFT, longer", "q_evolve": "Q-Evolve, one round"}
    for arm in study.arms:
        runs[names[arm.name]] = read_result(run_folder(folder, seed, "runs", arm.name))
    print(f"{study.env}, {study.env_kwargs['size']}, one seed\n")
    print(_table({name: run for name, run in runs.items() if run is not None}, study.evaluate))
    return 0


def _table(runs: dict[str, TrainingResult], splits: tuple[str, ...]) -> str:
    from tabulate import tabulate

    from qevolve_bench.statistics import success_difference, wilson_interval

    rows = []
    for name, outcome in runs.items():
        row: list[Any] = [name]
        for split in splits:
            result = outcome.results[split]
            low, high = wilson_interval(sum(result["won"]), result["n"])
            row.append(f"{result['success']:.3f} [{low:.3f}, {high:.3f}]")
        row += [f"{outcome.ledger['env_steps']:,.0f}", f"{outcome.ledger['trained_tokens']:,.0f}"]
        rows.append(row)
    table = tabulate(
        rows, ("learner", *splits, "env steps", "trained tokens"), disable_numparse=True
    )
    (first, a), (second, b) = list(runs.items())[-2:]
    lines = []
    for split in splits:
        gap = success_difference(b.results[split]["won"], a.results[split]["won"])
        low, high = gap.interval
        lines.append(
            f"{second} against {first} on {split}: {100 * gap.value:+.1f} points"
            f" [{100 * low:+.1f}, {100 * high:+.1f}]"
        )
    return (
        f"{table}\n\n" + "\n".join(lines) + "\n\n"
        "[ ] hold 95% intervals over tasks. One seed cannot tell learners apart: that takes a study"
        " (qevolve-bench run)."
    )
