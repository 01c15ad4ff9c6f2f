from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from qevolve_bench.runner.results import EvaluationLedger
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import write_episodes

# Test modules cannot import their neighbours under --import-mode=importlib.
_spec = importlib.util.spec_from_file_location(
    "report_world", Path(__file__).with_name("report_world.py")
)
assert _spec is not None and _spec.loader is not None
sys.modules["report_world"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["report_world"])

from report_world import ENV, curve_line, panel  # noqa: E402


@pytest.fixture
def run_folder(tmp_path):
    """Writes a run folder; `cells` maps a split, or (split, perturbation), to outcomes."""

    def writes(name, cells, *, agent=None, digest="a" * 64, suite="quick-v0", **options):
        agent = agent or name
        folder = tmp_path / name
        (folder / "episodes").mkdir(parents=True)
        described = []
        for key, won in cells.items():
            split, perturbation = key if isinstance(key, tuple) else (key, None)
            kwargs = {"perturbation": perturbation} if perturbation else {}
            cell = f"household-{split}" + (f"-{perturbation}".replace(":", "-") if kwargs else "")
            played = panel(won, agent=agent, split=split, kwargs=kwargs, **options)
            write_episodes(folder / "episodes" / f"{cell}.jsonl", played)
            described.append(Cell(cell, ENV, split, 30, kwargs, len(won), (0,), len(won), digest))
        manifest = {
            "schema": 1,
            "complete": True,
            "suite": Suite(suite, tuple(described)).to_json(),
            "agent": {"name": agent, "description": {}},
            "settings": {"batch_size": 16, "step_seconds": 600.0},
            "provenance": {"python": "CPython 3.11.7", "packages": {"qevolve-bench": "0.1.0"}},
            "ledger": dict.fromkeys(EvaluationLedger.__annotations__, 0),
            **{k: {} for k in ("summary", "skipped", "files")},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return writes


@pytest.fixture
def training(tmp_path):
    """Writes a training run that learns one task more with each checkpoint."""

    def writes(learner, seed, *, points=4, tasks=8, folder=None, spec=True):
        folder = folder or tmp_path / f"{learner}-{seed}"
        (folder / "evaluation").mkdir(parents=True)
        lines = []
        for k in range(points):
            known = min(tasks, 2 * k + seed % 2)
            won = [int(i < known) for i in range(tasks)]
            lines.append(json.dumps(curve_line(learner, seed, k, 1000 * k, won)))
        (folder / "curve.jsonl").write_text("\n".join(lines) + "\n")
        played = panel([1] * 4 + [0] * 4, agent=learner, kwargs={"size": "small"})
        write_episodes(folder / "evaluation" / "unseen.jsonl", played)
        if spec:
            named = {"schema": 1, "learner": learner, "env_id": ENV, "seed": seed}
            named |= {"env_kwargs": {"size": "small"}, "settings": {"optim": {"lr": 0.001}}}
            (folder / "spec.json").write_text(json.dumps(named))
        return folder

    return writes
