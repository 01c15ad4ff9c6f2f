"""The figures of a report, each with the table behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from qevolve_bench.analysis.outcomes import CellKey
from qevolve_bench.analysis.render import p_cell, percent, percent_with
from qevolve_bench.analysis.robustness import Effect, Robustness
from qevolve_bench.report.charts import (
    SEVERITY_STYLES,
    WIDTH,
    ForestRow,
    TaskTile,
    curve_chart,
    forest,
    heatmap,
    key_of_severities,
    ordered,
    profile_chart,
    radar,
    retained,
)
from qevolve_bench.report.drawing import Drawing, LineStyle, legend, line_style
from qevolve_bench.report.episodes import FAILED, PackedEpisodes, state
from qevolve_bench.report.html import table
from qevolve_bench.report.inputs import ReportInputs
from qevolve_bench.report.numbers import ReportNumbers
from qevolve_bench.statistics import Estimate, Interval
from qevolve_envs.perturb import parse

AGGREGATES = {"mean": "Mean", "median": "Median", "iqm": "IQM", "optimality_gap": "Optimality gap"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the page, and of ``--figures``.

    Attributes:
        name: Of its files.
        heading: On the page, under the heading of its section.
        caption: A sentence on its content, for those who have nothing else.
        drawing: Without a key to the methods.
        key: The key, which stands once on the page and in every file; None where none is needed.
        data: The table behind it.
        group: Axis of a learning curve, by which the page chooses the curves it shows; else "".
    """

    name: str
    heading: str
    caption: str
    drawing: Drawing
    key: Drawing | None
    data: Markup
    group: str = ""

    @property
    def whole(self) -> Drawing:
        """The figure with its key, as files hold it."""
        return self.drawing if self.key is None else self.drawing.below(self.key)


def distinct(*groups: Sequence[Figure]) -> list[list[Figure]]:
    """The figures with names that differ, although slugs of different labels may agree."""
    taken: set[str] = set()
    renamed = []
    for group in groups:
        renamed.append([replace(figure, name=_free(figure.name, taken)) for figure in group])
    return renamed


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def styles_of(inputs: ReportInputs) -> dict[str, LineStyle]:
    """The style of every method, in all figures."""
    return {method.name: line_style(i) for i, method in enumerate(inputs.methods)}


def key_of(styles: Mapping[str, LineStyle], names: Iterable[str]) -> Drawing:
    """A key to some methods, for files and for figures of which the page has few."""
    chosen = [name for name in styles if name in set(names)]
    return legend(chosen, width=WIDTH, styles=[styles[name] for name in chosen])


def slug(*parts: str) -> str:
    """A name for files."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")[:100]


def spelled(value: float, interval: Interval | None) -> str:
    """Formats a share in percent with its interval; a missing one is said, not hidden."""
    return percent_with(value, interval, "[no interval]")


# ── intervals ───────────────────────────────────────────────────────────────


def forests(
    numbers: ReportNumbers, inputs: ReportInputs, styles: Mapping[str, LineStyle]
) -> list[Figure]:
    """A forest plot for each cell, and of the mean over the cells of each ranking."""
    figures = []
    for i, ranking in enumerate(numbers.method_tables, 1):
        rows = [
            ForestRow(m.name, m.overall.value, m.overall.interval, styles[m.name])
            for m in ranking.methods
            if m.overall is not None
        ]
        if len(ranking.cells) > 1 and rows:
            heading = f"Mean over {ranking.label}"
            figures.append(_forest(f"forest-all-{i}", heading, numbers.outcome, rows))
    for cell in inputs.cells:
        rows = [
            ForestRow(m.name, v.mean, v.interval, styles[m.name])
            for ranking in numbers.method_tables
            for m in ranking.methods
            if (v := m.cells.get(cell)) is not None
        ]
        name = slug("forest", cell.label)
        figures.append(_forest(name, cell.label, numbers.outcome, rows))
    return figures


def aggregates(numbers: ReportNumbers, styles: Mapping[str, LineStyle]) -> list[Figure]:
    """Mean, median, IQM and optimality gap of the score, a forest plot each."""
    figures = []
    for i, ranking in enumerate(numbers.method_tables, 1):
        many = f", {ranking.label}" if len(numbers.method_tables) > 1 else ""
        for kind, name in AGGREGATES.items():
            rows = [
                ForestRow(m.name, found.value, _spread(found.interval), styles[m.name])
                for m in ranking.methods
                if (found := m.aggregates.get(kind)) is not None
            ]
            if rows:
                better = " (less is better)" if kind == "optimality_gap" else ""
                heading = f"{name}{better}{many}"
                figures.append(_forest(slug("aggregate", kind, str(i)), heading, "score", rows))
    return figures


def _spread(interval: Interval) -> Interval | None:
    """None for an interval of no width: all resamples agreed, which says nothing of other tasks."""
    return interval if interval.high > interval.low else None


def _forest(name: str, heading: str, outcome: str, rows: Sequence[ForestRow]) -> Figure:
    caption = f"{heading}: {outcome}"
    values = [(row.name, spelled(row.value, row.interval)) for row in rows]
    data = table(caption, ("", "%, with interval"), values)
    return Figure(name, heading, caption, forest(caption, rows), None, data)


# ── profiles and curves ─────────────────────────────────────────────────────


def profiles(numbers: ReportNumbers, styles: Mapping[str, LineStyle]) -> list[Figure]:
    """A performance profile for each cell."""
    figures = []
    for cell, found in numbers.profiles.items():
        if not found:
            continue
        caption = f"{cell.label}: share of tasks above each score"
        shown = range(0, 50, 10)
        rows = [
            (name, *(spelled(p.share[i], Interval(p.low[i], p.high[i])) for i in shown))
            for name, p in found.items()
        ]
        headers = ("score above", *(f"{i / 50:.1f}" for i in shown))
        data = table(f"{caption}, % of tasks", headers, rows)
        drawing = profile_chart(caption, found, styles)
        key = key_of(styles, found)
        figures.append(Figure(slug("profile", cell.label), cell.label, caption, drawing, key, data))
    return figures


def curves(numbers: ReportNumbers, styles: Mapping[str, LineStyle]) -> list[Figure]:
    """Learning curves, for each panel and axis."""
    figures = []
    for found in numbers.curves:
        axis = found.axis.replace("_", " ")
        caption = f"{found.label}: {numbers.outcome} by {axis}"
        rows = [
            (name, f"{p.budget:,.0f}", spelled(p.value, p.interval), p.seeds)
            for name, points in found.lines.items()
            for p in points
        ]
        data = table(caption, ("", axis, "%, with interval", "seeds"), rows)
        name = slug("curve", found.label, found.axis)
        drawing = curve_chart(caption, found, styles, numbers.outcome)
        key = key_of(styles, found.lines)
        figures.append(Figure(name, found.label, caption, drawing, key, data, found.axis))
    return figures


# ── robustness ──────────────────────────────────────────────────────────────


def retained_figures(numbers: ReportNumbers) -> list[Figure]:
    """Draws what every method retains on every panel: a radar plot, if any, and a forest plot."""
    figures = []
    for name, results in numbers.robustness.items():
        for result in results:
            where = panel_of(result)
            heading = f"{name} on {where}"
            caption = f"{heading}: share of {result.outcome} retained"
            data = effects_table(heading, result)
            if (drawing := radar(caption, result)) is not None:
                key = key_of_severities(result)
                file = slug("radar", name, where)
                figures.append(Figure(file, heading, caption, drawing, key, data))
            if rows := [_row(effect) for effect in result.effects if effect.retained is not None]:
                file, plot = slug("retained", name, where), retained(caption, rows)
                figures.append(Figure(file, heading, caption, plot, None, data))
    return figures


def nothing_retained(numbers: ReportNumbers) -> list[tuple[str, str, Markup]]:
    """Lists methods that achieve nothing on the clean tasks: name, panel and table."""
    return [
        (name, panel_of(result), effects_table(f"{name} on {panel_of(result)}", result))
        for name, results in numbers.robustness.items()
        for result in results
        if result.worst is None
    ]


def panel_of(result: Robustness) -> str:
    """The panel of a result, for people."""
    return CellKey(result.env_id, json.dumps(dict(result.env_kwargs)), result.split).label


def effects_table(caption: str, result: Robustness) -> Markup:
    """Makes the table of all effects; `caption` names the method and the panel."""
    rows = [
        (
            e.perturbation,
            percent(e.perturbed),
            "nothing to retain" if e.retained is None else _estimate(e.retained),
            _estimate(e.drop),
            p_cell(e.p_value),
        )
        for e in result.effects
    ]
    return table(
        f"{caption}; {result.effects[0].tasks} tasks, {result.level:.0%} intervals",
        ("perturbation", f"{result.outcome} %", "retained %", "drop, points", "p (Holm)"),
        [("clean", _estimate(result.clean), "", "", ""), *rows],
    )


def _row(effect: Effect) -> ForestRow:
    assert effect.retained is not None
    parts = parse(effect.perturbation)
    own = SEVERITY_STYLES[max(severity for _, severity in parts)]
    return ForestRow(effect.perturbation, effect.retained.value, effect.retained.interval, own)


def _estimate(estimate: Estimate) -> str:
    return spelled(estimate.value, estimate.interval)


# ── tasks ───────────────────────────────────────────────────────────────────


def heatmaps(inputs: ReportInputs, packed: PackedEpisodes) -> list[Figure]:
    """The score on every task of every cell, by method."""
    figures = []
    for cell in inputs.cells:
        tiles: dict[str, dict[str, TaskTile]] = {}
        for method in inputs.methods:
            if cell not in method.scores:
                continue
            entry = method.scores[cell]
            failed = {e.task_id for e in method.played.get(cell.label, ()) if state(e) == FAILED}
            means = entry.table.mean(axis=0).tolist()
            tiles[method.name] = {
                task: TaskTile(
                    value, task in failed, packed.first.get((method.name, cell.label, task))
                )
                for task, value in zip(entry.tasks, means, strict=True)
            }
        tasks = ordered(tiles)
        heading = f"{cell.label}, {len(tasks)} tasks"
        caption = f"{heading}: mean score on each"
        rows = [(task, *(_tile(of.get(task)) for of in tiles.values())) for task in tasks]
        data = table(f"{caption}, %", ("task", *tiles), rows)
        drawing = heatmap(caption, tiles, tasks)
        figures.append(Figure(slug("tasks", cell.label), heading, caption, drawing, None, data))
    return figures


def _tile(tile: TaskTile | None) -> str:
    if tile is None:
        return "not played"
    return f"{100 * tile.value:.0f}{' (failed)' if tile.failed else ''}"
