"""How long a report of 10,000 episodes takes, and its size: `python tests/benchmarks/report.py`.

The agents random and expert play every task of the core suite five times (10,690 episodes), which
takes minutes; `--runs DIR` keeps these runs for the next time. The page is then built by the real
command in a fresh process; reading the same episodes, in another one, is the other side of the
ratio.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qevolve_bench.runner.suite import run_suite
from qevolve_bench.suites import load_suite

AGENTS = ("random", "expert")
_READ = (
    "import sys; from qevolve_bench.runner.results import load_run;"
    " [load_run(p) for p in sys.argv[1:]]"
)


def play(folder: Path, rounds: int) -> list[Path]:
    """One run of each agent; what is there already is kept."""
    suite = load_suite("core")
    cells = tuple(replace(cell, seeds=tuple(range(rounds))) for cell in suite.cells)
    runs = []
    for agent in AGENTS:
        run = folder / f"{agent}-{rounds}"
        if not (run / "manifest.json").exists():
            run_suite(replace(suite, name="rounds-v0", cells=cells), agent=agent, out=run)
        runs.append(run)
    return runs


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU time of a process, its import included: others on the machine do not count."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, help="keep the runs here")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.runs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        runs = [str(run) for run in play(folder, args.rounds)]
        page = Path(scratch) / "report.html"
        built = cpu_seconds(
            [sys.executable, "-m", "qevolve_bench", "report", *runs, "-o", str(page)]
        )
        read = cpu_seconds([sys.executable, "-c", _READ, *runs])
        lines = [p for run in runs for p in (Path(run) / "episodes").glob("*.jsonl")]
        episodes = sum(path.read_bytes().count(b"\n") for path in lines)
        raw = sum(path.stat().st_size for path in lines)
        print(f"{episodes:,} episodes, {raw / 1e6:.1f} MB of JSON lines")
        print(f"page: {built:.1f} s CPU, {page.stat().st_size / 1e6:.1f} MB")
        print(f"reading the episodes alone: {read:.1f} s CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
