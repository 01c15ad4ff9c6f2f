"""A shop on disk: built once, found again by its contents, and mapped into memory.

A stored shop is a folder: the products as lines of JSON with their offsets, the arrays of the
index, and whatever its builder adds. It is written under a temporary name and renamed when it is
complete, so that a folder with a manifest is a whole one. Processes that open it share its pages.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np

from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file
from qevolve_envs.shop.catalogue import Product
from qevolve_envs.shop.search import Index, IndexBuilder
from qevolve_envs.shop.session import Shop, document

#: Part of every key; changes with anything that changes what is stored.
FORMAT = 1
#: Environment variable that moves the cache.
CACHE_VARIABLE = "QEVOLVE_BENCH_CACHE"
MANIFEST = "manifest.json"
_PRODUCTS, _OFFSETS = "products.jsonl", "offsets.npy"
#: Products that are kept after reading, for each opened shop.
_KEPT = 2_048
#: Files up to this size are read in full whenever their digest is needed.
_SMALL = 32 * 2**20
#: Seconds without a new file after which a build counts as killed.
_ABANDONED = 24 * 3600
#: A manifest vouches for this many blocks of each file.
_SAMPLES, _SAMPLE_SIZE = 64, 4_096


def cache_root(given: str | os.PathLike[str] | None = None) -> Path:
    """Folder of shops: the given one, else ``$QEVOLVE_BENCH_CACHE``, else the user's cache."""
    if given is None:
        given = os.environ.get(CACHE_VARIABLE) or None
    if given is not None:
        return Path(given).expanduser()
    if sys.platform == "win32":  # pragma: no cover
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":  # pragma: no cover
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "qevolve-bench"


def file_digest(path: Path, root: Path) -> str:
    """SHA-256 of a file.

    For a large file it is computed once and remembered in the cache for as long as the file keeps
    its place, size and time of change.
    """
    status = path.stat()
    if status.st_size <= _SMALL:
        return _sha256(path)
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    memo = root / "digests" / f"{name}.json"
    stamp = [status.st_size, status.st_mtime_ns]
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(memo.read_text("ascii"))
        if stored["stamp"] == stamp and len(stored["sha256"]) == 64:
            return str(stored["sha256"])
    digest = _sha256(path)
    memo.parent.mkdir(parents=True, exist_ok=True)
    write_file(memo, json.dumps({"stamp": stamp, "sha256": digest}), shared=True)
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stored(root: Path, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of a key; built if it is not there, or not whole any more.

    Args:
        root: The cache.
        key: A digest of everything that the contents depend on.
        build: Writes the contents into an empty folder.

    Raises:
        BadFile: When the cache cannot be written.
    """
    folder = root / f"shop-{FORMAT}-{key[:40]}"
    if _is_whole(folder):
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=root))
    except OSError as error:
        raise BadFile(f"Cannot write the cache {root}: {error.strerror or error}.") from None
    try:
        build(part)
        write_file(part / MANIFEST, json.dumps(_survey(part), indent=1))
        # Another process may have been faster, in which case its folder is as good as ours.
        if not _is_whole(folder):
            if folder.exists():
                folder.rename(Path(tempfile.mkdtemp(prefix=".part-", dir=root)) / "broken")
            with suppress(OSError):
                part.rename(folder)
    except OSError as error:
        raise BadFile(f"Cannot write the cache {root}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        _tidy(root)
    if not _is_whole(folder):
        raise BadFile(f"The cache {folder} cannot be replaced; delete it.")
    return folder


def _tidy(root: Path) -> None:
    """Removes what broken and killed builds have left."""
    for left in sorted(root.glob(".part-*")):
        with suppress(OSError):
            if (left / "broken").exists() or time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def _survey(folder: Path) -> dict[str, list[Any]]:
    """File name -> its size, and a digest of blocks spread over it."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST:
            continue
        size = path.stat().st_size
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            for number in range(_SAMPLES):
                stream.seek(max(0, size - _SAMPLE_SIZE) * number // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_SIZE))
        found[path.name] = [size, digest.hexdigest()]
    return found


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text("ascii"))
        return bool(manifest == _survey(folder))
    except (OSError, ValueError):
        return False


# ── products ────────────────────────────────────────────────────────────────


def write_shop(folder: Path, products: Iterable[Product], *, bullets: int | None = None) -> int:
    """Writes products and their index into a folder, one product in memory at a time.

    Args:
        folder: An empty folder.
        products: What the shop sells.
        bullets: How many bullets of each are searched; None for all.

    Returns:
        The number of products.
    """
    builder = IndexBuilder(folder)
    offsets = array("q", [0])
    place = 0
    with (folder / _PRODUCTS).open("wb") as stream:
        for product in products:
            place += stream.write(_to_line(product))
            offsets.append(place)
            builder.add(document(product, bullets))
    np.save(folder / _OFFSETS, np.array(offsets, np.int64))
    builder.finish()
    return len(offsets) - 1


def open_shop(folder: Path, *, name: str = "WebShop") -> Shop:
    """Opens what `write_shop` wrote; nothing but the offsets and the list of terms is read."""
    return Shop(StoredProducts(folder), Index.open(folder), name)


def _to_line(product: Product) -> bytes:
    record = [
        product.ident,
        product.title,
        product.department,
        product.category,
        product.description,
        product.bullets,
        product.attributes,
        dict(product.options),
        product.price,
        product.price_text,
    ]
    # ASCII, so that lone surrogates of a source survive too.
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def _from_line(line: bytes) -> Product:
    ident, title, department, category, description, bullets, attributes, options, price, text = (
        json.loads(line)
    )
    return Product(
        ident,
        title,
        department,
        tuple(category),
        description,
        tuple(bullets),
        tuple(attributes),
        {option: tuple(values) for option, values in options.items()},
        price,
        text,
    )


class StoredProducts(Sequence[Product]):
    """The products of a stored shop, each read when it is asked for; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets = np.asarray(np.load(folder / _OFFSETS, mmap_mode="r"))
        with (folder / _PRODUCTS).open("rb") as stream:
            # An empty file cannot be mapped.
            empty = os.fstat(stream.fileno()).st_size == 0
            self._lines: mmap.mmap | bytes = (
                b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            )
        self._product = lru_cache(maxsize=_KEPT)(self._read)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, number: int) -> Product: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Product, ...]: ...
    def __getitem__(self, number: int | slice) -> Product | tuple[Product, ...]:
        if isinstance(number, slice):
            return tuple(self._read(i) for i in range(*number.indices(len(self))))
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return self._product(number % len(self))

    def __iter__(self) -> Iterator[Product]:
        return map(self._read, range(len(self)))

    def _read(self, number: int) -> Product:
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        try:
            return _from_line(self._lines[start:end])
        except (ValueError, TypeError, AttributeError):
            raise BadFile(
                f"{self._folder / _PRODUCTS}, line {number + 1} is corrupt: delete {self._folder}."
            ) from None
