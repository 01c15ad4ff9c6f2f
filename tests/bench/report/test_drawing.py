import xml.etree.ElementTree as ET

import pytest

from qevolve_bench.report.charts import (
    WIDTH,
    ForestRow,
    TaskTile,
    forest,
    heatmap,
    ordered,
    retained,
    short,
    ticks,
)
from qevolve_bench.report.drawing import (
    LIGHT,
    MARKERS,
    Drawing,
    legend,
    line_style,
    shortened,
    svg_file,
    svg_inline,
)
from qevolve_bench.statistics import Interval

SVG = "{http://www.w3.org/2000/svg}"


def points(path):
    return [tuple(map(float, p.split())) for p in path.get("d")[1:].rstrip("Z").split("L")]


def drawing():
    made = Drawing(100, 50, 'A <figure> & "more"')
    made.line((0, 0), (10.126, -0.001), stroke="c0", dash=(6, 3), title="<x>")
    made.area([(0, 0), (1, 1), (2, 0)], "c1", 0.5)
    made.text(1, 2, "a < b", anchor="end")
    made.tile((1, 1), (2, 2), 0.25, link=7)
    for i, shape in enumerate(MARKERS):
        made.marker(10 * i, 5, shape, "c2")
    return made


def test_a_file_is_well_formed_and_its_text_stays_text():
    root = ET.fromstring(svg_file(drawing()))
    assert root.find(f"{SVG}title").text == 'A <figure> & "more"'
    assert [t.text for t in root.iter(f"{SVG}text")] == ["a < b"]
    line = root.find(f"{SVG}path")
    assert (line.get("stroke"), line.get("stroke-dasharray")) == (LIGHT["c0"], "6 3")
    assert line.get("d") == "M0 0L10.13 0"
    assert line.find(f"{SVG}title").text == "<x>"
    assert "var(" not in svg_file(drawing())
    assert "data-ep" not in svg_file(drawing())


def test_a_page_gives_the_colours():
    made = svg_inline(drawing())
    assert 'stroke="var(--c0)"' in made
    assert 'data-ep="7"' in made
    assert not any(colour in made for colour in LIGHT.values())
    ET.fromstring(made)


def test_methods_can_be_told_apart_without_colour():
    styles = [line_style(i) for i in range(49)]
    assert len({(one.marker, one.dash, one.colour) for one in styles}) == 49
    # Seven that stand side by side differ in marker and dashes, too.
    assert len({one.marker for one in styles[:7]}) == len({one.dash for one in styles[:7]}) == 7
    assert all(one.colour in LIGHT for one in styles)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (950, "950"), (1500, "1.5K"), (12_000, "12K"), (3.2e6, "3.2M")]
)
def test_short_numbers(number, said):
    assert short(number) == said


def test_ticks_are_round():
    assert ticks(0, 40_000) == [0, 10_000, 20_000, 30_000, 40_000]
    assert ticks(0, 1) == [0, 0.25, 0.5, 0.75, 1.0]
    assert ticks(3, 3) == [3]


def test_names_are_shortened_at_their_end():
    assert shortened("expert", 6) == "expert"
    assert shortened("experts", 6) == "exper…"


def test_a_key_has_a_place_for_every_name():
    names = [f"method number {i}" for i in range(9)]
    made = legend(names, width=WIDTH, styles=[line_style(i) for i in range(9)])
    root = ET.fromstring(svg_file(made))
    assert [t.text for t in root.iter(f"{SVG}text")] == names
    assert all(0 <= x <= WIDTH and 0 <= y <= made.height
               for p in root.iter(f"{SVG}path") for x, y in points(p))  # fmt: skip


def test_a_forest_plot_puts_estimates_where_they_are():
    lines = [
        ForestRow("half", 0.5, Interval(0.25, 0.75), line_style(0)),
        ForestRow("one <run>", 1.0, None, line_style(1)),
    ]
    made = forest("Success", lines)
    root = ET.fromstring(svg_file(made))
    said = [t.text for t in root.iter(f"{SVG}text")]
    assert {"half", "50.0 [25.0, 75.0]", "one <run>", "100.0, no interval"} <= set(said)
    grid = sorted({points(p)[0][0] for p in root.iter(f"{SVG}path")
                   if p.get("stroke") == LIGHT["grid"]})  # fmt: skip
    between = next(
        points(p) for p in root.iter(f"{SVG}path")
        if p.get("stroke") == LIGHT["c0"] and points(p)[0][1] == points(p)[1][1]
    )  # fmt: skip
    assert between[0][0] == pytest.approx(grid[1], abs=0.02)
    assert between[1][0] == pytest.approx(grid[3], abs=0.02)


def test_what_is_retained_may_exceed_the_whole_and_ends_in_an_arrow():
    made = retained("Retained", [ForestRow("typos:1", 1.1, Interval(0.9, 2.0), line_style(0))])
    root = ET.fromstring(svg_file(made))
    assert all(0 <= x <= WIDTH for p in root.iter(f"{SVG}path") for x, _ in points(p))
    assert "110.0 [90.0, 200.0]" in [t.text for t in root.iter(f"{SVG}text")]


def test_a_heat_map_has_a_tile_for_every_task_the_easiest_first():
    tiles = {
        "a": {
            "t1": TaskTile(0.0, failed=True),
            "t2": TaskTile(1.0, episode=4),
            "t3": TaskTile(0.5),
        },
        "b": {"t1": TaskTile(0.0), "t2": TaskTile(0.5)},
    }
    assert ordered(tiles) == ["t2", "t3", "t1"]
    root = ET.fromstring(svg_inline(heatmap("Tasks", tiles, ordered(tiles))))
    titles = [t.text for t in root.iter("title")][1:]
    assert "a, t1: 0 %, failed" in titles
    assert "b, t2: 50 %" in titles
    assert not any(t.startswith("b, t3") for t in titles)
    linked = [p for p in root.iter("path") if p.get("data-ep") is not None]
    assert [p.get("data-ep") for p in linked] == ["4"]


@pytest.mark.parametrize("tasks", [1, 25, 26, 301, 1819])
def test_a_heat_map_of_any_panel_stays_inside(tasks):
    names = [f"task/{i:04d}" for i in range(tasks)]
    made = heatmap("Tasks", {"a": {name: TaskTile(1.0) for name in names}}, names)
    root = ET.fromstring(svg_file(made))
    corners = [c for p in root.iter(f"{SVG}path") for c in points(p)]
    assert all(0 <= x <= WIDTH and 0 <= y <= made.height for x, y in corners)
    assert len(list(root.iter(f"{SVG}path"))) >= tasks


def test_zero_has_no_minus():
    line = ForestRow("a", -1e-17, Interval(-1e-17, 0.25), None)
    assert line.text == "0.0 [0.0, 25.0]"
