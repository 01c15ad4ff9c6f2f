"""Kaplan-Meier of tipping rounds, where some units never tip as far as they are followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from qevolve_bench.efficiency.threshold import kaplan_meier
from qevolve_bench.statistics.checks import Array, check_level, vector
from qevolve_bench.statistics.intervals import Estimate, Interval, wilson_interval


@dataclass(frozen=True, slots=True)
class Fall:
    """One time at which units tip.

    Attributes:
        time: When.
        at_risk: How many had not tipped before, and were still followed.
        events: How many tip now.
        share: Of units that have not tipped by then, with its interval.
    """

    time: float
    at_risk: int
    events: int
    share: Estimate


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
