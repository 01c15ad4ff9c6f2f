"""The episode browser's frame; the page's script fills it."""

from __future__ import annotations

from qevolve_bench.report.episodes import Packed
from qevolve_bench.report.html import Markup, join, tag


def browser(packed: Packed) -> Markup:
    """A list of episodes with filters, and one episode, step by step."""
    if not packed.index["rows"]:
        return tag("p", "No input holds episodes: there is nothing to step through.")
    left_out = (
        tag("p", f"{packed.left_out:,} episodes are left out by --episodes.", class_="note")
        if packed.left_out
        else None
    )
    keys = tag(
        "p",
        "Keys: ", tag("kbd", "←"), " ", tag("kbd", "→"), " step, ", tag("kbd", "Home"), " ",
        tag("kbd", "End"), " first and last, ", tag("kbd", "n"), " ", tag("kbd", "p"),
        " next and previous episode. The address ends in the episode and the step (",
        tag("code", "#e17.3"), "), so that it can be quoted.",
        class_="note",
    )  # fmt: skip
    fields = tag(
        "div",
        tag("label", "method", tag("select", id="by-method")),
        tag("label", "cell", tag("select", id="by-cell")),
        tag("label", "outcome", tag("select", id="by-state")),
        tag("label", "task", tag("input", id="by-text", type="search", placeholder="part of its id",
                                 autocomplete="off", spellcheck="false")),
        class_="fields",
    )  # fmt: skip
    listing = tag(
        "div",
        tag("p", id="count", class_="note", role="status"),
        tag("ol", id="list", tabindex="0", aria_label="Episodes"),
        tag("p", tag("button", "Show 100 more", id="more", type="button", hidden=True)),
    )
    return join([
        tag("noscript", tag("p", "Stepping through episodes needs JavaScript; nothing else does.")),
        left_out,
        tag("div", keys, fields, tag("div", listing, _viewer(), class_="browser"), id="browser",
            hidden=True),
    ])  # fmt: skip


def _viewer() -> Markup:
    controls = tag(
        "div",
        tag("button", "← Step", id="back", type="button", aria_label="Previous step"),
        tag("output", id="where", aria_live="polite"),
        tag("button", "Step →", id="forth", type="button", aria_label="Next step"),
        class_="controls",
    )
    episodes = tag(
        "div",
        tag("button", "Previous episode", id="earlier", type="button"),
        tag("button", "Next episode", id="later", type="button"),
        class_="controls",
    )
    facts = [
        tag("div", tag("dt", name), tag("dd", id=id_))
        for name, id_ in (
            ("reward", "reward"), ("feedback", "feedback"), ("score", "score"),
            ("tokens", "tokens"),
        )
    ]  # fmt: skip
    turn = tag(
        "div",
        tag("h4", "It saw"),
        tag("pre", id="saw", tabindex="0"),
        tag(
            "div",
            tag("h4", "It did"),
            tag("pre", id="did", class_="action"),
            tag("h4", "The world answered"),
            tag("pre", id="answer", tabindex="0"),
            tag("dl", facts),
            id="turn",
        ),
        class_="turn",
    )
    return tag(
        "div",
        tag("p", id="state", role="status", class_="note", hidden=True),
        tag(
            "article",
            tag("h3", id="task"),
            tag("p", id="goal"),
            tag("ul", id="badges", class_="badges"),
            tag("p", id="error", class_="failed", hidden=True),
            tag("div", id="course"),
            tag("label", "Step", for_="slider", class_="hidden"),
            tag("input", id="slider", type="range", min="0", max="0", value="0"),
            controls,
            turn,
            episodes,
            id="viewer",
            tabindex="-1",
            aria_label="The episode",
            hidden=True,
        ),
    )
