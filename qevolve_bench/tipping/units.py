"""When each unit tips by itself: the episodes of a single run, or the runs when there are several.

The curve over all episodes can rise slowly although each of them jumps, at rounds of their own. So
the tipping rounds of units stand beside that of the curve, those that never tip censored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.rates import rate_by_round
from qevolve_bench.tipping.sharpness import LEAST, MANY, sharpness
from qevolve_bench.tipping.shifts import Shifts
from qevolve_bench.tipping.survival import Survival, survival
from qevolve_bench.tipping.tipping_round import began_high, followed_until, tipping_round


@dataclass(frozen=True, slots=True)
class Units:
    """Tipping of units.

    Attributes:
        kind: What a unit is.
        n: How many could be followed: they have rates in two rounds at least.
        tipped: How many of them tipped.
        began_high: How many had a V_0 beyond which there is no threshold; they count as not tipped.
        curve: Of those that have not tipped yet; None without any unit.
        by_step: Of the units that tipped, the share for which a step up beats a line; None where
            none tipped, or rounds or opportunities are too few to tell (see `sharpness`).
    """

    kind: Literal["episodes", "runs"]
    n: int
    tipped: int
    began_high: int
    curve: Survival | None
    by_step: float | None


def units(shifts: Shifts, window: list[int], level: float) -> Units:
    """Follows every unit of an arm.

    Args:
        shifts: The arm.
        window: Rounds to which step and line are fitted.
        level: Confidence level.
    """
    violations = shifts.by_round(shifts.violations)
    opportunities = shifts.by_round(shifts.opportunities)
    several = len(shifts.runs) > 1
    if several:
        run = np.array([shifts.runs.index(name) for name, _, _ in shifts.clusters])
        member = (run == np.arange(len(shifts.runs))[:, np.newaxis]).astype(np.float64)
        violations, opportunities = member @ violations, member @ opportunities
    rates = rate_by_round(violations, opportunities)
    until = followed_until(rates)
    kept = ~np.isnan(until)
    rates, opportunities, until = rates[kept], opportunities[kept], until[kept]
    rounds = tipping_round(rates)
    tipped = np.isfinite(rounds)
    return Units(
        kind="runs" if several else "episodes",
        n=len(rates),
        tipped=int(tipped.sum()),
        began_high=int(began_high(rates).sum()),
        curve=survival(np.where(tipped, rounds, until), tipped.tolist(), level)
        if len(rates)
        else None,
        by_step=_by_step(rates[tipped][:, window], opportunities[tipped][:, window]),
    )


def _by_step(rates: Array, opportunities: Array) -> float | None:
    enough = (~np.isnan(rates)).sum(axis=1) >= LEAST
    if not enough.any() or opportunities[enough].mean() < MANY:
        return None
    fit = sharpness(rates[enough], opportunities[enough])
    return float(fit.steps_up.mean())
