"""The sections that are words and tables: summary, leaderboard, comparisons, sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qevolve_bench.analysis.compare import Comparison
from qevolve_bench.analysis.outcomes import failures
from qevolve_bench.analysis.render import p_cell, percent, sentence, span
from qevolve_bench.report.drawing import Drawing, Look, svg_inline, swatch
from qevolve_bench.report.episodes import counts
from qevolve_bench.report.figures import Figure, panel_of, spelled
from qevolve_bench.report.html import Content, Markup, join, table, tag
from qevolve_bench.report.inputs import Inputs
from qevolve_bench.report.numbers import MethodTable, ReportNumbers
from qevolve_bench.report.reproduce import command, runs_of
from qevolve_bench.statistics import Interval

#: Pairs of methods in the summary; all of them are in the section on comparisons.
_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        id: Of its heading, for links.
        name: In the navigation.
        title: Its heading.
        content: What stands under it.
    """

    id: str
    name: str
    title: str
    content: Markup


def summary(numbers: ReportNumbers, inputs: Inputs, looks: Mapping[str, Look]) -> Section:
    """What there is, and what may be said of it."""
    played = counts(inputs.methods)
    episodes = sum(map(sum, played.values()))
    failed = sum(f for _, _, f in played.values())
    tasks = len({
        (cell, task)
        for m in inputs.methods
        for cell, entry in m.entries.items()
        for task in entry.tasks
    })  # fmt: skip
    said = (
        f"{_count(len(inputs.methods), 'method')} on {_count(len(inputs.cells), 'cell')} with"
        f" {_count(tasks, 'task')}; {_count(episodes, 'episode')}"
        + (f", {failed:,} of them failed by an error." if failed else ", none failed by an error.")
    )
    parts: list[Content] = [tag("p", said)]
    cards = [
        _card(standing.name, board, i, numbers, looks)
        for board in numbers.boards
        for i, standing in enumerate(board.standings)
    ]
    if cards:
        parts.append(tag("ul", cards, class_="cards"))
    conclusions = _conclusions(numbers, inputs)
    if conclusions:
        parts += [tag("h3", "What the data show"), tag("ul", conclusions, class_="said")]
    if inputs.notes:
        parts.append([tag("p", note, class_="note") for note in inputs.notes])
    level = f"{numbers.level:.0%}"
    parts.append(
        tag(
            "p",
            f"[ ] hold {level} intervals. A failed episode is not won, and counts. Every figure has"
            " its table, and a paragraph on how it was made.",
            class_="note",
        )
    )
    return Section("summary", "Summary", "Summary", join(parts))


def leaderboard(numbers: ReportNumbers, inputs: Inputs) -> Section:
    """Standings of the methods that played the same cells."""
    parts: list[Content] = []
    for board in numbers.boards:
        labels = {cell.label for cell in board.cells}
        played = counts(inputs.methods, labels)
        headers: list[Content] = ["method", "rank", f"mean {numbers.outcome} %"]
        headers += [cell.label for cell in board.cells] if len(board.cells) > 1 else []
        headers.append("failed")
        rows = []
        for s in board.standings:
            cells = [_stacked(v.mean, v.interval) for v in (s.cells[c] for c in board.cells)]
            overall = (
                Markup("no interval in some cell")
                if s.overall is None
                else _stacked(s.overall.value, s.overall.interval)
            )
            lost, won, failed = played[s.name]
            errors = f"{failed:,} of {lost + won + failed:,}"
            rank = "–" if s.rank is None else str(s.rank)
            first = cells[0] if len(cells) == 1 else overall
            rows.append((s.name, rank, first, *(cells if len(cells) > 1 else ()), errors))
        caption = f"{', '.join(cell.label for cell in board.cells)}: {numbers.outcome} in %"
        columns = range(2, len(headers))
        parts.append(table(headers, rows, caption=caption, numeric=columns))
        if len(board.standings) == 1:
            parts.append(tag("p", "One method: there is no one to be ranked with.", class_="note"))
        parts += [tag("p", note, class_="note") for note in board.notes]
    if not numbers.boards:
        parts.append(tag("p", "No method played a world that is not perturbed."))
    parts.append(
        tag(
            "p",
            "Methods that played the same cells share a table. The mean is over cells, each of"
            " which weighs the same; [ ] behind a rank hold the places that the tasks leave open,"
            f" {numbers.level:.0%} for all of them together. Failed counts the episodes that"
            " ended by an error (of learners, in the last evaluation).",
            class_="note",
        )
    )
    made = made_by(
        "Means and intervals: Wilson's for single runs, t over seeds and tasks for several; ranks:"
        " statistics.rank_ranges, 10,000 resamples, seed stream(0, 'report', 'ranks')."
    )
    return Section("leaderboard", "Leaderboard", "Leaderboard", join([*parts, made]))


def comparisons(numbers: ReportNumbers, inputs: Inputs) -> Section:
    """Pairs of methods on shared tasks."""
    if not numbers.comparisons:
        return Section("compare", "Compare", "Who is better", tag("p", numbers.comparison_note))
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
    said = [sentence(c, level=numbers.level, outcome=numbers.outcome) for c in numbers.comparisons]
    notes = list(dict.fromkeys(note for c in numbers.comparisons for note in c.notes))
    headers = ("A – B", "cell", "A – B, points", "p (Holm)", "tasks ahead", "tasks")
    differences = table(headers, rows, caption="Differences on shared tasks", numeric=(2, 3, 4, 5))
    arguments = ["compare", *inputs.compared, "--outcome", numbers.outcome]
    content = [
        tag("div", differences, class_="tall"),
        tag("details", tag("summary", f"The {len(said)} comparisons as sentences"),
            tag("ul", [tag("li", line) for line in said], class_="said")),
        [tag("p", note, class_="note") for note in notes],
        made_by("The same numbers, with their tests: ", tag("code", command(arguments))),
    ]  # fmt: skip
    return Section("compare", "Compare", "Who is better", join(content))


def sources(numbers: ReportNumbers, inputs: Inputs, options: Sequence[str]) -> Section:
    """How every run, and this page, can be made again."""
    page = command(["report", *inputs.arguments, *options])
    parts: list[Content] = [
        tag("p", "This page, byte for byte, from the same inputs and versions:"),
        tag("pre", page, class_="command"),
        tag("p", "Every run, as its manifest tells. Whether the episodes are what the environments"
            " really answer is checked by ", tag("code", "qevolve-bench verify"), "."),
        [runs_of(method) for method in inputs.methods],
    ]  # fmt: skip
    return Section("reproduce", "Reproduce", "How to reproduce all of this", join(parts))


def panels(
    figures: Sequence[Figure],
    key: Mapping[str, Look] | None = None,
    said: str = "",
    method: str = "",
) -> Markup:
    """Figures side by side, and how they were made.

    Args:
        figures: At least one.
        key: Looks that the figures have in common; without it, each shows its own key.
        said: Before them, how to read them.
        method: Folded away, how they were made.
    """
    blocks = [
        tag(
            "figure",
            tag("figcaption", figure.heading),
            svg_inline(figure.drawing),
            svg_inline(figure.key) if key is None and figure.key is not None else None,
            tag("details", tag("summary", "Table"), tag("div", figure.data, class_="tall")),
            id=f"figure-{figure.name}",
            data_axis=figure.group or None,
        )
        for figure in figures
    ]
    return join(
        [
            tag("p", said) if said else None,
            None if key is None else _key(key),
            tag("div", blocks, class_="panels"),
            made_by(method) if method else None,
        ]
    )


def _key(looks: Mapping[str, Look]) -> Markup:
    items = [
        tag("li", svg_inline(swatch(name, own)), tag("span", name)) for name, own in looks.items()
    ]
    return tag("ul", items, class_="key")


def made_by(*said: Content) -> Markup:
    """A folded paragraph on where numbers come from."""
    return tag("details", tag("summary", "How this was made"), tag("p", said, class_="note"))


def _card(
    name: str, board: MethodTable, place: int, numbers: ReportNumbers, looks: Mapping[str, Look]
) -> Markup:
    standing = board.standings[place]
    sign = Drawing(18, 18, f"The mark of {name} in all figures")
    sign.marker(9, 9, looks[name].marker, looks[name].colour, r=6)
    cells = list(standing.cells.values())
    value, interval = cells[0].mean, cells[0].interval
    if standing.overall is not None:
        value, interval = standing.overall.value, standing.overall.interval
    only = standing.overall is None and len(cells) > 1
    where = board.cells[0].label if only or len(cells) == 1 else f"mean over {board.label}"
    between = "no interval" if interval is None else span(interval)
    rank = "" if standing.rank is None else f", rank {standing.rank}"
    return tag(
        "li",
        tag("div", svg_inline(sign), tag("span", name), class_="who"),
        tag("div", f"{percent(value)} %", class_="big"),
        tag("div", f"{between} {numbers.outcome}{rank}; {where}", class_="what"),
    )


def _conclusions(numbers: ReportNumbers, inputs: Inputs) -> list[Markup]:
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for c in numbers.comparisons:
        pairs.setdefault((c.first.name, c.second.name), []).append(c)
    items = [tag("li", _pair(found, numbers)) for found in list(pairs.values())[:_PAIRS]]
    if len(pairs) > _PAIRS:
        more = tag("a", "Compare", href="#compare")
        items.append(tag("li", f"{_count(len(pairs) - _PAIRS, 'more pair')} under ", more, "."))
    for name, results in numbers.robustness.items():
        for result in results:
            worst = result.worst
            if worst is not None and worst.retained_worst is not None:
                share = worst.retained_worst
                said = (
                    f"Of its {result.outcome} on {panel_of(result)}, {name} retains"
                    f" {spelled(share.value, share.interval)} % under {worst.perturbation}, the"
                    f" worst of {_count(len(result.effects), 'perturbation')}."
                )
                items.append(tag("li", said))
    for method in inputs.methods:
        played = [episode for episodes in method.played.values() for episode in episodes]
        if failed := failures(method.name, played):
            items.append(tag("li", failed))
    return items


def _pair(found: Sequence[Comparison], numbers: ReportNumbers) -> str:
    """One pair of methods in one sentence, over all cells that both played."""
    if len(found) == 1:
        return sentence(found[0], level=numbers.level, outcome=numbers.outcome)
    first, second = found[0].first.name, found[0].second.name
    shown = [c for c in found if c.adjusted is not None and c.adjusted <= 1 - numbers.level]
    ahead = [c for c in shown if c.difference > 0]
    behind = [c for c in shown if c.difference < 0]
    open_ = [c for c in found if c not in shown]
    parts = [
        f"{one} beats {other} on {_won(cells, len(found))}"
        for one, other, cells in ((first, second, ahead), (second, first, behind))
        if cells
    ]
    if open_:
        between = "" if parts else f" between {first} and {second}"
        where = ", ".join(c.cell.label for c in open_) if parts else _any(len(found))
        parts.append(f"no difference is shown{between} on {where}")
    said = "; ".join(parts)
    family = f" (Holm over {found[0].family})" if found[0].family > 1 else ""
    return f"{said if shown else said[0].upper() + said[1:]}{family}."


def _won(cells: Sequence[Comparison], played: int) -> str:
    """Where, and by how much at least and at most."""
    where = _all(played) if len(cells) == played else ", ".join(c.cell.label for c in cells)
    ordered = sorted(cells, key=lambda c: abs(c.difference))
    ends = dict.fromkeys(_lead(c) for c in (ordered[0], ordered[-1]))
    return f"{where} by {' to '.join(ends)} points"


def _lead(c: Comparison) -> str:
    """The difference in favour of who is ahead."""
    if c.difference >= 0 or c.interval is None:
        return spelled(abs(c.difference), c.interval)
    return spelled(-c.difference, Interval(-c.interval.high, -c.interval.low))


def _all(cells: int) -> str:
    return "both cells" if cells == 2 else f"all {cells} cells"


def _any(cells: int) -> str:
    return "either cell" if cells == 2 else f"any of the {cells} cells"


def _stacked(value: float, interval: Interval | None) -> Markup:
    """A number over its interval, for tables of many columns."""
    number, _, between = spelled(value, interval).partition(" ")
    return join([number, " ", tag("small", between)])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
