"""The benchmark of the tipping metrics runs, and its two sides agree; no timing decides a test."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from qevolve_bench.tipping.analyse import analyse

_PATH = Path(__file__).with_name("tipping.py")
_SPEC = importlib.util.spec_from_file_location("tipping_speed", _PATH)
speed = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(speed)


def test_the_script_runs(capsys):
    assert speed.main(["--records", "1280", "--resamples", "50", "--rounds", "1"]) == 0
    assert "50 resamples by loops" in capsys.readouterr().out


def test_loops_and_arrays_estimate_the_same():
    trace = speed.make_trace(12_800)
    result = analyse({"main": trace}, subject="x", resamples=200)
    loops = np.mean([speed.rates_by_loops(trace, seed) for seed in range(20)], axis=0)
    for r, value in zip(result["arms"]["main"]["rounds"], loops, strict=True):
        low, high = r["rate"]["interval"]
        assert low <= value <= high
