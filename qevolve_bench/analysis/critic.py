"""How good Q-Evolve's critic was, from what a run keeps of its judgements.

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
    from qevolve_baselines.run.advantage_log import Judged

ACCEPTED, RECOVERY = "accepted", "accepted, behind a refusal"
FIRST, AGAIN, REPEATED = "refused, first", "refused, behind a refusal", "refused, sent before"
EXPERT = "the expert's"
SITUATIONS = (EXPERT, ACCEPTED, RECOVERY, FIRST, AGAIN, REPEATED)


def rounds_of(folder: Path) -> dict[int, Path]:
    """The judged rounds of a run, by number.

    Raises:
        MissingData: When there is none.
    """
    from qevolve_baselines.run.advantage_log import FOLDER

    files = {
        int(named[1]): file
        for file in folder.glob(f"{FOLDER}/*")
        if (named := re.fullmatch(r"round-(\d+)\.jsonl\.gz", file.name))
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


def situations(judged: Judged) -> list[str]:
    """Where each action of an episode stands in respect of refusals: one of `SITUATIONS`.

    Whatever is not taken as `ok` is a refusal here: invalid, malformed, or without effect.
    """
    found = []
    sent: set[str] = set()
    refused = False
    for action, feedback in zip(judged.actions, judged.feedback, strict=True):
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
    judged: Sequence[Judged], gae_lambda: float | None = None, gamma: float = 0.99
) -> list[dict[str, Any]]:
    """Advantages by situation: how many actions, their mean, spread, and the share above zero.

    The expert's actions, which nothing is wrong with, show the noise of a critic.

    Args:
        judged: The trajectories, the expert's included: they are normalised together.
        gae_lambda: Compute them anew from rewards, labels and V with this λ, divided by their
            standard deviation and bounded by ±3, as q_evolve does by default; None takes those
            that the policy learnt.
        gamma: γ, for that.
    """
    if gae_lambda is None:
        advantages = _flat(judged, "advantage")
    else:
        advantages = _anew(judged, gae_lambda, gamma)
    where = np.array(
        [place for j in judged for place in ([EXPERT] * len(j.v) if j.expert else situations(j))]
    )
    won = np.repeat([j.won for j in judged], [len(j.v) for j in judged]).astype(bool)
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


def _anew(judged: Sequence[Judged], gae_lambda: float, gamma: float) -> npt.NDArray[np.float64]:
    """Generalised advantages, scaled and bounded."""
    from qevolve_baselines.losses import generalised_advantages

    bounds = np.concatenate([[0], np.cumsum([len(j.v) for j in judged])])
    rewards = _flat(judged, "reward") + _flat(judged, "label")
    raw = generalised_advantages(rewards, _flat(judged, "v"), bounds, gamma, gae_lambda)
    scaled: npt.NDArray[np.float64] = (raw / max(float(raw.std()), 1e-8)).clip(-3, 3)
    return scaled


def _flat(judged: Sequence[Judged], name: str) -> npt.NDArray[np.float64]:
    if not judged:
        raise BenchError("There is no trajectory to look at.")
    return np.concatenate([np.array(getattr(j, name), dtype=np.float64) for j in judged])
