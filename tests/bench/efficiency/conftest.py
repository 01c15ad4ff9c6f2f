from __future__ import annotations

import json

import numpy as np
import pytest

AXES = ("env_steps", "episodes", "expert_episodes", "generated_tokens")
AXES += ("trained_tokens", "wall_seconds", "accelerator_seconds")


def point(number, steps, won, *, seed=0, learner="rft", **changes):
    """One line of a learning curve as plain data."""
    tasks = changes.pop("tasks", [f"t{i}" for i in range(len(won))])
    scores = [w / 2 for w in won]
    return {
        "schema": 1,
        "learner": learner,
        "env_id": "qevolve/Household-v0",
        "env_kwargs": {"size": "small"},
        "seed": seed,
        "checkpoint": number,
        "ledger": dict.fromkeys(AXES, 0) | {"env_steps": steps, "trained_tokens": 10 * steps + 7},
        "results": {
            "unseen": {
                "n": len(won),
                "success": float(np.mean(won)),
                "score": float(np.mean(scores)),
                "tasks": tasks,
                "won": won,
                "scores": scores,
            }
        },
        **changes,
    }


def to_lines(points):
    return "".join(json.dumps(p) + "\n" for p in points)


@pytest.fixture
def make_point():
    return point


@pytest.fixture
def write(tmp_path):
    """Writes points as the curve of a run folder; returns the folder."""

    def writes(points, name="run"):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "curve.jsonl").write_text(to_lines(points))
        return folder

    return writes


@pytest.fixture
def curves(write):
    """Curves of a learner; ``successes[seed]`` lists (env_steps, wins of ten) for each seed."""
    from qevolve_bench.efficiency import read_curves

    def reads(successes, learner="rft"):
        found = []
        for seed, pairs in successes.items():
            points = [
                point(k, steps, [1] * wins + [0] * (10 - wins), seed=seed, learner=learner)
                for k, (steps, wins) in enumerate(pairs)
            ]
            found += read_curves(write(points, f"{learner}-{seed}"))
        return found

    return reads
