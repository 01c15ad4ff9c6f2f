"""Diagnostics of a study's runs: the health of critics, and actions that were refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from qevolve_bench.analysis.render import table
from qevolve_envs.episode import read_episodes

#: Figures of a critic, by their names in the metrics (see `learners.q_evolve.learner.health`).
CRITIC = {
    "success": "own success",
    "return0": "return",
    "v0": "V(s0)",
    "explained_variance_held_out": "explained",
    "advantage_positive": "A > 0",
    "advantage_ok": "A ok",
    "advantage_invalid": "A invalid",
    "advantage_malformed": "A malformed",
    "advantage_expert": "A expert",
}


def critic_rounds(folders: Iterable[Path]) -> dict[str, dict[str, float]]:
    """Mean figures of each round over the runs of an arm; empty for learners without a critic.

    Args:
        folders: Folders of the runs.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for folder in folders:
        for line in _lines(folder):
            round_, _, step = line["stage"].rpartition("-")
            if step not in ("collect", "advantages") or not round_.startswith("round-"):
                continue
            for name in CRITIC:
                if line.get(name) is not None:
                    found.setdefault(round_, {}).setdefault(name, []).append(line[name])
    return {
        round_: {name: float(np.mean(values)) for name, values in figures.items()}
        for round_, figures in found.items()
        if "v0" in figures
    }


def _lines(folder: Path) -> Iterable[dict[str, Any]]:
    """Lines of a run's metrics that are not of updates."""
    file = folder / "metrics.jsonl"
    if file.is_file():
        for text in file.read_text(encoding="ascii").splitlines():
            if '"update"' not in text:
                line = json.loads(text)
                if "stage" in line:
                    yield line


def critics_table(critics: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures of every arm and round as a Markdown table."""
    rows = [
        [arm, round_.removeprefix("round-")]
        + [f"{figures[name]:.2f}" if name in figures else "-" for name in CRITIC]
        for arm, rounds in critics.items()
        for round_, figures in rounds.items()
    ]
    headers = ["arm", "round", *CRITIC.values()]
    return table(headers, rows)


def refusals(folders: Iterable[Path], splits: Iterable[str]) -> dict[str, float | None] | None:
    """Counts refused actions in the last evaluation of an arm's runs; None where none was kept.

    An action that is not taken as ``ok`` is refused. An agent can refrain from refused actions, or
    recover from them; success alone does not tell which of the two a learner has taught.

    Args:
        folders: Folders of the runs.
        splits: The panels, taken together.

    Returns:
        ``steps_refused``, the share of steps; ``episodes_refused``, the share of episodes with a
        refusal; and success in episodes without one (``won_without``) and with one
        (``won_with``), None where there is no such episode.
    """
    steps = refused = 0
    won: dict[bool, list[bool]] = {False: [], True: []}
    splits = list(splits)
    for folder in folders:
        for split in splits:
            file = folder / "evaluation" / f"{split}.jsonl"
            for episode in read_episodes(file) if file.is_file() else ():
                bad = sum(step.feedback != "ok" for step in episode.steps)
                steps, refused = steps + len(episode.steps), refused + bad
                won[bad > 0].append(episode.won)
    total = len(won[False]) + len(won[True])
    if not total or not steps:
        return None
    return {
        "steps_refused": refused / steps,
        "episodes_refused": len(won[True]) / total,
        "won_without": sum(won[False]) / len(won[False]) if won[False] else None,
        "won_with": sum(won[True]) / len(won[True]) if won[True] else None,
        "episodes": total,
    }


def refusals_table(found: dict[str, dict[str, Any]]) -> str:
    """The counts of every arm as a Markdown table, in percent."""
    names = ("steps_refused", "episodes_refused", "won_without", "won_with")
    rows = [
        [arm, *("-" if (f := figures[name]) is None else f"{100 * f:.1f}" for name in names)]
        for arm, figures in found.items()
    ]
    headers = ["arm", "steps refused", "episodes with a refusal", "won without one", "won with one"]
    return table(headers, rows)
