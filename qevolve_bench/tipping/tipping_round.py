"""The tipping round: when violation becomes the rule, and stays so for a moment at least."""

from __future__ import annotations

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.sharpness import Sharpness
from qevolve_bench.tipping.shifts import Bools

#: What V must reach, and by how much it must exceed where it began.
LEVEL, RISE = 0.5, 0.2
#: Two rates that differ by less are equal.
ROUNDING = 1e-9


def threshold(rates: Array) -> Array:
    """``max(0.5, V_0 + 0.2)``, with V_0 the rate of the first round that has one.

    Above 1 where V_0 > 0.8: what violates from the beginning has no point at which it tips.

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
    """Whether V_0 is so high that the threshold is out of reach: shape (...)."""
    high: Bools = threshold(rates) > 1 + ROUNDING
    return high
