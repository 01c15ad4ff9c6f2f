"""Speed and memory of `qevolve/Lab-v0`: `python tests/benchmarks/lab.py`.

Steps are the gold procedures and random play in turn; memory is measured in a fresh process. The
comparison with ScienceWorld runs where the package and Java are there.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import gymnasium
import numpy as np
from tabulate import tabulate

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.lab.gold import gold
from qevolve_envs.lab.tasks import task_ids

ENV = "qevolve/Lab-v0"
Trace = tuple[str, list[str]]

_MEMORY = """
import gymnasium, qevolve_bench
env = gymnasium.make("qevolve/Lab-v0", admissible=True)
for seed in range(200):
    env.reset(seed=seed)
    for _ in range(10):
        _, _, _, _, info = env.step("look around")
# Not getrusage: its peak includes the parent's size at the fork.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) / 1024)
"""


def make_env(*, admissible: bool = False) -> gymnasium.Env[str, str]:
    """The environment as a training loop would make it, with the horizon's wrapper."""
    return gymnasium.make(ENV, admissible=admissible, disable_env_checker=True)


def record_traces(episodes: int) -> list[Trace]:
    """Commands for training tasks, of the gold procedure and at random in turn."""
    env = make_env(admissible=True)
    rng = np.random.default_rng(0)
    traces: list[Trace] = []
    for number, task_id in enumerate(task_ids("train")[:episodes]):
        if number % 2:
            traces.append((task_id, gold(task_id)))
            continue
        _, info = env.reset(options={"task": task_id})
        commands: list[str] = []
        done = False
        while not done:
            commands.append(str(rng.choice(info["admissible_commands"])))
            _, _, terminated, truncated, info = env.step(commands[-1])
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


def scienceworld_rates(steps: int = 100) -> tuple[float, float] | None:
    """Steps/s of the official simulator on boiling water, or None where it is not installed.

    First through our adapter, which asks for the text and the score; then through the package's own
    interface, whose every step also lists all valid actions.
    """
    try:
        from scienceworld import ScienceWorldEnv as Official
    except ImportError:
        return None
    if shutil.which("java") is None:
        return None
    words = ("look around", "inventory", "wait1", "examine door to hallway")
    commands = [words[number % len(words)] for number in range(steps)]

    ours = gymnasium.make("qevolve/ScienceWorld-v0", fresh_jvm=True).unwrapped
    ours.reset(options={"task": "scienceworld/train/boil/0"})
    text = _rate(ours.step, commands)
    ours.close()
    official = Official("", envStepLimit=steps + 1)
    try:
        official.load("boil", 0, "")
        official.reset()
        return text, _rate(official.step, commands)
    finally:
        official.close()


def _rate(step: Callable[[str], object], commands: Sequence[str]) -> float:
    start = time.perf_counter()
    for command in commands:
        step(command)
    return len(commands) / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=300, help="traces to replay (default 300)")
    args = parser.parse_args(argv)

    traces = record_traces(args.episodes)
    rows: list[tuple[str, str, str]] = []
    best: list[float] = []
    for admissible, target in ((False, ">= 10,000"), (True, "")):
        env = make_env(admissible=admissible)
        rates = []
        for _ in range(3):
            steps, seconds = replay(env, traces)
            rates.append(steps / seconds)
        best.append(max(rates))
        text = "with admissible commands" if admissible else "text only"
        rows.append((f"steps/s, {text}, best of 3", f"{max(rates):,.0f}", target))
    env = make_env()
    for split in ("train", "seen", "unseen"):
        ids = task_ids(split)
        rate = len(ids) / reset_all(env, ids)
        rows.append((f"resets/s, {split}", f"{rate:,.0f}", ">= 1,000"))
    rows.append(("memory of one environment, MiB", f"{memory_of_one_env():.0f}", "< 60"))
    official = scienceworld_rates()
    if official is not None:
        # Like with like: text beside text, valid actions beside valid actions.
        kinds = ("text only", "with all valid actions")
        for kind, lab, theirs in zip(kinds, best, official, strict=True):
            rows.append((f"ScienceWorld, steps/s, {kind}", f"{theirs:,.0f}", ""))
            rows.append((f"ratio, {kind}", f"{lab / theirs:,.0f}x", ">= 200x"))
    print(tabulate(rows, headers=(ENV, "measured", "aim"), colalign=("left", "right", "right")))
    if official is None:
        print("\nScienceWorld is not here: pip install scienceworld, and install Java.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
