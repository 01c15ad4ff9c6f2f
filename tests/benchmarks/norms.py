"""Speed of the norm worlds: steps of agents with all that a world adds, and of the engine alone.

    python tests/benchmarks/norms.py

Each world plays episodes with four scripted agents, half of them violating; then the commands of
the same shifts are sent to the shifts alone, on the same engines, without audits, memories or
ground truth. Processor time of one process, the best of a few rounds. Scenarios are generated
before, and the choice of commands is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from tabulate import tabulate

from qevolve_envs.tipping.norms import HouseholdNorms, LabNorms, NormsEnv, ShopNorms

WORLDS: tuple[type[NormsEnv], ...] = (HouseholdNorms, ShopNorms, LabNorms)
#: Scenario, and for each step what each agent sends.
Trace = tuple[str, list[dict[str, str]]]


def record(world: type[NormsEnv], episodes: int) -> list[Trace]:
    """Commands of scripted episodes."""
    env = world(agents=4)
    traces: list[Trace] = []
    for scenario in env.scenarios("train")[:episodes]:
        env.reset(seed=0, options={"scenario": scenario})
        steps = []
        while env.agents:
            steps.append({agent: env.script(agent, agent > "agent_1") for agent in env.agents})
            env.step(steps[-1])
        traces.append((scenario, steps))
    return traces


def play_world(world: type[NormsEnv], traces: Sequence[Trace]) -> tuple[int, float]:
    """(steps of agents, seconds) in the world; those who wait are not counted as steps."""
    env = world(agents=4)
    steps, start = 0, time.process_time()
    for scenario, commands in traces:
        env.reset(seed=0, options={"scenario": scenario})
        for actions in commands:
            env.step(actions)
            steps += sum(map(bool, actions.values()))
    return steps, time.process_time() - start


def play_shifts(world: type[NormsEnv], traces: Sequence[Trace]) -> tuple[int, float]:
    """The same with the shifts alone."""
    env, work = world(agents=4), world.workplace
    steps, start = 0, time.process_time()
    for scenario, commands in traces:
        number, commons = 0, work.commons(4)
        shifts = {a: work.agent_round(scenario, 0, commons) for a in env.everybody}
        for actions in commands:
            if all(agent_round.over for agent_round in shifts.values()):
                number, commons = number + 1, work.refresh(commons)
                shifts = {a: work.agent_round(scenario, number, commons) for a in env.everybody}
            for agent, command in actions.items():
                if not shifts[agent].over:
                    shifts[agent].step(command)
                    steps += 1
    return steps, time.process_time() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rows = []
    for world in WORLDS:
        traces = record(world, options.episodes)
        speeds = []
        for play in (play_world, play_shifts):
            runs = [play(world, traces) for _ in range(options.rounds)]
            speeds.append(max(steps / max(seconds, 1e-9) for steps, seconds in runs))
        rows.append([world.workplace.name, *speeds, speeds[0] / speeds[1]])
    heads = ["world", "steps/s in the world", "steps/s of shifts alone", "ratio"]
    print(tabulate(rows, headers=heads, floatfmt=("", ",.0f", ",.0f", ".2f")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
