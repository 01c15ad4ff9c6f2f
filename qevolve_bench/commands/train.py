"""`qevolve-bench train`: a learner makes a policy better, within a budget."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.commands.options import add_env_arg, at_least, env_kwargs
from qevolve_bench.training.checkpoint import require_torch
from qevolve_envs.errors import BenchError

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a policy with a learner",
        description="Train a policy. An interrupted run goes on when the same command is given"
        " again, and ends with the same weights.",
    )
    parser.add_argument("learner", metavar="LEARNER", help="sft, rft, grpo, q_evolve …")
    parser.add_argument("--env", metavar="ID", help="such as qevolve/Household-v0")
    add_env_arg(parser)
    parser.add_argument("--split", default="train", help="panel to train on (default train)")
    parser.add_argument("--horizon", type=at_least(1), metavar="H", help="steps of an episode")
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--force", action="store_true", help="replace the run in that folder")
    parser.add_argument("--preset", metavar="NAME", help="settings that come with the learner")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="a setting of the learner, such as optim.lr=1e-3; may be repeated",
    )
    parser.add_argument(
        "--list-settings",
        action="store_true",
        help="print the learner's settings with their defaults, and its presets, and leave",
    )
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="AXIS=LIMIT",
        help="env_steps, episodes, generated_tokens, trained_tokens …; may be repeated",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="K", help="default 0")
    parser.add_argument(
        "--demos",
        default="1000",
        metavar="N|FILE",
        help="expert episodes to play, or a file of episodes (default 1000)",
    )
    start = parser.add_argument_group("where to start (by default a small model from scratch)")
    start.add_argument("--init", metavar="RUN", help="a run folder, or a saved policy")
    start.add_argument("--model", metavar="PATH", help="a Hugging Face causal language model")
    start.add_argument(
        "--scratch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="size of the model from scratch, such as hidden_size=128",
    )
    start.add_argument(
        "--form",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="form of the transcripts: style=react, context=4096 …",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--dtype", default="float32", help="of the weights: bfloat16 …")
    parser.add_argument("--attention", metavar="NAME", help="such as flash_attention_2")
    parser.add_argument(
        "--gradient-checkpointing",
        action="store_true",
        help="save memory by computing activations twice",
    )
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="train low-rank adapters: rank=16 …; may be repeated",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="metrics for TensorBoard in RUN/tensorboard"
    )
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="threads of torch")
    parser.add_argument(
        "--evaluate",
        default="",
        metavar="PANELS",
        help="panels for the learning curve, such as seen,unseen (default none)",
    )
    parser.add_argument(
        "--eval-episodes",
        type=at_least(0),
        default=0,
        metavar="N",
        help="episodes of each evaluation (default each task once)",
    )
    parser.add_argument(
        "--checkpoints", type=at_least(1), default=6, metavar="N", help="points of the curve"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains, and prints what came of it."""
    require_torch()
    if args.list_settings:
        print(settings_text(args.learner, args.preset, args.settings))
        return 0
    for name in ("env", "out"):
        if getattr(args, name) is None:
            raise BenchError(f"Give --{name} (see qevolve-bench train --help).")
    from qevolve_baselines.run import parallel
    from qevolve_baselines.run.config import parse_overrides
    from qevolve_baselines.run.run import Budget
    from qevolve_bench.training.run import train
    from qevolve_bench.training.specification import TrainingSpec
    from qevolve_bench.training.tensorboard import board

    Budget.parse(args.budget)  # A mistake in it is told before anything is played.
    spec = TrainingSpec(
        learner=args.learner,
        env_id=args.env,
        env_kwargs=env_kwargs(args.env_arg),
        horizon=args.horizon,
        split=args.split,
        preset=args.preset,
        settings=parse_overrides(args.settings),
        seed=args.seed,
        budget=dict(_pair(item) for item in args.budget),
        demos=_demos(args.demos),
        init=args.init,
        model=args.model,
        scratch=parse_overrides(args.scratch),
        form=parse_overrides(args.form),
        device=args.device,
        dtype=args.dtype,
        attention=args.attention,
        gradient_checkpointing=args.gradient_checkpointing,
        lora=parse_overrides(args.lora),
        evaluate=tuple(name for name in args.evaluate.split(",") if name),
        episodes=args.eval_episodes,
        checkpoints=args.checkpoints,
    )
    if args.threads is not None:
        import torch

        torch.set_num_threads(args.threads)
    progress = Progress()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(parallel.processes(args.device))
            talks = parallel.is_main()
            watchers: list[Callable[[dict[str, Any]], None]] = [progress.log]
            if args.tensorboard and talks:
                watchers.append(stack.enter_context(board(args.out / "tensorboard")))

            def on_log(line: dict[str, Any]) -> None:
                for watch in watchers:
                    watch(line)

            outcome = train(
                spec, args.out, force=args.force, on_log=on_log, on_stage=progress.stage
            )
    except KeyboardInterrupt:
        progress.close()
        print(
            f"qevolve-bench: interrupted; the same command goes on with {args.out}.",
            file=sys.stderr,
        )
        return 130
    finally:
        progress.close()
    if not talks:
        return 0
    used = ", ".join(f"{value:,.0f} {axis}" for axis, value in outcome.ledger.items() if value)
    print(f"{args.learner} on {args.env}, seed {args.seed}: {used}")
    if outcome.results:
        print()
        print(results_table(args.learner, outcome.results))
    print(f"\nThe policy is in {args.out / 'policy'}.")
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


def _demos(text: str) -> int | str:
    """A number of episodes, or the file that holds some."""
    try:
        count = int(text)
    except ValueError:
        return text
    if count < 0:
        raise BenchError(f"--demos needs a number of episodes or a file, not {text}.")
    return count


def _pair(item: str) -> tuple[str, float]:
    axis, _, limit = item.partition("=")
    return axis, float(limit.replace("_", ""))


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


class Progress:
    """What a person at a terminal sees of a run: the stage, and the figures that matter."""

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
