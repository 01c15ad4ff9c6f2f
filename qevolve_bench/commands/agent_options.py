"""The command-line options of agents: what `resolve_agent` takes as ``options``."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, NoReturn

from qevolve_bench.commands.options import named_values
from qevolve_envs.errors import BenchError

#: Options with a flag of their own, by the name that the agent knows them under.
_FLAGS = {"model": "--model", "base_url": "--base-url"}


class HelpWithAgents(argparse.Action):
    """``--help`` that ends with the agents, which are looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Prints, and leaves."""
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


def add_help_with_agents(parser: argparse.ArgumentParser) -> None:
    """Adds ``--help`` to a parser that was made without."""
    parser.add_argument(
        "-h", "--help", action=HelpWithAgents, nargs=0, help="show this help and exit"
    )


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--model``, ``--base-url`` and ``--agent-arg``, which `agent_options` collects."""
    parser.add_argument(
        "--model", metavar="NAME", help="model of the agents openai (a name) and hf (a folder)"
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="endpoint of the agent openai, such as http://localhost:8000/v1; its key is read from"
        " the environment (OPENAI_API_KEY)",
    )
    parser.add_argument(
        "--agent-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the agent, such as temperature=0.7 or file=episodes.jsonl; read as"
        " --env-arg is; may be repeated",
    )


def agent_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the agent; JSON scalars, empty when none is given.

    Raises:
        BenchError: For an option that is not NAME=VALUE, or given twice.
    """
    options = named_values("--agent-arg", args.agent_arg)
    for name, flag in _FLAGS.items():
        value = getattr(args, name)
        if value is not None:
            if name in options:
                raise BenchError(f"{flag} and --agent-arg {name} say the same: give one of them.")
            options[name] = value
    return options
