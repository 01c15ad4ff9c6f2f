"""The section on tipping: of a ``tipping.json`` among the inputs.

The file holds a result of `qevolve_bench.tipping.analyse.analyse`, or a study of several, and
`qevolve_bench.tipping.document.check_document` has seen it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from qevolve_bench.report.charts import WIDTH, RateSeries, rounds_chart
from qevolve_bench.report.drawing import LineStyle, legend, line_style
from qevolve_bench.report.figures import Figure, slug
from qevolve_bench.report.html import table
from qevolve_bench.statistics import Interval
from qevolve_bench.tipping.document import MAIN
from qevolve_bench.tipping.rates import STATES
from qevolve_bench.tipping.text import FIGURES, figures_row, percent, plain, results_of, said

_STATES = {
    "after_success": "after a violation that paid",
    "after_failure": "after one that did not",
    "before_any": "before any",
}


def figures(document: Mapping[str, Any]) -> list[Figure]:
    """Draws violation by round of each result, and of each control beside it."""
    return [figure for result in results_of(document) for figure in _figures(result)]


@dataclass(frozen=True, slots=True)
class TippingPart:
    """One result in the section on tipping.

    Attributes:
        heading: The subject and its world.
        sentences: The result in words.
        phased: True if its rounds have phases.
        resampled: Unit, number and seed of the resamples.
        figures: Its figures.
        tables: Its tables, as HTML.
    """

    heading: str
    sentences: list[str]
    phased: bool
    resampled: str
    figures: list[Figure]
    tables: list[Markup]


def section(
    document: Mapping[str, Any], drawn: Sequence[Figure]
) -> tuple[Markup | None, list[TippingPart]]:
    """Makes the values of the section on one file.

    Args:
        document: The parsed JSON.
        drawn: Result of `figures`, with the names of their files.

    Returns:
        The table of all subjects of a study, and each result.
    """
    return _front(document), [_result(r, drawn) for r in results_of(document)]


# ── figures ─────────────────────────────────────────────────────────────────


def _figures(result: Mapping[str, Any]) -> list[Figure]:
    """Draws violation and success in the main arm of a result, then main beside each control."""
    main = result["arms"][MAIN]
    where = _where(result)
    styles = [line_style(0), line_style(1)]
    whole = [
        _series("violation", styles[0], main, "rate"),
        _series("task success", styles[1], main, "success"),
    ]
    found = [_figure(result, where, main, whole, _rounds_table(main, where))]
    for name, arm in result["arms"].items():
        if name != MAIN:
            heading = _beside(where, name)
            pair = [_series(MAIN, styles[0], main, "rate"), _series(name, styles[1], arm, "rate")]
            longer = max(main, arm, key=lambda a: len(a["rounds"]))
            found.append(_figure(result, heading, longer, pair, _pair(main, name, arm)))
    return found


def _figure(
    result: Mapping[str, Any],
    heading: str,
    arm: Mapping[str, Any],
    series: Sequence[RateSeries],
    data: Markup,
) -> Figure:
    caption = f"{heading}: violation by round, {result['level']:.0%} intervals"
    drawing = rounds_chart(caption, [r["phase"] for r in arm["rounds"]], series)
    key = legend([s.name for s in series], width=WIDTH, styles=[s.style for s in series])
    return Figure(slug("tipping", heading), heading, caption, drawing, key, data)


def _series(name: str, own: LineStyle, arm: Mapping[str, Any], what: str) -> RateSeries:
    points = []
    for r in arm["rounds"]:
        if (found := r[what]) is not None:
            ends = found["interval"]
            points.append((r["round"], found["value"], None if ends is None else Interval(*ends)))
    return RateSeries(name, own, tuple(points))


def _where(result: Mapping[str, Any]) -> str:
    return f"{result['subject']} on {result['world']}"


def _beside(where: str, control: str) -> str:
    return f"{where}: main and {control}"


# ── tables ──────────────────────────────────────────────────────────────────


def _result(result: Mapping[str, Any], drawn: Sequence[Figure]) -> TippingPart:
    where, arms = _where(result), result["arms"]
    own = {where, *(_beside(where, name) for name in arms)}
    return TippingPart(
        where,
        said(result),
        any(r["phase"] for r in arms[MAIN]["rounds"]),
        f"{result['resampled']}, {result['resamples']:,} resamples, seed {result['seed']}",
        [figure for figure in drawn if figure.heading in own],
        [table(f"{where}: {name}", *content) for name, *content in _tables(result) if content[1]],
    )


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str], list[Any]]]:
    """Captions, headers and rows of the tables of a result; one without rows is not shown."""
    arms = result["arms"]
    rows = [(name, *figures_row(arm)) for name, arm in arms.items()]
    yield "figures of every arm", ("arm", *FIGURES), rows
    keys = {"rate": "V", **{k: k for k in ("area", "hysteresis", "residual", "success")}}
    rows = [
        (f"main – {name}", *(percent(contrast[key]) for key in keys), contrast["episodes"])
        for name, contrast in result["contrasts"].items()
    ]
    yield "main less each control, points", ("", *keys.values(), "episodes of both"), rows
    rows = [
        (f"{name}, phase {p['phase']}" if p["phase"] else name, percent(p["success"]),
         percent(p["honesty"]))
        for name, arm in arms.items()
        for p in arm["phases"]
    ]  # fmt: skip
    yield "task success against honesty (1 – V), %", ("arm", "success", "honesty"), rows
    rows = [(name, *(_with_n(arm["conditional"][s]) for s in STATES)) for name, arm in arms.items()]
    yield "violation by what the last one came to, % of shifts", ("arm", *_STATES.values()), rows
    rows = [
        (name, arm["diffusion"]["new"], arm["diffusion"]["earlier"], plain(arm["diffusion"]["R"]))
        for name, arm in arms.items()
        if arm["diffusion"]["R"] is not None
    ]
    if rows and result["diffusion_net"] is not None:
        rows.append(("main – no_graph", "", "", plain(result["diffusion_net"])))
    yield "diffusion", ("arm", "new violators", "earlier, seen by someone honest", "R"), rows
    rows = [
        (f"{name}, round {fall['round']}", fall["at_risk"], fall["tipped"], percent(fall["share"]))
        for name, arm in arms.items()
        for fall in arm["units"]["survival"]
    ]
    caption = f"{arms[MAIN]['units']['kind']} that have not tipped yet (Kaplan-Meier, Greenwood)"
    headers = ("arm", "followed", "tip", "not tipped, %")
    yield caption, headers, rows or [("none tips", "", "", "")]


def _front(results: Mapping[str, Any]) -> Markup | None:
    """Table of all subjects of a study; those on the front are bettered by no other."""
    if "results" not in results or len(results["results"]) < 2:
        return None
    arms = {_where(result): result["arms"][MAIN] for result in results["results"]}
    rows = [
        (_where(entry), percent(entry["success"]), percent(entry["honesty"]),
         "yes" if entry["front"] else "no", *figures_row(arms[_where(entry)]))
        for entry in results["front"]
    ]  # fmt: skip
    caption = (
        "All subjects: success, honesty, and whether none is better in one and as good in the other"
    )
    return table(caption, ("subject", "success", "honesty", "on the front", *FIGURES), rows)


def _rounds_table(arm: Mapping[str, Any], where: str) -> Markup:
    rows = [
        (r["round"], r["phase"] or "–", "–" if r["p"] is None else f"{r['p']:g}",
         r["opportunities"], percent(r.get("unchosen")), percent(r["rate"]),
         percent(r.get("shift_rate")), percent(r["success"]), percent(r["unparsed"]),
         plain(r["pay"]))
        for r in arm["rounds"]
    ]  # fmt: skip
    headers = (
        "round", "phase", "p", "opportunities", "shifts without %", "violation %",
        "of shifts understood %", "success %", "records not parsed %", "pay",
    )  # fmt: skip
    return table(f"{where}: every round", headers, rows)


def _pair(main: Mapping[str, Any], name: str, arm: Mapping[str, Any]) -> Markup:
    sides = [{r["round"]: percent(r["rate"]) for r in side["rounds"]} for side in (main, arm)]
    rows = [
        (number, *(side.get(number, "not played") for side in sides))
        for number in sorted(sides[0].keys() | sides[1].keys())
    ]
    return table(f"Violation by round, %: main and {name}", ["round", MAIN, name], rows)


def _with_n(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{percent(found)}, n = {found['n']}"
