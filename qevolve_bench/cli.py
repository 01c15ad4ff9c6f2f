"""The command line: `qevolve-bench`.

Each command is a module of `qevolve_bench.commands` with an ``add_parser(subparsers)`` that sets
``run``, a function of the parsed arguments that returns the exit code. Command modules import what
is heavy inside ``run``, so that ``--help`` stays quick.

Exit codes: 0 done, 2 a mistake that the user can mend (one sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from qevolve_bench.commands import COMMANDS
from qevolve_envs.errors import BenchError
from qevolve_envs.loading import importable_cwd

PROG = "qevolve-bench"


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as every other one is reported, instead of by a page of usage."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # An abbreviation that works today is ambiguous once a release adds an option.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raises what `main` prints."""
        raise BenchError(f"{message.rstrip('.')} (see {self.prog} --help).")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import qevolve_bench

        print(f"{PROG} {qevolve_bench.__version__}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog=PROG,
        description="Benchmarks and an evaluation harness for LLM agents that improve themselves.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        argv: The arguments; those of the process when None.
    """
    try:
        args = build_parser().parse_args(argv)
        with importable_cwd():
            code: int = args.run(args)
        print(end="", flush=True)  # A reader that has left is noticed here, not at exit.
        return code
    except BenchError as error:
        print(f"{PROG}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROG}: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has left (`| head`). Python flushes stdout once more at exit and would
        # complain, so that goes nowhere; the code is what a shell reports for SIGPIPE.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
