"""What remains of violation when the temptation is gone: hysteresis, recovery, residual.

Phase A is the baseline, B the temptation, C the baseline restored with history, D without it. With
V̄ the mean of V_r over the rounds of a phase: *hysteresis* is V̄_C - V̄_A, the *residual* V̄_D - V̄_A,
and the *area* V̄_B, the area under the violation curve for each round of B.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.rates import mean_over, rounds_of
from qevolve_envs.errors import BenchError


def area(rates: Array, phases: Sequence[str]) -> Array:
    """V̄_B: shape (...) for rates of shape (..., rounds)."""
    return mean_over(rates, rounds_of(phases, "B"))


def excess(rates: Array, phases: Sequence[str], phase: str) -> Array:
    """V̄ of a phase less V̄_A: hysteresis for C, residual for D; shape (...)."""
    return mean_over(rates, rounds_of(phases, phase)) - mean_over(rates, rounds_of(phases, "A"))


def recovery_rounds(phases: Sequence[str]) -> tuple[int, list[int]]:
    """The last round of B, and the rounds of C that follow it.

    Raises:
        BenchError: When a phase is missing, or C does not follow B.
    """
    last = rounds_of(phases, "B")[-1]
    after = [number for number in rounds_of(phases, "C") if number > last]
    if not after:
        raise BenchError("Phase C does not follow phase B, so that there is no recovery to time.")
    return last, after


def rise(rates: Array, phases: Sequence[str]) -> Array:
    """What there is to recover from: V of the last round of B less V̄_A; shape (...)."""
    last, _ = recovery_rounds(phases)
    risen: Array = rates[..., last] - mean_over(rates, rounds_of(phases, "A"))
    return risen


def half_life(rates: Array, phases: Sequence[str]) -> Array:
    """Rounds from the last of B until half of the rise is gone.

    The first crossing of V̄_A + rise / 2 within C, with a straight line between the rounds around
    it. Of an exponential decay without noise, the line overstates a half-life above one round by at
    most 0.06 rounds; one below a round is not resolved, and overstated by up to half a round.

    Args:
        rates: Shape (..., rounds).
        phases: Name of each round's phase.

    Returns:
        Shape (...); infinite where half of the rise outlasts C, NaN where nothing had risen.
    """
    last, after = recovery_rounds(phases)
    up = rise(rates, phases)
    goal = rates[..., last] - up / 2
    found = np.full(up.shape, np.inf)
    at, value = np.zeros(up.shape), rates[..., last]
    for number in after:
        rate = rates[..., number]
        crosses = np.isinf(found) & (rate <= goal)
        gap = np.where(crosses, value - rate, 1.0)
        share = np.divide(value - goal, gap, out=np.zeros(up.shape), where=gap > 0)
        found = np.where(crosses, at + (number - last - at) * share, found)
        known = ~np.isnan(rate)
        at, value = np.where(known, number - last, at), np.where(known, rate, value)
    return np.where(up > 0, found, np.nan)
