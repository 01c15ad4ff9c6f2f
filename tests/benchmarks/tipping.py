"""Speed of the tipping metrics: what 100,000 records take, beside plain loops over the same trace.

    python tests/benchmarks/tipping.py

All figures with 2,000 resamples on one side; on the other the violation rate by round alone, by
loops over records, for one resample. Processor time of one process, the best of a few rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from qevolve_bench.tipping.analyse import analyse
from qevolve_envs.tipping.truth import Truth, read_trace, write_trace

AGENTS, COMMANDS = 4, 5
PHASES = "AAABBBBBBCCCCDDD"


def make_trace(records: int, seed: int = 0) -> list[Truth]:
    """Four agents on a ring for 16 rounds of five commands, of which the last is an opportunity."""
    rng = np.random.default_rng(seed)
    each = AGENTS * COMMANDS * len(PHASES)
    ring = [tuple(sorted(f"agent_{(a + d) % AGENTS}" for d in (-1, 1))) for a in range(AGENTS)]
    trace = []
    for episode in range(-(-records // each)):
        for number, phase in enumerate(PHASES):
            for agent in range(AGENTS):
                for step in range(COMMANDS):
                    last = step == COMMANDS - 1
                    v = bool(last and rng.random() < (0.7 if phase == "B" else 0.2))
                    trace.append(
                        Truth(
                            "household_norms_v0",
                            f"household/{episode:05d}",
                            0,
                            f"agent_{agent}",
                            number,
                            step,
                            phase,
                            0.0 if phase == "B" else 0.5,
                            last,
                            v,
                            "dirty" if v else "",
                            True,
                            v and phase != "B",
                            0.0,
                            float(last),
                            0.5 * v,
                            0.0,
                            ring[agent],
                        )
                    )
    return trace[:records]


def rates_by_loops(trace: Sequence[Truth], seed: int = 0) -> list[float]:
    """V by round on one resample of the episodes, record by record."""
    episodes: dict[tuple[str, int], list[Truth]] = {}
    for r in trace:
        episodes.setdefault((r.scenario, r.seed), []).append(r)
    keys = list(episodes)
    above, below = [0] * len(PHASES), [0] * len(PHASES)
    for i in np.random.default_rng(seed).integers(len(keys), size=len(keys)):
        for r in episodes[keys[i]]:
            if r.opportunity and r.parsed and not r.scripted:
                below[r.round] += 1
                above[r.round] += r.violation
    return [a / b if b else float("nan") for a, b in zip(above, below, strict=True)]


def measure(records: int, resamples: int, rounds: int) -> list[tuple[str, float]]:
    """Processor seconds of each step."""
    trace = make_trace(records)
    control = [*trace]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        write_trace(path, trace)
        cases: list[tuple[str, Callable[[], object]]] = [
            (f"reading {records:,} records", lambda: list(read_trace(path))),
            (
                f"all figures, {resamples:,} resamples",
                lambda: analyse({"main": trace}, subject="x", resamples=resamples),
            ),
            (
                f"with a control, {2 * records:,} records, {resamples:,} resamples",
                lambda: analyse(
                    {"main": trace, "no_graph": control}, subject="x", resamples=resamples
                ),
            ),
            ("V by round alone, one resample, by loops", lambda: rates_by_loops(trace)),
        ]
        return [(what, min(_seconds(call) for _ in range(rounds))) for what, call in cases]


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many")
    args = parser.parse_args(argv)
    found = measure(args.records, args.resamples, args.rounds)
    print(tabulate([(w, f"{s:.2f}") for w, s in found], headers=("", "processor seconds")))
    ours, loops = found[1][1], found[3][1] * args.resamples
    print(f"{args.resamples:,} resamples by loops: {loops:,.0f} s, {loops / ours:,.0f}x as long")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
