"""Forest plots: one line for each method, its estimate and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qevolve_bench.report.axes import WIDTH, percent_ticks
from qevolve_bench.report.drawing import Drawing, Look, shortened
from qevolve_bench.statistics import Interval

_ROW = 30


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


def forest(
    title: str, lines: Sequence[Line], *, top: float = 1.0, reference: float | None = None
) -> Drawing:
    """A forest plot between 0 and `top`; what exceeds that ends in an arrow.

    Args:
        title: Of the figure.
        lines: From top to bottom.
        top: Right end of the axis.
        reference: Where a vertical line stands, such as 1 for "as good as clean".
    """
    left, right = 12.0, WIDTH - 16.0
    bottom = 12 + _ROW * len(lines)
    drawing = Drawing(WIDTH, bottom + 26, title)

    def x(value: float) -> float:
        return left + (right - left) * min(max(value, 0.0), top) / top

    for tick in percent_ticks(top):
        drawing.line((x(tick), 6), (x(tick), bottom), stroke="grid")
        drawing.text(x(tick), bottom + 16, f"{100 * tick:.0f}", anchor="middle", size=11,
                     colour="muted")  # fmt: skip
    drawing.text(right + 14, bottom + 16, "%", anchor="end", size=11, colour="muted")
    if reference is not None:
        drawing.line((x(reference), 6), (x(reference), bottom), stroke="muted", width=1.5)
    for i, line in enumerate(lines):
        y = 34 + _ROW * i
        said = f"{100 * line.value:.1f}"
        if line.interval is not None:
            low, high = line.interval
            said += f" [{100 * low:.1f}, {100 * high:.1f}]"
            ends = x(low), x(high)
            drawing.line((ends[0], y), (ends[1], y), stroke=line.look.colour, width=2,
                         title=f"{line.name}: {said}")  # fmt: skip
            for end, value in zip(ends, (low, high), strict=True):
                if value > top:
                    drawing.line((end - 6, y - 4), (end, y), (end - 6, y + 4),
                                 stroke=line.look.colour, width=2)  # fmt: skip
                else:
                    drawing.line((end, y - 4), (end, y + 4), stroke=line.look.colour, width=2)
        drawing.marker(
            x(line.value), y, line.look.marker, line.look.colour, title=f"{line.name}: {said}"
        )
        drawing.text(left, y - 9, shortened(line.name, 26), size=12, title=line.name)
        drawing.text(right + 4, y - 9, said, anchor="end", size=12, colour="muted")
    return drawing
