"""Forest plots: one line for each method, its estimate and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qevolve_bench.analysis.render import percent, percent_with
from qevolve_bench.report.axes import WIDTH, percent_ticks
from qevolve_bench.report.drawing import Drawing, Look, shortened
from qevolve_bench.statistics import Interval


@dataclass(frozen=True, slots=True)
class Line:
    """One estimate.

    Attributes:
        name: What is estimated.
        value: The estimate, where 1 is 100 %.
        interval: None where the data give none.
        look: Colour and marker.
    """

    name: str
    value: float
    interval: Interval | None
    look: Look

    @property
    def said(self) -> str:
        """In percent."""
        if self.interval is None:
            return f"{percent(self.value)}, no interval"
        return percent_with(self.value, self.interval)


def forest(title: str, lines: Sequence[Line]) -> Drawing:
    """A forest plot from 0 to 100 %; names of any length stand above their lines."""
    row, left, right = 36.0, 12.0, WIDTH - 22.0
    bottom = 8 + row * len(lines)
    drawing = Drawing(WIDTH, bottom + 22, title)
    _axis(drawing, left, right, bottom, 1.0)
    for i, line in enumerate(lines):
        y = 30 + row * i
        drawing.text(left, y - 10, shortened(line.name, 26), title=line.name)
        drawing.text(WIDTH - 6, y - 10, line.said, anchor="end", colour="muted")
        _estimate(drawing, line, y, left, right, 1.0)
    return drawing


def retained(title: str, lines: Sequence[Line]) -> Drawing:
    """A forest plot of short names on one line each, around a mark at 100 %."""
    row, left, right = 18.0, 104.0, WIDTH - 114.0
    ends = [line.value if line.interval is None else line.interval.high for line in lines]
    top = 1.25 if max(ends) > 1 else 1.0
    bottom = 8 + row * len(lines)
    drawing = Drawing(WIDTH, bottom + 22, title)
    _axis(drawing, left, right, bottom, top)
    whole = left + (right - left) / top
    drawing.line((whole, 6), (whole, bottom), stroke="muted", width=1.5)
    for i, line in enumerate(lines):
        y = 17 + row * i
        drawing.text(left - 10, y + 4, shortened(line.name, 16), anchor="end", size=11,
                     title=line.name)  # fmt: skip
        drawing.text(WIDTH - 4, y + 4, line.said, anchor="end", size=11, colour="muted")
        _estimate(drawing, line, y, left, right, top)
    return drawing


def _axis(drawing: Drawing, left: float, right: float, bottom: float, top: float) -> None:
    for tick in percent_ticks(top):
        x = left + (right - left) * tick / top
        unit = " %" if tick == 1 else ""
        drawing.line((x, 6), (x, bottom), stroke="grid")
        if top == 1 or tick in (0, 0.5, 1):
            drawing.text(x, bottom + 15, f"{100 * tick:.0f}{unit}", anchor="middle", size=11,
                         colour="muted")  # fmt: skip


def _estimate(
    drawing: Drawing, line: Line, y: float, left: float, right: float, top: float
) -> None:
    """A marker with its interval; what goes beyond the axis ends in an arrow."""

    def x(value: float) -> float:
        return left + (right - left) * min(max(value, 0.0), top) / top

    own, title = line.look, f"{line.name}: {line.said}"
    if line.interval is not None:
        low, high = line.interval
        drawing.line((x(low), y), (x(high), y), stroke=own.colour, width=2, title=title)
        drawing.line((x(low), y - 4), (x(low), y + 4), stroke=own.colour, width=2)
        ending = ((x(high) - 6, y - 4), (x(high), y), (x(high) - 6, y + 4))
        if high <= top:
            ending = ((x(high), y - 4), (x(high), y), (x(high), y + 4))
        drawing.line(*ending, stroke=own.colour, width=2)
    drawing.marker(x(line.value), y, own.marker, own.colour, title=title)
