from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from qevolve_bench.runner.suite import run_suite
from qevolve_bench.suites import Cell, Suite

TOY = "toy:benchtoy/Corridor-v0"
HERE = Path(__file__).parent


def toy_suite(**changes):
    train = {"name": "train", "env_id": TOY, "split": "train", "horizon": 10, **changes}
    test = {"name": "test", "env_id": TOY, "split": "test", "horizon": 4, "seeds": (0, 5)}
    return Suite("toys-v0", (Cell(**train), Cell(**test)))


@pytest.fixture
def suite():
    """Twelve episodes of one cell, and five for each of two seeds of another."""
    return toy_suite()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current directory with the toy and the agents, as a user's own would be."""
    shutil.copy(HERE.parent / "toy.py", tmp_path / "toy.py")
    shutil.copy(HERE / "agents_of_tests.py", tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # The environments' tests have a module of the same name, and want it back.
    others = {name: sys.modules.pop(name, None) for name in ("toy", "mine")}
    yield tmp_path
    for name, module in others.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def play(folder, suite):
    """Plays the suite into a folder of that name; returns the manifest."""

    def plays(agent, out="run", **options):
        given = options.pop("suite", suite)
        return run_suite(
            given, agent=agent, out=folder / out, **{"batch_size": 4, "workers": 0, **options}
        )

    return plays


@pytest.fixture
def contents():
    """All files of a run that must not differ, by name."""

    def read(folder):
        paths = [p for p in sorted(Path(folder).rglob("*")) if p.is_file()]
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths} | {
            "timing.json": b""
        }

    return read
