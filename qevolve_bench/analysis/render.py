"""Results as text, Markdown, LaTeX, CSV and JSON: numbers, tables, and what is analysed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

from qevolve_bench.schema import plain
from qevolve_bench.statistics import Estimate, Interval
from qevolve_envs.errors import UnknownName

if TYPE_CHECKING:
    from qevolve_bench.analysis.compare import Comparison
    from qevolve_bench.analysis.regression import Regression
    from qevolve_bench.analysis.robustness import Robustness
    from qevolve_bench.efficiency import Cost
    from qevolve_bench.efficiency.budgets import Outcome

#: ``text`` for a terminal, ``md`` for GitHub, ``latex`` with booktabs, ``json`` in full precision.
Format = Literal["text", "md", "latex", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
#: Formats of comparisons: also ``csv``, one comparison a line.
COMPARISON_FORMATS = (*FORMATS, "csv")
_TABULATE = {"text": "simple", "md": "github", "latex": "latex_booktabs"}
_CORRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}
#: Lower end of a clean outcome below which shares of it say little.
_LITTLE = 0.05


def check_format(format: str, known: Sequence[str] = FORMATS) -> None:
    """Refuses a format that is not known.

    Raises:
        UnknownName: With those that are.
    """
    if format not in known:
        raise UnknownName.of("format", format, known)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], format: str = "md") -> str:
    """Lays rows out as a table; numbers stand as they are given.

    Args:
        headers: Names of the columns.
        rows: Values of each row, in the order of the columns.
        format: ``text``, ``md`` or ``latex``.
    """
    from tabulate import tabulate

    text: str = tabulate(rows, headers, tablefmt=_TABULATE[format], disable_numparse=True)
    return text


def json_table(document: Any) -> str:
    """Writes results as JSON in full precision; non-finite numbers are refused."""
    return json.dumps(document, indent=1, allow_nan=False)


def percent(share: float) -> str:
    """Formats a share in percent: one decimal, and no minus before zero."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def span(interval: Interval) -> str:
    """Formats an interval of shares in percent, in brackets."""
    return f"[{percent(interval.low)}, {percent(interval.high)}]"


def percent_with(value: float, interval: Interval | None, without: str = "") -> str:
    """Formats a share and its interval in percent; `without` stands for a missing interval."""
    return f"{percent(value)} {without if interval is None else span(interval)}".rstrip()


def estimate_text(estimate: Estimate) -> str:
    """Formats an estimate in percent with its interval."""
    return percent_with(estimate.value, estimate.interval)


def p_text(p: float) -> str:
    """Formats a p-value: two digits, and never 0."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def p_cell(p: float | None) -> str:
    """Formats a p-value for a column of them; a dash where there is none."""
    return "–" if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


# ── comparisons ─────────────────────────────────────────────────────────────


def sentence(found: Comparison, *, level: float = 0.95, outcome: Outcome = "success") -> str:
    """Conclusion of a comparison in one sentence, which says no more than the data show.

    Args:
        found: One comparison, corrected.
        level: Level of the interval; the test is decided at ``1 - level``.
        outcome: What was compared.
    """
    where = found.cell.label
    points = "points" if outcome == "success" else "score points"
    ahead, behind = found.first, found.second
    gap, interval = found.difference, found.interval
    if gap < 0:
        ahead, behind, gap = behind, ahead, -gap
        interval = None if interval is None else Interval(-interval.high, -interval.low)
    amount = f"{percent(gap)} {points}"
    if found.ahead == (0, 0):
        return (
            f"{ahead.name} and {behind.name} did the same on every one of the {found.tasks} tasks"
            f" of {where}."
        )
    if found.adjusted is None or found.p_value is None:
        return (
            f"{ahead.name} is ahead of {behind.name} on {where} by {amount}, but there is no"
            " spread to test that by."
        )
    within = "" if interval is None else f" {span(interval)}"
    family = ""
    if found.correction != "none" and found.family > 1:
        family = f", {_CORRECTIONS[found.correction]} over {found.family}"
    if found.adjusted <= 1 - level:
        # One training run on a side: the tasks are a sample, its seed is not.
        alone = ", for this seed alone" if found.over == "tasks" and _seeds(found) != "–" else ""
        return (
            f"{ahead.name} beats {behind.name} on {where} by {amount}{within},"
            f" {p_text(found.adjusted)}{family}{alone}."
        )
    if found.p_value <= 1 - level:
        return (
            f"No difference shown between {ahead.name} and {behind.name} on {where}:"
            f" {amount}{within} with {p_text(found.p_value)} alone,"
            f" but {p_text(found.adjusted)} ({family[2:]})."
        )
    if interval is not None and (interval.low > 0 or interval.high < 0):
        limit = f", and cannot give less than {found.least:.2g}" if found.least > 1 - level else ""
        return (
            f"No difference shown between {ahead.name} and {behind.name} on {where}: the interval"
            f" {span(interval)} {points} leaves zero out, but the test ({found.test}) gives"
            f" {p_text(found.adjusted)}{family}{limit}."
        )
    shown = (
        f"No difference shown between {ahead.name} and {behind.name} on {where}:"
        f" {p_text(found.adjusted)}{family}"
    )
    if interval is None:
        return f"{shown}."
    return (
        f"{shown}; the interval holds all from {percent(interval.low)} to"
        f" {percent(interval.high)} {points} in favour of {ahead.name}."
    )


def comparison_text(
    found: Sequence[Comparison],
    notes: Sequence[str],
    *,
    costs: Sequence[Cost] = (),
    format: str = "text",
    outcome: Outcome = "success",
    level: float = 0.95,
) -> str:
    """Writes comparisons as a table, notes on it, and their conclusions.

    Args:
        found: The comparisons.
        notes: Further notes, in whole sentences.
        costs: What learners spent to reach a threshold.
        format: ``text``, ``md`` (GitHub's), ``latex`` (booktabs), ``csv`` or ``json``; the last two
            hold full precision and no prose around them.
        outcome: What was compared.
        level: Level of the intervals.
    """
    check_format(format, COMPARISON_FORMATS)
    records = [_record(c, outcome, level) for c in found]
    if format == "json":
        document = {"schema": 1, "outcome": outcome, "level": level, "notes": list(notes)}
        spent = [asdict(cost) | {"conclusion": cost.sentence} for cost in costs]
        return json_table(document | {"comparisons": records, "costs": spent})
    if format == "csv":
        pairs = zip(found, records, strict=True)
        entries = [_csv_line(c.cell.label, record, outcome) for c, record in pairs]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(entries[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
        return stream.getvalue().rstrip("\n")
    corrected = found[0].correction != "none" and found[0].family > 1
    p = f"p ({_CORRECTIONS[found[0].correction]})" if corrected else "p"
    headers = ["cell", "A", "B", f"{outcome} of A", f"{outcome} of B", "A - B", p, "d"]
    rows = [
        [
            c.cell.label,
            c.first.name,
            c.second.name,
            percent_with(c.first.mean, c.first.interval),
            percent_with(c.second.mean, c.second.interval),
            percent_with(c.difference, c.interval),
            p_cell(c.adjusted),
            "–" if c.cohens_d is None else f"{c.cohens_d:.2f}",
            c.tasks,
            _seeds(c),
        ]
        for c in found
    ]
    shown = table([*headers, "tasks", "seeds"], rows, format)
    said = [sentence(c, level=level, outcome=outcome) for c in found]
    said += [cost.sentence for cost in costs]
    tests = sorted({c.test for c in found})
    about = [
        f"[ ] hold {level:.0%} intervals in percentage points, each for itself; A - B is the mean"
        " difference on shared tasks, d its paired effect size (Cohen).",
        f"Tests: {'; '.join(tests)}.",
        *notes,
        *dict.fromkeys(note for c in found for note in c.notes),
    ]
    lines = [shown, "", *about, "", *said]
    if format == "latex":
        lines = [shown, *(f"% {line}" for line in [*about, *said])]
    elif format == "md":
        lines = [shown, "", *(f"- {line}" for line in said), "", *(f"{line}\n" for line in about)]
    return "\n".join(lines).rstrip()


def _record(found: Comparison, outcome: Outcome, level: float) -> dict[str, Any]:
    """Plain data of a comparison, under the names of the JSON document."""
    names = {"first": "A", "second": "B", "p_value": "p", "adjusted": "p_adjusted"}
    names |= {"least": "least_p", "ahead": "tasks_ahead"}
    record = {names.get(name, name): value for name, value in plain(found).items()}
    record["cell"]["env_kwargs"] = json.loads(found.cell.env_kwargs)
    for method in (record["A"], record["B"]):
        method["seeds"] = method["seeds"] or None
    return record | {"conclusion": sentence(found, level=level, outcome=outcome)}


def _csv_line(cell: str, record: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    line: dict[str, Any] = {"cell": cell}
    for letter in ("a", "b"):
        method = record[letter.upper()]
        low, high = method["interval"] or (None, None)
        line |= {letter: method["name"], f"{letter}_{outcome}": method["mean"]}
        line |= {f"{letter}_low": low, f"{letter}_high": high, f"{letter}_seeds": method["seeds"]}
    low, high = record["interval"] or (None, None)
    line |= {"difference": record["difference"], "low": low, "high": high}
    kept = "p", "p_adjusted", "correction", "family", "test", "cohens_d", "tasks", "conclusion"
    return line | {name: record[name] for name in kept}


def _seeds(found: Comparison) -> str:
    counts = [found.first.seeds, found.second.seeds]
    if not any(counts):
        return "–"
    return str(counts[0]) if counts[0] == counts[1] else "/".join(str(c or "–") for c in counts)


# ── robustness ──────────────────────────────────────────────────────────────


def robustness_text(results: Sequence[Robustness], *, format: Format = "text") -> str:
    """Writes results of robustness as tables with notes.

    Args:
        results: Of `qevolve_bench.analysis.robustness.robustness`.
        format: ``text``, ``md`` (GitHub's), ``latex`` (booktabs) or ``json`` with full precision.
    """
    check_format(format)
    if format == "json":
        return json_table([_robustness_record(r) for r in results])
    return "\n\n".join(_robustness_table(result, format) for result in results)


def _robustness_table(result: Robustness, format: Format) -> str:
    rows = [["none", estimate_text(result.clean), "", "", ""]]
    for effect in result.effects:
        rows.append(
            [
                effect.perturbation,
                f"{100 * effect.perturbed:.1f}",
                "–" if effect.retained is None else f"{effect.retained:.2f}",
                estimate_text(effect.drop),
                p_cell(effect.p_value),
            ]
        )
    headers = ["perturbation", result.outcome, "retained", "drop", "p (Holm)"]
    shown = table(headers, rows, format)
    arguments = "".join(f", {k}={v}" for k, v in sorted(result.env_kwargs.items()))
    tasks = result.effects[0].tasks
    head = f"{result.agent} on {result.env_id}{arguments}, split {result.split}, {tasks} tasks"
    notes = [
        f"{result.outcome.capitalize()} and drop in percentage points; retained is perturbed /"
        f" clean. [ ] hold {result.level:.0%} intervals over tasks, each for itself."
    ]
    worst = result.worst
    if worst is None:
        notes.append("Nothing is achieved on the clean tasks, so there is nothing to retain.")
    elif worst.retained_worst is not None:
        notes.append(
            f"Worst: {worst.perturbation} retains {worst.retained_worst:.2f}, with an interval"
            f" that holds for all {len(result.effects)} together."
        )
    if worst is not None and result.clean.interval.low < _LITTLE:
        notes.append("There is little to retain: read the drop rather than the share.")
    won = "won in every one of these worlds" if result.outcome == "success" else "the worst of all"
    notes.append(f"Task by task, {won}: {estimate_text(result.everywhere)}.")
    mark = "% " if format == "latex" else ""
    return "\n".join([f"{mark}{head}", "", shown, "", *(mark + note for note in notes)])


def _robustness_record(result: Robustness) -> dict[str, Any]:
    record = plain(result)
    for effect in record["effects"]:
        effect["p"] = effect.pop("p_value")
        del effect["clean"]  # The same for all effects: it stands beside them.
    worst = result.worst
    return record | {"worst": None if worst is None else worst.perturbation}


# ── regressions ─────────────────────────────────────────────────────────────


def regression_text(found: Regression) -> str:
    """Writes a comparison with a baseline: a table, the tasks that lost most, and failures."""
    headers = ("", "tasks", "baseline", "now", "change", "p", "lost on", "won on", "")
    rows = [
        (
            row.name,
            len(row.now),
            f"{fmean(row.before):.3f}",
            f"{fmean(row.now):.3f}",
            f"{row.change:+.3f}",
            f"{row.p_value:.2g}",
            sum(n < b for n, b in zip(row.now, row.before, strict=True)),
            sum(n > b for n, b in zip(row.now, row.before, strict=True)),
            "worse" if row.worse else "",
        )
        for row in found.rows
    ]
    corrected = f", Holm-corrected over {len(rows)} rows" if len(rows) > 1 else ""
    lines = [
        table(headers, rows, "text"),
        "",
        f"{found.metric}, with 95% intervals; p: paired by task, one-sided{corrected};"
        f" worse: p <= {found.alpha:g} and a loss of at least {found.min_effect:g}.",
    ]
    if losses := found.losses:
        lines += ["", "Lost most:", *(f"  {line}" for line in losses[:5])]
        lines += [f"  and {len(losses) - 5} more"] if len(losses) > 5 else []
    if failures := found.scores.failures:
        lines += ["", f"{len(failures)} episodes failed, the first: {failures[0]}"]
    return "\n".join(lines)
