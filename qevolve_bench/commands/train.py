"""`qevolve-bench train`: a learner makes a policy better, within a budget."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from qevolve_bench.commands.shared import interrupted
from qevolve_bench.flags import Count, Flag, Subparsers, add_arguments, add_command, from_arguments
from qevolve_bench.training.checkpoint import require_torch
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.errors import BenchError


@dataclass(kw_only=True)
class TrainOptions:
    """Train a policy.

    An interrupted run continues when the same command is given again, and ends with the same
    weights.

    Attributes:
        out: Folder of the run.
        force: Replace the run in that folder.
        list_settings: Print the settings of the learner with their defaults, and its presets, and
            leave.
        tensorboard: Metrics for TensorBoard in RUN/tensorboard.
        threads: Threads of torch.
    """

    out: Annotated[Path | None, Flag(metavar="RUN")] = None
    force: bool = False
    list_settings: bool = False
    tensorboard: bool = False
    threads: Count | None = None


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers, "train", lambda _: 0, TrainOptions, help="train a policy with a learner"
    )
    add_arguments(parser, TrainingSpec, all_optional=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains, and prints the result."""
    require_torch()
    options = from_arguments(TrainOptions, args)
    if options.list_settings:
        preset, overrides = getattr(args, "preset", None), getattr(args, "settings", [])
        print(settings_text(args.learner, preset, overrides))
        return 0
    spec = from_arguments(TrainingSpec, args)
    if options.out is None:
        raise BenchError("Give --out (see qevolve-bench train --help).")
    from qevolve_baselines import parallel
    from qevolve_bench.training.run import train
    from qevolve_bench.training.tensorboard import board

    if options.threads is not None:
        import torch

        torch.set_num_threads(options.threads)
    out = options.out
    progress = TrainingBar()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(parallel.processes(spec.device))
            talks = parallel.is_main()
            watchers: list[Callable[[dict[str, Any]], None]] = [progress.log]
            if options.tensorboard and talks:
                watchers.append(stack.enter_context(board(out / "tensorboard")))

            def on_log(line: dict[str, Any]) -> None:
                for watch in watchers:
                    watch(line)

            result = train(spec, out, force=options.force, on_log=on_log, on_stage=progress.stage)
    except KeyboardInterrupt:
        progress.close()
        return interrupted(f"; the same command goes on with {out}.")
    finally:
        progress.close()
    if not talks:
        return 0
    used = ", ".join(f"{value:,.0f} {axis}" for axis, value in result.ledger.items() if value)
    print(f"{spec.learner} on {spec.env_id}, seed {spec.seed}: {used}")
    if result.results:
        print()
        print(results_table(spec.learner, result.results))
    print(f"\nThe policy is in {out / 'policy'}.")
    return 0


def settings_text(name: str, preset: str | None, overrides: Sequence[str]) -> str:
    """A learner's settings by the path that ``--set`` takes, as they would be used; its presets.

    Args:
        name: Of the learner.
        preset: As for `run`.
        overrides: As for ``--set``.
    """
    from tabulate import tabulate

    from qevolve_baselines.learners.base import find_learner, make_config, presets
    from qevolve_baselines.run.config import flat_settings, parse_overrides

    config = make_config(name, preset, parse_overrides(overrides))
    table = tabulate(flat_settings(config), ("setting", "value", "what it is"), tablefmt="plain",
                     disable_numparse=True, maxcolwidths=[None, None, 72])  # fmt: skip
    known = ", ".join(presets(name)) or "none"
    where = sys.modules[find_learner(name).__module__].__doc__ or ""
    return f"{where.splitlines()[0] if where else name}\n\n{table}\n\npresets: {known}"


def results_table(learner: str, results: dict[str, dict[str, Any]]) -> str:
    """Success by panel, with Wilson's interval."""
    from tabulate import tabulate

    from qevolve_bench.statistics import wilson_interval

    rows = []
    for split, result in results.items():
        low, high = wilson_interval(sum(result["won"]), result["n"])
        success = f"{result['success']:.3f} [{low:.3f}, {high:.3f}]"
        rows.append((learner, split, success, f"{result['score']:.3f}", result["n"]))
    headers = ("learner", "panel", "success", "score", "n")
    table: str = tabulate(rows, headers, disable_numparse=True)
    return f"{table}\n\n[ ] hold 95% intervals over tasks; another seed would differ by more."


class TrainingBar:
    """Progress of a run, for a person at a terminal: the current part, and the main figures."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit=" updates", file=sys.stderr, disable=None)

    def stage(self, text: str) -> None:
        """Says what happens now."""
        self._bar.set_description(text)

    def log(self, line: dict[str, Any]) -> None:
        """Shows a line of metrics."""
        shown = ("loss", "success", "v", "kl_reference", "clipped", "invalid")
        figures = {k: f"{line[k]:.3f}" for k in shown if isinstance(line.get(k), float)}
        figures["steps"] = f"{line['ledger']['env_steps']}"
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()
