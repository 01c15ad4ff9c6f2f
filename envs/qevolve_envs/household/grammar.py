"""Reads the text grammar of a tw-pddl game and compiles it into functions that write text.

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

import ast
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.facts import Row, World
from qevolve_envs.household.joins import Join, compile_join
from qevolve_envs.household.pddl import Atom, Condition, Domain

Writer = Callable[[World, Row], str]
#: Placeholders in scope, each with its type, in the order of the binding.
Scope = tuple[tuple[str, str], ...]

ARTICLES = {"indefinite": "a", "definite": "the"}


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
class Each:
    """``{item | query}``: the item for each match; with ``as_list`` joined by separators."""

    item: Symbol | Expression
    query: str
    as_list: bool


Piece = str | Symbol | Each
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


def _each_or_symbol(cursor: _Cursor) -> Symbol | Each | None:
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


def _each(cursor: _Cursor, *, as_list: bool) -> Each | None:
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
    return Each(item, query.strip(), as_list) if cursor.token("}") else None


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
    """How one action is commanded and answered."""

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


class _File:
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
    file = _File(text)
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
            fields = {"template": "", "feedback": ""}
            file.need("{")
            while not file.symbol("}"):
                key = file.expect(_NAME, "'template', 'feedback' or 'grammar'")
                file.need("::")
                if key == "grammar":
                    block = file.expect(_BLOCK, "a block in triple quotes")
                    rules.update(_read_rules(block, comments=True))
                elif key in fields:
                    fields[key] = file.expect(_STRING, "a quoted text")
                else:
                    raise Unsupported(f"grammar: part {key!r} of an action is not supported")
                file.need(";")
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
                Alternative(rule.get("condition", ""), read_template(rule["rhs"])) for rule in rules
            )
            for name, rules in raw.items()
        }
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise BadFile(f"grammar: a rule block is not in the expected JSON form ({error})") from None


# ── compiling ───────────────────────────────────────────────────────────────

_ATOM = re.compile(r"\s*([\w/-]+)\s*\(([^()]*)\)\s*(&|$)")
NEGATED = "not_"


class GrammarCompiler:
    """Turns templates into writers, for one domain.

    Attributes:
        negated: Predicates that some compiled query asks for under their ``not_`` name. The engine
            keeps those facts: TextWorld knows a negative fact only once an action has made it.
    """

    def __init__(self, domain: Domain, grammar: Grammar) -> None:
        self._domain = domain
        self._grammar = grammar
        self._memo: dict[tuple[str, Scope], Writer] = {}
        self._open: list[str] = []
        self.asked: set[str] = set()

    @property
    def negated(self) -> frozenset[str]:
        """Predicates asked for by their ``not_`` name."""
        return frozenset(
            name.removeprefix(NEGATED) for name in self.asked if self._is_negated(name)
        )

    def template(self, template: Template, scope: Scope) -> Writer:
        """A writer for a template, given what is in scope."""
        plain = _plain_template(template, scope)
        if plain is not None:
            return plain
        writers = [self._piece(piece, scope) for piece in template]
        if not writers:
            return lambda world, b: ""
        if len(writers) == 1:
            return writers[0]
        return lambda world, b: "".join([write(world, b) for write in writers])

    def symbol(self, name: str, scope: Scope) -> Writer:
        """A writer for a rule: the first alternative whose condition holds.

        Raises:
            BadFile: When the rule is missing or recursive.
            Unsupported: When none of its alternatives is unconditional.
        """
        known = self._memo.get((name, scope))
        if known is not None:
            return known
        alternatives = self._grammar.rules.get(name)
        if not alternatives:
            raise BadFile(f"grammar: the rule {name!r} is used but not defined")
        if name in self._open:
            raise BadFile(f"grammar: the rule {name!r} uses itself")
        self._open.append(name)
        choices: list[tuple[Join, Writer]] = []
        default: Writer | None = None
        for alternative in alternatives:
            writer = self.template(alternative.template, scope)
            if not alternative.condition:
                default = writer
                break
            choices.append((self.query(alternative.condition, scope)[0], writer))
        self._open.pop()
        if default is None:
            raise Unsupported(f"grammar: the rule {name!r} has no alternative without a condition")
        self._memo[name, scope] = writer = _choose(choices, default)
        return writer

    def query(self, text: str, scope: Scope) -> tuple[Join, Scope]:
        """A conjunctive query and the scope of its matches.

        TextWorld identifies a placeholder by name *and* type, and gives distinct placeholders
        distinct objects; both are kept here.
        """
        parts: list[Condition] = []
        extended = list(scope)
        at = 0
        while True:
            found = _ATOM.match(text, at)
            if found is None:
                raise Unsupported(f"grammar: the query {text!r} is not a conjunction of facts")
            predicate, at = found.group(1), found.end()
            placeholders = [_placeholder(arg) for arg in found.group(2).split(",") if arg.strip()]
            for placeholder in placeholders:
                self._check_type(placeholder[1], text)
                if placeholder not in extended:
                    extended.append(placeholder)
            self._check_predicate(predicate, len(placeholders), text)
            parts.append(Atom(predicate, tuple(_variable(p) for p in placeholders)))
            if not found.group(3):
                break
        types = {_variable(p): p[1] for p in extended}
        bound = [_variable(p) for p in scope]
        join = compile_join(self._domain, parts, types, bound, in_order=True, distinct=True)
        order = sorted(join.slots, key=join.slots.__getitem__)
        names = {_variable(p): p for p in extended}
        return join, tuple(names[v] for v in order)

    def _piece(self, piece: Piece, scope: Scope) -> Writer:
        match piece:
            case str():
                return lambda world, b: piece
            case Symbol(name):
                return self.symbol(name, scope)
            case Each(item, query, as_list):
                join, inner = self.query(query, scope) if query else (None, scope)
                write = self._item(item, inner)
                if not as_list:
                    if join is None:
                        return write
                    return lambda world, b: "".join([write(world, c) for c in join(world, [b])])
                return self._list(join, write, scope)

    def _item(self, item: Symbol | Expression, scope: Scope) -> Writer:
        if isinstance(item, Symbol):
            return self.symbol(item.name, scope)
        return compile_expression(item.source, scope)

    def _list(self, join: Join | None, write: Writer, scope: Scope) -> Writer:
        empty = self.symbol("list_empty", scope)
        comma = self.symbol("list_separator", scope)
        last = self.symbol("list_last_separator", scope)

        def writer(world: World, b: Row) -> str:
            texts = [write(world, c) for c in (join(world, [b]) if join else [b])]
            if not texts:
                return empty(world, b)
            if len(texts) == 1:
                return texts[0]
            return comma(world, b).join(texts[:-1]) + last(world, b) + texts[-1]

        return writer

    def _check_type(self, type_: str, query: str) -> None:
        if type_ not in self._domain.supertypes:
            raise BadFile(f"grammar: the query {query!r} names the undeclared type {type_!r}")

    def _is_negated(self, predicate: str) -> bool:
        return predicate not in self._domain.predicates and predicate.startswith(NEGATED)

    def _check_predicate(self, predicate: str, arity: int, query: str) -> None:
        plain = predicate.removeprefix(NEGATED) if self._is_negated(predicate) else predicate
        declared = self._domain.predicates.get(plain)
        if declared is None or len(declared) != arity:
            raise BadFile(
                f"grammar: the query {query!r} asks for {predicate!r}, which the domain does not"
                f" declare with {arity} arguments"
            )
        self.asked.add(predicate)


def _plain_template(template: Template, scope: Scope) -> Writer | None:
    """A fast writer for fixed texts around names, which is what most commands are."""
    slots = {name: place for place, (name, _) in enumerate(scope)}
    pattern, places = "", []
    for piece in template:
        if isinstance(piece, str):
            pattern += piece.replace("%", "%%")
            continue
        if not isinstance(piece, Each) or piece.query or not isinstance(piece.item, Expression):
            return None
        slot = slots.get(piece.item.source.removesuffix(".name"))
        if slot is None:
            return None
        pattern += "%s"
        places.append(slot)
    match places:
        case [one]:
            return lambda world, b: pattern % world.names[b[one]]
        case [one, two]:
            return lambda world, b: pattern % (world.names[b[one]], world.names[b[two]])
    return None


def _choose(choices: list[tuple[Join, Writer]], default: Writer) -> Writer:
    if not choices:
        return default

    def writer(world: World, b: Row) -> str:
        for join, write in choices:
            if join(world, [b]):
                return write(world, b)
        return default(world, b)

    return writer


def _placeholder(text: str) -> tuple[str, str]:
    name, _, type_ = (part.strip() for part in text.partition(":"))
    return name, type_ or name


def _variable(placeholder: tuple[str, str]) -> str:
    return f"?{placeholder[0]}:{placeholder[1]}"


def compile_expression(source: str, scope: Scope) -> Writer:
    """A writer for ``o.name``, ``a + b`` and ``a or b`` over the variables in scope.

    Raises:
        Unsupported: For any other Python.
        BadFile: For a variable that is not in scope.
    """
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError):
        raise Unsupported(f"grammar: the expression {source!r} is not understood") from None
    slots = {name: place for place, (name, _) in enumerate(scope)}
    return _expression(tree, slots, source)


def _expression(node: ast.expr, slots: Mapping[str, int], source: str) -> Writer:
    match node:
        case ast.Constant(value=str(text)):
            return lambda world, b: text
        case ast.Name(id=name):
            return _attribute(name, "name", slots, source)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return _attribute(name, attribute, slots, source)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            one, two = _expression(left, slots, source), _expression(right, slots, source)
            return lambda world, b: one(world, b) + two(world, b)
        case ast.BoolOp(op=ast.Or(), values=values):
            options = [_expression(value, slots, source) for value in values]

            def either(world: World, b: Row) -> str:
                text = ""
                for option in options:
                    text = option(world, b)
                    if text:
                        break
                return text

            return either
    raise Unsupported(f"grammar: the expression {source!r} is not supported")


def _attribute(name: str, attribute: str, slots: Mapping[str, int], source: str) -> Writer:
    if name not in slots:
        raise BadFile(f"grammar: the expression {source!r} uses {name!r}, which is not in scope")
    slot = slots[name]
    if attribute == "name":
        return lambda world, b: world.names[b[slot]]
    if attribute == "id":
        return lambda world, b: b[slot]
    if attribute in ARTICLES:
        article = ARTICLES[attribute]
        return lambda world, b: article
    raise Unsupported(f"grammar: the expression {source!r} uses the attribute {attribute!r}")
