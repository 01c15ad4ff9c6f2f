"""Retrospective labels: (3) of `qevolve_baselines.learners.q_evolve.learner`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
