"""Cost to reach a threshold, when some runs end before they do.

A run that never reaches the threshold is *censored*: its cost is known to exceed what it spent.
Leaving such runs out would favour the learner that fails more often; so their part is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qevolve_bench.efficiency.budgets import Outcome, check_curves
from qevolve_bench.efficiency.curves import Curve
from qevolve_bench.statistics.checks import Array, vector
from qevolve_bench.statistics.intervals import Estimate
from qevolve_bench.statistics.paired import t_interval
from qevolve_envs.errors import BenchError


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a learner to reach a threshold.

    Attributes:
        learner: Whose cost.
        panel: On what.
        axis: What is counted.
        outcome: What has to be reached.
        threshold: Success or score to reach.
        costs: Cost of each run, in the order of the runs; None for one that did not get there.
        horizon: The budget up to which all runs are known.
        reached: How many runs reached the threshold within the horizon.
        median: Kaplan-Meier median cost; None when fewer than half get there.
        restricted_mean: Mean of the lesser of cost and horizon, with an interval over seeds (of no
            width when all runs cross at the same checkpoint); a lower bound of the mean cost. None
            for a single run.
    """

    learner: str
    panel: str
    axis: str
    outcome: Outcome
    threshold: float
    costs: tuple[float | None, ...]
    horizon: float
    reached: int
    median: float | None
    restricted_mean: Estimate | None

    @property
    def sentence(self) -> str:
        """All of it in words."""
        runs, goal = len(self.costs), f"{self.outcome} {self.threshold:g} on {self.panel}"
        said = (
            f"{self.learner} reached {goal} in {self.reached} of {runs} runs within"
            f" {self.horizon:,.0f} {self.axis}"
        )
        if self.median is not None:
            said += f"; half of all runs had by {self.median:,.0f}"
        if self.restricted_mean is None:
            return f"{said}; one run has no interval."
        if self.reached:
            at_least = "at least " if self.reached < runs else ""
            said += f"; the mean cost is {at_least}{self.restricted_mean.value:,.0f}"
            low, high = self.restricted_mean.interval
            # Runs that cross at one checkpoint show no spread; they have some between checkpoints.
            said += f" [{max(0, low):,.0f}, {high:,.0f}]" if low < high else ", in all runs alike"
        return f"{said}."


def cost_to_threshold(
    curves: Sequence[Curve],
    axis: str,
    split: str,
    threshold: float,
    *,
    outcome: Outcome = "success",
    horizon: float | None = None,
    sustained: bool = False,
    level: float = 0.95,
) -> Cost:
    """Estimates what the runs of a learner spent until they reached a threshold.

    A run reaches it at its first checkpoint at or above the threshold; the true crossing lies
    between that checkpoint and the one before, and a noisy evaluation crosses early.

    All runs are followed to the same horizon. Up to there no run is lost, so the Kaplan-Meier curve
    is the share of runs that have not got there, and its restricted mean (J. O. Irwin (1949), "The
    standard error of an estimate of expectation of life", Journal of Hygiene 47(2), 188-189) the
    plain mean of min(cost, horizon), with Student's t over the seeds.

    Args:
        curves: Runs of one learner in one environment, of different seeds.
        axis: One of `qevolve_bench.efficiency.AXES`.
        split: The panel.
        threshold: Success or score to reach.
        outcome: What is counted.
        horizon: Budget up to which costs are counted; by default that of the shortest run. Compare
            learners at one horizon.
        sustained: Count the first checkpoint from which on the run stays at or above the threshold.
        level: Confidence level.

    Raises:
        BenchError: When a run ends before the horizon without having reached the threshold.
    """
    check_curves(curves, axis, split, outcome)
    if not math.isfinite(threshold):
        raise BenchError(f"A threshold must be a finite number, not {threshold}.")
    costs = [_cost(curve, axis, split, threshold, outcome, sustained) for curve in curves]
    if horizon is None:
        horizon = min(curve.final(axis) for curve in curves)
    for curve, cost in zip(curves, costs, strict=True):
        if cost is None and curve.final(axis) < horizon:
            raise BenchError(
                f"Seed {curve.seed} of {curve.learner} ended at {curve.final(axis):,.0f} {axis},"
                f" below {threshold:g}: what it would have cost by {horizon:,.0f} is not known."
                " Choose a lower horizon."
            )
    kept = [cost if cost is not None and cost <= horizon else None for cost in costs]
    reached = sum(cost is not None for cost in kept)
    capped = [horizon if cost is None else cost for cost in kept]
    times, surviving = kaplan_meier(capped, [cost is not None for cost in kept])
    below = np.flatnonzero(surviving <= 0.5 + 1e-12)
    median = float(times[below[0]]) if below.size else None
    mean = t_interval(capped, level=level).estimate if len(capped) > 1 else None
    return Cost(
        learner=curves[0].learner,
        panel=split,
        axis=axis,
        outcome=outcome,
        threshold=threshold,
        costs=tuple(costs),
        horizon=horizon,
        reached=reached,
        median=median,
        restricted_mean=mean,
    )


def kaplan_meier(costs: Sequence[float], reached: Sequence[bool]) -> tuple[Array, Array]:
    """The product-limit estimate of the share that has not got there yet.

    E. L. Kaplan, P. Meier (1958), "Nonparametric estimation from incomplete observations", Journal
    of the American Statistical Association 53(282), 457-481: at each cost at which d of the n runs
    that are still followed get there, the share falls by the factor 1 - d/n.

    Args:
        costs: Shape (runs,): the cost, or how far the run was followed.
        reached: Shape (runs,): False for a run that did not get there as far as it was followed.

    Returns:
        Costs at which the share falls, and the share from there on: both of shape (falls,).
    """
    at = vector(costs, "costs")
    events = np.asarray(reached, dtype=bool)
    if events.shape != at.shape:
        raise BenchError(f"There are {at.size} costs, but {events.size} marks of arrival.")
    times = np.unique(at[events])
    followed = (at >= times[:, np.newaxis]).sum(axis=1)
    arrived = ((at == times[:, np.newaxis]) & events).sum(axis=1)
    return times, np.cumprod(1 - arrived / followed)


def _cost(
    curve: Curve, axis: str, split: str, threshold: float, outcome: Outcome, sustained: bool
) -> float | None:
    cost = None
    for checkpoint in curve.checkpoints:
        # Rates are means of 0 and 1; rounding must not keep 0.6 from being 0.6.
        above = float(checkpoint.panels[split].outcome(outcome).mean()) >= threshold - 1e-9
        if above and cost is None:
            cost = checkpoint.ledger[axis]
            if not sustained:
                return cost
        elif not above:
            cost = None
    return cost
