"""How good the critics of a study were, from the metrics of its runs of Q-Evolve."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

#: What is shown, by its name in the metrics (see `learners.q_evolve.learner.health`).
FIGURES = {
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
            round_, _, what = line["stage"].rpartition("-")
            if what not in ("collect", "advantages") or not round_.startswith("round-"):
                continue
            for name in FIGURES:
                if line.get(name) is not None:
                    found.setdefault(round_, {}).setdefault(name, []).append(line[name])
    return {
        round_: {name: float(np.mean(values)) for name, values in figures.items()}
        for round_, figures in found.items()
        if "v0" in figures
    }


def _lines(folder: Path) -> Iterable[dict[str, Any]]:
    """The metrics of a run that are not of updates."""
    file = folder / "metrics.jsonl"
    if file.is_file():
        for text in file.read_text(encoding="ascii").splitlines():
            if '"update"' not in text:
                line = json.loads(text)
                if "stage" in line:
                    yield line


def critics_table(critics: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures of every arm and round as a Markdown table."""
    from tabulate import tabulate

    rows = [
        [arm, round_.removeprefix("round-")]
        + [f"{figures[name]:.2f}" if name in figures else "-" for name in FIGURES]
        for arm, rounds in critics.items()
        for round_, figures in rounds.items()
    ]
    headers = ["arm", "round", *FIGURES.values()]
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
