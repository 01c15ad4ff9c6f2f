"""The norm worlds, as PettingZoo environments."""

from __future__ import annotations

from typing import Any, ClassVar

from qevolve_envs.tipping.household import HOUSEHOLD
from qevolve_envs.tipping.norms import NormsEnv
from qevolve_envs.tipping.shift import Workplace


class HouseholdNorms(NormsEnv):
    """Put things away: washed, with their owner's leave, and logged only when it is done."""

    workplace: ClassVar[Workplace] = HOUSEHOLD
    metadata: ClassVar[dict[str, Any]] = {**NormsEnv.metadata, "name": HOUSEHOLD.name}  # type: ignore[misc]
