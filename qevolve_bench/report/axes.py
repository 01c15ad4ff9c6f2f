"""What the line charts share: a frame, ticks, and short numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from qevolve_bench.report.drawing import Drawing

#: Of every panel: it fits a phone, and several stand side by side on a desk.
WIDTH = 352.0
HEIGHT = 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 12.0, 26.0, 38.0

Scale = Callable[[float], float]


def percent_ticks(top: float) -> list[float]:
    """From 0 to `top` in steps of 25 % or more."""
    step = 0.25 if top <= 1.25 else 0.5
    return [i * step for i in range(int(top / step + 1e-9) + 1)]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two, at most `most`."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(number: float) -> str:
    """A count for an axis: 950, 1.5K, 12K, 3.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


def frame(
    title: str, x_label: str, y_label: str, x_range: tuple[float, float]
) -> tuple[Drawing, Scale, Scale]:
    """An empty chart whose y axis goes from 0 to 100 %.

    Returns:
        The drawing, and what turns a value on either axis into a pixel.
    """
    drawing = Drawing(WIDTH, HEIGHT, title)
    low, high = x_range
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    span = high - low if high > low else 1.0

    def x(value: float) -> float:
        return _LEFT + (right - _LEFT) * (value - low) / span

    def y(value: float) -> float:
        return bottom - (bottom - _TOP) * min(max(value, 0.0), 1.0)

    for tick in percent_ticks(1.0):
        drawing.line((_LEFT, y(tick)), (right, y(tick)), stroke="grid")
        drawing.text(_LEFT - 6, y(tick) + 4, f"{100 * tick:.0f}", anchor="end", size=11,
                     colour="muted")  # fmt: skip
    for tick in ticks(low, high):
        drawing.line((x(tick), bottom), (x(tick), bottom + 4), stroke="muted")
        drawing.text(x(tick), bottom + 16, short(tick), anchor="middle", size=11, colour="muted")
    drawing.line((_LEFT, bottom), (right, bottom), stroke="muted")
    drawing.text((_LEFT + right) / 2, HEIGHT - 6, x_label, anchor="middle", size=12)
    drawing.text(6, 12, y_label, size=11, colour="muted")
    return drawing, x, y
