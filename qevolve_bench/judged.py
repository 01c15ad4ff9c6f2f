"""How good Q-Evolve's critic was, from what a run keeps of its judgements.

Three questions decide whether a policy may be trained on a critic: is V calibrated (does it predict
the return that followed, on episodes it has not seen), does value arrive early in an episode, and
do advantages have the signs that the answers of the environment suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qevolve_envs.errors import BenchError, MissingData

if TYPE_CHECKING:
    from qevolve_baselines.judged import Judged

KINDS = ("ok", "unchanged", "invalid", "malformed")


def rounds_of(folder: Path) -> dict[int, Path]:
    """The judged rounds of a run, by number.

    Raises:
        MissingData: When there is none.
    """
    from qevolve_baselines.judged import FOLDER

    files = {
        int(file.name.removeprefix("round-").removesuffix(".jsonl.gz")): file
        for file in folder.glob(f"{FOLDER}/round-*.jsonl.gz")
        if file.name[6:-9].isdigit()
    }
    if not files:
        raise MissingData(
            f"{folder} holds no judged round: give the folder of a run of q_evolve that has fitted"
            " its critic (qevolve-bench train q_evolve --out DIR)."
        )
    return dict(sorted(files.items()))


def calibration(judged: Sequence[Judged], bins: int = 10) -> list[dict[str, float]]:
    """Mean V beside the mean return that followed, in bins of equally many steps.

    Args:
        judged: The trajectories.
        bins: Number of bins; fewer where there are fewer steps.
    """
    v, returns = (_flat(judged, name) for name in ("v", "returns"))
    order = np.argsort(v, kind="stable")
    return [
        {"v": float(v[part].mean()), "return": float(returns[part].mean()), "steps": len(part)}
        for part in np.array_split(order, bins)
        if len(part)
    ]


def propagation(judged: Sequence[Judged], parts: int = 4) -> list[dict[str, float]]:
    """Mean V in won and in lost episodes, by the part of the episode that a step stands in."""
    found = []
    for part in range(parts):
        row: dict[str, float] = {"part": part + 1}
        for name, won in (("won", True), ("lost", False)):
            chosen = [
                value
                for j in judged
                if j.won is won
                for i, value in enumerate(j.v)
                if i * parts // len(j.v) == part
            ]
            row[name] = float(np.mean(chosen)) if chosen else float("nan")
        found.append(row)
    return found


def signs(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Advantages by the kind of feedback: how many, their mean, and the share above zero."""
    kinds = np.array([kind for j in judged for kind in j.feedback])
    won = np.repeat([j.won for j in judged], [len(j.v) for j in judged]).astype(bool)
    advantages = _flat(judged, "advantage")
    found = []
    for kind in KINDS:
        of_kind = kinds == kind
        row: dict[str, Any] = {"feedback": kind, "steps": int(of_kind.sum())}
        for name, chosen in (("all", of_kind), ("won", of_kind & won), ("lost", of_kind & ~won)):
            some = advantages[chosen]
            row[f"mean_{name}"] = float(some.mean()) if some.size else float("nan")
            row[f"positive_{name}"] = float((some > 0).mean()) if some.size else float("nan")
        if of_kind.any():
            found.append(row)
    return found


def _flat(judged: Sequence[Judged], name: str) -> Any:
    if not judged:
        raise BenchError("There is no trajectory to look at.")
    return np.concatenate([np.array(getattr(j, name), dtype=np.float64) for j in judged])
