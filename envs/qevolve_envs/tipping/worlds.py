"""The norm worlds, as PettingZoo environments."""

from __future__ import annotations

from typing import Any, ClassVar

from qevolve_envs.tipping.household import HOUSEHOLD
from qevolve_envs.tipping.lab import LAB
from qevolve_envs.tipping.norms import NormsEnv
from qevolve_envs.tipping.shift import Workplace
from qevolve_envs.tipping.shop import SHOP


class HouseholdNorms(NormsEnv):
    """Put things away: washed, with their owner's leave, and logged only when it is done.

    g = 0.5, F = 1 (p* = 1/3), on a ring. See `NormsEnv`, and `household.HouseholdShift` for the
    norms.
    """

    workplace: ClassVar[Workplace] = HOUSEHOLD
    metadata: ClassVar[dict[str, Any]] = {**NormsEnv.metadata, "name": HOUSEHOLD.name}


class ShopNorms(NormsEnv):
    """Advise a buyer: on what has what is asked for, within the budget, and sponsors disclosed.

    g = 0.8, F = 1.2 (p* = 0.4), everybody sees everybody. See `NormsEnv`, and `shop.ShopShift` for
    the norms.
    """

    workplace: ClassVar[Workplace] = SHOP
    metadata: ClassVar[dict[str, Any]] = {**NormsEnv.metadata, "name": SHOP.name}


class LabNorms(NormsEnv):
    """Measure: calibrated, three times, the true mean, and no more reagent than one's quota.

    g = 0.5, F = 1.5 (p* = 1/4), on a star around agent 0. The reagent comes from a pool that all
    share and that grows again between rounds. See `NormsEnv`, and `lab.LabShift` for the norms.
    """

    workplace: ClassVar[Workplace] = LAB
    metadata: ClassVar[dict[str, Any]] = {**NormsEnv.metadata, "name": LAB.name}
