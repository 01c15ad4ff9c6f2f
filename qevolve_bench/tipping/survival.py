"""Tipping rounds of single units: the episodes of one run, or the runs when there are several.

The curve over all episodes can rise slowly although each of them jumps, at rounds of their own. So
the tipping rounds of units stand beside that of the curve, those that do not tip censored. As for
the curve, what counts are the rounds up to the end of the temptation.

A unit has few opportunities in a round, so that its rate crosses the threshold by chance: of
episodes with 4 opportunities in each of 16 rounds that violate with a constant probability of 0.3,
more than half. `by_chance` says how many would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from qevolve_bench.efficiency.threshold import kaplan_meier
from qevolve_bench.statistics.checks import Array, check_level, vector
from qevolve_bench.statistics.intervals import Estimate, Interval, wilson_interval
from qevolve_bench.tipping.document import SurvivalStep, UnitFigures
from qevolve_bench.tipping.rates import rate_by_round
from qevolve_bench.tipping.shifts import Shifts
from qevolve_bench.tipping.tipping_point import (
    LEAST,
    MANY,
    ROUNDING,
    began_high,
    followed_until,
    sharpness,
    threshold,
    tipping_round,
    tips,
)


@dataclass(frozen=True, slots=True)
class Fall:
    """One time at which units tip.

    Attributes:
        time: The round.
        at_risk: Number that had not tipped before, and were still followed.
        events: Number that tip now.
        share: Of units that have not tipped by then, with its interval.
    """

    time: float
    at_risk: int
    events: int
    share: Estimate

    def record(self) -> SurvivalStep:
        """The step as a result holds it."""
        low, high = self.share.interval
        share: Any = {"value": self.share.value, "interval": [low, high]}
        return {
            "round": int(self.time), "at_risk": self.at_risk, "tipped": self.events,
            "share": share,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Survival:
    """The product-limit curve.

    Attributes:
        falls: In the order of time; before the first, the share is 1.
        median: First time at which at most half have not tipped; None when more than half never do.
    """

    falls: tuple[Fall, ...]
    median: float | None


def survival(times: Sequence[float] | Array, tipped: Sequence[bool], level: float) -> Survival:
    """The share of units that have not tipped yet, with intervals.

    E. L. Kaplan, P. Meier (1958), "Nonparametric estimation from incomplete observations", Journal
    of the American Statistical Association 53(282), 457-481. The interval is Greenwood's variance
    S^2 sum d / (n (n - d)) on the scale of log(-log S), on which it stays between 0 and 1
    (J. D. Kalbfleisch, R. L. Prentice, "The Statistical Analysis of Failure Time Data"). Where S
    falls to 0 that variance is infinite: the last upper end holds on, and is Wilson's where there
    was none.

    Args:
        times: Shape (units,): when each tipped, or until when it was followed.
        tipped: Whether it did.
        level: Confidence level.
    """
    check_level(level)
    at, events = vector(times, "times"), np.asarray(tipped, dtype=bool)
    steps, shares = kaplan_meier(at.tolist(), events.tolist())
    z = NormalDist().inv_cdf(0.5 + level / 2)
    falls: list[Fall] = []
    greenwood = 0.0
    for time, share in zip(steps.tolist(), shares.tolist(), strict=True):
        at_risk = int((at >= time).sum())
        fell = int(((at == time) & events).sum())
        if fell < at_risk:
            greenwood += fell / (at_risk * (at_risk - fell))
            spread = math.exp(z * math.sqrt(greenwood) / abs(math.log(share)))
            interval = Interval(share**spread, share ** (1 / spread))
        else:
            before = falls[-1].share.interval if falls else wilson_interval(0, at_risk, level)
            interval = Interval(0.0, before.high)
        falls.append(Fall(time, at_risk, fell, Estimate(share, interval)))
    median = next((f.time for f in falls if f.share.value <= 0.5 + 1e-12), None)
    return Survival(tuple(falls), median)


def units(shifts: Shifts, window: list[int], level: float) -> UnitFigures:
    """Follows every unit of an arm.

    Args:
        shifts: The arm.
        window: Rounds in which a unit can tip, from the first on.
        level: Confidence level.
    """
    violations = shifts.by_round(shifts.violations)[:, window]
    opportunities = shifts.by_round(shifts.opportunities)[:, window]
    several = len(shifts.runs) > 1
    if several:
        run = np.array([shifts.runs.index(name) for name, _, _ in shifts.clusters])
        member = (run == np.arange(len(shifts.runs))[:, np.newaxis]).astype(np.float64)
        violations, opportunities = member @ violations, member @ opportunities
    rates = rate_by_round(violations, opportunities)
    until = followed_until(rates)
    kept = ~np.isnan(until)
    violations, opportunities = violations[kept], opportunities[kept]
    rates, until = rates[kept], until[kept]
    rounds = tipping_round(rates)
    tipped = np.isfinite(rounds)
    rate = float(violations.sum() / opportunities.sum()) if len(rates) else 0.0
    curve = (
        survival(np.where(tipped, rounds, until), tipped.tolist(), level) if kept.any() else None
    )
    return {
        "kind": "runs" if several else "episodes",
        "n": len(rates),
        "tipped": int(tipped.sum()),
        "began_high": int(began_high(rates).sum()),
        "rate": rate,
        "opportunities": float(opportunities.mean()) if len(rates) else 0.0,
        "by_chance": float(by_chance(opportunities, rate).sum()),
        "median": None if curve is None else curve.median,
        "survival": [] if curve is None else [fall.record() for fall in curve.falls],
        "by_step": _by_step(rates[tipped], opportunities[tipped]),
    }


def by_chance(opportunities: Array, rate: float) -> Array:
    """The probability with which units of a constant rate tip.

    Exact: the violations of every round are binomial and independent of each other. The first round
    with an opportunity sets the threshold, and a chain over the others, of whether the last one was
    above it, tells whether two in succession are.

    Args:
        opportunities: Whole numbers of shape (units, rounds).
        rate: The probability of a violation at each opportunity.

    Returns:
        Shape (units,).
    """
    if not len(opportunities):
        return np.zeros(0)
    distinct, place = np.unique(opportunities, axis=0, return_inverse=True)
    found: Array = np.array([_tips_by_chance(row[row > 0], rate) for row in distinct])[place]
    return found


def _tips_by_chance(n: Array, rate: float) -> float:
    """The probability for one unit with n > 0 opportunities in each round that has any."""
    from scipy.special import bdtrc
    from scipy.stats import binom

    first, others = np.arange(n[0] + 1), n[1:].astype(np.int64)
    # Rows: the number of violations in the first round.
    reach = threshold((first / n[0])[:, np.newaxis])[:, np.newaxis]
    least = np.ceil((reach - ROUNDING) * others)
    above = np.where(least > others, 0.0, bdtrc(np.minimum(least - 1, others), others, rate))
    below, once, twice = np.ones(len(first)), np.zeros(len(first)), np.zeros(len(first))
    for chance in above.T:
        twice = twice + once * chance
        below, once = (below + once) * (1 - chance), below * chance
    return float(binom.pmf(first, n[0], rate) @ twice)


def _by_step(rates: Array, opportunities: Array) -> float | None:
    enough = (~np.isnan(rates)).sum(axis=1) >= LEAST
    if not enough.any() or opportunities[enough].mean() < MANY:
        return None
    fit = sharpness(rates[enough], opportunities[enough])
    return float(tips(rates[enough], fit).mean())
