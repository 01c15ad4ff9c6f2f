"""The whole page: sections, episodes, style and script in one file that loads nothing.

Text of episodes, agents and files is foreign. It is escaped wherever it stands (`report.html`), the
script puts it in as text only, and a Content-Security-Policy allows this page's own style and
script, by their digests, and nothing else: no network, no images, no frames, no forms.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from qevolve_bench import __version__
from qevolve_bench.report import figures as fig
from qevolve_bench.report import sections as sec
from qevolve_bench.report import tipping as tip
from qevolve_bench.report.browser import browser
from qevolve_bench.report.drawing import Look
from qevolve_bench.report.episodes import Packed
from qevolve_bench.report.figures import Figure
from qevolve_bench.report.html import Markup, embedded_json, join, tag
from qevolve_bench.report.inputs import Inputs
from qevolve_bench.report.numbers import RESAMPLES, ReportNumbers
from qevolve_bench.report.sections import Section


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its page, and its figures for files."""

    page: str
    figures: list[Figure]


def build(
    numbers: ReportNumbers,
    inputs: Inputs,
    packed: Packed,
    *,
    title: str = "qevolve-bench report",
    options: Sequence[str] = (),
) -> Report:
    """Builds a report; the same inputs give the same bytes.

    Args:
        numbers: Of `report.numbers.compute`.
        inputs: What they were computed from.
        packed: The episodes to browse.
        title: Of the page.
        options: Of the command line, to say how the page is made again.
    """
    looks = fig.looks_of(inputs)
    retained = [
        figure
        for name, results in numbers.robustness.items()
        for result in results
        for figure in fig.robustness_figures(name, result)
    ]
    groups = fig.distinct(
        fig.forests(numbers, inputs, looks),
        fig.aggregates(numbers, looks),
        fig.profiles(numbers, looks),
        fig.curves(numbers, looks),
        retained,
        fig.heatmaps(inputs, packed),
        *map(tip.figures, inputs.tipping.values()),
    )
    forests, aggregates, profiles, curves, retained, tasks, *tipping = groups
    level = f"{numbers.level:.0%}"
    parts = [
        sec.summary(numbers, inputs, looks),
        sec.leaderboard(numbers, inputs),
        Section(
            "intervals",
            "Intervals",
            "Intervals",
            join([
                sec.panels(
                    forests,
                    said="Where two intervals overlap, nothing follows yet: what two methods"
                    " differ by is under Compare, on the same tasks.",
                    method=f"{level} intervals: Wilson's over tasks for a single run, t over seeds"
                    " and tasks for several (statistics.crossed_mean); means over cells add their"
                    " cells' errors in squares.",
                ),
                tag("h3", "The score over all tasks of all cells") if aggregates else None,
                sec.panels(
                    aggregates,
                    said="Where every resample gives the same number, no interval is shown: it"
                    " would have no width, and say nothing of other tasks.",
                    method=f"statistics.bootstrap, {RESAMPLES:,} resamples of tasks (of seeds and"
                    " tasks for learners), seed stream(0, 'report', 'aggregates', METHOD). IQM:"
                    " mean of the middle half; optimality gap: what is missing to 1.",
                ) if aggregates else None,
            ]),
        ),
        sec.comparisons(numbers, inputs),
        Section(
            "profiles",
            "Profiles",
            "Performance profiles",
            join([
                sec.panels(
                    profiles,
                    looks,
                    "How large a share of the tasks ends with a score above each threshold: the"
                    " higher line is better, whichever number one prefers.",
                    f"statistics.performance_profile of scores, {RESAMPLES:,} resamples of tasks"
                    " (of seeds and tasks for learners), seed stream(0, 'report', 'profile',"
                    f" METHOD, CELL); bands are pointwise, {level}.",
                ) if profiles else tag("p", "There is nothing to draw a profile of."),
                [tag("p", note, class_="note") for note in numbers.profile_notes],
            ]),
        ),
        Section("curves", "Learning", "Learning curves", _curves(numbers, curves, looks, level)),
        Section("robustness", "Robustness", "Robustness", _robustness(numbers, retained, level)),
        Section(
            "tasks",
            "Tasks",
            "Task by task",
            sec.panels(
                tasks,
                None,
                "The final score on every task, the easiest first. A tile opens the task's first"
                " episode; by keyboard, find it in the episode browser.",
                "Means over rounds and seeds of each task, as they were played: nothing is"
                " estimated. Tasks are sorted by their mean over methods.",
            ) if tasks else tag("p", "There are no tasks to show."),
        ),
    ]  # fmt: skip
    for i, (source, results) in enumerate(inputs.tipping.items()):
        id_ = "tipping" if i == 0 else f"tipping-{i + 1}"
        content = tip.section(results, tipping[i])
        parts.append(Section(id_, "Tipping", f"Tipping: {source}", content))
    parts.append(Section("episodes", "Episodes", "Episodes", browser(packed)))
    parts.append(sec.sources(numbers, inputs, options))
    page = _document(title, parts, packed)
    return Report(page, [figure for group in groups for figure in group])


def _curves(
    numbers: ReportNumbers, figures: list[Figure], looks: Mapping[str, Look], level: str
) -> Markup:
    if not figures:
        return tag("p", "No input has a learning curve (curve.jsonl of a training run).")
    axes = list(dict.fromkeys(figure.group for figure in figures))
    drawn = {name for curves in numbers.curves for name in curves.lines}
    choices = [tag("option", axis.replace("_", " "), value=axis) for axis in axes]
    notes = {
        axis: list(dict.fromkeys(n for c in numbers.curves if c.axis == axis for n in c.notes))
        for axis in axes
    }
    return join([
        tag(
            "div",
            tag("label", "along", tag("select", choices, id="axis")),
            class_="fields",
            hidden=True,
        ),
        [
            tag("div", [tag("p", n, class_="note") for n in said], data_axis=axis)
            for axis, said in notes.items()
            if said
        ],
        sec.panels(
            figures,
            {name: looks[name] for name in looks if name in drawn},
            f"Mean over seeds and tasks with its {level} band; thin lines are single seeds. A run"
            " is worth what its last checkpoint within the budget achieved.",
            f"efficiency.learning_curve, a t interval over seeds and tasks at each budget ({level},"
            " pointwise). It begins where every seed has a checkpoint, and ends with the first"
            " seed that ends.",
        ),
    ])  # fmt: skip


def _robustness(numbers: ReportNumbers, figures: list[Figure], level: str) -> Markup:
    said = [tag("p", note, class_="note") for note in numbers.robustness_notes]
    if not numbers.robustness:
        missing = (
            "No input was played in perturbed worlds. qevolve-bench robustness … --out RUN plays a"
            " panel clean and perturbed."
        )
        return join([None if said else tag("p", missing), said])
    nothing = [
        [
            tag("p", f"{name} achieves nothing on the clean tasks of {fig.panel_of(r)}, so there is"
                " nothing to retain."),
            tag("details", tag("summary", "Table"),
                fig.effects_table(f"{name} on {fig.panel_of(r)}", r)),
        ]
        for name, results in numbers.robustness.items()
        for r in results
        if r.worst is None
    ]  # fmt: skip
    return join([
        sec.panels(
            figures,
            None,
            "The same tasks and seeds, clean and perturbed. What is retained is perturbed / clean:"
            " 100 % is as good as in the clean world.",
            f"robustness.robustness: {level} bootstrap intervals over tasks, each for itself,"
            " 10,000 resamples, seed 0; p by sign flips over tasks, Holm's correction over the"
            " perturbations of a panel.",
        ) if figures else None,
        nothing,
        said,
    ])  # fmt: skip


def _document(title: str, parts: Sequence[Section], packed: Packed) -> str:
    assets = resources.files("qevolve_bench.report") / "assets"
    style = (assets / "style.css").read_text(encoding="utf-8")
    script = (assets / "report.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"qevolve-bench {__version__}"),
        tag("title", title),
        Markup(f"<style>{style}</style>"),
    )
    links = [tag("li", tag("a", part.name, href=f"#{part.id}")) for part in parts]
    body = tag(
        "body",
        tag("a", "Skip to the summary", href="#summary", class_="skip"),
        tag(
            "header",
            tag("div", tag("h1", title), tag("p", f"Made by qevolve-bench {__version__}")),
            tag("button", "◐ Auto", id="theme", type="button", hidden=True,
                aria_label="Colours: automatic, light or dark"),
            class_="top",
        ),
        tag("nav", tag("ul", links), aria_label="Sections"),
        tag(
            "main",
            [
                tag("section", tag("h2", part.title), part.content, id=part.id,
                    tabindex="-1", aria_label=part.title)
                for part in parts
            ],
        ),
        _data(packed),
        Markup(f"<script>{script}</script>"),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _data(packed: Packed) -> Markup | None:
    if not packed.index["rows"]:
        return None
    return join([
        embedded_json(packed.index, "episode-index"),
        [
            Markup(f'<script type="text/plain" id="episodes-{i}">{chunk}</script>')
            for i, chunk in enumerate(packed.chunks)
        ],
    ])  # fmt: skip


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
