"""Reads the text grammar of a tw-pddl game; `writers` compiles it into functions that write text.

A grammar file names, for each action, a command template and a feedback rule, and holds rules as
JSON: symbol -> alternatives, of which the first whose condition holds is written. Templates know

- ``#symbol#``: the text of another rule;
- ``{expression}``: ``o.name``, ``o.indefinite + ' ' + o.name``, ``r.name or r.id``;
- ``{expression | query}``: one text for each match of a conjunctive query, in id order;
- ``[{… | query}]``: the same as a list, joined by the ``list_…`` rules.

The format is TextWorld's (textworld.envs.pddl); the reader follows its observable behaviour,
including what it skips, and refuses what it does not know by name.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from qevolve_envs.errors import BadFile, Unsupported

# ── templates as trees ──────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Symbol:
    """``#name#``."""

    name: str


@dataclass(frozen=True, slots=True)
class Expression:
    """Python-like text expression inside braces."""

    source: str


@dataclass(frozen=True, slots=True)
class ForEach:
    """``{item | query}``: the item for each match; with ``as_list`` joined by separators."""

    item: Symbol | Expression
    query: str
    as_list: bool


Piece = str | Symbol | ForEach
Template = tuple[Piece, ...]

# Blank space that TextWorld's parser skips between pieces: tabs anywhere, and at the start of a
# line any white space or a // comment.
_SKIP_LINE = re.compile(r"^(//.*|\s*)\n?", re.MULTILINE)
_SKIP_TAB = re.compile(r"\t+")
_LITERAL = re.compile(r'[^;|"<>\[\]#{}]*')
_TAG = re.compile(r"[\w()/!<>\-\s,.]+")
_STATEMENT = re.compile(r"[^|\[\]{}\n<>]+")
_BAR = re.compile(r"\s*\|\s*")
_QUERY = re.compile(r"[^;|{}\n\[\]#]+")


class _Cursor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> None:
        while True:
            before = self.at
            for pattern in (_SKIP_LINE, _SKIP_TAB):
                while (found := pattern.match(self.text, self.at)) and found.end() > self.at:
                    self.at = found.end()
            if self.at == before:
                return

    def token(self, token: str) -> bool:
        self.skip()
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()


@lru_cache(maxsize=4096)
def read_template(text: str) -> Template:
    """Parses a template. What follows the first piece that is none is ignored, as upstream does."""
    cursor = _Cursor(text)
    pieces: list[Piece] = []
    while True:
        start = cursor.at
        piece: Piece | None = _each_or_symbol(cursor)
        if piece is None:
            cursor.at = start
            cursor.skip()
            if cursor.token('"'):
                piece = cursor.match(_LITERAL) or ""
                if not cursor.token('"'):
                    break
            else:
                piece = cursor.match(_LITERAL) or ""
        if cursor.at == start:
            break
        pieces.append(piece)
    return tuple(piece for piece in pieces if piece != "")


def _each_or_symbol(cursor: _Cursor) -> Symbol | ForEach | None:
    start = cursor.at
    if cursor.token("["):
        inner = _each(cursor, as_list=True)
        if inner is not None and cursor.token("]"):
            return inner
    cursor.at = start
    inner = _each(cursor, as_list=False)
    if inner is not None:
        return inner
    cursor.at = start
    symbol = _symbol(cursor)
    if symbol is None:
        cursor.at = start
    return symbol


def _each(cursor: _Cursor, *, as_list: bool) -> ForEach | None:
    if not cursor.token("{"):
        return None
    start = cursor.at
    item: Symbol | Expression | None = _symbol(cursor)
    if item is None:
        cursor.at = start
        cursor.skip()
        source = cursor.match(_STATEMENT)
        if source is None:
            return None
        item = Expression(source.strip())
    query = ""
    before_bar = cursor.at
    if cursor.match(_BAR) is not None:
        cursor.skip()
        query = cursor.match(_QUERY) or ""
        if not query:
            cursor.at = before_bar
    return ForEach(item, query.strip(), as_list) if cursor.token("}") else None


def _symbol(cursor: _Cursor) -> Symbol | None:
    if not cursor.token("#"):
        return None
    cursor.skip()
    tag = cursor.match(_TAG)
    return Symbol(tag) if tag is not None and cursor.token("#") else None


# ── the grammar file ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Alternative:
    """One text of a rule, and the query under which it is written (``""``: always)."""

    condition: str
    template: Template


@dataclass(frozen=True, slots=True)
class Phrases:
    """Command and answer of one action."""

    command: Template
    feedback: Template


@dataclass(frozen=True)
class Grammar:
    """A text grammar.

    Attributes:
        rules: Symbol -> alternatives, in order.
        actions: Action name (lower case) -> its phrases.
    """

    rules: Mapping[str, tuple[Alternative, ...]]
    actions: Mapping[str, Phrases]


_SPACE = re.compile(r"(?:\s+|#.*)*")
_BLOCK = re.compile(r'"""((?:.|\n)*?)"""')
_STRING = re.compile(r'"([^"]*)"')
_NAME = re.compile(r"[\w/-]+")


class _GrammarFile:
    """Scanner for the outer format: ``grammar :: \"\"\"…\"\"\";`` and ``action NAME { … }``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.take(_SPACE)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            if pattern is not _SPACE:
                self.take(_SPACE)
        return found

    def expect(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.take(pattern)
        if found is None:
            line = self.text.count("\n", 0, self.at) + 1
            raise BadFile(f"grammar, line {line}: expected {what}")
        return found.group(found.lastindex or 0)

    def symbol(self, symbol: str) -> bool:
        return self.take(re.compile(re.escape(symbol))) is not None

    def need(self, symbol: str) -> None:
        self.expect(re.compile(re.escape(symbol)), repr(symbol))


def read_grammar(text: str) -> Grammar:
    """Parses a grammar file (``.twl2``).

    Raises:
        BadFile: With the line, when it is not well formed.
        Unsupported: For parts that the engine does not play.
    """
    file = _GrammarFile(text)
    rules: dict[str, tuple[Alternative, ...]] = {}
    actions: dict[str, Phrases] = {}
    while file.at < len(text):
        keyword = file.expect(_NAME, "'grammar' or 'action'")
        if keyword == "grammar":
            file.need("::")
            rules.update(_read_rules(file.expect(_BLOCK, "a block in triple quotes")))
            file.need(";")
        elif keyword == "action":
            name = file.expect(_NAME, "an action name").lower()
            fields: dict[str, str] = {}
            file.need("{")
            while not file.symbol("}"):
                key = file.expect(_NAME, "'template', 'feedback' or 'grammar'")
                file.need("::")
                if key == "grammar":
                    block = file.expect(_BLOCK, "a block in triple quotes")
                    rules.update(_read_rules(block, comments=True))
                elif key in ("template", "feedback"):
                    fields[key] = file.expect(_STRING, "a quoted text")
                else:
                    raise Unsupported(f"grammar: part {key!r} of an action is not supported")
                file.need(";")
            for key in ("template", "feedback"):
                if key not in fields:
                    raise BadFile(f"grammar: the action {name!r} has no {key}")
            actions[name] = Phrases(
                read_template(fields["template"]), read_template(fields["feedback"])
            )
        else:
            raise Unsupported(f"grammar: part {keyword!r} is not supported")
    return Grammar(rules, actions)


def _read_rules(block: str, *, comments: bool = False) -> dict[str, tuple[Alternative, ...]]:
    lines = textwrap.dedent(block).split("\n")
    if comments:
        lines = [line for line in lines if not line.lstrip().startswith("#")]
    try:
        raw = json.loads("\n".join(lines))
        return {
            name: tuple(
                Alternative(_text(rule.get("condition") or ""), read_template(_text(rule["rhs"])))
                for rule in rules
            )
            for name, rules in raw.items()
        }
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadFile(f"grammar: a rule block is not in the expected JSON form ({error})") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r}")
    return value
