"""pytest-benchmark figures of the lab: `pytest tests/benchmarks --benchmark-enable`.

In the ordinary suite they run once each, as a check that they still work; no timing decides a test.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).with_name("lab.py")
_SPEC = importlib.util.spec_from_file_location("lab_benchmark", _PATH)
lab = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(lab)


@pytest.fixture(scope="module")
def traces():
    return lab.record_traces(30)


@pytest.mark.parametrize("admissible", [False, True], ids=["text", "admissible"])
def test_steps(benchmark, traces, admissible):
    env = lab.make_env(admissible=admissible)
    steps, _ = benchmark(lab.replay, env, traces)
    assert steps == sum(len(commands) for _, commands in traces)


def test_resets(benchmark):
    assert benchmark(lab.reset_all, lab.make_env(), lab.task_ids("train")[:200]) > 0
