"""How the policies of a study deal with refusals, from the episodes of their last evaluation.

An action that is not taken as ``ok`` is refused. An agent can refrain from refused actions, or
recover from them; success alone does not tell which of the two a learner has taught.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qevolve_envs.episode import read_episodes


def refusals(folders: Iterable[Path], splits: Iterable[str]) -> dict[str, float | None] | None:
    """Counts over all evaluation episodes of an arm's runs; None where none were kept.

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
    from tabulate import tabulate

    names = ("steps_refused", "episodes_refused", "won_without", "won_with")
    rows = [
        [arm, *("-" if (f := figures[name]) is None else f"{100 * f:.1f}" for name in names)]
        for arm, figures in found.items()
    ]
    headers = ["arm", "steps refused", "episodes with a refusal", "won without one", "won with one"]
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
