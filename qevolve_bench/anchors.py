"""Measures what a suite stores of its cells: size and digest of the panels, and the anchors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import closing

from qevolve_bench.environments import make_env, text_env
from qevolve_bench.evaluate import evaluate
from qevolve_bench.suites import ANCHORS, Anchor, Cell, Suite
from qevolve_envs.errors import BenchError


def measure_suite(
    suite: Suite, *, rounds: int, on_skip: Callable[[Cell, BenchError], None]
) -> Suite:
    """Measures every cell that can be played here; the others keep what they have.

    Args:
        suite: What to measure.
        rounds: How often the random agent plays each panel (seed 0); the experts play it once.
        on_skip: Told about each cell that cannot be played, and why.
    """
    cells = []
    for cell in suite.cells:
        try:
            cells.append(measure_cell(cell, rounds=rounds))
        except BenchError as error:
            on_skip(cell, error)
            cells.append(cell)
    return dataclasses.replace(suite, cells=tuple(cells))


def measure_cell(cell: Cell, *, rounds: int) -> Cell:
    """The cell with its panel and its anchors; see `measure_suite`."""
    with closing(
        make_env(
            cell.env_id,
            split=cell.split,
            env_kwargs=cell.env_kwargs,
            max_episode_steps=cell.horizon,
        )
    ) as env:
        world = text_env(env)
        tasks, panel = len(world.task_ids(cell.split)), world.panel_digest(cell.split)
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
    return dataclasses.replace(cell, tasks=tasks, panel=panel, anchors=anchors)
