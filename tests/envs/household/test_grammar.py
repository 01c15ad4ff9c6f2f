"""Templates, the grammar file around them, and the texts that they write."""

from __future__ import annotations

import json
import re

import cottage
import pytest
from cottage import LISTS, tiny

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.grammar import (
    Alternative,
    Expression,
    ForEach,
    Phrases,
    Symbol,
    read_grammar,
    read_template,
)

# ── templates ───────────────────────────────────────────────────────────────

NAME = Expression("o.name")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ()),
        ("plain text.", ("plain text.",)),
        ("#one#, two", (Symbol("one"), ", two")),
        ("#over(a, b)#", (Symbol("over(a, b)"),)),
        ("a {o.name}.", ("a ", ForEach(NAME, "", False), ".")),
        ("{ o.name }", (ForEach(NAME, "", False),)),
        ("{o}{r}", (ForEach(Expression("o"), "", False), ForEach(Expression("r"), "", False))),
        ("{o.name | p(o:t)}", (ForEach(NAME, "p(o:t)", False),)),
        ("[{o.name|p(o:t) & q(o:t)}]", (ForEach(NAME, "p(o:t) & q(o:t)", True),)),
        ("[{o.name}]", (ForEach(NAME, "", True),)),
        ("{#one# | p(o:t)}", (ForEach(Symbol("one"), "p(o:t)", False),)),
        ("[{#one#}]", (ForEach(Symbol("one"), "", True),)),
        ("{'a' + o.name}", (ForEach(Expression("'a' + o.name"), "", False),)),
        ('"quoted"', ("quoted",)),
        ("a\tb", ("a\tb",)),
        ("\ta", ("a",)),
        (" a", ("a",)),
        ("#one# two", (Symbol("one"), " two")),
        ("// a note\ntext", ("text",)),
        # What cannot be read ends the text, without a word; so does upstream.
        ("before {o.name", ("before ",)),
        ("before ] after", ("before ",)),
        ("before; after", ("before",)),
        ("a # b", ("a ",)),
        ("{}", ()),
    ],
)
def test_a_template(text: str, pieces: tuple[object, ...]) -> None:
    assert read_template(text) == pieces


# ── the file ────────────────────────────────────────────────────────────────


def test_a_grammar_file() -> None:
    grammar = read_grammar(cottage.GRAMMAR)
    assert set(grammar.actions) == {
        "look", "go", "unlock", "open", "take", "draw", "drop", "sweep",
    }  # fmt: skip
    assert grammar.actions["open"].command == ("open ", ForEach(Expression("b"), "", False))
    assert grammar.actions["look"] == Phrases(("look",), (Symbol("here"),))
    assert grammar.rules["dust"] == (
        Alternative("dusty(r:room)", ("It is dusty.",)),
        Alternative("not_dusty(r:room)", ("It shines.",)),
        Alternative("", ("It is bare.",)),
    )
    assert "go.arrive" in grammar.rules, "the rules of an action are rules like others"


def test_later_rules_and_actions_win() -> None:
    rule = 'grammar :: """{{"one": [ {{"rhs": "{}"}} ] }}""";'
    act = 'action Go {{ template :: "{}"; feedback :: ""; }}'
    grammar = read_grammar(
        "\n".join([rule.format(1), act.format(1), rule.format(2), act.format(2)])
    )
    assert grammar.rules == {"one": (Alternative("", ("2",)),)}
    assert grammar.actions == {"go": Phrases(("2",), ())}


ACTION = 'action go { template :: "go"; feedback :: "ok"; }'


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("rubbish", Unsupported, "part 'rubbish' is not supported"),
        ("{", BadFile, "line 1: expected 'grammar' or 'action'"),
        ("\n\n# note\n;", BadFile, "line 4: expected 'grammar' or 'action'"),
        ("grammar : x", BadFile, "expected '::'"),
        ('grammar :: "{}";', BadFile, "expected a block in triple quotes"),
        ('grammar :: """{}', BadFile, "expected a block in triple quotes"),
        ('grammar :: """{}"""', BadFile, "expected ';'"),
        ('grammar :: """{""";', BadFile, "not in the expected JSON form"),
        ('grammar :: """[]""";', BadFile, "not in the expected JSON form"),
        ('grammar :: """{"a": 3}""";', BadFile, "not in the expected JSON form"),
        ('grammar :: """{"a": ["text"]}""";', BadFile, "not in the expected JSON form"),
        ('grammar :: """{"a": [{}]}""";', BadFile, "not in the expected JSON form"),
        ('grammar :: """{"a": [{"rhs": 3}]}""";', BadFile, "expected a text, found 3"),
        ('grammar :: """{"a": [{"rhs": "", "condition": 3}]}""";', BadFile, "found 3"),
        ('grammar :: """{"a": ' + "9" * 5000 + '}""";', BadFile, "not in the expected JSON form"),
        ("action", BadFile, "expected an action name"),
        ("action go ;", BadFile, "expected '{'"),
        (ACTION[:-1], BadFile, "expected 'template', 'feedback' or 'grammar'"),
        ('action go { feedback :: "ok"; }', BadFile, "'go' has no template"),
        ('action go { template :: "go"; }', BadFile, "'go' has no feedback"),
        ('action go { template :: "go" }', BadFile, "expected ';'"),
        ("action go { template :: go; }", BadFile, "expected a quoted text"),
        ('action go { voice :: "go"; }', Unsupported, "part 'voice' of an action"),
    ],
)
def test_grammar_files_that_are_refused(text: str, error: type[BadFile], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        read_grammar(text)
    assert type(caught.value) is error


def test_a_truncated_grammar_is_refused_or_lacks_actions() -> None:
    full = len(read_grammar(cottage.GRAMMAR).actions)
    refused = 0
    for end in range(0, len(cottage.GRAMMAR.rstrip()) - 1, 11):
        try:
            assert len(read_grammar(cottage.GRAMMAR[:end]).actions) < full
        except BadFile:
            refused += 1
    assert refused > 50


# ── texts ───────────────────────────────────────────────────────────────────

ACT = {"say": ":parameters (?x - thing ?z - box) :effect (done ?x)"}
INIT = "(p a) (p b) (t c) (q a) (r a b) (r b a) (r a a) (r k a) (b k)"


def said(feedback: str, command: str = "say a k", rules: str = "") -> str | None:
    phrases = {"say": ("say {x} {z}", feedback)}
    return tiny(ACT, init=INIT, phrases=phrases, rules=rules, types="box thing").step(command)


@pytest.mark.parametrize(
    ("feedback", "text"),
    [
        ("", ""),
        ("Yes, 100 %s.", "Yes, 100 %s."),
        ("{x.name}/{z.name}", "a/k"),
        ("{x}/{z}", "a/k"),
        ("{x.id} {x.definite} {x.indefinite}", "a the a"),
        ("{x.indefinite + ' ' + x.name}", "a a"),
        ("{'' or x.name}", "a"),
        ("{x.name or z.name}", "a"),
        ("{x.name}, {z.name}, {x.name}", "a, k, a"),
        ("{y.name | p(y:thing)}", "b"),
        ("{y.name | r(y:thing, w:thing)}", ""),
        ("{x.name | p(x:thing)}", "a"),
        ("{x.name | t(x:thing)}", ""),
        ("[{y.name | t(y:thing)}]", "c"),
        ("[{y.name + z.name | b(z:box) & q(x:thing) & t(y:thing)}]", "ck"),
        ("[{y.name | not_q(y:thing)}]", "nothing"),
        ("[{x.name}]", "a"),
        ("[{thing.name | p(thing)}]", "b"),
    ],
)
def test_a_text(feedback: str, text: str) -> None:
    assert said(feedback) == text


def test_lists() -> None:
    play = tiny(
        {"say": ":parameters (?z - box) :precondition (b ?z) :effect (done ?z)"},
        init="(b k) (p a) (p b) (p c) (q c) (r c b) (r b a) (r a c) (r a a)",
        phrases={"say": ("say", "[{o.name | p(o:thing)}]. [{o.name | t(o:thing)}].")},
    )
    assert play.step("say") == "a, b, and c. nothing."
    pairs = tiny(
        {"say": ":parameters (?z - box) :precondition (b ?z) :effect (done ?z)"},
        init="(b k) (r c b) (r b a) (r a c) (r a a) (p a) (p c)",
        phrases={"say": ("say", "[{o.name + u.name | r(o:thing, u:thing)}]")},
    )
    assert pairs.step("say") == "ac, ba, and cb", "distinct names are distinct objects"


def test_alternatives_are_tried_in_order() -> None:
    rules = json.dumps(
        {
            "kind": [
                {"condition": "p(x:thing) & q(x:thing)", "rhs": "both"},
                {"condition": "p(x:thing)", "rhs": "p of {x.name}"},
                {"rhs": "#none#"},
                {"condition": "t(x:thing)", "rhs": "never"},
            ],
            "none": [{"condition": None, "rhs": "neither"}],
        }
    )[1:-1]
    for name, text in (("a", "both"), ("b", "p of b"), ("c", "neither")):
        assert said("#kind#", f"say {name} k", rules) == text


def test_a_rule_sees_the_names_of_where_it_is_used() -> None:
    rules = '"pair": [ { "rhs": "{x.name}-{y.name}" } ]'
    assert said("[{#pair# | r(x:thing, y:thing)}]", rules=rules) == "a-b"
    with pytest.raises(BadFile, match=r"'y\.name' uses 'y', which is not in scope"):
        said("#pair#", rules=rules)


@pytest.mark.parametrize(
    ("feedback", "error", "words"),
    [
        ("#nowhere#", BadFile, "the rule 'nowhere' is used but not defined"),
        ("#empty#", BadFile, "the rule 'empty' is used but not defined"),
        ("#loop#", BadFile, "the rule 'loop' uses itself"),
        ("#ping#", BadFile, "the rule 'ping' uses itself"),
        ("#maybe#", Unsupported, "'maybe' has no alternative without a condition"),
        ("{y.name}", BadFile, "uses 'y', which is not in scope"),
        ("{y}", BadFile, "uses 'y', which is not in scope"),
        ("{x.age}", Unsupported, "the attribute 'age'"),
        ("{x.__class__}", Unsupported, "the attribute '__class__'"),
        ("{x.name.upper()}", Unsupported, "is not supported"),
        ("{__import__('os').system('true')}", Unsupported, "is not supported"),
        ("{x.name * 9}", Unsupported, "is not supported"),
        ("{x.name[0]}", None, ""),
        ("{3}", Unsupported, "is not supported"),
        ("{x.name if x else z}", Unsupported, "is not supported"),
        ("{lambda: x}", Unsupported, "is not supported"),
        ("{x.name +}", Unsupported, "is not understood"),
        ("{x y}", Unsupported, "is not understood"),
        ("{" + "-" * 300 + "x}", Unsupported, "is not"),
        ("{" + "(" * 300 + "x" + ")" * 300 + "}", Unsupported, "is too long"),
        ("{" + "'' + " * 300 + "x}", Unsupported, "is too long"),
        ("{y.name | loves(y:thing)}", BadFile, "asks for 'loves'"),
        ("{y.name | p(y:thing, x:thing)}", BadFile, "with 2 arguments"),
        ("{y.name | p()}", BadFile, "with 0 arguments"),
        ("{y.name | not_loves(y:thing)}", BadFile, "asks for 'not_loves'"),
        ("{y.name | p(y:hat)}", BadFile, "undeclared type 'hat'"),
        ("{y.name | p(y)}", BadFile, "undeclared type 'y'"),
        ("{y.name | !p(y:thing)}", Unsupported, "is not a conjunction of facts"),
        ("{y.name | p(y:thing) or q(y:thing)}", Unsupported, "is not a conjunction of facts"),
        ("{y.name | p(y:thing) &}", Unsupported, "is not a conjunction of facts"),
        ("{y.name | p}", Unsupported, "is not a conjunction of facts"),
        ("{y.name | p(y:thing}", Unsupported, "is not a conjunction of facts"),
    ],
)
def test_texts_that_are_refused(feedback: str, error: type[BadFile] | None, words: str) -> None:
    rules = json.dumps(
        {
            "empty": [],
            "loop": [{"rhs": "a #loop#"}],
            "ping": [{"condition": "p(x:thing)", "rhs": "#pong#"}, {"rhs": ""}],
            "pong": [{"rhs": "#ping#"}],
            "maybe": [{"condition": "p(x:thing)", "rhs": "yes"}],
        }
    )[1:-1]
    if error is None:  # A bracket ends the expression, and the text.
        assert said(feedback, rules=rules) == ""
        return
    with pytest.raises(error, match=re.escape(words)) as caught:
        said(feedback, rules=rules)
    assert type(caught.value) is error


def test_rules_that_double_each_other_are_refused() -> None:
    rules = {f"r{n}": [{"rhs": f"#r{n + 1}##r{n + 1}#"}] for n in range(40)}
    rules["r40"] = [{"rhs": "ha"}]
    with pytest.raises(BadFile, match="far too much text"):
        said("#r0#", rules=json.dumps(rules)[1:-1])


def test_rules_that_are_nested_too_deeply_are_refused() -> None:
    rules = {f"r{n}": [{"rhs": f"#r{n + 1}#"}] for n in range(400)}
    rules["r400"] = [{"rhs": "ha"}]
    with pytest.raises(BadFile, match="nested too deeply"):
        said("#r0#", rules=json.dumps(rules)[1:-1])


def test_the_rules_of_lists_are_needed_by_lists_alone() -> None:
    def file(feedback: str) -> dict[str, str]:
        parts = cottage.tiny_file(ACT, phrases={"say": ("say {x} {z}", feedback)})
        parts["grammar"] = parts["grammar"].replace(LISTS, '"other": [ { "rhs": "" } ]')
        return parts

    assert cottage.read_game(file("{x.name}"), cottage.names)
    with pytest.raises(BadFile, match="'list_empty' is used but not defined"):
        cottage.read_game(file("[{y.name | p(y:thing)}]"), cottage.names)


# ── commands ────────────────────────────────────────────────────────────────


def test_a_command_may_ask_and_list() -> None:
    play = tiny(
        {
            "go": ":parameters (?x - thing ?z - box) :precondition (and (p ?x) (r ?x ?z))"
            " :effect (done ?x)"
        },
        init="(p a) (r a k) (r a l) (q k)",
        types="box thing",
        phrases={
            "go": (
                "go from {x.name} to [{y.name | r(x:thing, y:box)}] by {z.name}",
                "Done.",
            )
        },
    )
    # The box that is the action's own is no match for another name.
    assert play.commands() == ["go from a to k by l", "go from a to l by k"]
    assert play.step("go from a to k by l") == "Done."
