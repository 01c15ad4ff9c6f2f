"""Options of the commands that play: dataclasses of which parsers and reproduce lines are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

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


@dataclass(kw_only=True)
class _AgentName:
    """The agent.

    Attributes:
        agent: An agent by its name, or module:factory of your own (see below).
    """

    agent: Annotated[str, Flag(metavar="NAME")]


@dataclass(kw_only=True)
class _SuiteName:
    """The suite.

    Attributes:
        suite: A suite, such as core, core-v0 or my_suite.json.
    """

    GROUP: ClassVar[str] = PanelOptions.GROUP

    suite: Annotated[str | None, Flag(metavar="NAME")] = None


@dataclass(kw_only=True)
class EvalOptions(PlayingOptions, PanelOptions, _SuiteName, AgentOptions, _AgentName):
    """Evaluate an agent on a suite (--suite) or on one panel (--env and --split).

    The same command gives the same episodes, byte for byte; with --out it continues what was
    interrupted.

    Attributes:
        backend: local, or ray for the cluster of $RAY_ADDRESS (extra [ray]).
        episode_seconds: Time for an episode (default: any).
        memory: Address space of a worker (default: any); what needs more has failed.
        submit: Pack the run as a submission into this folder.
    """

    GROUP: ClassVar[str] = PlayingOptions.GROUP

    backend: Annotated[str, Flag(metavar="NAME")] = "local"
    episode_seconds: Seconds | None = None
    memory: Annotated[int | None, Bounds(1), Flag(metavar="MIB")] = None
    submit: Folder | None = None


@dataclass(kw_only=True)
class RobustnessOptions(PlayingOptions, PanelOptions, AgentOptions):
    """Measure the share of its success that an agent retains in a perturbed world.

    The panel is played clean and perturbed, with the same tasks and seeds. With --out it continues
    what was interrupted.

    Attributes:
        list_all: List the perturbations and leave.
        read: Play nothing: read runs, submissions or .jsonl files of episodes.
        agent: An agent by its name, or module:factory of your own (see below).
        perturbations: Perturbations such as typos, typos:3 or typos:1+reorder:2; by default all
            that apply.
        severity: Severity, 1, 2 or 3, of those given without one; may be several (default 2).
        outcome: The outcome that is measured.
        format: Format of the tables.
        radar: Also draw a radar plot, as SVG, into this file; needs three perturbations.
    """

    list_all: Annotated[bool, Flag("--list")] = False
    read: Annotated[list[Path] | None, Flag(metavar="RUN")] = None
    agent: Annotated[str | None, Flag(metavar="NAME")] = None
    perturbations: Annotated[list[str] | None, Flag(metavar="NAME")] = None
    severity: Annotated[list[int], Flag(metavar="S")] = field(default_factory=lambda: [2])
    outcome: Literal["success", "score"] = "success"
    format: Literal["text", "md", "latex", "json"] = "text"
    radar: File | None = None
