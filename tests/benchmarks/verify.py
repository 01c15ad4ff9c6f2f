"""How long a submission takes to be believed: `python tests/benchmarks/verify.py`.

A submission of the suite is made by the agents random and expert, and verified in a fresh process,
on one core. Bare stepping of the same actions, in the same process, is the other side of the ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time

from tabulate import tabulate

from qevolve_bench.cli import main as qevolve_bench
from qevolve_bench.runner.results import load_run
from qevolve_bench.submissions.submission import Verdict, verify

AGENTS = ("random", "expert")


def make_submission(folder: Path, suite: str, agent: str) -> Path:
    """Plays the suite with the real command."""
    dest = folder / agent
    arguments = ["--suite", suite, "--agent", agent, "--out", f"{folder}/run-{agent}"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = qevolve_bench(["eval", *arguments, "--submit", str(dest)])
    if code:
        raise SystemExit(code)
    return dest


def timed_verify(path: Path) -> tuple[Verdict, float]:
    """The verdict, and the CPU seconds that it took."""
    start = process_time()
    verdict = verify(path)
    return verdict, process_time() - start


def bare_steps(path: Path) -> float:
    """CPU seconds for resets and steps alone: no comparison, no digest."""
    run = load_run(path)
    assert run.suite is not None
    seconds = 0.0
    for cell in run.suite.cells:
        with contextlib.closing(cell.env.make()) as env:
            start = process_time()
            for episode in run.cells[cell.name]:
                env.reset(seed=episode.seed, options={"task": episode.task_id})
                for step in episode.steps:
                    env.step(step.action)
            seconds += process_time() - start
    return seconds


def fresh_verify(path: Path) -> float:
    """CPU seconds of `qevolve-bench verify` in a process of its own, import and shop included."""
    before = os.times()
    command = [sys.executable, "-m", "qevolve_bench", "verify", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--suite", default="core", help="default core")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for agent in AGENTS:
            path = make_submission(Path(name), args.suite, agent)
            fresh = fresh_verify(path)
            verify(path)  # The second time, so that both sides find caches warm.
            verdict, warm = timed_verify(path)
            bare = bare_steps(path)
            episodes = sum(len(cell.episodes) for cell in verdict.cells.values())
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            rows.append(
                (
                    agent,
                    verdict.status,
                    f"{episodes:,}",
                    f"{verdict.env_steps:,}",
                    f"{size / 1024:,.0f}",
                    f"{fresh:.2f}",
                    f"{warm:.2f}",
                    f"{bare:.2f}",
                    f"{warm / bare:.1f}x",
                )
            )
    headers = (
        args.suite,
        "verdict",
        "episodes",
        "steps",
        "KiB",
        "command, s (aim <= 10)",
        "verify, s",
        "bare steps, s",
        "ratio",
    )
    print(tabulate(rows, headers, disable_numparse=True))
    print("\nCPU seconds of one core.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
