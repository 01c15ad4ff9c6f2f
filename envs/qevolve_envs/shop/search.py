"""Full-text search: BM25 over an inverted index in numpy, memory-mapped where it is large.

The analysis and the parameters are those of the official WebShop's search, which is Lucene through
pyserini: lower case, no possessives, Lucene's English stop words, Porter stems, and BM25 with
k1 = 0.9 and b = 0.4 (S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and
Beyond", 2009; pyserini's defaults). It departs in three points: accents are dropped, words are
split by a regular expression instead of Unicode's rules, and a document's length is exact, where
Lucene keeps one byte of it.

What a term adds to a document's score is stored as an integer (in 1/4096), so that sums, order and
ties are the same on every machine. Equal scores are ordered by the documents' numbers. Neither
bm25s nor a product of sparse matrices is as fast (`tests/benchmarks/shop.py` measures all three).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from qevolve_envs.shop.stem import stem

K1 = 0.9
B = 0.4
#: Fixed point of the stored scores.
SCALE = 4096
#: Lucene's English stop words.
_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['\u2019][^\W_]+)*")
#: Tokens that are counted in one go while an index is built.
_CHUNK = 2_000_000
#: Lists of fewer postings are added up without asking whether they still matter.
_SHORT = 20_000
_BLOCK = 512

Ints: TypeAlias = npt.NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.integer[Any])


def words_of(text: str) -> list[str]:
    """The words of a text, lower case and without accents, in order."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in plain if not unicodedata.combining(c))
    return _WORD.findall(text.lower())


def term_of(word: str) -> str:
    """The term under which a word is filed, or ``""`` for a stop word."""
    if "'" in word or "\u2019" in word:
        word = word.replace("\u2019", "'").removesuffix("'s")
    return "" if word in STOP_WORDS else stem(word)


def terms_of(text: str) -> list[str]:
    """The search terms of a text."""
    return [term for term in map(term_of, words_of(text)) if term]


def _digest(term: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


@dataclass(frozen=True, slots=True)
class Index:
    """An inverted index over documents 0, 1, 2 …; immutable, so threads may share it.

    Attributes:
        size: Number of documents.
        digests: 64-bit digests of the terms, sorted.
        numbers: Number of the term of each digest.
        starts: Where the postings of each term begin; one more than there are terms.
        docs: The documents of each term, ascending.
        impacts: What the term adds to the score of that document, times `SCALE`.
        peaks: The largest impact of each term.
    """

    size: int
    digests: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    docs: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.uint16]
    peaks: npt.NDArray[np.uint16]

    @classmethod
    def build(cls, texts: Iterable[str]) -> Index:
        """Indexes documents in memory."""
        builder = IndexBuilder()
        for text in texts:
            builder.add(text)
        return builder.finish()

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Maps an index that `IndexBuilder` wrote into a folder."""
        arrays = {n: np.asarray(np.load(folder / f"{n}.npy", mmap_mode="r")) for n in _ARRAYS}
        return cls(int(np.load(folder / "size.npy")), **arrays)

    def search(self, query: str, limit: int = 50) -> list[int]:
        """The best documents for a query, best first; equal scores by document number.

        Every document that has one of the words can be found. Terms are taken in the order of
        what they can add at most; as soon as the rest cannot lift a new document among the best,
        only those still in the running are looked up (the MaxScore idea: H. Turtle and J. Flood,
        "Query evaluation: strategies and optimizations", 1995). The result is exact.
        """
        wanted: list[tuple[int, int, int]] = []
        for term, count in Counter(terms_of(query)).items():
            number = self._number(term)
            if number >= 0:
                wanted.append((-int(self.peaks[number]) * count, number, count))
        if not wanted or limit < 1:
            return []
        wanted.sort()
        scores = np.zeros(self.size, np.int32)
        running: Ints | None = None
        rest = -sum(peak for peak, _, _ in wanted)
        for peak, number, count in wanted:
            start, end = int(self.starts[number]), int(self.starts[number + 1])
            docs, impacts = self.docs[start:end], self.impacts[start:end]
            if running is None and end - start > _SHORT:
                least = self._least(scores, limit)
                if least > rest:
                    running = np.flatnonzero(scores >= least - rest)
            if running is None:
                scores[docs] += impacts if count == 1 else impacts * np.int32(count)
            else:
                places = np.searchsorted(docs, running.astype(np.int32))
                places[places == len(docs)] = 0
                here = docs[places] == running
                scores[running[here]] += impacts[places[here]] * np.int32(count)
            rest += peak
        if running is None:
            running = np.flatnonzero(scores >= max(1, self._least(scores, limit)))
        # One number for score and document; no two are equal, so any partition is the same.
        keys = scores[running].astype(np.int64) * self.size + (self.size - 1 - running)
        if len(keys) > limit:
            keys = np.partition(keys, len(keys) - limit)[-limit:]
        keys = np.sort(keys)[::-1]
        best: list[int] = (self.size - 1 - keys % self.size).tolist()
        return best

    def _number(self, term: str) -> int:
        digest = np.uint64(_digest(term))
        place = int(self.digests.searchsorted(digest))
        if place < len(self.digests) and self.digests[place] == digest:
            return int(self.numbers[place])
        return -1

    def _least(self, scores: npt.NDArray[np.int32], limit: int) -> int:
        """A lower bound of the `limit`-th best score: that many blocks have one as good."""
        blocks = self.size // _BLOCK
        if blocks < 2 * limit:
            return 0
        tops = scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
        return int(np.partition(tops, blocks - limit)[blocks - limit])


_ARRAYS = ("digests", "numbers", "starts", "docs", "impacts", "peaks")


class _Terms(dict[str, int]):
    """Word -> number of its term, -1 for a stop word; filled in as words are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        term = term_of(word)
        number = self.numbers.setdefault(term, len(self.numbers)) if term else -1
        self[word] = number
        return number


class IndexBuilder:
    """Builds an `Index` of documents that are added one by one.

    Args:
        folder: An existing folder into which the arrays are written, with intermediate results
            beside them; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._terms = _Terms()
        self._tokens = array("i")
        self._ends = array("q")
        self._first = 0
        self._chunks: list[Path | tuple[Ints, npt.NDArray[np.uint16]]] = []
        self._lengths: list[Ints] = []
        self._frequency = np.zeros(0, np.int64)

    def add(self, text: str) -> None:
        """Adds the next document."""
        self._tokens.extend(map(self._terms.__getitem__, words_of(text)))
        self._ends.append(len(self._tokens))
        if len(self._tokens) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        """Counts the words of the documents since the last time."""
        if not self._ends:
            return
        ends = np.array(self._ends, np.int64)
        docs = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        tokens = np.array(self._tokens, np.int64)
        kept = tokens >= 0
        tokens, docs = tokens[kept], docs[kept]
        self._lengths.append(np.bincount(docs, minlength=len(ends)))
        pairs, counts = np.unique((tokens << 32) | (docs + self._first), return_counts=True)
        seen = np.bincount(pairs >> 32, minlength=len(self._terms.numbers))
        seen[: len(self._frequency)] += self._frequency
        self._frequency = seen
        counts = np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16)
        if self._folder is None:
            self._chunks.append((pairs, counts))
        else:
            path = self._folder / f"chunk{len(self._chunks)}.npz"
            np.savez(path, pairs=pairs, counts=counts)
            self._chunks.append(path)
        self._first += len(ends)
        self._tokens, self._ends = array("i"), array("q")

    def finish(self) -> Index:
        """The index of what was added; the builder is used up."""
        self._flush()
        size = self._first
        lengths = np.concatenate([*self._lengths, np.zeros(0, np.int64)])
        mean = max(1.0, float(lengths.mean())) if size else 1.0
        norms = K1 * (1 - B + B * lengths / mean)
        frequency = self._frequency
        idf = np.log1p((size - frequency + 0.5) / (frequency + 0.5))
        starts = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
        postings = int(starts[-1])
        docs = self._array("docs", np.int32, postings)
        impacts = self._array("impacts", np.uint16, postings)
        peaks = np.zeros(len(frequency), np.uint16)
        cursor = starts[:-1].copy()
        for chunk in self._chunks:
            pairs, counts = _read(chunk)
            terms, here = pairs >> 32, pairs & 0xFFFFFFFF
            firsts = np.flatnonzero(np.diff(terms, prepend=-1))
            many = np.diff(firsts, append=len(terms))
            unique = terms[firsts]
            places = np.repeat(cursor[unique] - firsts, many) + np.arange(len(terms))
            values = SCALE * idf[terms] * counts / (counts + norms[here])
            rounded = np.clip(np.rint(values), 1, np.iinfo(np.uint16).max).astype(np.uint16)
            docs[places], impacts[places] = here, rounded
            if len(firsts):
                peaks[unique] = np.maximum(peaks[unique], np.maximum.reduceat(rounded, firsts))
            cursor[unique] += many
        digests = np.fromiter(
            map(_digest, self._terms.numbers), np.uint64, len(self._terms.numbers)
        )
        order = np.argsort(digests).astype(np.int32)
        digests = digests[order]
        if len(digests) > 1 and (digests[1:] == digests[:-1]).any():  # pragma: no cover
            raise RuntimeError("two terms have the same 64-bit digest")
        index = Index(size, digests, order, starts, docs, impacts, peaks)
        return index if self._folder is None else self._store(index, self._folder)

    def _array(self, name: str, dtype: type[_Number], length: int) -> npt.NDArray[_Number]:
        # An empty file cannot be mapped.
        if self._folder is None or not length:
            return np.zeros(length, dtype)
        path = self._folder / f"{name}.npy"
        shape = (length,)
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)

    def _store(self, index: Index, folder: Path) -> Index:
        for name in _ARRAYS:
            values = getattr(index, name)
            if isinstance(values, np.memmap):
                values.flush()
            else:
                np.save(folder / f"{name}.npy", values)
        np.save(folder / "size.npy", np.int64(index.size))
        for chunk in self._chunks:
            if isinstance(chunk, Path):
                chunk.unlink()
        return index


def _read(
    chunk: Path | tuple[Ints, npt.NDArray[np.uint16]],
) -> tuple[Ints, npt.NDArray[np.uint16]]:
    if isinstance(chunk, tuple):
        return chunk
    with np.load(chunk) as stored:
        return stored["pairs"], stored["counts"]
