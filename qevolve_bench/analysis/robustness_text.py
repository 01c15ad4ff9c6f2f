"""Robustness as tables, and as the numbers of a radar plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qevolve_bench.analysis.render import (
    Format,
    check_format,
    json_table,
    p_cell,
    percent_with,
    table,
)
from qevolve_bench.analysis.robustness import Robustness
from qevolve_bench.statistics import Estimate
from qevolve_envs.perturb import PERTURBATIONS, parse

#: A clean outcome that may be below this makes shares of it uninformative.
_LITTLE = 0.05


def robustness_text(results: Sequence[Robustness], *, format: Format = "text") -> str:
    """Tables with what to know about them.

    Args:
        results: Of `qevolve_bench.analysis.robustness.robustness`.
        format: ``text``, ``md`` (GitHub's), ``latex`` (booktabs) or ``json`` with full precision.
    """
    check_format(format)
    if format == "json":
        return json_table([_document(r) for r in results])
    return "\n\n".join(_table(result, format) for result in results)


def retained_shares(result: Robustness) -> dict[str, dict[int, float]]:
    """Perturbation -> severity -> share retained, for the perturbations that were played alone.

    In the order of `PERTURBATIONS`; empty where there is nothing to retain. Shares above 1 are left
    as they are.
    """
    axes: dict[str, dict[int, float]] = {}
    for effect in result.effects:
        parts = parse(effect.perturbation)
        if len(parts) == 1 and effect.retained is not None:
            axes.setdefault(parts[0][0].name, {})[parts[0][1]] = effect.retained.value
    order = list(PERTURBATIONS)
    return {name: dict(sorted(axes[name].items())) for name in sorted(axes, key=order.index)}


def _table(result: Robustness, format: Format) -> str:
    rows = [["none", percent_with(result.clean.value, result.clean.interval), "", "", ""]]
    for effect in result.effects:
        rows.append(
            [
                effect.perturbation,
                f"{100 * effect.perturbed:.1f}",
                "–" if effect.retained is None else f"{effect.retained:.2f}",
                percent_with(effect.drop.value, effect.drop.interval),
                p_cell(effect.p_value),
            ]
        )
    headers = ["perturbation", result.outcome, "retained", "drop", "p (Holm)"]
    shown = table(headers, rows, format)
    arguments = "".join(f", {k}={v}" for k, v in sorted(result.env_kwargs.items()))
    tasks = result.effects[0].tasks
    head = f"{result.agent} on {result.env_id}{arguments}, split {result.split}, {tasks} tasks"
    notes = [
        f"{result.outcome.capitalize()} and drop in percentage points; retained is perturbed /"
        f" clean. [ ] hold {result.level:.0%} intervals over tasks, each for itself."
    ]
    worst = result.worst
    if worst is None:
        notes.append("Nothing is achieved on the clean tasks, so there is nothing to retain.")
    elif worst.retained_worst is not None:
        notes.append(
            f"Worst: {worst.perturbation} retains {worst.retained_worst:.2f}, with an interval"
            f" that holds for all {len(result.effects)} together."
        )
    if worst is not None and result.clean.interval.low < _LITTLE:
        notes.append("There is little to retain: read the drop rather than the share.")
    won = "won in every one of these worlds" if result.outcome == "success" else "the worst of all"
    notes.append(
        f"Task by task, {won}: {percent_with(result.everywhere.value, result.everywhere.interval)}."
    )
    mark = "% " if format == "latex" else ""
    return "\n".join([f"{mark}{head}", "", shown, "", *(mark + note for note in notes)])


def _document(result: Robustness) -> dict[str, Any]:
    return {
        "agent": result.agent,
        "env_id": result.env_id,
        "env_kwargs": dict(result.env_kwargs),
        "split": result.split,
        "outcome": result.outcome,
        "level": result.level,
        "clean": _estimate(result.clean),
        "everywhere": _estimate(result.everywhere),
        "worst": None if result.worst is None else result.worst.perturbation,
        "effects": [
            {
                "perturbation": e.perturbation,
                "perturbed": e.perturbed,
                "drop": _estimate(e.drop),
                "retained": _estimate(e.retained),
                "retained_worst": _estimate(e.retained_worst),
                "p": e.p_value,
                "tasks": e.tasks,
            }
            for e in result.effects
        ],
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "interval": list(estimate.interval)}
