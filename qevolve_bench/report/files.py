"""Files of a report: never written over others; figures as SVG, and as PNG by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from qevolve_bench.report import drawing as shapes
from qevolve_bench.report.drawing import LIGHT, Drawing, svg_file
from qevolve_bench.report.figures import Figure
from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file

#: Pixels of the file for one of the drawing: sharp in print.
SCALE = 3
_DPI = 96 * SCALE
_POINTS = 72 / 96


def check_free(path: Path, *, force: bool) -> None:
    """Refuses a place where something lies already, or where nothing can lie.

    Raises:
        BadFile: Before anything is computed.
    """
    if path.is_dir():
        raise BadFile(f"{path} is a folder: name the file of the page, such as {path}/report.html.")
    if not path.parent.is_dir():
        raise BadFile(f"There is no folder {path.parent} to put the page in.")
    if path.exists() and not force:
        raise BadFile(f"{path} exists: choose another name, or replace it with --force.")


def check_figures(folder: Path, *, force: bool) -> None:
    """Refuses a folder for figures that holds something already.

    Raises:
        BadFile: Before anything is computed.
    """
    if folder.exists() and not folder.is_dir():
        raise BadFile(f"{folder} is a file: --figures names a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise BadFile(f"{folder} is not empty: choose another folder, or add to it with --force.")


def write_figures(folder: Path, figures: Sequence[Figure]) -> list[str]:
    """Writes every figure as SVG, and as PNG where matplotlib is installed.

    Returns:
        The names of the files.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"Cannot make {folder}: {error.strerror or error}.") from None
    written = []
    for figure in figures:
        write_file(folder / f"{figure.name}.svg", svg_file(figure.whole).encode())
        written.append(f"{figure.name}.svg")
        if png_available():
            write_file(folder / f"{figure.name}.png", png(figure.whole))
            written.append(f"{figure.name}.png")
    return written


def png_available() -> bool:
    """True where matplotlib is installed."""
    return find_spec("matplotlib") is not None


def png(drawing: Drawing) -> bytes:
    """Draws a figure as PNG, in light colours, three times its size; the same bytes each time."""
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


def _artist(shape: shapes.Shape, order: int) -> Any:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.text import Text as Label

    if isinstance(shape, shapes.Text):
        anchor = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
        return Label(
            shape.x, shape.y, shape.text, color=LIGHT[shape.colour], ha=anchor, va="baseline",
            fontsize=shape.size * _POINTS, zorder=order, parse_math=False,
        )  # fmt: skip
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
