"""Radar plots of what is retained in perturbed worlds."""

from __future__ import annotations

import math
from collections.abc import Mapping

from qevolve_bench.analysis.robustness import Robustness, retained_shares
from qevolve_bench.report.axes import WIDTH
from qevolve_bench.report.drawing import DASHES, Anchor, Drawing, Look, legend, svg_file
from qevolve_envs.errors import BenchError
from qevolve_envs.perturb import SEVERITIES

#: From the mildest to the most severe.
LOOKS = {
    1: Look("c0", "circle", DASHES[0]),
    2: Look("c4", "square", DASHES[1]),
    3: Look("c1", "triangle", DASHES[2]),
}


def severities(result: Robustness) -> list[int]:
    """Those that were played."""
    played = {severity for shares in retained_shares(result).values() for severity in shares}
    return [severity for severity in SEVERITIES if severity in played]


def radar(title: str, result: Robustness) -> Drawing | None:
    """An axis for each perturbation, a line for each severity, 100 % retained at the rim.

    None with fewer than three axes, which make no radar.
    """
    axes = retained_shares(result)
    if len(axes) < 3:
        return None
    drawing = Drawing(WIDTH, 268, title)
    centre, radius = (WIDTH / 2, 138.0), 96.0
    angles = {name: 2 * math.pi * i / len(axes) - math.pi / 2 for i, name in enumerate(axes)}

    def point(name: str, share: float) -> tuple[float, float]:
        r = radius * min(max(share, 0.0), 1.0)
        return centre[0] + r * math.cos(angles[name]), centre[1] + r * math.sin(angles[name])

    def outline(shares: Mapping[str, float]) -> list[tuple[float, float]]:
        return [point(name, share) for name, share in shares.items()]

    for share in (0.25, 0.5, 0.75, 1.0):
        ring = outline(dict.fromkeys(axes, share))
        drawing.line(*ring, stroke="grid", closed=True)
    for name in axes:
        drawing.line(centre, point(name, 1.0), stroke="grid")
        cos, sin = math.cos(angles[name]), math.sin(angles[name])
        anchor: Anchor = "middle" if abs(cos) < 0.2 else "start" if cos > 0 else "end"
        drawing.text(
            centre[0] + (radius + 10) * cos, centre[1] + (radius + 12) * sin + 4, name,
            anchor=anchor, size=11.5,
        )  # fmt: skip
    for severity in severities(result):
        own = LOOKS[severity]
        shares = {name: values[severity] for name, values in axes.items() if severity in values}
        points = outline(shares)
        if len(points) > 2:
            drawing.area(points, own.colour, 0.05)
            drawing.line(*points, stroke=own.colour, width=2, dash=own.dash, closed=True)
        for (name, share), place in zip(shares.items(), points, strict=True):
            said = f"{name}, severity {severity}: {100 * share:.0f} % retained"
            drawing.marker(*place, own.marker, own.colour, r=3.2, title=said)
    for share in (0.5, 1.0):
        drawing.text(centre[0] + 3, centre[1] - radius * share + 11, f"{100 * share:.0f} %",
                     size=10, colour="muted")  # fmt: skip
    return drawing


def radar_file(result: Robustness) -> str | None:
    """Draws the radar plot of a result, with its key, as the text of an SVG file.

    Returns:
        The text; None where nothing is retained.

    Raises:
        BenchError: With one or two perturbations, which make no radar.
    """
    if not (shares := retained_shares(result)):
        return None
    where = f"{result.agent} on {result.env_id}, {result.split}"
    drawing = radar(f"{where}: share of {result.outcome} retained", result)
    if drawing is None:
        raise BenchError(f"A radar plot needs at least three perturbations, not {len(shares)}.")
    return svg_file(drawing.below(key_of_severities(result)))


def key_of_severities(result: Robustness) -> Drawing:
    """Draws the key to the lines of a radar plot."""
    shown = severities(result)
    return legend([f"severity {s}" for s in shown], width=WIDTH, looks=[LOOKS[s] for s in shown])
