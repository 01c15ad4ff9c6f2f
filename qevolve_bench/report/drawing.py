"""A figure as a list of shapes, written as SVG here and as PNG by `qevolve_bench.report.files`.

Why not matplotlib for the page: its SVG is tens of times the size, carries fixed colours and one
width, and it would be a dependency of every report. A handful of shapes is all that the figures
need, they take the page's colours (light and dark) as CSS variables, their text stays text, and
each is narrow enough for a phone. One list of shapes serves both formats, so that they agree.

Coordinates are pixels from the top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from markupsafe import Markup

from qevolve_bench.report.html import macro

#: Names of colours, in files; a page has them as CSS variables, for light and dark. The series are
#: those of M. Okabe and K. Ito, "Color universal design" (2008), darkened where they would be too
#: pale on white; dashes and markers tell the series apart without any colour.
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c2026",
    "muted": "#5b6470",
    "grid": "#d9dde3",
    "fill": "#0b6aa8",
    "bad": "#c1440e",
    "c0": "#0072b2",
    "c1": "#d55e00",
    "c2": "#008a63",
    "c3": "#b0528c",
    "c4": "#b97a00",
    "c5": "#3a9bd0",
    "c6": "#4d4d4d",
}
SERIES = 7

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
MarkerShape = Literal["circle", "square", "triangle", "diamond", "cross", "down", "plus"]
MARKERS: tuple[MarkerShape, ...] = (
    "circle", "square", "triangle", "diamond", "down", "cross", "plus",
)  # fmt: skip
DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (6, 3),
    (2, 2.5),
    (8, 3, 2, 3),
    (10, 4),
    (4, 2),
    (1, 2),
)


@dataclass(frozen=True, slots=True)
class Path:
    """A line, or with `fill` an area.

    Attributes:
        points: At least two.
        stroke: Name of a colour; None for no line.
        fill: Name of a colour; None for no area.
        width: Of the line.
        dash: Lengths of strokes and gaps.
        opacity: Of the area.
        closed: True if the last point is joined to the first.
        title: Text shown under a pointer that rests on it.
        link: Number of the episode that a click opens.
    """

    points: tuple[Point, ...]
    stroke: str | None = "ink"
    fill: str | None = None
    width: float = 1.0
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    closed: bool = False
    title: str = ""
    link: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `y` is its base line."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    size: float = 12.0
    colour: str = "ink"
    title: str = ""


Shape = Path | Text


@dataclass(slots=True)
class Drawing:
    """A figure.

    Attributes:
        width: In pixels.
        height: In pixels.
        title: Its content in one sentence.
        shapes: From back to front.
    """

    width: float
    height: float
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def line(
        self,
        *points: Point,
        stroke: str = "ink",
        width: float = 1.0,
        dash: tuple[float, ...] = (),
        closed: bool = False,
        title: str = "",
    ) -> None:
        """Adds a line through points."""
        self.shapes.append(Path(points, stroke, None, width, dash, closed=closed, title=title))

    def area(self, points: Sequence[Point], colour: str, opacity: float) -> None:
        """Adds a filled area without a line."""
        self.shapes.append(Path(tuple(points), None, colour, opacity=opacity, closed=True))

    def tile(
        self,
        corner: Point,
        size: tuple[float, float],
        opacity: float,
        *,
        title: str = "",
        link: int | None = None,
    ) -> None:
        """Adds a filled rectangle with a thin rim."""
        (x, y), (width, height) = corner, size
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        self.shapes.append(
            Path(corners, "grid", "fill", 0.4, (), opacity, closed=True, title=title, link=link)
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: Anchor = "start",
        size: float = 12.0,
        colour: str = "ink",
        title: str = "",
    ) -> None:
        """Adds a line of text."""
        self.shapes.append(Text(x, y, text, anchor, size, colour, title))

    def marker(
        self, x: float, y: float, shape: MarkerShape, colour: str, *, r: float = 4, title: str = ""
    ) -> None:
        """Adds a marker around a point."""
        self.shapes.extend(_marker(x, y, shape, colour, r, title))

    def sample(self, x: float, y: float, length: float, style: LineStyle) -> None:
        """Adds a line and its marker, for a key."""
        self.line((x, y), (x + length, y), stroke=style.colour, width=2, dash=style.dash)
        self.marker(x + length / 2, y, style.marker, style.colour)

    def below(self, other: Drawing) -> Drawing:
        """The figure with another one under it."""
        moved = [_moved(shape, self.height) for shape in other.shapes]
        width = max(self.width, other.width)
        return Drawing(width, self.height + other.height, self.title, [*self.shapes, *moved])


@dataclass(frozen=True, slots=True)
class LineStyle:
    """Colour, marker and dashes of one method, the same in every figure and in no other method."""

    colour: str
    marker: MarkerShape
    dash: tuple[float, ...]


def line_style(number: int) -> LineStyle:
    """The style of the n-th method; 49 can be told apart."""
    row = number // SERIES
    return LineStyle(
        f"c{number % SERIES}",
        MARKERS[(number + row) % len(MARKERS)],
        DASHES[(number + 2 * row) % len(DASHES)],
    )


def swatch(name: str, style: LineStyle) -> Drawing:
    """The line and marker of one method, for a key in HTML."""
    drawing = Drawing(32, 14, f"Line of {name}")
    drawing.sample(1, 7, 30, style)
    return drawing


def legend(names: Sequence[str], *, width: float, styles: Sequence[LineStyle]) -> Drawing:
    """A key to the styles of methods, in as many columns as fit."""
    longest = max(map(len, names))
    columns = max(1, min(len(names), int(width // (48 + 6.6 * min(longest, 40)))))
    rows = math.ceil(len(names) / columns)
    drawing = Drawing(width, 18 * rows + 8, "Legend")
    for i, (name, style) in enumerate(zip(names, styles, strict=True)):
        x, y = 6 + (i % columns) * (width - 6) / columns, 12 + 18 * (i // columns)
        drawing.sample(x, y, 28, style)
        drawing.text(x + 34, y + 4, shortened(name, 40))
    return drawing


def shortened(name: str, most: int) -> str:
    """A name that fits; its end is what tells names apart least."""
    return name if len(name) <= most else name[: most - 1] + "…"


def svg(drawing: Drawing, colour: Callable[[str], str], *, alone: bool) -> Markup:
    """Writes a figure as SVG.

    Args:
        drawing: The figure.
        colour: Value of a named colour.
        alone: For a file: with name space, background and font.
    """
    width, height = _number(drawing.width), _number(drawing.height)
    attributes = {"viewBox": f"0 0 {width} {height}", "width": width, "height": height}
    shapes: list[_Element] = []
    if alone:
        attributes["xmlns"] = "http://www.w3.org/2000/svg"
        attributes["font-family"] = "DejaVu Sans, Helvetica, Arial, sans-serif"
        paper: dict[str, object] = {"width": width, "height": height, "fill": colour("paper")}
        shapes.append(("rect", paper, "", ""))
    shapes += [
        _path(s, colour, alone) if isinstance(s, Path) else _text(s, colour) for s in drawing.shapes
    ]
    return macro("svg", attributes, drawing.title, shapes)


def svg_file(drawing: Drawing) -> str:
    """A figure as the text of an SVG file, in light colours."""
    return f"{svg(drawing, LIGHT.__getitem__, alone=True)}\n"


def svg_inline(drawing: Drawing) -> Markup:
    """A figure for a page whose style sheet defines the colours (``--c0`` …)."""
    return svg(drawing, lambda name: f"var(--{name})", alone=False)


#: An element of SVG: its name, attributes (None: left out), text and title.
_Element = tuple[str, dict[str, object], str, str]


def _path(path: Path, colour: Callable[[str], str], alone: bool) -> _Element:
    points = "L".join(f"{_number(x)} {_number(y)}" for x, y in path.points)
    attributes: dict[str, object] = {
        "d": f"M{points}{'Z' if path.closed else ''}",
        "fill": "none" if path.fill is None else colour(path.fill),
        "fill-opacity": None if path.opacity == 1 else _number(path.opacity),
        "data-ep": None if alone else path.link,
    }
    if path.stroke is not None:
        attributes |= {
            "stroke": colour(path.stroke),
            "stroke-width": _number(path.width),
            "stroke-linejoin": "round" if len(path.points) > 2 else None,
        }
    attributes["stroke-dasharray"] = " ".join(map(_number, path.dash)) or None
    return "path", attributes, "", path.title


def _text(text: Text, colour: Callable[[str], str]) -> _Element:
    attributes: dict[str, object] = {
        "x": _number(text.x),
        "y": _number(text.y),
        "font-size": _number(text.size),
        "text-anchor": None if text.anchor == "start" else text.anchor,
        "fill": colour(text.colour),
    }
    return "text", attributes, text.text, text.title


def _marker(
    x: float, y: float, shape: MarkerShape, colour: str, r: float, title: str
) -> Iterable[Path]:
    if shape in ("cross", "plus"):
        ends = ((r, r), (r, -r)) if shape == "cross" else ((r, 0.0), (0.0, r))
        for dx, dy in ends:
            line = ((x - dx, y - dy), (x + dx, y + dy))
            yield Path(line, colour, width=2.2, title=title)
        return
    outline: tuple[Point, ...]
    if shape == "circle":
        angles = [2 * math.pi * i / 16 for i in range(16)]
        outline = tuple((r * math.cos(a), r * math.sin(a)) for a in angles)
    elif shape == "square":
        s = 0.88 * r
        outline = ((-s, -s), (s, -s), (s, s), (-s, s))
    elif shape == "diamond":
        d = 1.25 * r
        outline = ((0, -d), (d, 0), (0, d), (-d, 0))
    else:
        up = -1 if shape == "triangle" else 1
        outline = ((0, 1.2 * r * up), (1.15 * r, -0.85 * r * up), (-1.15 * r, -0.85 * r * up))
    points = tuple((x + dx, y + dy) for dx, dy in outline)
    # A rim in the paper's colour keeps markers apart that lie on each other.
    yield Path(points, "paper", colour, width=1.0, closed=True, title=title)


def _moved(shape: Shape, down: float) -> Shape:
    if isinstance(shape, Text):
        return replace(shape, y=shape.y + down)
    return replace(shape, points=tuple((x, y + down) for x, y in shape.points))


def _number(value: float) -> str:
    """A short decimal number, the same on every machine."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short
