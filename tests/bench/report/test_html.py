"""Foreign text stays text: it is never read as HTML, wherever it stands."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from qevolve_bench.report.html import embedded_json, environment, macro, table

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\'"&amp;'


def fill(template, **values):
    return environment().from_string(template).render(values)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.data = [], [], ""

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data):
        self.data += data


def read(markup):
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"])) | st.just(HOSTILE))
def test_text_comes_back_as_text(foreign):
    reader = read(fill('<p title="{{ x }}">{{ x }}</p>', x=foreign))
    assert reader.tags == ["p"]
    assert reader.data == foreign
    assert reader.attributes == [("title", foreign)]


@given(st.recursive(st.text() | st.just(HOSTILE), st.lists))
def test_embedded_data_cannot_end_its_element(value):
    markup = embedded_json(value, "data")
    inner = markup.removeprefix('<script type="application/json" id="data">')
    inner = inner.removesuffix("</script>")
    assert not set(inner) & set("<>&")
    assert json.loads(inner) == value


def test_control_characters_are_shown_as_unreadable():
    foreign = "a\x00b\x1bc\ud800\n\t\u00a0d"
    for value in (foreign, Markup(foreign)):
        assert fill("{{ x }}", x=value) == "a\ufffdb\ufffdc\ufffd\n\t\u00a0d"


def test_markup_is_kept_and_what_is_missing_is_refused():
    assert fill("{{ x }}{{ y }}{{ z }}", x=Markup("<b>x</b>"), y=None, z="<") == "<b>x</b>&lt;"
    with pytest.raises(UndefinedError):
        fill("{{ x }}")


def test_foreign_text_in_a_figure_stays_text():
    shapes = [("text", {"x": "1", "data-ep": None}, HOSTILE, HOSTILE)]
    reader = read(macro("svg", {"width": "3"}, HOSTILE, shapes))
    assert reader.tags == ["svg", "title", "text", "title"]
    assert dict(reader.attributes)["aria-label"] == HOSTILE
    assert reader.data == 3 * HOSTILE


def test_a_table_names_its_rows_and_columns():
    made = table("All", ("who", "%"), [("<a>", 1)])
    assert '<th scope="row">&lt;a&gt;</th><td class="num">1</td>' in made
    assert '<th scope="col">who</th><th scope="col" class="num">%</th>' in made
    assert 'tabindex="0" role="region" aria-label="All"' in made
