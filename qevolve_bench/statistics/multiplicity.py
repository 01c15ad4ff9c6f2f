"""Corrections for many tests: adjusted p-values, in the order in which they came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import Array, vector
from qevolve_envs.errors import BenchError


def holm(p_values: npt.ArrayLike) -> Array:
    """Holm's adjusted p-values, which control the chance of any false rejection.

    S. Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6(2), 65-70. The k-th smallest of m is multiplied by m - k + 1, and none may be
    below a smaller one's. It holds under any dependence between the tests.

    Args:
        p_values: Shape (m,), each in [0, 1].

    Returns:
        Shape (m,), in the order of `p_values`.
    """
    p, order = _sorted(p_values)
    adjusted = np.maximum.accumulate(p * np.arange(p.size, 0, -1))
    return _in_place(adjusted, order)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Array:
    """Benjamini and Hochberg's adjusted p-values, which control the false discovery rate.

    Y. Benjamini, Y. Hochberg (1995), "Controlling the false discovery rate: a practical and
    powerful approach to multiple testing", Journal of the Royal Statistical Society B 57(1),
    289-300. The k-th smallest of m is multiplied by m / k, and none may be above a larger one's.
    It holds for independent and positively dependent tests.

    Args:
        p_values: Shape (m,), each in [0, 1].

    Returns:
        Shape (m,), in the order of `p_values`.
    """
    p, order = _sorted(p_values)
    scaled = p * (p.size / np.arange(1, p.size + 1))
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    return _in_place(adjusted, order)


def _sorted(p_values: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.intp]]:
    p = vector(p_values, "p-values")
    if (p < 0).any() or (p > 1).any():
        raise BenchError("A p-value must lie between 0 and 1.")
    order = np.argsort(p, kind="stable")
    return p[order], order


def _in_place(adjusted: Array, order: npt.NDArray[np.intp]) -> Array:
    result = np.empty_like(adjusted)
    result[order] = adjusted.clip(max=1.0)
    return result
