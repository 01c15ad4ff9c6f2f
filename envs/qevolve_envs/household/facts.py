"""The facts of a running game, indexed for joins.

A `Relation` holds the rows of one predicate; for each set of argument positions that some join
binds it keeps, per key, the sorted rest of the rows. Indexes are built on first use and kept up
to date, because a game changes one or two rows per step and asks many questions.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from typing import Any

Row = tuple[str, ...]
Positions = tuple[int, ...]
Index = dict[Any, list[Row]]


class Relation:
    """The rows of one predicate."""

    __slots__ = ("_indexes", "rows")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows: set[Row] = set(rows)
        self._indexes: dict[Positions, Index] = {}

    def index(self, positions: Positions) -> Index:
        """Key at `positions` -> sorted remainders of the rows.

        The key of one position is the argument itself, of several their tuple. Order within a
        key is the order of whole rows, hence the order in which a text lists them.
        """
        index = self._indexes.get(positions)
        if index is None:
            index = {}
            for row in sorted(self.rows):
                index.setdefault(_key(row, positions), []).append(_rest(row, positions))
            self._indexes[positions] = index
        return index

    def add(self, row: Row) -> None:
        """Adds a row that is not there yet."""
        self.rows.add(row)
        for positions, index in self._indexes.items():
            insort(index.setdefault(_key(row, positions), []), _rest(row, positions))

    def remove(self, row: Row) -> None:
        """Removes a row that is there."""
        self.rows.remove(row)
        for positions, index in self._indexes.items():
            index[_key(row, positions)].remove(_rest(row, positions))

    def copy(self) -> Relation:
        """An independent copy, indexes included."""
        other = Relation.__new__(Relation)
        other.rows = set(self.rows)
        other._indexes = {
            positions: {key: rest[:] for key, rest in index.items()}
            for positions, index in self._indexes.items()
        }
        return other


def _key(row: Row, positions: Positions) -> Any:
    if len(positions) == 1:
        return row[positions[0]]
    return tuple([row[p] for p in positions])


def _rest(row: Row, positions: Positions) -> Row:
    if len(positions) == 1:
        place = positions[0]
        return row[:place] + row[place + 1 :]
    return tuple([arg for p, arg in enumerate(row) if p not in positions])


class FactBase:
    """All facts of one episode, over the objects of one game.

    Relations start out shared with the game and are copied when an episode first changes them.

    Attributes:
        relations: Predicate -> its rows.
        types: Object -> type.
        names: Object -> the name that texts use.
        versions: Predicate -> how often it changed; lets callers cache what depends on it.
    """

    __slots__ = ("_by_type", "_shared", "names", "relations", "types", "versions")

    def __init__(
        self,
        relations: Mapping[str, Relation],
        types: Mapping[str, str],
        names: Mapping[str, str],
    ) -> None:
        self.relations = dict(relations)
        self.types = types
        self.names = names
        self.versions = dict.fromkeys(relations, 0)
        self._shared = set(relations)
        self._by_type: dict[str, list[str]] | None = None

    def of_type(self, type_: str) -> list[str]:
        """The objects of just this type, subtypes not included."""
        if self._by_type is None:
            self._by_type = {}
            for name, own in self.types.items():
                self._by_type.setdefault(own, []).append(name)
        return self._by_type.get(type_, [])

    def put(self, predicate: str, row: Row) -> None:
        """Makes a fact true."""
        if row not in self.relations[predicate].rows:
            self._changing(predicate).add(row)

    def drop(self, predicate: str, row: Row) -> None:
        """Makes a fact false."""
        if row in self.relations[predicate].rows:
            self._changing(predicate).remove(row)

    def _changing(self, predicate: str) -> Relation:
        self.versions[predicate] += 1
        if predicate in self._shared:
            self._shared.discard(predicate)
            self.relations[predicate] = self.relations[predicate].copy()
        return self.relations[predicate]
