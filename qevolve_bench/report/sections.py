"""Values of the sections that are words and tables: summary, leaderboard, comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from qevolve_bench.analysis.compare import Comparison
from qevolve_bench.analysis.outcomes import failures
from qevolve_bench.analysis.render import p_cell, percent, sentence, span
from qevolve_bench.report.drawing import Drawing, LineStyle
from qevolve_bench.report.episodes import counts
from qevolve_bench.report.figures import panel_of, spelled
from qevolve_bench.report.html import table
from qevolve_bench.report.inputs import ReportInputs
from qevolve_bench.report.numbers import MethodTable, RankedMethod, ReportNumbers
from qevolve_bench.report.reproduce import command
from qevolve_bench.statistics import Interval

#: Pairs of methods in the summary; all of them are in the section on comparisons.
_PAIRS = 10


@dataclass(frozen=True, slots=True)
class SummaryCard:
    """A method in the summary.

    Attributes:
        name: The method.
        mark: Its marker in all figures.
        value: Mean over its cells in percent.
        details: Interval, rank, and the cells of the value.
    """

    name: str
    mark: Drawing
    value: str
    details: str


def summary(
    numbers: ReportNumbers, inputs: ReportInputs, styles: Mapping[str, LineStyle]
) -> dict[str, Any]:
    """Makes the values of the summary: counts, cards and conclusions."""
    played = counts(inputs.methods)
    episodes = sum(map(sum, played.values()))
    failed = sum(f for _, _, f in played.values())
    tasks = len({
        (cell, task)
        for m in inputs.methods
        for cell, entry in m.entries.items()
        for task in entry.tasks
    })  # fmt: skip
    pairs, more = _pairs(numbers)
    others = [*_worst(numbers), *_failed(inputs)]
    return {
        "counted": f"{_count(len(inputs.methods), 'method')} on"
        f" {_count(len(inputs.cells), 'cell')} with {_count(tasks, 'task')};"
        f" {_count(episodes, 'episode')},"
        f" {f'{failed:,} of them' if failed else 'none'} failed by an error.",
        "cards": [
            _card(method, ranking, numbers, styles)
            for ranking in numbers.method_tables
            for method in ranking.methods
        ],
        "pairs": pairs,
        "more_pairs": _count(more, "more pair") if more else "",
        "others": others,
        "conclusions": bool(pairs or others),
    }


def ranking_table(ranking: MethodTable, numbers: ReportNumbers, inputs: ReportInputs) -> Markup:
    """Makes the table of the methods that played the same cells."""
    labels = [cell.label for cell in ranking.cells]
    played = counts(inputs.methods, labels)
    headers = ["method", "rank", f"mean {numbers.outcome} %"]
    headers += [*labels, "failed"] if len(labels) > 1 else ["failed"]
    rows = []
    for s in ranking.methods:
        cells = [_stacked(v.mean, v.interval) for v in (s.cells[c] for c in ranking.cells)]
        if len(cells) > 1:
            overall = s.overall
            missing = Markup("no interval in some cell")
            known = missing if overall is None else _stacked(overall.value, overall.interval)
            cells.insert(0, known)
        errors = f"{played[s.name][2]:,} of {sum(played[s.name]):,}"
        rows.append((s.name, "–" if s.rank is None else str(s.rank), *cells, errors))
    caption = f"{', '.join(labels)}: {numbers.outcome} in %"
    return table(caption, headers, rows, numeric=range(2, len(headers)))


def comparisons(numbers: ReportNumbers, inputs: ReportInputs) -> dict[str, Any]:
    """Makes the values of the section on pairs of methods: table, sentences, notes, command."""
    rows = [
        (
            f"{c.first.name} – {c.second.name}",
            c.cell.label,
            spelled(c.difference, c.interval),
            p_cell(c.adjusted),
            f"{c.ahead[0]} : {c.ahead[1]}",
            c.tasks,
        )
        for c in numbers.comparisons
    ]
    headers = ("A – B", "cell", "A – B, points", "p (Holm)", "tasks ahead", "tasks")
    return {
        "differences": table("Differences on shared tasks", headers, rows, numeric=range(2, 6)),
        "sentences": [
            sentence(c, level=numbers.level, outcome=numbers.outcome) for c in numbers.comparisons
        ],
        "comparison_notes": list(dict.fromkeys(n for c in numbers.comparisons for n in c.notes)),
        "compare_command": command(["compare", *inputs.compared, "--outcome", numbers.outcome]),
    }


def _card(
    method: RankedMethod,
    ranking: MethodTable,
    numbers: ReportNumbers,
    styles: Mapping[str, LineStyle],
) -> SummaryCard:
    style = styles[method.name]
    mark = Drawing(18, 18, f"The mark of {method.name} in all figures")
    mark.marker(9, 9, style.marker, style.colour, r=6)
    cells = list(method.cells.values())
    value, interval, where = cells[0].mean, cells[0].interval, ranking.cells[0].label
    if method.overall is not None:
        value, interval = method.overall.value, method.overall.interval
        where = where if len(cells) == 1 else f"mean over {ranking.label}"
    between = "no interval" if interval is None else span(interval)
    rank = "" if method.rank is None else f", rank {method.rank}"
    return SummaryCard(
        method.name, mark, percent(value), f"{between} {numbers.outcome}{rank}; {where}"
    )


def _pairs(numbers: ReportNumbers) -> tuple[list[str], int]:
    """Sentences on the first pairs of methods, and the number of the other pairs."""
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for c in numbers.comparisons:
        pairs.setdefault((c.first.name, c.second.name), []).append(c)
    shown = [_pair(found, numbers) for found in list(pairs.values())[:_PAIRS]]
    return shown, len(pairs) - len(shown)


def _worst(numbers: ReportNumbers) -> list[str]:
    """Sentences on what is retained under the worst perturbation of each panel."""
    return [
        f"Of its {result.outcome} on {panel_of(result)}, {name} retains"
        f" {spelled(share.value, share.interval)} % under {worst.perturbation}, the worst of"
        f" {_count(len(result.effects), 'perturbation')}."
        for name, results in numbers.robustness.items()
        for result in results
        if (worst := result.worst) is not None and (share := worst.retained_worst) is not None
    ]


def _failed(inputs: ReportInputs) -> list[str]:
    """Sentences on the methods whose episodes failed by an error."""
    found = (
        failures(m.name, [episode for episodes in m.played.values() for episode in episodes])
        for m in inputs.methods
    )
    return [line for line in found if line]


def _pair(found: Sequence[Comparison], numbers: ReportNumbers) -> str:
    """One pair of methods in one sentence, over all cells that both played."""
    if len(found) == 1:
        return sentence(found[0], level=numbers.level, outcome=numbers.outcome)
    first, second = found[0].first.name, found[0].second.name
    cells = len(found)
    shown = [c for c in found if c.adjusted is not None and c.adjusted <= 1 - numbers.level]
    parts = []
    for better, worse, sign in ((first, second, 1), (second, first, -1)):
        if won := [c for c in shown if sign * c.difference > 0]:
            where = ", ".join(c.cell.label for c in won)
            if len(won) == cells:
                where = "both cells" if cells == 2 else f"all {cells} cells"
            won.sort(key=lambda c: abs(c.difference))
            ends = dict.fromkeys(_lead(c) for c in (won[0], won[-1]))
            parts.append(f"{better} beats {worse} on {where} by {' to '.join(ends)} points")
    if not parts:
        where = "either cell" if cells == 2 else f"any of the {cells} cells"
        parts.append(f"No difference is shown between {first} and {second} on {where}")
    elif len(shown) < cells:
        where = ", ".join(c.cell.label for c in found if c not in shown)
        parts.append(f"no difference is shown on {where}")
    family = f" (Holm over {found[0].family})" if found[0].family > 1 else ""
    return f"{'; '.join(parts)}{family}."


def _lead(c: Comparison) -> str:
    """The difference in favour of the better method."""
    if c.difference >= 0 or c.interval is None:
        return spelled(abs(c.difference), c.interval)
    return spelled(-c.difference, Interval(-c.interval.high, -c.interval.low))


def _stacked(value: float, interval: Interval | None) -> Markup:
    """A number over its interval, for tables of many columns."""
    number, _, between = spelled(value, interval).partition(" ")
    return Markup("{} <small>{}</small>").format(number, between)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
