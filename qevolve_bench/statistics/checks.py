"""Checks of arguments that all statistics share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qevolve_envs.errors import BenchError

Array = npt.NDArray[np.float64]


def check_level(level: float) -> None:
    """Refuses what is no confidence level.

    Raises:
        BenchError: Unless `level` lies strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise BenchError(f"A confidence level must lie between 0 and 1, not {level}.")


def check_resamples(resamples: int) -> None:
    """Refuses less than one replication.

    Raises:
        BenchError: Unless `resamples` is at least 1.
    """
    if resamples < 1:
        raise BenchError(f"A resampling needs at least one replication, not {resamples}.")


def vector(values: npt.ArrayLike, what: str = "values", *, least: int = 1) -> Array:
    """A flat array of finite numbers.

    Args:
        values: The numbers.
        what: How to call them in the message.
        least: How many there must be.

    Raises:
        BenchError: For another shape, too few, or a number that is not finite.
    """
    data = _numbers(values, what)
    if data.ndim != 1:
        raise BenchError(f"The {what} must be a flat list of numbers, not {data.ndim}-dimensional.")
    if data.size < least:
        need = "at least one number" if least == 1 else f"at least {least} numbers"
        raise BenchError(f"The {what} must hold {need}, not {data.size}.")
    return data


def matrix(scores: npt.ArrayLike, what: str = "scores", *, runs: int = 1) -> Array:
    """Scores as an array of shape (runs, tasks).

    Args:
        scores: Shape (runs, tasks); a flat list is the runs of a single task.
        what: How to call them in the message.
        runs: How many runs there must be.

    Raises:
        BenchError: For another shape, no task, too few runs, or a number that is not finite.
    """
    data = _numbers(scores, what)
    if data.ndim == 1:
        data = data[:, np.newaxis]
    if data.ndim != 2 or data.size == 0:
        raise BenchError(
            f"The {what} must be a table of runs x tasks that is not empty, not of shape"
            f" {data.shape}."
        )
    if len(data) < runs:
        raise BenchError(
            f"The {what} hold {len(data)} run: an interval over runs needs at least {runs};"
            " play more seeds, or resample tasks."
        )
    return data


def shared_shape(names: Sequence[str], arrays: Sequence[Array], what: str) -> None:
    """Refuses arrays of different shapes.

    Raises:
        BenchError: With the first two names that differ.
    """
    for name, array in zip(names, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise BenchError(
                f"{names[0]!r} and {name!r} differ in their {what}: {arrays[0].shape} and"
                f" {array.shape}."
            )


def _numbers(values: npt.ArrayLike, what: str) -> Array:
    try:
        data = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BenchError(f"The {what} must be numbers in rows of one length.") from None
    if not np.isfinite(data).all():
        bad = int((~np.isfinite(data)).sum())
        raise BenchError(
            f"The {what} hold {bad} number(s) that are not finite (NaN or infinity): a failed"
            " episode counts as 0, a missing one must be left out on both sides."
        )
    return data
