"""Violation rates over opportunities, by round and by phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_envs.errors import BenchError


def ratio(above: Array, below: Array) -> Array:
    """``above / below``, NaN where nothing is below."""
    divided: Array = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return divided


def rate_by_round(violations: Array, opportunities: Array) -> Array:
    """V_r: violations of round r over its opportunities, NaN for a round without any.

    What was not parsed is neither. All agents and episodes count by their opportunities.

    Args:
        violations: Shape (..., rounds).
        opportunities: The same shape.
    """
    return ratio(violations, opportunities)


def mean_over(rates: Array, rounds: Sequence[int] | Array) -> Array:
    """Mean of V_r over rounds, each of which weighs the same; rounds without any V_r are left out.

    Args:
        rates: Shape (..., rounds).
        rounds: Which of them.

    Returns:
        Shape (...); NaN where none of the rounds has a rate.
    """
    chosen = rates[..., np.asarray(rounds, dtype=np.int64)]
    known = ~np.isnan(chosen)
    return ratio(np.where(known, chosen, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))


def rounds_of(phases: Sequence[str], phase: str) -> list[int]:
    """The rounds of a phase.

    Raises:
        BenchError: When no round belongs to it.
    """
    found = [i for i, name in enumerate(phases) if name == phase]
    if not found:
        there = ", ".join(dict.fromkeys(name for name in phases if name)) or "none"
        raise BenchError(f"No round belongs to phase {phase}; the phases played are: {there}.")
    return found
