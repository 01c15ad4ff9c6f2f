from __future__ import annotations

import json

import pytest

from qevolve_bench.suites import Cell, Suite
from qevolve_envs.episode import Episode, Step, write_episodes

ENV = "qevolve/Household-v0"
AXES = (
    "env_steps", "episodes", "expert_episodes", "generated_tokens", "trained_tokens",
    "wall_seconds", "accelerator_seconds",
)  # fmt: skip


def episode(
    task, won, *, agent="a", split="unseen", kwargs=None, steps=3, seed=0, text="You look.",
    tokens=0, error=None,
):  # fmt: skip
    """An episode whose last step wins it or not."""
    taken = []
    for i in range(steps):
        last = i == steps - 1
        feedback = ("ok", "unchanged", "invalid", "malformed")[i % 4] if not last else "ok"
        reward = float(won and last)
        taken.append(
            Step(f"do {i}", f"{text} {task} {i}", reward, feedback, reward, tokens, tokens)
        )
    return Episode(
        env_id=ENV,
        env_kwargs=kwargs or {},
        task_id=task,
        split=split,
        seed=seed,
        agent=agent,
        goal=f"Do {task}.",
        first_observation=f"{text} {task}",
        steps=taken,
        score=1.0 if won else 0.25,
        won=won,
        terminated=won,
        truncated=not won,
        error=error,
        digest="ab" * 32,
    )


def panel(won, **options):
    """One episode for each 0 or 1; None is one that failed."""
    return [
        episode(f"task/{i:04d}", bool(w), seed=i, error="crashed" if w is None else None, **options)
        for i, w in enumerate(won)
    ]


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
            **{k: {} for k in ("ledger", "summary", "skipped", "files")},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return writes


def curve_line(learner, seed, checkpoint, spent, won, *, split="unseen"):
    """A line of ``curve.jsonl``; nothing is spent on accelerators."""
    ledger = {axis: spent * (i + 1) for i, axis in enumerate(AXES)} | {"accelerator_seconds": 0}
    return {
        "schema": 1,
        "learner": learner,
        "env_id": ENV,
        "env_kwargs": {"size": "small"},
        "seed": seed,
        "checkpoint": checkpoint,
        "ledger": ledger,
        "results": {
            split: {
                "n": len(won),
                "success": sum(won) / len(won),
                "score": sum(won) / len(won),
                "tasks": [f"task/{i:04d}" for i in range(len(won))],
                "won": won,
                "scores": [float(w) for w in won],
            }
        },
    }


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
