"""Comparisons as tables and as sentences that a reader may quote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from qevolve_bench.analysis import render
from qevolve_bench.analysis.compare import Comparison
from qevolve_bench.analysis.estimate import MethodEstimate
from qevolve_bench.analysis.render import (
    check_format,
    json_table,
    p_cell,
    p_text,
    percent,
    percent_with,
    span,
    table,
)
from qevolve_bench.efficiency import Cost
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.statistics import Interval

#: Also ``csv``, one comparison a line.
FORMATS = (*render.FORMATS, "csv")

_CORRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def sentence(found: Comparison, *, level: float = 0.95, outcome: Outcome = "success") -> str:
    """One sentence that says what the data show, and no more.

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
    told = (
        f"No difference shown between {ahead.name} and {behind.name} on {where}:"
        f" {p_text(found.adjusted)}{family}"
    )
    if interval is None:
        return f"{told}."
    return (
        f"{told}; the interval holds all from {percent(interval.low)} to"
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
    """All comparisons: a table, what to know about it, and the conclusions.

    Args:
        found: The comparisons.
        notes: Further notes, in whole sentences.
        costs: What learners spent to reach a threshold.
        format: ``text``, ``md`` (GitHub's), ``latex`` (booktabs), ``csv`` or ``json``; the last two
            hold full precision and no prose around them.
        outcome: What was compared.
        level: Level of the intervals.
    """
    check_format(format, FORMATS)
    if format == "json":
        document = _document(found, notes, outcome, level)
        document["costs"] = [asdict(cost) | {"conclusion": cost.sentence} for cost in costs]
        return json_table(document)
    if format == "csv":
        stream = io.StringIO()
        rows = [_flat(c, outcome, level) for c in found]
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue().rstrip("\n")
    headers = ["cell", "A", "B", "A wins", "B wins", "A - B", "p", "d", "tasks", "seeds"]
    headers[3:5] = [f"{outcome} of A", f"{outcome} of B"]
    if found[0].correction != "none" and found[0].family > 1:
        headers[6] = f"p ({_CORRECTIONS[found[0].correction]})"
    rows_ = [
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
    shown = table(headers, rows_, format)
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
    if format == "latex":
        lines = [shown, *(f"% {line}" for line in [*about, *said])]
        return "\n".join(lines)
    if format == "md":
        return "\n".join(
            [shown, "", *(f"- {line}" for line in said), "", *(f"{line}\n" for line in about)]
        ).rstrip()
    return "\n".join([shown, "", *about, "", *said])


def _document(
    found: Sequence[Comparison], notes: Sequence[str], outcome: Outcome, level: float
) -> dict[str, Any]:
    return {
        "schema": 1,
        "outcome": outcome,
        "level": level,
        "notes": list(notes),
        "comparisons": [
            {
                "cell": {
                    "env_id": c.cell.env_id,
                    "env_kwargs": json.loads(c.cell.env_kwargs),
                    "split": c.cell.split,
                },
                "A": _value(c.first),
                "B": _value(c.second),
                "difference": c.difference,
                "interval": None if c.interval is None else list(c.interval),
                "p": c.p_value,
                "p_adjusted": c.adjusted,
                "correction": c.correction,
                "family": c.family,
                "test": c.test,
                "least_p": c.least,
                "over": c.over,
                "cohens_d": c.cohens_d,
                "tasks": c.tasks,
                "tasks_ahead": list(c.ahead),
                "notes": list(c.notes),
                "conclusion": sentence(c, level=level, outcome=outcome),
            }
            for c in found
        ],
    }


def _value(value: MethodEstimate) -> dict[str, Any]:
    return {
        "name": value.name,
        "mean": value.mean,
        "interval": None if value.interval is None else list(value.interval),
        "seeds": value.seeds or None,
    }


def _flat(found: Comparison, outcome: Outcome, level: float) -> dict[str, Any]:
    row: dict[str, Any] = {"cell": found.cell.label}
    for letter, value in (("a", found.first), ("b", found.second)):
        low, high = value.interval or ("", "")
        row |= {letter: value.name, f"{letter}_{outcome}": value.mean}
        row |= {f"{letter}_low": low, f"{letter}_high": high, f"{letter}_seeds": value.seeds or ""}
    low, high = found.interval or ("", "")
    return row | {
        "difference": found.difference,
        "low": low,
        "high": high,
        "p": "" if found.p_value is None else found.p_value,
        "p_adjusted": "" if found.adjusted is None else found.adjusted,
        "correction": found.correction,
        "family": found.family,
        "test": found.test,
        "cohens_d": "" if found.cohens_d is None else found.cohens_d,
        "tasks": found.tasks,
        "conclusion": sentence(found, level=level, outcome=outcome),
    }


def _seeds(found: Comparison) -> str:
    counts = [found.first.seeds, found.second.seeds]
    if not any(counts):
        return "–"
    return str(counts[0]) if counts[0] == counts[1] else "/".join(str(c or "–") for c in counts)
