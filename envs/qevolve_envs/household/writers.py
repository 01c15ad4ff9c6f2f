"""Compiles the templates of a text grammar into functions that write text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.facts import FactBase, Row
from qevolve_envs.household.grammar import Expression, ForEach, Grammar, Piece, Symbol, Template
from qevolve_envs.household.joins import Join, compile_join
from qevolve_envs.household.pddl import Atom, Condition, Domain

Writer = Callable[[FactBase, Row], str]
#: Placeholders in scope, each with its type, in the order of the binding.
Scope = tuple[tuple[str, str], ...]

ARTICLES = {"indefinite": "a", "definite": "the"}
_ATOM = re.compile(r"\s*([\w/-]+)\s*\(([^()]*)\)\s*(&|$)")
NEGATED = "not_"
#: Limits far above any game, so that a hostile file ends in a sentence.
_MAX_RULES_OPEN = 50
_MAX_SIZE = 1_000_000
_MAX_EXPRESSION = 400


class WriterCompiler:
    """Turns templates into writers, for one domain.

    Attributes:
        negated: Predicates that some compiled query asks for under their ``not_`` name. The engine
            keeps those facts: TextWorld knows a negative fact only once an action has made it.
        given: How many placeholders of a scope are parameters of the action being compiled.
    """

    def __init__(self, domain: Domain, grammar: Grammar) -> None:
        self._domain = domain
        self._grammar = grammar
        #: Symbol and scope -> its writer, what its queries ask for, and its size.
        self._memo: dict[tuple[str, Scope, int], tuple[Writer, frozenset[str], int]] = {}
        self._open: list[str] = []
        self._size = 0
        self.given = 0
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
            BadFile: When the rule is missing or recursive, or says far too much.
            Unsupported: When none of its alternatives is unconditional.
        """
        known = self._memo.get((name, scope, self.given))
        if known is not None:
            writer, asked, size = known
            self.asked |= asked
            self._grow(size)
            return writer
        alternatives = self._grammar.rules.get(name)
        if not alternatives:
            raise BadFile(f"grammar: the rule {name!r} is used but not defined")
        if name in self._open:
            raise BadFile(f"grammar: the rule {name!r} uses itself")
        if len(self._open) == _MAX_RULES_OPEN:
            raise BadFile(f"grammar: the rule {name!r} is nested too deeply in others")
        self._open.append(name)
        outside, self.asked = self.asked, set()
        before = self._size
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
        writer = _choose(choices, default)
        self._memo[name, scope, self.given] = writer, frozenset(self.asked), self._size - before
        self.asked |= outside
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
        # Parameters that objects of subtypes fit, too; see `compile_join`.
        subtypes = self._domain.subtypes
        wide = {_variable(p): p[1] for p in scope[: self.given] if len(subtypes.get(p[1], ())) > 1}
        join = compile_join(
            self._domain, parts, types, bound, in_order=True, distinct=True, wide=wide
        )
        order = sorted(join.slots, key=join.slots.__getitem__)
        names = {_variable(p): p for p in extended}
        return join, tuple(names[v] for v in order)

    def _grow(self, size: int) -> None:
        """Counts what texts could say; rules that double each other would never end saying it."""
        self._size += size
        if self._size > _MAX_SIZE:
            raise BadFile("grammar: the rules expand to far too much text")

    def _piece(self, piece: Piece, scope: Scope) -> Writer:
        self._grow(1 + len(piece) if isinstance(piece, str) else 1)
        match piece:
            case str():
                return lambda world, b: piece
            case Symbol(name):
                return self.symbol(name, scope)
            case ForEach(item, query, as_list):
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

        def writer(world: FactBase, b: Row) -> str:
            texts = [write(world, c) for c in (join(world, [b]) if join else [b])]
            if not texts:
                return empty(world, b)
            if len(texts) == 1:
                return texts[0]
            return comma(world, b).join(texts[:-1]) + last(world, b) + texts[-1]

        return writer

    def _check_type(self, type_: str, query: str) -> None:
        subtypes = self._domain.subtypes
        if type_ not in subtypes:
            raise BadFile(f"grammar: the query {query!r} names the undeclared type {type_!r}")
        if any(len(subtypes[child]) > 1 for child in subtypes[type_] - {type_}):
            # TextWorld lists facts about such types more than once.
            raise Unsupported(
                f"grammar: the query {query!r} names {type_!r}, whose subtypes have subtypes"
            )

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
        if not isinstance(piece, ForEach) or piece.query or not isinstance(piece.item, Expression):
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

    def writer(world: FactBase, b: Row) -> str:
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
    if len(source) > _MAX_EXPRESSION:
        raise Unsupported(f"grammar: the expression {source[:40]!r}... is too long")
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

            def either(world: FactBase, b: Row) -> str:
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
