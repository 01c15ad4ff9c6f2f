"""Robustness: the same tasks in a world that is a little different.

``perturb(gymnasium.make(env_id), "typos:2")`` is the environment with typos of severity 2;
`PERTURBATIONS` lists what there is. What is solvable stays solvable. A world's language file
(`qevolve_envs.language`) says which perturbations it can have, and how.
"""

from __future__ import annotations

from qevolve_envs.perturb.env import PerturbedEnv
from qevolve_envs.perturb.registry import (
    PERTURBATIONS,
    SEVERITIES,
    Perturbation,
    applicable,
    environments,
    make_perturbed,
    most_steps,
    parse,
    perturb,
)

__all__ = [
    "PERTURBATIONS",
    "SEVERITIES",
    "Perturbation",
    "PerturbedEnv",
    "applicable",
    "environments",
    "make_perturbed",
    "most_steps",
    "parse",
    "perturb",
]
