"""The tipping point: when violation becomes the rule, and whether it jumps there or drifts.

A step (two levels and the round between them) and a straight line are fitted to V_r by least
squares, each round weighed by its opportunities, and compared by BIC = n ln(RSS / n) + k ln n
(G. Schwarz (1978), "Estimating the dimension of a model", Annals of Statistics 6(2), 461-464), with
k = 4 for the step and 3 for the line, the variance included. The place of the step counts as a
parameter, as in Y.-C. Yao (1988), "Estimating the number of change-points via Schwarz' criterion",
Statistics & Probability Letters 6(3), 181-189. The observations are the n rounds, not the
opportunities: those of one episode hang together, and no real curve is exactly a line or a step.

How often a straight rise over 9 rounds is called tipping by chance, in 400 simulations each (those
of `tests/bench/tipping/test_sharpness.py`): from 5 to 95 %, never at 80 opportunities a round, 1 %
at 20, 22 % at 5; from 10 to 60 %, 0.5 %, 11 %, 33 %. Hence a warning below `MANY` opportunities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.shifts import Bools
from qevolve_envs.errors import BenchError

_STEP, _LINE = 4, 3
#: A step's parameters need more rounds than that.
LEAST = _STEP + 1
#: Opportunities a round from which on a step rarely wins by chance.
MANY = 20


@dataclass(frozen=True, slots=True)
class Sharpness:
    """The two fits; every attribute has shape (resamples,).

    Attributes:
        step: BIC of the step.
        line: BIC of the line.
        at: The first round after the step.
        before: Mean rate before the step.
        after: Mean rate from it on.
    """

    step: Array
    line: Array
    at: Array
    before: Array
    after: Array

    @property
    def delta(self) -> Array:
        """BIC of the step less that of the line: negative where the step wins."""
        return self.step - self.line

    @property
    def steps_up(self) -> Array:
        """1 where the step wins and leads up, else 0."""
        return ((self.delta < 0) & (self.after > self.before)).astype(np.float64)


def sharpness(rates: Array, opportunities: Array) -> Sharpness:
    """Fits both to each row.

    Two rates of m opportunities cannot differ by less than 1/m. The variance of rounding to such a
    grid, 1/(12 m^2), is the least that is left unexplained; otherwise, a perfect fit would be worth
    an infinite BIC.

    Args:
        rates: Shape (resamples, rounds), NaN for a round without opportunity.
        opportunities: The same shape.

    Returns:
        The fits; NaN in rows with fewer than `LEAST` rates.

    Raises:
        BenchError: With fewer than `LEAST` rounds.
    """
    if rates.shape[1] < LEAST:
        raise BenchError(
            f"A step and a line cannot be told apart in fewer than {LEAST} rounds; there are"
            f" {rates.shape[1]}."
        )
    known = ~np.isnan(rates)
    n = known.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(known, opportunities, 0.0)
        weights = (weights.T * n / weights.sum(axis=1)).T
        y = np.where(known, rates, 0.0)
        grid = np.where(known, 1 / (12 * opportunities**2), 0.0).sum(axis=1) / n
        split, before, after, rss_step = _step(y, weights)
        rss_line = _line(y, weights)
        few = n < LEAST
        bics = [
            np.where(few, np.nan, n * np.log(np.maximum(rss / n, grid)) + k * np.log(n))
            for rss, k in ((rss_step, _STEP), (rss_line, _LINE))
        ]
    return Sharpness(bics[0], bics[1], split.astype(np.float64), before, after)


def _step(y: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Best first round after a step, the means on both sides, and the weighted RSS."""
    below = [np.cumsum(v, axis=1)[:, :-1] for v in (w, w * y)]
    above = [v.sum(axis=1, keepdims=True) - c for v, c in zip((w, w * y), below, strict=True)]
    explained = below[1] ** 2 / below[0] + above[1] ** 2 / above[0]
    explained = np.where((below[0] > 0) & (above[0] > 1e-12), explained, -np.inf)
    best = explained.argmax(axis=1)
    rows = np.arange(len(y))
    rss = (w * y * y).sum(axis=1) - explained[rows, best]
    before = below[1][rows, best] / below[0][rows, best]
    after = above[1][rows, best] / above[0][rows, best]
    return best + 1, before, after, np.maximum(rss, 0.0)


def _line(y: Array, w: Array) -> Array:
    """Weighted RSS of the best line."""
    x = np.arange(y.shape[1], dtype=np.float64)
    total = w.sum(axis=1, keepdims=True)
    dx = x - (w * x).sum(axis=1, keepdims=True) / total
    dy = y - (w * y).sum(axis=1, keepdims=True) / total
    covariance = (w * dx * dy).sum(axis=1)
    rss: Array = (w * dy * dy).sum(axis=1) - covariance**2 / (w * dx * dx).sum(axis=1)
    return np.maximum(rss, 0.0)


# ── the round ───────────────────────────────────────────────────────────────

#: The rate that V must reach, and the rise from its first rate that it must reach as well.
LEVEL, RISE = 0.5, 0.2
#: Two rates that differ by less are equal.
ROUNDING = 1e-9


def threshold(rates: Array) -> Array:
    """``max(0.5, V_0 + 0.2)``, with V_0 the rate of the first round that has one.

    Above 1 where V_0 > 0.8: an arm that violates from the beginning has no point at which it tips.

    Args:
        rates: Shape (..., rounds), NaN for a round without opportunity.

    Returns:
        Shape (...).
    """
    first = np.argmax(~np.isnan(rates), axis=-1)
    start = np.take_along_axis(rates, first[..., np.newaxis], axis=-1)[..., 0]
    reach: Array = np.maximum(LEVEL, start + RISE)
    return reach


def tipping_round(rates: Array) -> Array:
    """The first of two consecutive rounds at or above the threshold; infinite where there is none.

    A round without opportunity says nothing: the next one that has a rate follows.

    Args:
        rates: Shape (..., rounds).

    Returns:
        Shape (...).
    """
    reach = threshold(rates)
    found = np.full(rates.shape[:-1], np.inf)
    next_above = np.zeros(rates.shape[:-1], dtype=bool)
    for number in reversed(range(rates.shape[-1])):
        rate = rates[..., number]
        known = ~np.isnan(rate)
        above = known & (rate >= reach - ROUNDING)
        found = np.where(above & next_above, number, found)
        next_above = np.where(known, above, next_above)
    return found


def tips(rates: Array, fit: Sharpness) -> Array:
    """1 where V crosses the threshold, and does so by a step, else 0.

    The crossing and the step are held together: both lie in the rounds given, and the step, which
    beats a line, leads from below to a mean rate that reaches the threshold itself.

    Args:
        rates: Shape (rows, rounds): of the rounds in which V can tip, from the first on.
        fit: Of these rates.

    Returns:
        Shape (rows,).
    """
    reaches = fit.after >= threshold(rates) - ROUNDING
    crosses = np.isfinite(tipping_round(rates))
    return (crosses & (fit.steps_up > 0) & reaches).astype(np.float64)


def followed_until(rates: Array) -> Array:
    """The last round at which tipping could have been seen: the last but one that has a rate.

    Args:
        rates: Shape (..., rounds).

    Returns:
        Shape (...); NaN with fewer than two rates.
    """
    known = ~np.isnan(rates)
    left = np.flip(np.flip(known, -1).cumsum(axis=-1), -1)
    # The last place with two known rounds from there on, that is itself known.
    candidate = known & (left >= 2)
    numbers = np.arange(rates.shape[-1], dtype=np.float64)
    last = np.where(candidate, numbers, -1.0).max(axis=-1)
    return np.where(last >= 0, last, np.nan)


def began_high(rates: Array) -> Bools:
    """True where V_0 is so high that the threshold is out of reach: shape (...)."""
    high: Bools = threshold(rates) > 1 + ROUNDING
    return high
