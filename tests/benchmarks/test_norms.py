"""The benchmark of the norm worlds runs, and its two sides play the same; no timing decides."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from qevolve_envs.tipping.norms import LabNorms

_PATH = Path(__file__).with_name("norms.py")
_SPEC = importlib.util.spec_from_file_location("norms_speed", _PATH)
speed = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(speed)


def test_the_script_runs(capsys):
    assert speed.main(["--episodes", "1", "--rounds", "1"]) == 0
    assert capsys.readouterr().out.count("_norms_v0") == 3


def test_both_sides_count_the_same_steps():
    traces = speed.record(LabNorms, 2)
    assert speed.play_world(LabNorms, traces)[0] == speed.play_shifts(LabNorms, traces)[0] > 300
