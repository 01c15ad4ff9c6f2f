"""Figures as PNG files, by matplotlib (extra ``[report]``)."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from typing import Any

from qevolve_bench.report.drawing import LIGHT, Drawing, Path, Text

#: Pixels of the file for one of the drawing: sharp in print.
SCALE = 3
_DPI = 96 * SCALE
_POINTS = 72 / 96


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def png(drawing: Drawing) -> bytes:
    """A figure as PNG, in light colours, three times its size; the same bytes each time."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    size = (drawing.width / 96, drawing.height / 96)
    # Without the user's own settings, which would change the picture.
    with rc_context({"font.family": ["DejaVu Sans"], "path.simplify": False}):
        figure = Figure(figsize=size, dpi=_DPI, facecolor=LIGHT["paper"])
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        axes.axis("off")
        for order, shape in enumerate(drawing.shapes):
            axes.add_artist(_artist(shape, order))
        stream = BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _artist(shape: Path | Text, order: int) -> Any:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.text import Text as Label

    if isinstance(shape, Text):
        anchor = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
        return Label(
            shape.x,
            shape.y,
            shape.text,
            color=LIGHT[shape.colour],
            ha=anchor,
            va="baseline",
            fontsize=shape.size * _POINTS,
            zorder=order,
            parse_math=False,
        )
    points = [*shape.points, shape.points[0]] if shape.closed else list(shape.points)
    fill = "none" if shape.fill is None else to_rgba(LIGHT[shape.fill], shape.opacity)
    on_off = [length / shape.width for length in shape.dash]
    return PathPatch(
        Outline(points, closed=shape.closed),
        facecolor=fill,
        edgecolor="none" if shape.stroke is None else LIGHT[shape.stroke],
        linewidth=shape.width * _POINTS,
        linestyle=(0, on_off) if on_off else "-",
        joinstyle="round",
        capstyle="butt",
        zorder=order,
    )
