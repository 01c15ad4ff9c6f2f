"""Speed of the household: both sides of every ratio, from one run.

    python tests/benchmarks/household.py

Steps replay fixed command traces (half by the expert, half random admissible) on standard tasks;
the official engine, where `alfworld` is installed, replays commands of the same kind on an exported
task. Memory and import time are measured in fresh processes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import gymnasium
import numpy as np
from tabulate import tabulate

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.agent import TaskView
from qevolve_envs.household.alfworld import alfred_names
from qevolve_envs.household.engine import load_game
from qevolve_envs.household.export import alfworld_logic, export_task
from qevolve_envs.household.tasks import make_task, task_ids

ENV = "qevolve/Household-v0"
Trace = tuple[str, list[str]]

_MEMORY = """
import gymnasium, qevolve_bench
env = gymnasium.make("qevolve/Household-v0", admissible=True)
for seed in range(200):
    env.reset(seed=seed)
    for _ in range(10):
        _, _, _, _, info = env.step("look")
# Not getrusage: its peak includes the parent's size at the fork.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) / 1024)
"""


def make_env(*, admissible: bool = False) -> gymnasium.Env[str, str]:
    """The environment as a training loop would make it, with the horizon's wrapper."""
    return gymnasium.make(ENV, admissible=admissible, disable_env_checker=True)


def record_traces(episodes: int) -> list[Trace]:
    """Commands for standard training tasks, by the expert and at random in turn."""
    env = make_env()
    inner = env.unwrapped
    rng = np.random.default_rng(0)
    traces: list[Trace] = []
    for number, task_id in enumerate(task_ids("train")[:episodes]):
        observation, info = env.reset(options={"task": task_id})
        expert = inner.expert()
        expert.reset([TaskView(ENV, task_id, info["goal"], 0, list)])
        commands: list[str] = []
        done = False
        while not done:
            possible = inner.admissible_commands()
            chosen = expert.act([observation])[0] if number % 2 else rng.choice(possible)
            commands.append(str(chosen))
            observation, _, terminated, truncated, _ = env.step(commands[-1])
            done = terminated or truncated
        traces.append((task_id, commands))
    return traces


def replay(env: gymnasium.Env[str, str], traces: Sequence[Trace]) -> tuple[int, float]:
    """(steps, seconds spent in `step`); resets are not counted."""
    steps, seconds = 0, 0.0
    for task_id, commands in traces:
        env.reset(options={"task": task_id})
        start = time.perf_counter()
        for command in commands:
            env.step(command)
        seconds += time.perf_counter() - start
        steps += len(commands)
    return steps, seconds


def reset_all(env: gymnasium.Env[str, str], ids: Sequence[str]) -> float:
    """Seconds for one reset into each task; every one is generated and built anew."""
    start = time.perf_counter()
    for task_id in ids:
        env.reset(options={"task": task_id})
    return time.perf_counter() - start


def memory_of_one_env() -> float:
    """Peak memory (MiB) of a process that does nothing but play one environment."""
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, check=True)
    return float(done.stdout)


def import_seconds(module: str = "qevolve_bench") -> float:
    """Best of five fresh processes: what importing the module adds to a bare interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


def official_side(steps: int = 60, resets: int = 3) -> list[tuple[str, float, float]]:
    """(what, ours per second, theirs per second) on one exported standard task."""
    import textworld
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
    from textworld.envs.pddl import PddlEnv

    spec = make_task(task_ids("train")[0])
    with tempfile.TemporaryDirectory() as folder:
        path = export_task(spec, Path(folder), *alfworld_logic())
        game = load_game(path, alfred_names)
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        official = AlfredDemangler(PddlEnv(infos))
        official.load(str(path))

    rng = np.random.default_rng(1)
    play = game.start()
    commands = []
    for _ in range(steps):
        commands.append(str(rng.choice(play.commands())))
        play.step(commands[-1])

    start = time.perf_counter()
    for _ in range(resets):
        official.reset()
    their_resets = resets / (time.perf_counter() - start)
    start = time.perf_counter()
    for command in commands:
        official.step(command)
    their_steps = steps / (time.perf_counter() - start)

    rounds = 30
    start = time.perf_counter()
    for _ in range(rounds):
        play = game.start()
        play.intro(), play.commands(), play.won
    our_resets = rounds / (time.perf_counter() - start)
    seconds = 0.0
    for _ in range(rounds):
        play = game.start()
        start = time.perf_counter()
        for command in commands:
            play.step(command), play.commands(), play.won
        seconds += time.perf_counter() - start
    return [
        ("steps/s, admissible commands included", rounds * steps / seconds, their_steps),
        ("resets/s", our_resets, their_resets),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=200, help="traces to replay (default 200)")
    args = parser.parse_args(argv)

    traces = record_traces(args.episodes)
    rows: list[tuple[str, str, str]] = []
    for admissible, target in ((False, "20,000"), (True, "8,000")):
        env = make_env(admissible=admissible)
        rates = []
        for _ in range(3):
            steps, seconds = replay(env, traces)
            rates.append(steps / seconds)
        text = "with admissible commands" if admissible else "text only"
        rows.append((f"steps/s, {text}, best of 3", f"{max(rates):,.0f}", f">= {target}"))
    ids = task_ids("train")
    env = make_env()
    rows.append(("first resets/s", f"{len(ids) / reset_all(env, ids):,.0f}", ">= 2,000"))
    rows.append(("resets/s", f"{len(ids) / reset_all(env, ids):,.0f}", ">= 2,000"))
    rows.append(("memory of one environment, MiB", f"{memory_of_one_env():.0f}", "< 60"))
    rows.append(("import qevolve_bench, s", f"{import_seconds():.2f}", "< 0.5"))
    print(tabulate(rows, headers=(ENV, "measured", "aim"), colalign=("left", "right", "right")))
    try:
        compared = official_side()
    except ImportError:
        print("\nThe official engine is not installed: pip install 'qevolve-bench[alfworld]'.")
        return 0
    table = [(what, f"{o:,.0f}", f"{t:.1f}", f"{o / t:,.0f}x") for what, o, t in compared]
    print("\n" + tabulate(table, headers=("one exported task", "ours", "official", "ratio")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
