"""Robustness as tables, and as the numbers and the picture of a radar plot."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal, get_args

from qevolve_bench.analysis.compare_text import p_text
from qevolve_bench.analysis.robustness import Robustness
from qevolve_bench.statistics import Estimate
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.perturb import PERTURBATIONS, SEVERITIES, parse

Format = Literal["text", "md", "latex", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
_TABULATE = {"text": "simple", "md": "github", "latex": "latex_booktabs"}
#: A clean outcome that may be below this makes shares of it uninformative.
_LITTLE = 0.05
#: Of Okabe and Ito's palette for the colour-blind, from the mildest to the most severe; dashes
#: tell them apart without colour.
_STROKES = {1: ("#0072B2", ""), 2: ("#E69F00", "6 3"), 3: ("#D55E00", "2 3")}


def render(results: Sequence[Robustness], *, format: Format = "text") -> str:
    """Tables with what to know about them.

    Args:
        results: Of `qevolve_bench.analysis.robustness.robustness`.
        format: ``text``, ``md`` (GitHub's), ``latex`` (booktabs) or ``json`` with full precision.
    """
    if format not in FORMATS:
        raise UnknownName.of("format", format, FORMATS)
    if format == "json":
        return json.dumps([_document(r) for r in results], indent=1, allow_nan=False)
    return "\n\n".join(_table(result, format) for result in results)


def radar(result: Robustness) -> dict[str, dict[int, float]]:
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


def radar_svg(result: Robustness, *, size: int = 480) -> str:
    """A radar plot: an axis for each perturbation, a line for each severity, 1 at the rim.

    Args:
        result: Three or more perturbations.
        size: Width in pixels.

    Raises:
        BenchError: With fewer than three axes, which make no radar.
    """
    axes = radar(result)
    if len(axes) < 3:
        raise BenchError(f"A radar plot needs at least three perturbations, not {len(axes)}.")
    radius, centre = 0.32 * size, size / 2
    angles = {name: 2 * math.pi * i / len(axes) - math.pi / 2 for i, name in enumerate(axes)}

    def point(name: str, share: float) -> tuple[float, float]:
        r = radius * min(max(share, 0.0), 1.0)
        return centre + r * math.cos(angles[name]), centre + r * math.sin(angles[name])

    def path(shares: Mapping[str, float]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (point(n, s) for n, s in shares.items()))

    title = f"{result.agent} on {result.env_id}, {result.split}: share of {result.outcome} retained"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size + 40}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="currentColor" color="#333">',
        f"<title>{escape(title)}</title>",
    ]
    for share in (0.25, 0.5, 0.75, 1.0):
        ring = path(dict.fromkeys(axes, share))
        lines.append(f'<polygon points="{ring}" fill="none" stroke="#999" stroke-width="0.5"/>')
        lines.append(f'<text x="{centre + 3:.1f}" y="{centre - radius * share - 2:.1f}"'
                     f' font-size="9" fill="#777">{share:g}</text>')  # fmt: skip
    for name in axes:
        x, y = point(name, 1.0)
        lines.append(f'<line x1="{centre}" y1="{centre}" x2="{x:.1f}" y2="{y:.1f}"'
                     ' stroke="#999" stroke-width="0.5"/>')  # fmt: skip
        cos = math.cos(angles[name])
        anchor = "middle" if abs(cos) < 0.2 else "start" if cos > 0 else "end"
        tx, ty = centre + (x - centre) * 1.14, centre + (y - centre) * 1.14 + 4
        lines.append(f'<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="{anchor}">{name}</text>')
    shown = [s for s in SEVERITIES if any(s in shares for shares in axes.values())]
    for number, severity in enumerate(shown):
        colour, dashes = _STROKES[severity]
        stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        shares = {name: values[severity] for name, values in axes.items() if severity in values}
        lines.append(f'<polygon points="{path(shares)}" fill="{colour}" fill-opacity="0.08"'
                     f" {stroke}/>")  # fmt: skip
        x = size * (0.12 + 0.3 * number)
        lines.append(f'<line x1="{x:.1f}" y1="{size + 16}" x2="{x + 28:.1f}" y2="{size + 16}"'
                     f" {stroke}/>")  # fmt: skip
        lines.append(f'<text x="{x + 34:.1f}" y="{size + 20}">severity {severity}</text>')
    return "\n".join([*lines, "</svg>"])


def _table(result: Robustness, format: Format) -> str:
    from tabulate import tabulate

    rows = [["none", _percent(result.clean), "", "", ""]]
    for effect in result.effects:
        rows.append(
            [
                effect.perturbation,
                f"{100 * effect.perturbed:.1f}",
                "–" if effect.retained is None else f"{effect.retained:.2f}",
                _percent(effect.drop),
                p_text(effect.p_value).removeprefix("p = ").removeprefix("p "),
            ]
        )
    headers = ["perturbation", result.outcome, "retained", "drop", "p (Holm)"]
    table: str = tabulate(rows, headers, tablefmt=_TABULATE[format], disable_numparse=True)
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
    notes.append(f"Task by task, {won}: {_percent(result.everywhere)}.")
    mark = "% " if format == "latex" else ""
    return "\n".join([f"{mark}{head}", "", table, "", *(mark + note for note in notes)])


def _percent(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


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
