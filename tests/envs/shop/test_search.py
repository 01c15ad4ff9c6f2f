"""Search: analysis, exactness against a plain BM25, ties, and the index on disk."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from qevolve_envs.shop import search
from qevolve_envs.shop.search import K1, SCALE, B, Index, IndexBuilder, terms_of
from qevolve_envs.shop.stem import stem

#: Examples of Porter's paper, step by step.
_PORTER = """
caresses caress ponies poni ties ti cats cat feed feed agreed agre plastered plaster bled bled
motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan
falling fall hissing hiss fizzed fizz failing fail filing file happy happi sky sky
relational relat conditional condit rational ration valenci valenc digitizer digit
conformabli conform radicalli radic differentli differ vileli vile analogousli analog
vietnamization vietnam predication predic operator oper feudalism feudal decisiveness decis
hopefulness hope callousness callous formaliti formal sensitiviti sensit sensibiliti sensibl
triplicate triplic formative form formalize formal electriciti electr electrical electr
hopeful hope goodness good revival reviv allowance allow inference infer airliner airlin
gyroscopic gyroscop adjustable adjust defensible defens irritant irrit replacement replac
adjustment adjust dependent depend adoption adopt homologou homolog communism commun
activate activ angulariti angular homologous homolog effective effect bowdlerize bowdler
probate probat rate rate cease ceas controll control roll roll
"""
PORTER = _PORTER.split()


@pytest.mark.parametrize(("word", "expected"), list(zip(PORTER[::2], PORTER[1::2], strict=True)))
def test_porter(word, expected):
    assert stem(word) == expected


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The women's Shoes", ["women", "shoe"]),
        ("men\u2019s caf\u00e9", ["men", "cafe"]),
        ("3.5 oz, 1,000 xx-large", ["3.5", "oz", "1,000", "xx", "larg"]),
        ("yoga is by_us", ["yoga", "us"]),
        ("", []),
        ("!!! [SEP] \ud800", ["sep"]),
    ],
)
def test_terms(text, terms):
    assert terms_of(text) == terms


def plain_search(texts, query, limit=50):
    """BM25 as in the textbook, over every document."""
    documents = [Counter(terms_of(text)) for text in texts]
    mean = max(1.0, sum(map(Counter.total, documents)) / len(documents))
    frequency = Counter(term for document in documents for term in document)
    scored = []
    for number, document in enumerate(documents):
        norm = K1 * (1 - B + B * document.total() / mean)
        score = 0
        for term, count in Counter(terms_of(query)).items():
            if term in document:
                n = frequency[term]
                idf = math.log1p((len(texts) - n + 0.5) / (n + 0.5))
                share = document[term] / (document[term] + norm)
                score += count * max(1, round(SCALE * idf * share))
        if score:
            scored.append((-score, number))
    return [number for _, number in sorted(scored)[:limit]]


def make_texts(count, words=300, seed=0):
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(words) + 2)
    chosen = rng.choice(words, (count, 20), p=weights / weights.sum())
    return [" ".join(f"w{n}x" for n in row[: 5 + i % 15]) for i, row in enumerate(chosen)]


def make_queries(count, words=300, seed=1):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{n}x" for n in rng.integers(words, size=1 + i % 8)) for i in range(count)]


def test_it_is_bm25():
    texts = make_texts(500)
    index = Index.build(texts)
    for query in make_queries(60):
        assert index.search(query) == plain_search(texts, query)


def test_pruning_changes_nothing(monkeypatch):
    texts = make_texts(4000)
    index = Index.build(texts)
    queries = make_queries(150)
    whole = [index.search(query, 20) for query in queries]
    monkeypatch.setattr(search, "_SHORT", 50)
    monkeypatch.setattr(search, "_BLOCK", 16)
    assert [index.search(query, 20) for query in queries] == whole
    assert whole[:5] == [plain_search(texts, query, 20) for query in queries[:5]]


def test_ties_are_ordered_by_product():
    index = Index.build(["red shoe"] * 70 + ["blue shoe"])
    assert index.search("red") == list(range(50))
    assert index.search("shoes", 3) == [0, 1, 2]
    assert index.search("blue shoe", 2) == [70, 0]


@pytest.mark.parametrize("query", ["", "the", "zzz", "!!!", "\ud800", "[SEP]" * 100])
def test_nothing_is_found(query):
    assert Index.build(["red shoe", "", "the"]).search(query) == []


@pytest.mark.parametrize("texts", [[], [""], ["the", ""]])
def test_empty_indexes(texts, tmp_path):
    assert Index.build(texts).search("red") == []
    builder = IndexBuilder(tmp_path)
    for text in texts:
        builder.add(text)
    builder.finish()
    assert Index.open(tmp_path).search("red") == []


def test_a_stored_index_is_the_same(tmp_path, monkeypatch):
    texts = make_texts(600)
    expected = Index.build(texts)
    monkeypatch.setattr(search, "_CHUNK", 500)
    builder = IndexBuilder(tmp_path)
    for text in texts:
        builder.add(text)
    builder.finish()
    stored = Index.open(tmp_path)
    assert not list(tmp_path.glob("chunk*"))
    for name in ("digests", "numbers", "starts", "docs", "impacts", "peaks"):
        assert np.array_equal(getattr(stored, name), getattr(expected, name)), name
    for query in make_queries(30):
        assert stored.search(query) == expected.search(query)
