"""Episodes and files that the tests of reports are made of."""

from __future__ import annotations

from qevolve_envs.episode import Episode, Step

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
