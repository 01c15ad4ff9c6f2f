"""Speed of the runner: what it adds to bare stepping, and what a second worker brings.

    python tests/benchmarks/runner.py

The agent says the same every time, which costs next to nothing: what is left is the environment and
the runner. Costs are CPU seconds of all processes, because others may use the machine too (its
load is printed); ratios are medians of the ratios of several rounds of one run.

- *bare*: one environment of `gymnasium.make`, reset and stepped in a loop; nothing is recorded.
- *recorded*: the same loop, with the digest chain and the JSON lines that a replay needs.
- *runner*: `run_suite` with a worker process; with everything: the journal of the batch in flight,
  the log, the final files, the summary.
- *two workers by one*: wall time of the same run.

All three play the same episodes, each in a process of its own that has played the first quarter of
them before anything counts: the worlds keep what they have found out about a task, and whoever
comes second, in the same process, would look several times as fast.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.process
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import gymnasium
from tabulate import tabulate

from qevolve_bench.runner.suite import run_suite
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import Episode
from qevolve_envs.factory import make_env, text_env
from qevolve_envs.play import Assignment, draw_tasks

#: Horizon, and what the idle agent says.
WORLDS = {
    "household": ("qevolve/Household-v0", 30, "look"),
    "shop": ("qevolve/Shop-v0", 10, "search[red shoes]"),
    "lab": ("qevolve/Lab-v0", 24, "look around"),
}


#: The batch size of the runner; a measurement begins where a batch does.
BATCH = 16


def first_counted(episodes: int) -> int:
    """How many episodes are played before a measurement begins: a quarter, in whole batches."""
    return -(-episodes // (4 * BATCH)) * BATCH


def bare(world: str, episodes: int) -> float:
    """CPU seconds of a loop around one environment, resets included."""
    env_id, _, command = WORLDS[world]
    with closing(make_env(env_id, split="train")) as env:
        start = 0.0
        for number, (task_id, seed) in enumerate(drawn(env, episodes)):
            if number == first_counted(episodes):
                start = time.process_time()
            env.reset(seed=seed, options={"task": task_id})
            truncated = False
            while not truncated:
                _, _, _, truncated, _ = env.step(command)
        return time.process_time() - start


def recorded(world: str, episodes: int) -> float:
    """The same with what no runner can do without: the digest chain, and the line of an episode."""
    env_id, _, command = WORLDS[world]
    with closing(make_env(env_id, split="train")) as env, Path(os.devnull).open("w") as sink:
        start = 0.0
        for number, (task_id, seed) in enumerate(drawn(env, episodes)):
            if number == first_counted(episodes):
                start = time.process_time()
            episode = Episode(env_id, {}, task_id, "train", seed, "idle")
            episode.begin(*env.reset(seed=seed, options={"task": task_id}))
            while not episode.truncated:
                episode.record(command, *env.step(command))
            sink.write(episode.to_json())
        return time.process_time() - start


def drawn(env: gymnasium.Env[str, str], episodes: int) -> list[Assignment]:
    """The episodes, as the runner draws them."""
    return draw_tasks(text_env(env).task_ids("train"), episodes, 0)


def runner(world: str, episodes: int, workers: int) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a run, until its files are finished.

    CPU seconds are those of this process and of the workers, which are idle where counting begins
    if there is one of them.
    """
    env_id, horizon, command = WORLDS[world]
    suite = Suite("bench", (Cell(world, env_id, "train", horizon, episodes=episodes),))
    began: list[tuple[float, float]] = []
    theirs = 0.0

    def on_progress(done: int, total: int) -> None:
        nonlocal theirs
        theirs = sum(map(_cpu_seconds, multiprocessing.active_children()))
        if not began and done >= first_counted(total):
            began.append((time.process_time() + theirs, time.perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.txt"
        script.write_text(f"{command}\n" * horizon)
        manifest = run_suite(
            suite,
            agent="mock",
            options={"script": str(script)},
            out=Path(folder) / "run",
            batch_size=BATCH,
            workers=workers,
            on_progress=on_progress,
        )
        cpu, wall = time.process_time() + theirs, time.perf_counter()
    assert manifest["ledger"]["env_steps"] == episodes * horizon, "every episode is played out"
    return cpu - began[0][0], wall - began[0][1]


def _cpu_seconds(process: multiprocessing.process.BaseProcess) -> float:
    """Of another process, in whole hundredths (Linux only)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(world: str, steps: int) -> tuple[float, ...]:
    """Microseconds of CPU for a step (bare, recorded, runner), and how two workers scale."""
    horizon = WORLDS[world][1]
    episodes = steps // horizon
    per_step = 1e6 / ((episodes - first_counted(episodes)) * horizon)
    costs = []
    for loop in (bare, recorded):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
            costs.append(fresh.submit(loop, world, episodes).result())
    cpu, one = runner(world, episodes, 1)
    _, two = runner(world, episodes, 2)
    return *(cost * per_step for cost in (*costs, cpu)), one / two


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
