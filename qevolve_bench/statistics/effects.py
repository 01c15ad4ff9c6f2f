"""Effect sizes: how large a difference is, in units that do not depend on the scale of scores."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import vector
from qevolve_envs.errors import BenchError


def cohens_d(differences: npt.ArrayLike, *, unbiased: bool = False) -> float:
    """Cohen's d of paired differences: their mean over their standard deviation (d_z).

    J. Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", 2nd ed.

    Args:
        differences: Shape (n,), n >= 2, one for each pair.
        unbiased: Multiply by 1 - 3 / (4 (n - 1) - 1), against the upward bias of small samples
            (L. V. Hedges (1981), Journal of Educational Statistics 6(2), 107-128).

    Raises:
        BenchError: When the differences do not vary: there is no unit to measure them by.
    """
    data = vector(differences, "differences", least=2)
    spread = float(data.std(ddof=1))
    if spread <= 1e-14 * max(1.0, float(np.abs(data).max())):
        raise BenchError(
            f"All {data.size} differences are equal ({data[0]:g}), so that Cohen's d, which divides"
            " by their spread, is not defined."
        )
    d = float(data.mean()) / spread
    if not unbiased:
        return d
    if data.size == 2:
        raise BenchError("Two pairs are too few to correct Cohen's d for its bias.")
    return d * (1 - 3 / (4 * (data.size - 1) - 1))


def a12(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Chance that a value of the first sample exceeds one of the second; ties count half.

    A. Vargha, H. D. Delaney (2000), "A critique and improvement of the CL common language effect
    size statistics of McGraw and Wong", Journal of Educational and Behavioral Statistics 25(2),
    101-132. 0.5 is no effect; the Mann-Whitney U statistic over the number of pairs.

    Args:
        first: Shape (n,).
        second: Shape (k,).
    """
    a, b = np.sort(vector(first, "first values")), np.sort(vector(second, "second values"))
    below = np.searchsorted(b, a, side="left").sum()
    up_to = np.searchsorted(b, a, side="right").sum()
    return float(below + up_to) / (2 * a.size * b.size)


def cliffs_delta(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Chance that a value of the first sample exceeds one of the second, less the reverse.

    N. Cliff (1993), "Dominance statistics: ordinal analyses to answer ordinal questions",
    Psychological Bulletin 114(3), 494-509. In [-1, 1]; equals 2 A12 - 1.

    Args:
        first: Shape (n,).
        second: Shape (k,).
    """
    return 2 * a12(first, second) - 1


def cohens_h(first: float, second: float) -> float:
    """Cohen's h of two proportions: 2 asin sqrt(p1) - 2 asin sqrt(p2).

    Cohen (1988), chapter 6. A step of h is as easy to see near 0 and 1 as at 1/2.
    """
    for share in (first, second):
        if not 0 <= share <= 1:
            raise BenchError(f"A proportion must lie between 0 and 1, not {share}.")
    return 2 * math.asin(math.sqrt(first)) - 2 * math.asin(math.sqrt(second))
