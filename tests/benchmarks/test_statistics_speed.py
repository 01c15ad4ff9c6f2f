"""The statistics' benchmark runs; `pytest tests/benchmarks --benchmark-enable` for figures.

In the ordinary suite they run once each, as a check that they still work; no timing decides a test.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PATH = Path(__file__).with_name("statistics_speed.py")
_SPEC = importlib.util.spec_from_file_location("statistics_speed", _PATH)
speed = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(speed)


def test_aggregates(benchmark):
    assert len(benchmark(speed.our_aggregates, speed.make_scores(), 200)) == 5


def test_probability_of_improvement(benchmark):
    found = benchmark(speed.our_improvement, speed.make_scores(), 200)
    assert found.interval.low <= found.value <= found.interval.high


def test_the_script_runs(capsys):
    assert speed.main(["--resamples", "20", "--improvements", "5", "--rounds", "1", "--small"]) == 0
    assert "probability of improvement, 5 replications" in capsys.readouterr().out
