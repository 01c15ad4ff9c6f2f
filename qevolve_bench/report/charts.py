"""The kinds of figures: line charts, forest plots, heat maps of tasks, and radar plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from qevolve_bench.analysis.render import percent, percent_with
from qevolve_bench.analysis.robustness import Robustness, retained_shares
from qevolve_bench.report.drawing import (
    DASHES,
    Anchor,
    Drawing,
    LineStyle,
    Point,
    legend,
    shortened,
    svg_file,
)
from qevolve_bench.report.numbers import LearningCurves
from qevolve_bench.statistics import Interval, Profile
from qevolve_envs.errors import BenchError
from qevolve_envs.perturb import SEVERITIES

#: Of every figure: it fits a phone, and several stand side by side on a desk.
WIDTH = 352.0
#: Of the severities of perturbations, from the mildest.
SEVERITY_STYLES = {
    1: LineStyle("c0", "circle", DASHES[0]),
    2: LineStyle("c4", "square", DASHES[1]),
    3: LineStyle("c1", "triangle", DASHES[2]),
}


# ── line charts ─────────────────────────────────────────────────────────────


class LineChart:
    """A chart of shares: its y axis goes from 0 to 100 %.

    Attributes:
        drawing: The figure so far.
    """

    _HEIGHT = 240.0
    _LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, WIDTH - 12.0, 26.0, 202.0

    def __init__(
        self, title: str, x_label: str, y_label: str, x_range: tuple[float, float]
    ) -> None:
        """Draws the axes.

        Args:
            title: Of the figure.
            x_label: Under the x axis.
            y_label: Above the y axis.
            x_range: The ends of the x axis.
        """
        self.drawing = drawing = Drawing(WIDTH, self._HEIGHT, title)
        self._low, high = x_range
        self._span = high - self._low if high > self._low else 1.0
        for tick in percent_ticks(1.0):
            y = self.y(tick)
            drawing.line((self._LEFT, y), (self._RIGHT, y), stroke="grid")
            drawing.text(self._LEFT - 6, y + 4, f"{100 * tick:.0f}", anchor="end", size=11,
                         colour="muted")  # fmt: skip
        for tick in ticks(*x_range):
            x, y = self.x(tick), self._BOTTOM
            drawing.line((x, y), (x, y + 4), stroke="muted")
            drawing.text(x, y + 16, short(tick), anchor="middle", size=11, colour="muted")
        drawing.line((self._LEFT, self._BOTTOM), (self._RIGHT, self._BOTTOM), stroke="muted")
        drawing.text((self._LEFT + self._RIGHT) / 2, self._HEIGHT - 6, x_label, anchor="middle")
        drawing.text(6, 12, y_label, size=11, colour="muted")

    def x(self, value: float) -> float:
        """Pixel of a value on the x axis."""
        return self._LEFT + (self._RIGHT - self._LEFT) * (value - self._low) / self._span

    def y(self, share: float) -> float:
        """Pixel of a share on the y axis."""
        return self._BOTTOM - (self._BOTTOM - self._TOP) * min(max(share, 0.0), 1.0)

    def band(self, ends: Iterable[tuple[float, float, float]], style: LineStyle) -> None:
        """Fills the space between the low and the high ends at each x: (x, low, high)."""
        ends = list(ends)
        if len(ends) > 1:
            upper = [(self.x(x), self.y(high)) for x, _, high in ends]
            lower = [(self.x(x), self.y(low)) for x, low, _ in reversed(ends)]
            self.drawing.area([*upper, *lower], style.colour, 0.16)

    def line(
        self, values: Iterable[tuple[float, float]], style: LineStyle, title: str, width: float = 2
    ) -> list[Point]:
        """Joins values, and returns their pixels; a thin line has no dashes."""
        points = [(self.x(x), self.y(y)) for x, y in values]
        if len(points) > 1:
            dash = style.dash if width > 1 else ()
            self.drawing.line(*points, stroke=style.colour, width=width, dash=dash, title=title)
        return points

    def shade(self, start: float, end: float, colour: str, opacity: float) -> None:
        """Fills the space between two values of the x axis."""
        left, right = self.x(start), self.x(end)
        corners = [
            (left, self._TOP),
            (right, self._TOP),
            (right, self._BOTTOM),
            (left, self._BOTTOM),
        ]
        self.drawing.area(corners, colour, opacity)


def percent_ticks(top: float) -> list[float]:
    """Ticks from 0 to `top` in steps of 25 % or more."""
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
    """Spells a count for an axis: 950, 1.5K, 12K, 3.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


def profile_chart(
    title: str, profiles: Mapping[str, Profile], styles: Mapping[str, LineStyle]
) -> Drawing:
    """Draws the share of tasks with a score above each threshold."""
    chart = LineChart(title, "score above", "% of tasks", (0.0, 1.0))
    for name, p in profiles.items():
        chart.band(zip(p.thresholds, p.low, p.high, strict=True), styles[name])
    for i, (name, p) in enumerate(profiles.items()):
        style = styles[name]
        points = chart.line(zip(p.thresholds, p.share, strict=True), style, name)
        # Markers of different methods at different places, so that they do not hide each other.
        for point in points[3 + 4 * (i % 4) :: 16]:
            chart.drawing.marker(*point, style.marker, style.colour, title=name)
    return chart.drawing


def curve_chart(
    title: str, curves: LearningCurves, styles: Mapping[str, LineStyle], outcome: str
) -> Drawing:
    """Draws learning curves: the mean over seeds with its band, and each run as a thin line."""
    most = max(spent for runs in curves.seeds.values() for run in runs for spent, _ in run)
    chart = LineChart(title, curves.axis.replace("_", " "), f"{outcome} %", (0.0, most))
    for name, points in curves.lines.items():
        ends = [(p.budget, *p.interval) for p in points if p.interval is not None]
        if len(ends) == len(points):
            chart.band(ends, styles[name])
    for name, runs in curves.seeds.items():
        for run in runs if len(runs) > 1 else ():
            chart.line(run, styles[name], name, width=0.6)
    for name, points in curves.lines.items():
        style = styles[name]
        pixels = chart.line([(p.budget, p.value) for p in points], style, name, width=2.2)
        for p, point in zip(points, pixels, strict=True):
            told = f"{name}: {percent(p.value)} % at {p.budget:,.0f}"
            chart.drawing.marker(*point, style.marker, style.colour, r=3.5, title=told)
    return chart.drawing


@dataclass(frozen=True, slots=True)
class RateSeries:
    """Rates by round.

    Attributes:
        name: Of the line.
        style: Its colour, marker and dashes.
        points: (round, value, interval), without rounds that have no value.
    """

    name: str
    style: LineStyle
    points: tuple[tuple[int, float, Interval | None], ...]


def rounds_chart(title: str, phases: Sequence[str], series: Sequence[RateSeries]) -> Drawing:
    """Draws rates by round, with bands; phase B, the temptation, is shaded in another colour."""
    chart = LineChart(title, "round", "%", (-0.5, len(phases) - 0.5))
    end = -0.5
    for number, (phase, members) in enumerate(groupby(phases)):
        start, end = end, end + len(list(members))
        if phase == "B":
            chart.shade(start, end, "bad", 0.1)
        elif phase and number % 2 == 0:
            chart.shade(start, end, "muted", 0.07)
        if phase:
            chart.drawing.text(chart.x((start + end) / 2), chart.y(1.0) - 4, phase,
                               anchor="middle", size=11, colour="muted")  # fmt: skip
    for line in series:
        chart.band([(r, *ends) for r, _, ends in line.points if ends is not None], line.style)
    for line in series:
        pixels = chart.line([(r, value) for r, value, _ in line.points], line.style, line.name)
        for (r, value, _), point in zip(line.points, pixels, strict=True):
            told = f"{line.name}: {percent(value)} % in round {r}"
            chart.drawing.marker(*point, line.style.marker, line.style.colour, r=3.5, title=told)
    return chart.drawing


# ── forest plots ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One estimate of a forest plot.

    Attributes:
        name: Of what is estimated.
        value: The estimate, where 1 is 100 %.
        interval: None where the data give none.
        style: Colour and marker.
    """

    name: str
    value: float
    interval: Interval | None
    style: LineStyle

    @property
    def text(self) -> str:
        """The estimate in percent."""
        if self.interval is None:
            return f"{percent(self.value)}, no interval"
        return percent_with(self.value, self.interval)


def forest(title: str, rows: Sequence[ForestRow]) -> Drawing:
    """Draws estimates from 0 to 100 %; names of any length stand above their lines."""
    plot = _ForestPlot(title, len(rows), 36.0, (12.0, WIDTH - 22.0), 1.0)
    for i, row in enumerate(rows):
        y = 30 + 36.0 * i
        plot.drawing.text(12, y - 10, shortened(row.name, 26), title=row.name)
        plot.drawing.text(WIDTH - 6, y - 10, row.text, anchor="end", colour="muted")
        plot.estimate(row, y)
    return plot.drawing


def retained(title: str, rows: Sequence[ForestRow]) -> Drawing:
    """Draws estimates with short names on one line each, around a mark at 100 %."""
    ends = [row.value if row.interval is None else row.interval.high for row in rows]
    plot = _ForestPlot(title, len(rows), 18.0, (104.0, WIDTH - 114.0), 1.25 if max(ends) > 1 else 1)
    drawing, whole = plot.drawing, plot.x(1.0)
    drawing.line((whole, 6), (whole, 8 + 18.0 * len(rows)), stroke="muted", width=1.5)
    for i, row in enumerate(rows):
        y = 17 + 18.0 * i
        drawing.text(94, y + 4, shortened(row.name, 16), anchor="end", size=11, title=row.name)
        drawing.text(WIDTH - 4, y + 4, row.text, anchor="end", size=11, colour="muted")
        plot.estimate(row, y)
    return drawing


class _ForestPlot:
    """A drawing with an x axis from 0 to `top`, between two pixels."""

    def __init__(
        self, title: str, rows: int, height: float, ends: tuple[float, float], top: float
    ) -> None:
        self._ends, self._top = ends, top
        bottom = 8 + height * rows
        self.drawing = Drawing(WIDTH, bottom + 22, title)
        for tick in percent_ticks(top):
            x = self.x(tick)
            self.drawing.line((x, 6), (x, bottom), stroke="grid")
            if top == 1 or tick in (0, 0.5, 1):
                text = f"{100 * tick:.0f}{' %' if tick == 1 else ''}"
                self.drawing.text(x, bottom + 15, text, anchor="middle", size=11, colour="muted")

    def x(self, value: float) -> float:
        left, right = self._ends
        return left + (right - left) * min(max(value, 0.0), self._top) / self._top

    def estimate(self, row: ForestRow, y: float) -> None:
        """Adds a marker with its interval; one that goes beyond the axis ends in an arrow."""
        colour, title = row.style.colour, f"{row.name}: {row.text}"
        if row.interval is not None:
            low, high = map(self.x, row.interval)
            back = 6 if row.interval.high > self._top else 0
            self.drawing.line((low, y), (high, y), stroke=colour, width=2, title=title)
            self.drawing.line((low, y - 4), (low, y + 4), stroke=colour, width=2)
            ending = ((high - back, y - 4), (high, y), (high - back, y + 4))
            self.drawing.line(*ending, stroke=colour, width=2)
        self.drawing.marker(self.x(row.value), y, row.style.marker, colour, title=title)


# ── heat maps ───────────────────────────────────────────────────────────────

#: Left and right end of the tiles, and the height of one.
_LEFT, _RIGHT, _TILE = 88.0, WIDTH - 8.0, 13.0


@dataclass(frozen=True, slots=True)
class TaskTile:
    """One task of one method.

    Attributes:
        value: In [0, 1].
        failed: True if an episode of it ended by an error outside of the world.
        episode: Number of the first episode of it in the browser; None where it is not there.
    """

    value: float
    failed: bool = False
    episode: int | None = None


def ordered(tiles: Mapping[str, Mapping[str, TaskTile]]) -> list[str]:
    """Sorts the tasks by their mean over the methods, the highest first, then by name."""
    tasks = {task for of in tiles.values() for task in of}

    def ease(task: str) -> float:
        values = [of[task].value for of in tiles.values() if task in of]
        return sum(values) / len(values)

    return sorted(tasks, key=lambda task: (-ease(task), task))


def heatmap(
    title: str, tiles: Mapping[str, Mapping[str, TaskTile]], tasks: Sequence[str]
) -> Drawing:
    """Draws bands of tasks, a row for each method.

    Args:
        title: Of the figure.
        tiles: By method and task.
        tasks: In the order in which they are drawn.
    """
    # Large panels get smaller tiles, so that their map still fits on a screen.
    columns = 25 if len(tasks) <= 300 else 50 if len(tasks) <= 1000 else 80
    width = (_RIGHT - _LEFT) / columns
    bands = [tasks[i : i + columns] for i in range(0, len(tasks), columns)]
    height = _TILE * len(tiles) + 7
    drawing = Drawing(WIDTH, 6 + height * len(bands) + 26, title)
    for i, band in enumerate(bands):
        for row, (name, of) in enumerate(tiles.items()):
            y = 6 + height * i + _TILE * row
            drawing.text(_LEFT - 6, y + _TILE - 2.5, shortened(name, 14), anchor="end", size=10,
                         colour="muted", title=name)  # fmt: skip
            for column, task in enumerate(band):
                if task in of:
                    told = f"{name}, {task}: {100 * of[task].value:.0f} %"
                    _tile(drawing, _LEFT + width * column, y, width, told, of[task])
    _heatmap_key(drawing, 6 + height * len(bands) + 6)
    return drawing


def _tile(drawing: Drawing, x: float, y: float, width: float, told: str, tile: TaskTile) -> None:
    gap = 0.8 if width > 5 else 0.3
    shade = round(0.03 + 0.97 * tile.value, 2)
    title = f"{told}, failed" if tile.failed else told
    drawing.tile((x, y), (width - gap, _TILE - 1), shade, title=title, link=tile.episode)
    if tile.failed:
        _cross(drawing, (x + 1.5, y + 1.5), (x + width - gap - 1.5, y + _TILE - 2.5), 1.3)


def _heatmap_key(drawing: Drawing, y: float) -> None:
    drawing.text(_LEFT - 6, y + 9, "0 %", anchor="end", size=10, colour="muted")
    for i in range(5):
        drawing.tile((_LEFT + 16 * i, y), (15, 10), 0.03 + 0.97 * i / 4)
    drawing.text(_LEFT + 86, y + 9, "100 %", size=10, colour="muted")
    _cross(drawing, (_LEFT + 136, y + 1), (_LEFT + 145, y + 9), 1.5)
    drawing.text(_LEFT + 151, y + 9, "failed by an error", size=10, colour="muted")


def _cross(drawing: Drawing, start: Point, end: Point, width: float) -> None:
    (left, top), (right, bottom) = start, end
    drawing.line((left, top), (right, bottom), stroke="bad", width=width)
    drawing.line((left, bottom), (right, top), stroke="bad", width=width)


# ── radar plots ─────────────────────────────────────────────────────────────


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
        own = SEVERITY_STYLES[severity]
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
    return legend(
        [f"severity {s}" for s in shown], width=WIDTH, styles=[SEVERITY_STYLES[s] for s in shown]
    )
