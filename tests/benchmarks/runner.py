"""Speed of the runner: what it adds to bare stepping, and what a second worker brings.

    python tests/benchmarks/runner.py

The agent says the same every time, which costs next to nothing: what is left is the environment and
the runner. Costs are CPU seconds of all processes, because others may use the machine too (its
load is printed); ratios are medians of the ratios of several rounds of one run.

- *bare*: one environment of `gymnasium.make`, reset and stepped in a loop; nothing is recorded.
- *recorded*: the same loop, with the digest chain and the JSON lines that a replay needs.
- *runner*: `run_suite` with a worker process, without the start of the processes, which is paid
  once; with everything else: the journal of the batch in flight, the log, the final files, the
  summary.
- *two workers by one*: wall time of the same run.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tabulate import tabulate

from qevolve_bench.environments import make_env, text_env
from qevolve_bench.evaluate import draw_tasks
from qevolve_bench.runner.suite import run_suite
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import Episode

#: Horizon, and what the idle agent says.
WORLDS = {
    "household": ("qevolve/Household-v0", 30, "look"),
    "shop": ("qevolve/Shop-v0", 10, "search[red shoes]"),
    "lab": ("qevolve/Lab-v0", 24, "look around"),
}


def bare(world: str, episodes: int) -> float:
    """CPU seconds of a loop around one environment, resets included."""
    env_id, _, command = WORLDS[world]
    with closing(make_env(env_id, split="train")) as env:
        drawn = draw_tasks(text_env(env).task_ids("train"), episodes, 0)
        start = time.process_time()
        for task_id, seed in drawn:
            env.reset(seed=seed, options={"task": task_id})
            truncated = False
            while not truncated:
                _, _, _, truncated, _ = env.step(command)
        return time.process_time() - start


def recorded(world: str, episodes: int) -> float:
    """The same with what no runner can do without: the digest chain, and the line of an episode."""
    env_id, _, command = WORLDS[world]
    with closing(make_env(env_id, split="train")) as env, Path(os.devnull).open("w") as sink:
        drawn = draw_tasks(text_env(env).task_ids("train"), episodes, 0)
        start = time.process_time()
        for task_id, seed in drawn:
            episode = Episode(env_id, {}, task_id, "train", seed, "idle")
            episode.begin(*env.reset(seed=seed, options={"task": task_id}))
            while not episode.truncated:
                episode.record(command, *env.step(command))
            sink.write(episode.to_json())
        return time.process_time() - start


def runner(world: str, episodes: int, workers: int) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a run.

    CPU seconds are those of all processes, from their start to the manifest; wall seconds are those
    of its last three quarters, when all processes are there.
    """
    env_id, horizon, command = WORLDS[world]
    suite = Suite("bench", (Cell(world, env_id, "train", horizon, episodes=episodes),))
    marks: list[float] = []

    def on_progress(done: int, total: int) -> None:
        if not marks and 4 * done >= total:
            marks.append(time.perf_counter())

    start = _cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.txt"
        script.write_text(f"{command}\n" * horizon)
        manifest = run_suite(
            suite,
            agent="mock",
            options={"script": str(script)},
            out=Path(folder) / "run",
            workers=workers,
            on_progress=on_progress,
        )
        wall = time.perf_counter() - marks[0]
    assert manifest["ledger"]["env_steps"] == episodes * horizon, "every episode is played out"
    return _cpu_seconds() - start, wall


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and seen end."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(world: str, steps: int) -> tuple[float, ...]:
    """Microseconds of CPU for a step (bare, recorded, runner), and how two workers scale."""
    horizon = WORLDS[world][1]
    few, many = steps // 4 // horizon, steps // horizon
    per_step = 1e6 / (many * horizon)
    # The difference of two runs has no start of processes in it.
    start, _ = runner(world, few, 1)
    cpu, one = runner(world, many, 1)
    _, two = runner(world, many, 2)
    steady = (cpu - start) * 1e6 / ((many - few) * horizon)
    return bare(world, many) * per_step, recorded(world, many) * per_step, steady, one / two


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=60_000, help="of a measurement")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)

    rows = []
    for world in WORLDS:
        rounds = [measure(world, args.steps) for _ in range(args.rounds)]
        costs = [statistics.median(values) for values in zip(*rounds, strict=True)]
        over_bare = statistics.median(steady / alone - 1 for alone, _, steady, _ in rounds)
        over_recorded = statistics.median(steady / kept - 1 for _, kept, steady, _ in rounds)
        ratios = [f"{over_bare:+.0%}", f"{over_recorded:+.0%}", f"{costs[3]:.2f}x"]
        rows.append([world, *(f"{cost:.1f}" for cost in costs[:3]), *ratios])
    headers = ["us of CPU a step", "bare", "recorded", "runner"]
    headers += ["over bare", "over recorded", "2 workers by 1"]
    print(tabulate(rows, headers, colalign=("left", *["right"] * 6), disable_numparse=True))
    print("\nAims: over bare <= 15 %, two workers by one (wall time) >= 1.7x.")
    cpus = len(os.sched_getaffinity(0))
    print(f"Medians of {args.rounds} rounds; {cpus} CPUs, load {os.getloadavg()[0]:.1f}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
