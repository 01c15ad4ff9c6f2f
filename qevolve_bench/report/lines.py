"""Line charts: performance profiles and learning curves, with bands."""

from __future__ import annotations

from collections.abc import Mapping

from qevolve_bench.analysis.render import percent
from qevolve_bench.report.axes import frame
from qevolve_bench.report.drawing import Drawing, Look
from qevolve_bench.report.numbers import Curves
from qevolve_bench.statistics import Profile

_BAND = 0.16


def profile_chart(
    title: str, profiles: Mapping[str, Profile], looks: Mapping[str, Look]
) -> Drawing:
    """Share of tasks with a score above each threshold."""
    drawing, x, y = frame(title, "score above", "% of tasks", (0.0, 1.0))
    for name, profile in profiles.items():
        own = looks[name]
        at = profile.thresholds.tolist()
        upper = [(x(t), y(v)) for t, v in zip(at, profile.high.tolist(), strict=True)]
        lower = [(x(t), y(v)) for t, v in zip(at, profile.low.tolist(), strict=True)]
        drawing.area([*upper, *reversed(lower)], own.colour, _BAND)
    for i, (name, profile) in enumerate(profiles.items()):
        own = looks[name]
        points = [
            (x(t), y(v))
            for t, v in zip(profile.thresholds.tolist(), profile.share.tolist(), strict=True)
        ]
        drawing.line(*points, stroke=own.colour, width=2, dash=own.dash, title=name)
        # Markers of different methods at different places, so that they do not hide each other.
        for point in points[3 + 4 * (i % 4) :: 16]:
            drawing.marker(*point, own.marker, own.colour, title=name)
    return drawing


def curve_chart(title: str, curves: Curves, looks: Mapping[str, Look], outcome: str) -> Drawing:
    """Learning curves: the mean over seeds with its band, and each run as a thin line."""
    most = max(spent for runs in curves.seeds.values() for run in runs for spent, _ in run)
    drawing, x, y = frame(title, curves.axis.replace("_", " "), f"{outcome} %", (0.0, most))
    for name, points in curves.lines.items():
        if len(points) > 1 and all(p.interval is not None for p in points):
            upper = [(x(p.budget), y(p.interval.high)) for p in points if p.interval]
            lower = [(x(p.budget), y(p.interval.low)) for p in points if p.interval]
            drawing.area([*upper, *reversed(lower)], looks[name].colour, _BAND)
    for name, runs in curves.seeds.items():
        for run in runs if len(runs) > 1 else ():
            if len(run) > 1:
                line = [(x(spent), y(value)) for spent, value in run]
                drawing.line(*line, stroke=looks[name].colour, width=0.6, title=name)
    for name, points in curves.lines.items():
        own = looks[name]
        line = [(x(p.budget), y(p.value)) for p in points]
        if len(line) > 1:
            drawing.line(*line, stroke=own.colour, width=2.2, dash=own.dash, title=name)
        for p, point in zip(points, line, strict=True):
            said = f"{name}: {percent(p.value)} % at {p.budget:,.0f}"
            drawing.marker(*point, own.marker, own.colour, r=3.5, title=said)
    return drawing
