"""`qevolve-bench play`: a person plays in the terminal."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from qevolve_bench.flags import Flag, Pairs, Seed, Subparsers, add_command

if TYPE_CHECKING:
    import gymnasium


@dataclass(kw_only=True)
class PlayOptions:
    """Play a task yourself: ? shows the possible commands, quit or Ctrl-D leaves.

    Attributes:
        env: Environment, such as qevolve/Household-v0.
        split: Panel that the task is drawn from.
        task: The task to play, instead of a drawn one.
        seed: Seed of the draw; without it every call draws anew.
        admissible: Always show the possible commands.
        env_arg: An argument of the environment, such as size=small; numbers, true, false and null
            are read as such, "..." in quotes as text; may be repeated.
    """

    env: Annotated[str, Flag("")]
    split: str | None = None
    task: Annotated[str | None, Flag(metavar="ID")] = None
    seed: Seed | None = None
    admissible: bool = False
    env_arg: Pairs = field(default_factory=dict)


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command."""
    add_command(subparsers, "play", run, PlayOptions, help="play a task yourself")


def run(args: PlayOptions) -> int:
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
    env = make_env(args.env, split=args.split, env_kwargs=args.env_arg)
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
