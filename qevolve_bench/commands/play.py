"""`qevolve-bench play`: a person plays in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from qevolve_bench.commands.options import add_env_arg, at_least, env_kwargs

if TYPE_CHECKING:
    import gymnasium

    from qevolve_bench.commands.options import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "play",
        help="play a task yourself",
        description="Play a task yourself: ? shows what can be done, quit or Ctrl-D leaves.",
    )
    parser.add_argument("env", metavar="ENV", help="environment, such as qevolve/Household-v0")
    parser.add_argument("--split", help="panel that the task is drawn from")
    parser.add_argument("--task", metavar="ID", help="the task to play, instead of a drawn one")
    parser.add_argument(
        "--seed", type=at_least(0), help="seed of the draw; without it every call draws anew"
    )
    parser.add_argument("--admissible", action="store_true", help="always show what can be done")
    add_env_arg(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Plays one episode."""
    from qevolve_envs.errors import BenchError
    from qevolve_envs.factory import make_env

    if sys.stdin is None:
        raise BenchError("There is no standard input to read commands from.")
    # Piped input may hold any bytes; to the environment they are just another wrong command.
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() its line editing and history
    env = make_env(args.env, split=args.split, env_kwargs=env_kwargs(args.env_arg))
    try:
        _play(env, args.task, args.seed, args.admissible)
    finally:
        env.close()
    return 0


def _play(
    env: gymnasium.Env[str, str], task: str | None, seed: int | None, show_commands: bool
) -> None:
    from qevolve_envs.factory import text_env

    commands = text_env(env).admissible_commands
    observation, info = env.reset(seed=seed, options=None if task is None else {"task": task})
    print(f"Task {info['task_id']}: {info['goal']}")
    print("(? shows what can be done, quit leaves.)\n")
    print(observation)
    steps = 0
    while True:
        if show_commands:
            print("Possible: " + "; ".join(commands()))
        try:
            action = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()  # The prompt's line has no end yet.
            action = "quit"
        if not action:
            continue
        if action == "?":
            print("\n".join(commands()))
            continue
        if action == "quit":
            print(f"You left after {_count(steps)}, with a score of {info['score']:.2f}.")
            return
        observation, _, terminated, truncated, info = env.step(action)
        steps += 1
        print(observation)
        if info["won"]:
            print(f"\nYou won, in {_count(steps)}.")
        elif truncated:
            print(f"\nOut of steps after {steps}, with a score of {info['score']:.2f}.")
        elif terminated:
            print(f"\nOver after {_count(steps)}, with a score of {info['score']:.2f}.")
        if terminated or truncated:
            return


def _count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"
