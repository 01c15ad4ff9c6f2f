"""`qevolve-bench eval`: an agent plays a panel, and the result prints with its intervals."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import add_env_arg, at_least, env_kwargs
from qevolve_envs.errors import BadFile

if TYPE_CHECKING:
    from qevolve_bench.commands.options import Subparsers
    from qevolve_bench.results import Summary


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "eval",
        help="evaluate an agent",
        description="Evaluate an agent. The same arguments give the same episodes, byte for byte.",
    )
    parser.add_argument("--env", required=True, metavar="ID", help="such as qevolve/Household-v0")
    parser.add_argument("--split", required=True, help="panel to play, such as unseen")
    parser.add_argument(
        "--agent",
        required=True,
        help="random, expert, the name of an installed agent, or module:factory of your own",
    )
    parser.add_argument(
        "--episodes",
        type=at_least(1),
        metavar="N",
        help="how many; by default each task of the panel once",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="K", help="default 0")
    parser.add_argument(
        "--horizon", type=at_least(1), metavar="H", help="steps of an episode, if not the default"
    )
    parser.add_argument(
        "--batch-size",
        type=at_least(1),
        default=16,
        metavar="B",
        help="episodes that the agent plays in lockstep (default 16)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the episodes go, as JSON lines"
    )
    parser.add_argument("--force", action="store_true", help="let --out replace an existing file")
    add_env_arg(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates, writes the episodes and prints the table."""
    from tqdm import tqdm

    from qevolve_bench.environments import make_env, text_env
    from qevolve_bench.evaluate import evaluate
    from qevolve_bench.results import summarise
    from qevolve_envs.episode import Episode, write_episodes

    kwargs = env_kwargs(args.env_arg)
    if args.out is not None:
        check_writable(args.out, force=args.force)
    total = args.episodes
    if total is None:
        env = make_env(
            args.env, split=args.split, env_kwargs=kwargs, max_episode_steps=args.horizon
        )
        total = len(text_env(env).task_ids(args.split))
        env.close()
    # disable=None: a bar for a person at a terminal, and nothing in a log file.
    bar = tqdm(total=total, unit="episode", file=sys.stderr, disable=None)
    played = 0

    def on_episode(episode: Episode) -> None:
        nonlocal played
        played += 1
        bar.update()

    try:
        episodes = evaluate(
            args.env,
            agent=args.agent,
            split=args.split,
            episodes=args.episodes,
            seed=args.seed,
            env_kwargs=kwargs,
            max_episode_steps=args.horizon,
            batch_size=args.batch_size,
            on_episode=on_episode,
        )
    except KeyboardInterrupt:
        bar.close()
        print(
            f"qevolve-bench: interrupted after {played} of {total} episodes; nothing was written.",
            file=sys.stderr,
        )
        return 130
    finally:
        bar.close()
    try:
        if args.out is not None:
            write_episodes(args.out, episodes)
            print(f"{len(episodes)} episodes written to {args.out}", file=sys.stderr)
    finally:
        # Also when the disk is full: the table is then all that is left of the evaluation.
        print(f"{args.env}, split {args.split}, seed {args.seed}\n")
        print(_table(args.agent, summarise(episodes)))
        if len({episode.task_id for episode in episodes}) < len(episodes):
            print("Tasks were played repeatedly, which the intervals take for independent tasks.")
        failures = [e for e in episodes if e.error is not None]
        if failures:
            print(f"\n{len(failures)} failed, the first on {failures[0].task_id}:")
            print(failures[0].error)
    return 0


def check_writable(path: Path, *, force: bool) -> None:
    """Makes sure, before hours are spent, that the results will find their place.

    Raises:
        BadFile: When there is something already that must not be replaced, or when the file that
            `write_episodes` works on cannot be created. Nothing is left behind.
    """
    part = path.with_name(path.name + ".part") if path.name else path
    try:
        if path.is_dir() or not path.name:
            raise BadFile(f"Cannot write {path}: it is a folder.")
        if path.exists() and not path.is_file():
            # Renaming a finished file onto /dev/null would replace the device.
            raise BadFile(f"Cannot write {path}: it is not an ordinary file.")
        if path.exists() and not force:
            raise BadFile(f"{path} exists: choose another --out, or replace it with --force.")
        present = part.exists()
        with part.open("ab"):
            pass
        if not present:
            part.unlink()
    except (OSError, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot write {path}: {reason}.") from None


def _table(agent: str, summary: Summary) -> str:
    from tabulate import tabulate

    headers = ("agent", "success", "score", "steps", "n", "failed", "env steps")
    row = (
        agent,
        str(summary.success),
        str(summary.score),
        f"{summary.steps:.1f}",
        summary.n,
        summary.failed,
        summary.env_steps,
    )
    table: str = tabulate([row], headers, disable_numparse=True)
    return f"{table}\n\n[ ] hold {summary.level:.0%} intervals; n counts the failed episodes too."
