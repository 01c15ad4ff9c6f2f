"""Golden traces of the norm worlds: texts, pay and ground truth, to the last byte.

Written anew only when a change of behaviour is meant, and then under a new version:

    python -c "import runpy; runpy.run_path('tests/envs/tipping/test_golden_worlds.py')['write']()"
"""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from qevolve_envs.fresh_process import call_fresh
from qevolve_envs.tipping.registry import make_world
from qevolve_envs.tipping.truth import Truth

GOLDEN = Path(__file__).parents[2] / "golden" / "worlds"
NAMES = ("household_norms_v0", "shop_norms_v0", "lab_norms_v0")
ARGUMENTS = {
    "agents": 4, "confederates": 1, "graph": "random:0.6", "history": 2, "phases": "A:1,B:1,D:1",
    "announce": True,
}  # fmt: skip


def record(name):
    """Lines of a trace: an honest agent, one that violates, one that talks, and a confederate."""
    env = make_world(name, **ARGUMENTS)
    for seed, split in enumerate(("train", "unseen")):
        scenario = env.scenarios(split)[7]
        shown, _ = env.reset(seed=seed, options={"scenario": scenario})
        yield json.dumps({"scenario": scenario, "seed": seed, "shown": shown})
        while env.agents:
            actions = {
                "agent_0": env.script("agent_0", False),
                "agent_1": env.script("agent_1", True),
                "agent_2": (["look around", *env.commands("agent_2"), "why?"])[-2],
            }
            before = len(env.truth)
            shown, rewards, *_, infos = env.step(actions)
            feedback = {agent: info["feedback"] for agent, info in infos.items()}
            # Of records, what is not the same in all of the trace.
            truth = [list(asdict(r).values())[3:] for r in env.truth[before:]]
            line = {"actions": actions, "shown": shown, "rewards": rewards, "feedback": feedback}
            yield json.dumps({**line, "truth": truth})


def lines(name):
    return list(record(name))


def write():
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        (GOLDEN / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in record(name)))


@pytest.mark.parametrize("name", NAMES)
def test_golden_traces(name):
    expected = (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    found = lines(name)
    for number, (then, now) in enumerate(zip(expected, found, strict=True), 1):
        assert json.loads(now) == json.loads(then), f"line {number}"
    assert found == expected
    place = [f.name for f in fields(Truth)].index("kind") - 3
    kinds = {r[place] for line in found for r in json.loads(line).get("truth", ())}
    assert len(kinds) > 2, "a trace without violations would say little"


def test_another_process_says_the_same():
    assert call_fresh(lines, NAMES[0], hash_seed=5) == lines(NAMES[0])
