from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import gymnasium
import pytest

# Test modules cannot import their neighbours under --import-mode=importlib.
_spec = importlib.util.spec_from_file_location("bench_toy", Path(__file__).with_name("toy.py"))
assert _spec is not None and _spec.loader is not None
sys.modules["bench_toy"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["bench_toy"])

TOY = "benchtoy/Corridor-v0"


@pytest.fixture
def toy_env():
    env = gymnasium.make(TOY)
    yield env
    env.close()


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """An empty current directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    path_before = list(sys.path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    assert sys.path == path_before, "a command left the import path changed"
