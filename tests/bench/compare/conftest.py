from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from qevolve_bench.runner.results import EvaluationLedger
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import Episode, write_episodes

ENV = "qevolve/Household-v0"

_spec = importlib.util.spec_from_file_location(
    "curve_points", Path(__file__).parents[1] / "efficiency" / "conftest.py"
)
assert _spec is not None and _spec.loader is not None
sys.modules["curve_points"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["curve_points"])


def episodes(won, *, agent="a", split="unseen", env_kwargs=None, tasks=None, rounds=1, env=ENV):
    """Episodes without steps; `won` holds 0, 1, or None for one that failed by an error."""
    found = []
    for i, outcome in enumerate(won):
        task = tasks[i] if tasks else f"task/{i // rounds:04d}"
        found.append(
            Episode(
                env_id=env,
                env_kwargs=env_kwargs or {},
                task_id=task,
                split=split,
                seed=i,
                agent=agent,
                score=float(outcome or 0) * 0.5 if outcome != 1 else 1.0,
                won=bool(outcome) or outcome is None,
                error="crashed" if outcome is None else None,
            )
        )
    return found


@pytest.fixture
def bare(tmp_path):
    """Writes a bare file of episodes; returns its path."""

    def writes(name, won, **options):
        path = tmp_path / f"{name}.jsonl"
        write_episodes(path, episodes(won, agent=options.pop("agent", name), **options))
        return path

    return writes


@pytest.fixture
def run_folder(tmp_path):
    """Writes a run folder with one cell for each split; returns its path."""

    def writes(name, cells, *, agent=None, panel="a" * 64, horizon=30):
        folder = tmp_path / name
        (folder / "episodes").mkdir(parents=True)
        agent = agent or name
        described = []
        for split, won in cells.items():
            write_episodes(
                folder / "episodes" / f"household-{split}.jsonl",
                episodes(won, agent=agent, split=split),
            )
            described.append(Cell(f"household-{split}", ENV, split, horizon, panel=panel))
        manifest = {
            "schema": 1,
            "complete": True,
            "suite": Suite("mini-v0", tuple(described)).to_json(),
            "agent": {"name": agent, "description": {}},
            "ledger": dict.fromkeys(EvaluationLedger.__annotations__, 0),
            **{k: {} for k in ("settings", "provenance", "summary", "skipped", "files")},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return writes


@pytest.fixture
def training(tmp_path):
    """Writes training runs of a learner; returns their folders.

    Seeds share their tasks; success rises from `start` to `rate` at 1,000 steps.
    """

    def writes(learner, rate, *, seeds=5, tasks=60, steps=1000, start=0.2, spread=0.05):
        folders = []
        difficulty = np.random.default_rng(0).normal(0, 1, tasks)
        for seed in range(seeds) if isinstance(seeds, int) else seeds:
            rng = np.random.default_rng([seed, len(learner)])
            folder = tmp_path / f"{learner}-{seed}"
            folder.mkdir()
            points = []
            for k, (at, mean) in enumerate([(0, start), (steps // 2, rate), (steps, rate)]):
                level = mean + rng.normal(0, spread)
                won = (rng.random(tasks) + 0.1 * difficulty < level).astype(int).tolist()
                point = sys.modules["curve_points"].point
                points.append(point(k, at, won, seed=seed, learner=learner))
            text = sys.modules["curve_points"].to_lines(points)
            (folder / "curve.jsonl").write_text(text)
            folders.append(folder)
        return folders

    return writes
