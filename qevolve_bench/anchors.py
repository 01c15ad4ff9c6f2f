"""Measuring of a suite: size and digest of its panels, and their anchors.

A perturbed cell has the anchors of its clean environment, so that a normalised score shows what the
perturbation cost. (Under it the expert, who knows of none, may well score nothing.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.suites import ANCHORS, Anchor, Cell, Suite, with_panel
from qevolve_envs.errors import BenchError
from qevolve_envs.factory import PERTURBATION


def measure_suite(
    suite: Suite, *, rounds: int, on_skip: Callable[[Cell, BenchError], None]
) -> Suite:
    """Measures every cell that can be played here; the others keep what they have.

    Args:
        suite: What to measure.
        rounds: How often the random agent plays each panel (seed 0); the experts play it once.
        on_skip: Told about each cell that cannot be played, and why.
    """
    measured: dict[tuple[object, ...], dict[str, Anchor]] = {}
    cells = []
    for cell in suite.cells:
        kwargs = {k: v for k, v in cell.env_kwargs.items() if k != PERTURBATION}
        clean = dataclasses.replace(cell, env_kwargs=kwargs)
        key = (cell.env_id, tuple(sorted(kwargs.items())), cell.split, cell.horizon)
        try:
            seen, panel = with_panel(cell)
            if key not in measured:
                measured[key] = measure_anchors(clean, len(panel), rounds=rounds)
        except BenchError as error:
            on_skip(cell, error)
            cells.append(cell)
            continue
        cells.append(dataclasses.replace(seen, anchors=measured[key]))
    return dataclasses.replace(suite, cells=tuple(cells))


def measure_anchors(cell: Cell, tasks: int, *, rounds: int) -> dict[str, Anchor]:
    """Measures the reference agents over the whole panel of a cell; see `measure_suite`."""
    anchors = {}
    for agent in ANCHORS:
        episodes = evaluate(
            cell.env_id,
            agent=agent,
            split=cell.split,
            episodes=tasks * (rounds if agent == "random" else 1),
            env_kwargs=cell.env_kwargs,
            max_episode_steps=cell.horizon,
        )
        n = len(episodes)
        won = sum(episode.won for episode in episodes)
        score = math.fsum(episode.score for episode in episodes) / n
        anchors[agent] = Anchor(round(won / n, 6), round(score, 6), n)
    return anchors
