"""Data of the steps of a fixed set of trajectories: rewards, labels, weights, origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qevolve_baselines.losses import Floats


@dataclass(slots=True)
class StepData:
    """Known data of each step of Q-Evolve's D, before anything is learnt.

    Attributes:
        bounds: Offsets at which the trajectories begin, and the end.
        r_env: Reward of each step, shape (steps,).
        r_aux: Retrospective label of each step, shape (steps,).
        weights: w_t, shape (steps,).
        feedback: Feedback of the environment on each action, shape (steps,).
        expert: True for the expert's steps, shape (steps,).
        success: True for the trajectories that won, shape (trajectories,).
        held_out: True for trajectories that the critic is not trained on, shape (trajectories,).
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
        """Reward that the critic learns from, shape (steps,): r_env + r_aux."""
        return self.r_env + self.r_aux
