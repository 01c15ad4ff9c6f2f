"""`qevolve-bench probe`: the card of learners, and mistakes."""

import pytest

from qevolve_bench.cli import main

pytestmark = pytest.mark.xdist_group("probes")


def test_the_card_holds_the_exact_figures_and_an_interval(capsys):
    assert main(["probe", "rft", "--kind", "trap", "--level", "2", "--env-steps", "600"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("trap 2"))
    start, cloned, best, reached = row.split()[2:6]
    assert (start, cloned, best) == ("0.562", "1.000", "1.000")
    assert float(reached) > 0.8
    assert "[" in row


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["rtf"], "did you mean 'rft'"),
        (["rft", "--kind", "trep"], "did you mean 'trap'"),
        (["rft", "--kind", "trap", "--level", "9"], "from 1 to 8"),
        (["rft", "--env-steps", "0"], "--env-steps"),
    ],
)
def test_mistakes_are_sentences(capsys, options, words):
    try:
        code = main(["probe", *options])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert words in capsys.readouterr().err
