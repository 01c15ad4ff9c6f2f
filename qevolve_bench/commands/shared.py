"""Options and output that several commands share."""

from __future__ import annotations

import argparse
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn

from qevolve_bench.flags import Count, Flag, Pairs, Seconds
from qevolve_bench.schema import Bounds
from qevolve_envs.errors import BenchError

if TYPE_CHECKING:
    from qevolve_bench.suites import Suite

Folder = Annotated[Path, Flag(metavar="DIR")]
File = Annotated[Path, Flag(metavar="FILE")]
Workers = Annotated[int, Bounds(0), Flag(metavar="W")]


@dataclass(kw_only=True)
class AgentOptions:
    """Options of the agent.

    Attributes:
        model: Model of the agents openai (a name) and hf (a folder).
        base_url: Endpoint of the agent openai, such as http://localhost:8000/v1; its key is read
            from the environment (OPENAI_API_KEY).
        agent_arg: An argument of the agent, such as temperature=0.7 or file=episodes.jsonl; read as
            --env-arg is; may be repeated.
    """

    model: Annotated[str | None, Flag(metavar="NAME")] = None
    base_url: Annotated[str | None, Flag(metavar="URL")] = None
    agent_arg: Pairs = field(default_factory=dict)

    def agent_options(self) -> dict[str, Any]:
        """Gathers the options of the agent; JSON scalars, empty when none is given.

        Raises:
            BenchError: For an option that is given twice.
        """
        options = dict(self.agent_arg)
        for name, value in (("model", self.model), ("base_url", self.base_url)):
            if value is not None:
                if name in options:
                    flag = f"--{name.replace('_', '-')}"
                    raise BenchError(
                        f"{flag} and --agent-arg {name} say the same: give one of them."
                    )
                options[name] = value
        return options


@dataclass(kw_only=True)
class PanelOptions:
    """A panel, which one environment and one split make.

    Attributes:
        env: The environment, such as qevolve/Household-v0.
        split: Panel to play, such as unseen.
        episodes: Number of episodes; by default each task of the panel once.
        seed: Seed of the draw of tasks and of the episodes; by default 0.
        horizon: Steps of an episode, if not the default.
        env_arg: An argument of the environment, such as size=small; numbers, true, false and null
            are read as such, "..." in quotes as text; may be repeated.
    """

    GROUP: ClassVar[str] = "what is played"

    env: Annotated[str | None, Flag(metavar="ID")] = None
    split: str | None = None
    episodes: Count | None = None
    seed: Annotated[int | None, Bounds(0), Flag(metavar="K")] = None
    horizon: Annotated[int | None, Bounds(1), Flag(metavar="H")] = None
    env_arg: Pairs = field(default_factory=dict)

    def panel(self) -> Suite:
        """Makes the suite of one cell that the options describe."""
        from qevolve_bench.suites import adhoc_suite

        assert self.env is not None and self.split is not None
        return adhoc_suite(
            self.env,
            split=self.split,
            episodes=self.episodes,
            seed=self.seed or 0,
            env_kwargs=self.env_arg,
            max_episode_steps=self.horizon,
        )


@dataclass(kw_only=True)
class PlayingOptions:
    """Playing of a suite.

    Attributes:
        batch_size: Episodes that the agent plays in lockstep.
        workers: Processes (default 1; on Ray one for each CPU of the cluster; 0 plays in this
            process, without limits, for a debugger).
        step_seconds: Time for one answer of the agent, to the whole batch; what takes longer has
            failed.
        out: Folder that keeps the run.
        force: Let --out replace a run that is there.
    """

    GROUP: ClassVar[str] = "how"

    batch_size: Annotated[int, Bounds(1), Flag(metavar="B")] = 16
    workers: Workers | None = None
    step_seconds: Seconds = 600.0
    out: Annotated[Path | None, Flag(metavar="RUN")] = None
    force: bool = False


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
