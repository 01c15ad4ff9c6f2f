"""pytest-benchmark figures: `pytest tests/benchmarks --benchmark-enable`.

In the ordinary suite they run once each, as a check that they still work; no timing decides a test.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).with_name("household.py")
_SPEC = importlib.util.spec_from_file_location("household_benchmark", _PATH)
household = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(household)


@pytest.fixture(scope="module")
def traces():
    return household.record_traces(20)


@pytest.mark.parametrize("admissible", [False, True], ids=["text", "admissible"])
def test_steps(benchmark, traces, admissible):
    env = household.make_env(admissible=admissible)
    steps, _ = benchmark(household.replay, env, traces)
    assert steps == sum(len(commands) for _, commands in traces)


def test_resets(benchmark):
    env = household.make_env()
    ids = household.task_ids("train")[:200]
    assert benchmark(household.reset_all, env, ids) > 0


def test_loading_a_game_file(benchmark, tmp_path):
    folder = Path(__file__).parents[1] / "envs/household"
    logic = (folder / "mini.pddl").read_text(), (folder / "mini.twl2").read_text()
    spec = household.make_task(household.task_ids("train")[0])
    path = household.export_task(spec, tmp_path, *logic)
    game = benchmark(household.load_game, path, household.alfred_names)
    assert game.start().commands()
