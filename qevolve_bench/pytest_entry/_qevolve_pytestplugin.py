"""The pytest plugin of qevolve-bench: its options, and the fixture `qevolve_score`.

A module of its own beside the packages, because pytest imports every installed plugin whenever it
starts, and importing `qevolve_bench` brings gymnasium and numpy. What the fixture does is in
`qevolve_bench.pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from qevolve_bench.pytest_plugin import QevolveScore

#: Under this name a test's report carries what became of its scores, also from an xdist worker.
PROPERTY = "qevolve_score"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options, and their defaults for a project's configuration."""
    group = parser.getgroup("qevolve", "scores of agents (qevolve-bench)")
    group.addoption(
        "--qevolve-update",
        action="store_true",
        help="qevolve_score: store the scores as new baselines instead of comparing them",
    )
    group.addoption(
        "--qevolve-alpha",
        type=float,
        metavar="P",
        help="qevolve_score: level of the test; 1 fails on any loss (default 0.01)",
    )
    parser.addini("qevolve_alpha", "level of the test of qevolve_score", default="0.01")
    parser.addini("qevolve_min_effect", "least loss that fails, from 0 to 1", default="0")


@pytest.fixture
def qevolve_score(request: pytest.FixtureRequest) -> QevolveScore:
    """Evaluates an agent and compares its scores with a stored baseline, task by task.

    ``qevolve_score("mine:make_agent", env="qevolve/Household-v0", split="unseen", episodes=40)`` or
    ``qevolve_score(agent, suite="quick")``; see `qevolve_bench.pytest_plugin.QevolveScore`.
    """
    from qevolve_bench.pytest_plugin import QevolveScore

    return QevolveScore(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which baselines were written, what failed by an error, and, with -v, all scores."""
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and getattr(report, "when", None) == "call"
    ]
    always = [line for line in lines if line.startswith(("stored", "errors"))]
    shown = lines if terminalreporter.verbosity > 0 else always
    if shown:
        terminalreporter.section("qevolve_score")
        for line in sorted(shown):
            terminalreporter.line(line)
