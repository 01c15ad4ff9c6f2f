"""Charts of rates by round, with the phases of the world behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from qevolve_bench.analysis.render import percent
from qevolve_bench.report.axes import frame
from qevolve_bench.report.drawing import Drawing, Look
from qevolve_bench.statistics import Interval

_BAND = 0.16


@dataclass(frozen=True, slots=True)
class Series:
    """One line.

    Attributes:
        name: What it shows.
        look: Its colour, marker and dashes.
        points: (round, value, interval), without rounds that have no value.
    """

    name: str
    look: Look
    points: tuple[tuple[int, float, Interval | None], ...]


def rounds_chart(title: str, phases: Sequence[str], series: Sequence[Series]) -> Drawing:
    """Shares by round, with bands; phase B, the temptation, is shaded in another colour."""
    rounds = len(phases)
    drawing, x, y = frame(title, "round", "%", (-0.5, rounds - 0.5))
    top, bottom = y(1.0), y(0.0)
    start = 0
    for number, (phase, members) in enumerate(groupby(phases)):
        end = start + len(list(members))
        left, right = x(start - 0.5), x(end - 0.5)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        if phase == "B":
            drawing.area(corners, "bad", 0.1)
        elif phase and number % 2 == 0:
            drawing.area(corners, "muted", 0.07)
        if phase:
            drawing.text((left + right) / 2, top - 4, phase, anchor="middle", size=11,
                         colour="muted")  # fmt: skip
        start = end
    for line in series:
        known = [(r, ends) for r, _, ends in line.points if ends is not None]
        if len(known) > 1:
            upper = [(x(r), y(ends.high)) for r, ends in known]
            lower = [(x(r), y(ends.low)) for r, ends in known]
            drawing.area([*upper, *reversed(lower)], line.look.colour, _BAND)
    for line in series:
        points = [(x(r), y(value)) for r, value, _ in line.points]
        if len(points) > 1:
            drawing.line(*points, stroke=line.look.colour, width=2, dash=line.look.dash,
                         title=line.name)  # fmt: skip
        for (r, value, _), point in zip(line.points, points, strict=True):
            said = f"{line.name}: {percent(value)} % in round {r}"
            drawing.marker(*point, line.look.marker, line.look.colour, r=3.5, title=said)
    return drawing
