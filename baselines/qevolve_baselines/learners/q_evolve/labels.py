"""What is known of each step of Q-Evolve's data before anything is learnt; (3), the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qevolve_baselines.losses import Floats
from qevolve_envs.core import Feedback


def retrospective_labels(
    feedback: Sequence[str], r_fmt: float, r_inv: float, r_repeat: float
) -> Floats:
    """(3) r_aux of each step, from how the environment took its action; shape (steps,)."""
    table = {
        Feedback.MALFORMED.value: r_fmt,
        Feedback.INVALID.value: r_inv,
        Feedback.UNCHANGED.value: r_repeat,
        Feedback.OK.value: 0.0,
    }
    return np.array([table[f] for f in feedback], dtype=np.float64)


@dataclass(slots=True)
class Facts:
    """What is known of each step of D before anything is learnt.

    Attributes:
        bounds: Where each trajectory begins, and the end.
        r_env: Reward of each step, shape (steps,).
        r_aux: Retrospective label of each step, shape (steps,).
        weights: w_t, shape (steps,).
        feedback: How the environment took each action, shape (steps,).
        expert: Whether a step is the expert's, shape (steps,).
        success: Whether each trajectory won, shape (trajectories,).
        held_out: Whether each trajectory is kept from the critic, shape (trajectories,).
    """

    bounds: npt.NDArray[np.int64]
    r_env: Floats
    r_aux: Floats
    weights: Floats
    feedback: npt.NDArray[np.str_]
    expert: npt.NDArray[np.bool_]
    success: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]

    @property
    def r_critic(self) -> Floats:
        """What the critic learns, shape (steps,): r_env + r_aux."""
        return self.r_env + self.r_aux
