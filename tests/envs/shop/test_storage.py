"""Shops on disk: what is written is read again, and what is broken is built again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qevolve_envs.errors import BadFile
from qevolve_envs.shop.catalogue import Product
from qevolve_envs.shop.session import Shop
from qevolve_envs.shop.storage import (
    CACHE_VARIABLE,
    cache_root,
    file_digest,
    open_shop,
    stored,
    write_shop,
)

PRODUCTS = [
    Product(
        ident=f"B{n}",
        title=f"Caf\u00e9 \u2603 \ud800 chair {n}",
        department="chairs",
        category=("Home", "Chairs"),
        description="wood " * n,
        bullets=("one", "two"),
        attributes=("solid wood",),
        options={"color": ("red", "blue"), "none": ()},
        price=1.5 * n,
        price_text=f"${1.5 * n}",
    )
    for n in range(40)
]


def build(folder: Path) -> None:
    write_shop(folder, PRODUCTS)


def test_what_is_written_is_read(tmp_path):
    shop = open_shop(stored(tmp_path, "key", build))
    memory = Shop.build(PRODUCTS)
    assert list(shop.products) == PRODUCTS
    assert (len(shop.products), shop.products[-1]) == (40, PRODUCTS[-1])
    assert shop.products[38:50] == tuple(PRODUCTS[38:50])
    with pytest.raises(IndexError):
        shop.products[40]
    for words in ("chair", "wood", "cafe 7", "one red"):
        assert shop.search(words) == memory.search(words)


def test_an_empty_shop(tmp_path):
    shop = open_shop(stored(tmp_path, "key", lambda folder: print(write_shop(folder, []))))
    assert (list(shop.products), shop.search("chair")) == ([], ())


def test_only_so_many_bullets_are_searched(tmp_path):
    write_shop(tmp_path, PRODUCTS, bullets=1)
    shop = open_shop(tmp_path)
    assert (len(shop.search("one")), len(shop.search("two"))) == (40, 0)


def test_it_is_built_once(tmp_path):
    calls = []

    def counted(folder):
        calls.append(folder)
        build(folder)

    first, again = stored(tmp_path, "key", counted), stored(tmp_path, "key", counted)
    assert (first, len(calls)) == (again, 1)
    assert stored(tmp_path, "other", counted) != first
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("name", ["products.jsonl", "docs.npy", "manifest.json", "offsets.npy"])
@pytest.mark.parametrize("how", ["cut", "changed", "gone", "added"])
def test_a_broken_cache_is_built_again(tmp_path, name, how):
    folder = stored(tmp_path, "key", build)
    path = folder / name
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        path.write_bytes(content[:-9] + b"\x00" * 9)
    elif how == "gone":
        path.unlink()
    else:
        (folder / f"{name}.more").write_bytes(b"")
    assert list(open_shop(stored(tmp_path, "key", build)).products) == PRODUCTS
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_a_failed_build_leaves_nothing(tmp_path):
    def failing(folder):
        (folder / "products.jsonl").write_text("half")
        raise BadFile("no")

    with pytest.raises(BadFile, match="no"):
        stored(tmp_path, "key", failing)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_removed(tmp_path):
    for name, age in ((".part-old", 10**6), (".part-new", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "products.jsonl").write_text("half")
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    folder = stored(tmp_path, "key", build)
    assert {p.name for p in tmp_path.iterdir()} == {".part-new", folder.name}


def test_a_line_that_breaks_later_says_what_to_do(tmp_path):
    folder = stored(tmp_path, "key", build)
    path = folder / "products.jsonl"
    path.write_bytes(path.read_bytes().replace(b'["B3"', b'{"B3"'))
    with pytest.raises(BadFile, match=r"products\.jsonl, line 4 is corrupt: delete "):
        open_shop(folder).products[3]


def test_racing_builds(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: stored(tmp_path, "key", build), range(8)))
    assert len(set(folders)) == 1
    assert [p.name for p in tmp_path.iterdir()] == [folders[0].name]
    shop = open_shop(folders[0])
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(shop.products.__getitem__, range(40))) == PRODUCTS


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="Cannot write the cache"):
        stored(tmp_path / "file" / "cache", "key", build)


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_root(tmp_path) == tmp_path
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "x"))
    assert cache_root() == tmp_path / "x"
    assert cache_root("~/y") == Path.home() / "y"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert cache_root().name == "qevolve-bench"


def test_digests_of_large_files_are_remembered(monkeypatch, tmp_path):
    monkeypatch.setattr("qevolve_envs.shop.storage._SMALL", 10)
    path = tmp_path / "large"
    path.write_bytes(b"a" * 100)
    root = tmp_path / "cache"
    first = file_digest(path, root)
    monkeypatch.setattr("qevolve_envs.shop.storage._sha256", lambda path: "b" * 64)
    assert file_digest(path, root) == first
    os.utime(path, ns=(1, 1))
    assert file_digest(path, root) == "b" * 64
    for memo in (root / "digests").iterdir():
        memo.write_text("{")
    assert file_digest(path, root) == "b" * 64
