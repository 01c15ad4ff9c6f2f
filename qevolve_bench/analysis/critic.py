"""Diagnosis of Q-Evolve's critic, from the advantages that a run keeps.

Three questions decide whether a policy may be trained on a critic: is V calibrated (does it predict
the return that followed, on episodes it has not seen), does value arrive early in an episode, and
do advantages have the signs that the answers of the environment suggest: a policy that is to leave
a loop of refusals needs the action that leaves it above zero, and the refused ones below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qevolve_envs.errors import BenchError, MissingData

if TYPE_CHECKING:
    from qevolve_baselines.run.advantage_log import AdvantageRecord

ACCEPTED, RECOVERY = "accepted", "accepted, behind a refusal"
FIRST, AGAIN, REPEATED = "refused, first", "refused, behind a refusal", "refused, sent before"
EXPERT = "the expert's"
SITUATIONS = (EXPERT, ACCEPTED, RECOVERY, FIRST, AGAIN, REPEATED)


def rounds_of(folder: Path) -> dict[int, Path]:
    """Files of a run's advantages, by the number of the round.

    Raises:
        MissingData: When there is none.
    """
    from qevolve_baselines.run.advantage_log import FOLDER, OLD_FOLDER

    files = {
        int(named[1]): file
        for name in (OLD_FOLDER, FOLDER)
        for file in folder.glob(f"{name}/*")
        if (named := re.fullmatch(r"round-(\d+)\.jsonl\.gz", file.name))
    }
    if not files:
        raise MissingData(
            f"{folder} holds no advantages: give the folder of a run of q_evolve that has fitted"
            " its critic (qevolve-bench train q_evolve --out DIR)."
        )
    return dict(sorted(files.items()))


def calibration(records: Sequence[AdvantageRecord], bins: int = 10) -> list[dict[str, float]]:
    """Mean V beside the mean return that followed, in bins of equally many steps.

    Args:
        records: The trajectories.
        bins: Number of bins; fewer where there are fewer steps.
    """
    v, returns = (_flat(records, name) for name in ("v", "returns"))
    order = np.argsort(v, kind="stable")
    return [
        {"v": float(v[part].mean()), "return": float(returns[part].mean()), "steps": len(part)}
        for part in np.array_split(order, bins)
        if len(part)
    ]


def propagation(records: Sequence[AdvantageRecord], parts: int = 4) -> list[dict[str, float]]:
    """Mean V in won and in lost episodes, by the part of the episode that a step stands in."""
    found = []
    for part in range(parts):
        row: dict[str, float] = {"part": part + 1}
        for name, won in (("won", True), ("lost", False)):
            chosen = [
                value
                for j in records
                if j.won is won
                for i, value in enumerate(j.v)
                if i * parts // len(j.v) == part
            ]
            row[name] = float(np.mean(chosen)) if chosen else float("nan")
        found.append(row)
    return found


def situations(records: AdvantageRecord) -> list[str]:
    """Situation of each action of an episode in respect of refusals: one of `SITUATIONS`.

    Whatever is not taken as `ok` is a refusal here: invalid, malformed, or without effect.
    """
    found = []
    sent: set[str] = set()
    refused = False
    for action, feedback in zip(records.actions, records.feedback, strict=True):
        if feedback == "ok":
            found.append(RECOVERY if refused else ACCEPTED)
        elif action in sent:
            found.append(REPEATED)
        else:
            found.append(AGAIN if refused else FIRST)
        refused = feedback != "ok"
        sent.add(action)
    return found


def signs(
    records: Sequence[AdvantageRecord], gae_lambda: float | None = None, gamma: float = 0.99
) -> list[dict[str, Any]]:
    """Advantages by situation: how many actions, their mean, spread, and the share above zero.

    The expert's actions, which nothing is wrong with, show the noise of a critic.

    Args:
        records: The trajectories, the expert's included: they are normalised together.
        gae_lambda: Compute them anew from rewards, labels and V with this λ, divided by their
            standard deviation and bounded by ±3, as q_evolve does by default; None takes those
            that the policy learnt.
        gamma: γ, for that.
    """
    if gae_lambda is None:
        advantages = _flat(records, "advantage")
    else:
        advantages = _anew(records, gae_lambda, gamma)
    where = np.array(
        [place for j in records for place in ([EXPERT] * len(j.v) if j.expert else situations(j))]
    )
    won = np.repeat([j.won for j in records], [len(j.v) for j in records]).astype(bool)
    found = []
    for situation in SITUATIONS:
        of_kind = where == situation
        row: dict[str, Any] = {"action": situation}
        for name, chosen in (("won", of_kind & won), ("lost", of_kind & ~won)):
            some = advantages[chosen]
            row[f"steps_{name}"] = int(some.size)
            row[f"mean_{name}"] = float(some.mean()) if some.size else float("nan")
            row[f"spread_{name}"] = float(some.std()) if some.size else float("nan")
            row[f"positive_{name}"] = float((some > 0).mean()) if some.size else float("nan")
        if of_kind.any():
            found.append(row)
    return found


def _anew(
    records: Sequence[AdvantageRecord], gae_lambda: float, gamma: float
) -> npt.NDArray[np.float64]:
    """Generalised advantages, scaled and bounded."""
    from qevolve_baselines.losses import generalised_advantages

    bounds = np.concatenate([[0], np.cumsum([len(j.v) for j in records])])
    rewards = _flat(records, "reward") + _flat(records, "label")
    raw = generalised_advantages(rewards, _flat(records, "v"), bounds, gamma, gae_lambda)
    scaled: npt.NDArray[np.float64] = (raw / max(float(raw.std()), 1e-8)).clip(-3, 3)
    return scaled


def _flat(records: Sequence[AdvantageRecord], name: str) -> npt.NDArray[np.float64]:
    if not records:
        raise BenchError("There is no trajectory to look at.")
    return np.concatenate([np.array(getattr(j, name), dtype=np.float64) for j in records])
