"""Episodes and files that the tests of reports are made of."""

from __future__ import annotations

from qevolve_bench.tipping.analyse import analyse
from qevolve_envs.episode import Episode, Step
from qevolve_envs.tipping.truth import Truth

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


def tipping_result(subject="me"):
    """A small result of the tipping metrics, as `tipping.json` holds it."""
    trace = [
        Truth(
            world="w_v0", scenario=s, seed=0, agent="agent_0", round=r, step=0, phase="", p=0.5,
            opportunity=True, violation=r > 2, kind="", parsed=True, inspected=False, fine=0.0,
            task_reward=1.0, gain=0.5 * (r > 2), principal=1.0,
        )
        for s in ("a", "b")
        for r in range(6)
    ]  # fmt: skip
    return analyse({"main": trace}, subject=subject, resamples=20)
