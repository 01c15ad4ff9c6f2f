"""The whole page: sections, episodes, style and script in one file that loads nothing.

Text of episodes, agents and files is foreign. It is escaped wherever it stands (`report.html`), the
script puts it in as text only, and a Content-Security-Policy allows this page's own style and
script, by their digests, and nothing else: no network, no images, no frames, no forms.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from qevolve_bench import __version__
from qevolve_bench.report import figures as fig
from qevolve_bench.report import sections as sec
from qevolve_bench.report import tipping as tip
from qevolve_bench.report.drawing import svg_inline, swatch
from qevolve_bench.report.episodes import PackedEpisodes
from qevolve_bench.report.figures import Figure
from qevolve_bench.report.html import embedded_json, environment
from qevolve_bench.report.inputs import ReportInputs
from qevolve_bench.report.numbers import RESAMPLES, ReportNumbers
from qevolve_bench.report.reproduce import command, evaluation, training

#: Sections by their id, as the navigation names them; those on tipping stand before the last two.
_SECTIONS = (
    ("summary", "Summary"), ("leaderboard", "Leaderboard"), ("intervals", "Intervals"),
    ("compare", "Compare"), ("profiles", "Profiles"), ("curves", "Learning"),
    ("robustness", "Robustness"), ("tasks", "Tasks"),
)  # fmt: skip
_LAST = (("episodes", "Episodes"), ("reproduce", "Reproduce"))


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its page, and its figures for files."""

    page: str
    figures: list[Figure]


def build(
    numbers: ReportNumbers,
    inputs: ReportInputs,
    packed: PackedEpisodes,
    *,
    title: str = "qevolve-bench report",
    options: Sequence[str] = (),
) -> Report:
    """Builds a report; the same inputs give the same bytes.

    Args:
        numbers: Result of `report.numbers.compute`.
        inputs: The inputs that they were computed from.
        packed: The episodes to browse.
        title: Title of the page.
        options: Options of the command line, which the page repeats.
    """
    styles = fig.styles_of(inputs)
    groups = fig.distinct(
        fig.forests(numbers, inputs, styles),
        fig.aggregates(numbers, styles),
        fig.profiles(numbers, styles),
        fig.curves(numbers, styles),
        fig.retained_figures(numbers),
        fig.heatmaps(inputs, packed),
        *map(tip.figures, inputs.tipping.values()),
    )
    forests, aggregates, profiles, curves, retained, tasks, *of_tipping = groups
    tipping = [
        (f"tipping-{i}" if i > 1 else "tipping", source, *tip.section(results, of_tipping[i - 1]))
        for i, (source, results) in enumerate(inputs.tipping.items(), 1)
    ]
    drawn = {name for found in numbers.curves for name in found.lines}
    assets = resources.files("qevolve_bench.report") / "assets"
    style = (assets / "style.css").read_text(encoding="utf-8")
    script = (assets / "report.js").read_text(encoding="utf-8")
    page = environment().get_template("page.html").render(
        # The frame.
        title=title,
        version=__version__,
        links=[*_SECTIONS, *((id_, "Tipping") for id_, *_ in tipping), *_LAST],
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'",
        # What is shown.
        numbers=numbers,
        inputs=inputs,
        packed=packed,
        level=f"{numbers.level:.0%}",
        resamples=f"{RESAMPLES:,}",
        styles=styles,
        forests=forests,
        aggregates=aggregates,
        profiles=profiles,
        curves=curves,
        drawn={name: style for name, style in styles.items() if name in drawn},
        axes={
            axis: list(dict.fromkeys(n for c in numbers.curves if c.axis == axis for n in c.notes))
            for axis in dict.fromkeys(figure.group for figure in curves)
        },
        retained=retained,
        nothing_retained=fig.nothing_retained(numbers),
        tasks=tasks,
        tipping=tipping,
        page_command=command(["report", *inputs.arguments, *options]),
        **sec.summary(numbers, inputs, styles),
        **sec.comparisons(numbers, inputs),
        # Called by the templates.
        ranking_table=lambda ranking: sec.ranking_table(ranking, numbers, inputs),
        evaluation=evaluation,
        training=training,
        svg_inline=svg_inline,
        swatch=swatch,
        embedded_json=embedded_json,
    )  # fmt: skip
    return Report(page.strip() + "\n", [figure for group in groups for figure in group])


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
