import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from qevolve_bench.report import tipping
from qevolve_bench.report.drawing import Path as Line
from qevolve_bench.report.episodes import pack
from qevolve_bench.report.inputs import read_inputs
from qevolve_bench.report.numbers import compute
from qevolve_bench.report.page import build
from qevolve_bench.tipping.analyse import analyse, gather

_spec = importlib.util.spec_from_file_location(
    "planted_for_report", Path(__file__).parents[1] / "tipping" / "planted.py"
)
planted = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(planted)

PHASES = planted.phases_of("A3 B6 C4 D3")
TIPS = [0.1] * 3 + [0.15, 0.2, 0.8, 0.85, 0.85, 0.85] + [0.5, 0.3, 0.2, 0.15] + [0.1] * 3


def trace(true, seed=0, phases=PHASES):
    return planted.episodes(planted.alike(true, 12, seed=seed), phases, seed=seed)


@pytest.fixture(scope="module")
def result():
    arms = {"main": trace(TIPS), "g0": trace([0.1] * 16, seed=1)}
    return analyse(arms, subject="mock", resamples=200)


@pytest.fixture(scope="module")
def study(result):
    diffusing, apart = (
        planted.households({1: 0, 2: 0}, 0.5, agents=3, rounds=6, episodes=20, exposed=e)
        for e in (True, False)
    )
    spread = analyse({"main": diffusing, "no_graph": apart}, subject="<b>", resamples=200)
    return gather([result, spread])


def page(document, folder):
    (folder / "tipping.json").write_text(json.dumps(document))
    inputs = read_inputs([str(folder)])
    return build(compute(inputs), inputs, pack(inputs.methods))


def test_every_arm_has_its_figure(result):
    first, second = tipping.figures(result)
    assert first.name == "tipping-mock-on-planted-v0"
    assert second.name == "tipping-mock-on-planted-v0-main-and-g0"
    assert "violation by round, 95% intervals" in first.caption
    texts = [s.text for s in first.drawing.shapes if not isinstance(s, Line)]
    assert {"A", "B", "C", "D", "round"} <= set(texts)


def test_the_line_is_where_the_rates_are(result):
    first, _ = tipping.figures(result)
    line = next(s for s in first.drawing.shapes if isinstance(s, Line) and s.title == "violation")
    ys = [y for _, y in line.points]
    rates = [r["rate"]["value"] for r in result["arms"]["main"]["rounds"]]
    assert len(ys) == 16
    # Pixels fall as rates rise, in proportion.
    slope, _ = np.polyfit(rates, ys, 1)
    assert slope < 0
    assert np.corrcoef(rates, ys)[0, 1] == pytest.approx(-1)
    bands = [s for s in first.drawing.shapes if isinstance(s, Line) and s.fill == "c0" and s.closed]
    band = next(s for s in bands if len(s.points) == 32)
    for (_, y), (_, upper), (_, lower) in zip(
        line.points, band.points[:16], reversed(band.points[16:]), strict=True
    ):
        assert upper <= y <= lower


def test_the_temptation_is_shaded(result):
    first, _ = tipping.figures(result)
    line = next(s for s in first.drawing.shapes if isinstance(s, Line) and s.title == "violation")
    shade = next(s for s in first.drawing.shapes if isinstance(s, Line) and s.fill == "bad")
    left, right = min(x for x, _ in shade.points), max(x for x, _ in shade.points)
    inside = [i for i, (x, _) in enumerate(line.points) if left < x < right]
    assert inside == [i for i, phase in enumerate(PHASES) if phase == "B"]


def test_the_section_tells_all(result, tmp_path):
    made = page(result, tmp_path)
    assert "mock on planted_v0" in made.page
    for words in (
        "Tipping: V reaches 50 % for two rounds",
        "main – g0",
        "task success against honesty",
        "after a violation that paid",
        "episodes that have not tipped yet",
        "B the temptation (shaded)",
        "Over-compliance at g = 0",
    ):
        assert words in made.page, words
    assert "diffusion" not in made.page.lower().split("<script")[0]
    assert [f.name for f in made.figures] == [
        "tipping-mock-on-planted-v0", "tipping-mock-on-planted-v0-main-and-g0",
    ]  # fmt: skip


def test_a_study_begins_with_its_front(study, tmp_path):
    made = page(study, tmp_path)
    assert made.page.index("on the front") < made.page.index("Bands are pointwise")
    assert "main – no_graph" in made.page
    assert "new violators" in made.page
    assert "&lt;b&gt; on planted_v0" in made.page
    assert "<b>" not in made.page
    assert len(made.figures) == 4


def test_the_same_file_gives_the_same_page(result, tmp_path):
    assert page(result, tmp_path).page == page(json.loads(json.dumps(result)), tmp_path).page


def test_two_files_have_figures_of_their_own(result, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tipping.json").write_text(json.dumps(result))
    inputs = read_inputs([str(tmp_path / "a"), str(tmp_path / "b")])
    made = build(compute(inputs), inputs, pack(inputs.methods))
    names = [f.name for f in made.figures]
    assert len(names) == len(set(names)) == 4
    for name in names:
        assert made.page.count(f'id="figure-{name}"') == 1


def test_rounds_without_rates_leave_a_gap():
    main = [r for r in trace(TIPS) if r.round not in (4, 5)]
    found = analyse({"main": main}, subject="mock", resamples=100)
    (figure,) = tipping.figures(found)
    lines = [s for s in figure.drawing.shapes if isinstance(s, Line) and s.title == "violation"]
    assert len(lines[0].points) == 14
