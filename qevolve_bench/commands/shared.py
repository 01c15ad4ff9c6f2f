"""Options and output that several commands share."""

from __future__ import annotations

import argparse
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    pass


class HelpWithAgents(argparse.Action):
    """``--help`` that ends with the agents, which are looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Prints the help, and leaves."""
        from qevolve_bench.agents import agent_names

        built_in, installed = agent_names()
        wrapped = textwrap.wrap(
            f"agents: {', '.join(built_in)} (built in); {', '.join(installed) or 'none'}"
            " (installed). module:factory is a function of your own, in a module that can be"
            " imported from here, that returns an object with reset and act"
            " (qevolve_envs.agent.Agent).",
            width=80,
        )
        parser.epilog = "\n".join([*wrapped, *([f"\n{parser.epilog}"] if parser.epilog else [])])
        parser.print_help()
        parser.exit()


class EpisodeBar:
    """A progress bar of episodes, for a person at a terminal; nothing in a log file.

    Attributes:
        done: Episodes that are done.
        total: Episodes of the whole.
    """

    def __init__(self) -> None:
        from tqdm import tqdm

        self.done = self.total = 0
        self._bar = tqdm(unit="episode", file=sys.stderr, disable=None)

    def __call__(self, done: int, total: int) -> None:
        """Shows how far it has come."""
        self.done, self.total = done, total
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()


@contextmanager
def episode_bar() -> Iterator[EpisodeBar]:
    """Shows a progress bar while the block runs."""
    bar = EpisodeBar()
    try:
        yield bar
    finally:
        bar.close()


def interrupted(words: str) -> int:
    """Says on stderr that a command was interrupted, and returns its exit code."""
    print(f"qevolve-bench: interrupted{words}", file=sys.stderr)
    return 130


@contextmanager
def kept(out: Path | None) -> Iterator[Path]:
    """Gives the folder of a run: the one that was named, or one that is removed afterwards."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="qevolve-bench-") as folder:
        yield Path(folder) / "run"
