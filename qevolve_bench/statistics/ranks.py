"""Rank ranges: which places of a ranking the data leave open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import Array, check_level, check_resamples, matrix
from qevolve_envs.errors import BenchError

#: Weights of tasks made at once.
_CHUNK = 1_000_000


@dataclass(frozen=True, slots=True)
class RankRange:
    """A place in a ranking, 1 the best, and the places that the data leave open.

    Attributes:
        score: Mean over cells of the mean over tasks and runs.
        rank: Place by `score`; equal scores share the better place.
        low: Best place that is left open.
        high: Worst place that is left open.
    """

    score: float
    rank: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.rank}" if self.low == self.high else f"{self.rank} [{self.low}-{self.high}]"


def rank_ranges(
    scores: Mapping[str, Mapping[str, npt.ArrayLike]],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int | np.random.SeedSequence = 0,
) -> dict[str, RankRange]:
    """Ranks of methods that played the same tasks, with the places left open.

    A place is open to a method unless the tasks tell it apart from those that hold it: ``low`` is 1
    plus the number of methods that are better than it for certain, ``high`` their number less the
    number that are worse for certain. *Certain* holds for all pairs at once: the differences of all
    pairs are resampled together over tasks, each divided by its standard error, and the largest
    sets the bar. So with probability `level` all ranges hold the true ranks together, ties included
    (M. Mogstad, J. P. Romano, A. M. Shaikh, D. Wilhelm (2024), "Inference for ranks with
    applications to mobility across neighbourhoods and academic achievement across countries",
    Review of Economic Studies 91(1), 476-518). Percentiles of resampled ranks, the simpler idea,
    promise too much where methods are close to equal.

    The tasks are the sample: repeated runs of a method are averaged for each task, and the ranges
    speak of these runs on other tasks, not of other training seeds.

    Args:
        scores: For each method, for each cell, its scores of shape (runs, tasks); a flat list is
            one run. Columns are the same tasks in the same order for all methods, the number of
            runs may differ. More is better.
        level: Confidence level of all ranges together, in (0, 1).
        resamples: Number of replications.
        seed: Seed of the resampling.

    Returns:
        A range for each method, from the best score to the worst, then by name.

    Raises:
        BenchError: When the methods differ in their cells or in the number of tasks.
    """
    check_level(level)
    check_resamples(resamples)
    if not scores:
        raise BenchError("There is nothing to rank.")
    names = list(scores)
    cells = _cells(scores)
    standing = sum((cell.mean(axis=1) for cell in cells), np.zeros(len(names))) / len(cells)
    better = _certain(cells, standing, level, resamples, seed)
    ranges = {}
    for place in sorted(range(len(names)), key=lambda i: (-standing[i], names[i])):
        ranges[names[place]] = RankRange(
            score=float(standing[place]),
            rank=1 + int((standing > standing[place] + 1e-12).sum()),
            low=1 + int(better[:, place].sum()),
            high=len(names) - int(better[place].sum()),
        )
    return ranges


def _cells(scores: Mapping[str, Mapping[str, npt.ArrayLike]]) -> list[Array]:
    """One table of methods x tasks for each cell."""
    first, wanted = next(iter(scores.items()))
    if not wanted:
        raise BenchError(f"{first!r} has no cell to be ranked by.")
    for name, cells in scores.items():
        if cells.keys() != wanted.keys():
            odd = sorted(cells.keys() ^ wanted.keys())[0]
            raise BenchError(f"{first!r} and {name!r} cannot be ranked: only one has cell {odd!r}.")
    tables = []
    for cell in wanted:
        rows = [
            _per_task(values[cell], f"scores of {name!r} in cell {cell!r}")
            for name, values in scores.items()
        ]
        for name, row in zip(scores, rows, strict=True):
            if row.size != rows[0].size:
                raise BenchError(
                    f"{first!r} and {name!r} cannot be ranked: in cell {cell!r} they played"
                    f" {rows[0].size} and {row.size} tasks."
                )
        tables.append(np.stack(rows))
    return tables


def _per_task(values: npt.ArrayLike, what: str) -> Array:
    data = np.atleast_2d(np.asarray(values, dtype=np.float64))
    means: Array = matrix(data, what).mean(axis=0)
    return means


def _certain(
    cells: Sequence[Array],
    standing: Array,
    level: float,
    resamples: int,
    seed: int | np.random.SeedSequence,
) -> npt.NDArray[np.bool_]:
    """Shape (methods, methods): whether the first is better than the second for certain."""
    methods = len(standing)
    if methods == 1:
        return np.zeros((1, 1), dtype=bool)
    first, second = np.triu_indices(methods, 1)
    gaps = standing[first] - standing[second]
    # Standard error of each gap; a cell of one task cannot say what another would have given.
    errors = np.zeros(len(gaps))
    for cell in cells:
        differences = cell[first] - cell[second]
        tasks = differences.shape[1]
        if tasks < 2:
            return np.zeros((methods, methods), dtype=bool)
        errors += differences.var(axis=1, ddof=1) / tasks / len(cells) ** 2
    errors = np.sqrt(errors)
    moving = errors > 1e-12
    largest = []
    if moving.any():
        for means in _resampled(cells, resamples, seed):
            moved = np.abs(means[:, first] - means[:, second] - gaps)[:, moving] / errors[moving]
            largest.append(moved.max(axis=1))
    tasks = sum(cell.shape[1] for cell in cells)
    bar = _widened(float(np.quantile(np.concatenate(largest), level)), tasks) if largest else 0.0
    # A gap that is the same on every task has no error to be measured by; that all of n tasks point
    # one way by chance has probability 2 / 2^n (sign flips), shared among the pairs.
    tasks = sum(cell.shape[1] for cell in cells)
    constant = ~moving & (np.abs(gaps) > 1e-12)
    constant &= bool(2.0 ** min(1 - tasks, 0) * len(gaps) <= 1 - level)
    certain = np.where(moving, np.abs(gaps) > bar * errors, constant)
    better = np.zeros((methods, methods), dtype=bool)
    better[first, second] = certain & (gaps > 0)
    better[second, first] = certain & (gaps < 0)
    return better


def _widened(bar: float, tasks: int) -> float:
    """The bar that Student's t passes as rarely as a normal deviate passes `bar`.

    The standard errors are estimates, too: without this, 12 equal agents on 60 tasks are told apart
    in 8 % of the cases instead of 5.
    """
    from scipy.special import ndtr, stdtrit

    return float(-stdtrit(tasks - 1, ndtr(-bar)))


def _resampled(
    cells: Sequence[Array], resamples: int, seed: int | np.random.SeedSequence
) -> Iterator[Array]:
    """Standings of all methods on resampled tasks: blocks of shape (some, methods)."""
    rng = np.random.default_rng(seed)
    block = max(1, _CHUNK // max(cell.shape[1] for cell in cells))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        total = np.zeros((size, len(cells[0])))
        for cell in cells:
            tasks = cell.shape[1]
            counts = rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=size)
            total += counts @ cell.T / tasks
        yield total / len(cells)
