"""Reading the folder of a stranger, and writing one that a stranger can check.

Nothing here executes or unpickles what it reads. Every path is a fixed name looked up in an open
folder without following links; every size is bounded before the bytes are read; compressed text
is streamed, so that a few kilobytes cannot fill the memory. What breaks a rule raises `BadFile`
with one sentence that is fit to be shown: foreign text is quoted by `quoted` only.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from qevolve_bench.schema import quoted
from qevolve_envs.errors import BadFile

MANIFEST: Final = "manifest.json"
EPISODES: Final = "episodes"
SUFFIX: Final = ".jsonl.gz"

#: More entries than this in one folder are not even listed.
MAX_ENTRIES = 256
MAX_MANIFEST_BYTES = 256 << 10
#: Of one file of episodes, as it lies on the disk.
MAX_COMPRESSED_BYTES = 32 << 20
#: Of one file of episodes, unpacked. A cell of the suites has a hundredth of it.
MAX_UNPACKED_BYTES = 256 << 20
#: Of one episode. Those of the suites have a hundredth of it.
MAX_LINE_BYTES = 16 << 20
_BLOCK = 1 << 16


class Folder:
    """A folder held open, whose files are reached by name only; a context manager.

    Args:
        path: The folder. Its last part must not be a link.

    Raises:
        BadFile: When it is no folder, or cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._fd = _open_folder(self.path, None, str(self.path))

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def names(self, sub: str = "") -> list[str]:
        """Names of the entries of the folder, or of one folder in it, sorted.

        Raises:
            BadFile: For a link in its place, or for more than `MAX_ENTRIES`.
        """
        fd = _open_folder(sub, self._fd, sub) if sub else os.dup(self._fd)
        try:
            found: list[str] = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    if len(found) == MAX_ENTRIES:
                        where = f"{sub}/" if sub else "The folder"
                        raise BadFile(f"{where} has more than {MAX_ENTRIES} entries.")
                    found.append(entry.name)
            return sorted(found)
        except OSError as error:
            raise BadFile(f"Cannot list {sub or 'the folder'}: {error.strerror}.") from None
        finally:
            os.close(fd)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of one file.

        Args:
            name: A file of the folder, or ``"episodes/" + name``.
            limit: Most bytes it may have; a larger file is refused unread.

        Raises:
            BadFile: For anything but an ordinary file of at most `limit` bytes.
        """
        sub, _, base = name.rpartition("/")
        parent = _open_folder(sub, self._fd, sub) if sub else os.dup(self._fd)
        try:
            return _read_file(parent, base, quoted(name) if sub else name, limit)
        except OSError as error:
            raise BadFile(f"Cannot read {quoted(name)}: {error.strerror}.") from None
        finally:
            os.close(parent)


def _open_folder(name: Path | str, parent: int | None, label: str) -> int:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise BadFile(f"{label} is a symbolic link.")
        if not stat.S_ISDIR(status.st_mode):
            raise BadFile(f"{label} is not a folder.")
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        raise BadFile(f"There is no folder {label}.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(
            f"Cannot open {label}: {getattr(error, 'strerror', None) or error}."
        ) from None


def _read_file(parent: int, name: str, label: str, limit: int) -> bytes:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        raise BadFile(f"There is no {label}.") from None
    if stat.S_ISLNK(status.st_mode):
        raise BadFile(f"{label} is a symbolic link.")
    if not stat.S_ISREG(status.st_mode):
        raise BadFile(f"{label} is not an ordinary file.")
    # Not blocking, should a pipe have taken the file's place since.
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    with os.fdopen(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise BadFile(f"{label} is not an ordinary file.")
        if os.fstat(fd).st_size > limit:
            raise BadFile(f"{label} is larger than {limit:,} bytes.")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise BadFile(f"{label} is larger than {limit:,} bytes.")
    return data


def unpacked_lines(data: bytes, label: str) -> Iterator[bytes]:
    r"""The lines of a gzip file, each without its ``\n``, unpacked as they are asked for.

    At most one line and one block are in memory besides `data`.

    Args:
        data: The compressed file.
        label: What errors call it.

    Raises:
        BadFile: For anything but one complete gzip member without extras, of complete lines.
    """
    if data[:3] != b"\x1f\x8b\x08":
        raise BadFile(f"{label} is not a gzip file.")
    if len(data) < 18:
        raise BadFile(f"{label} is a truncated gzip file.")
    if data[3] or any(data[4:8]):
        raise BadFile(f"{label} has a name, a time or extra data in its gzip header.")
    machine = zlib.decompressobj(wbits=31)
    view, place, total = memoryview(data), 0, 0
    # The line that is not complete yet, in pieces, and its length.
    pieces: list[bytes] = []
    length = 0
    while not machine.eof:
        # What the last call left over comes first; then the next block of the file.
        chunk: bytes | memoryview = machine.unconsumed_tail
        if not chunk:
            chunk = view[place : place + _BLOCK]
            place += len(chunk)
        try:
            text = machine.decompress(chunk, _BLOCK)
        except zlib.error:
            raise BadFile(f"{label} is damaged: its gzip data cannot be unpacked.") from None
        if not (chunk or text or machine.eof):
            raise BadFile(f"{label} is a truncated gzip file.")
        total += len(text)
        if total > MAX_UNPACKED_BYTES:
            raise BadFile(f"{label} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes.")
        first, *others = text.split(b"\n")
        pieces.append(first)
        length += len(first)
        if length > MAX_LINE_BYTES:
            raise BadFile(f"{label} has a line of more than {MAX_LINE_BYTES:,} bytes.")
        if others:
            yield b"".join(pieces)
            yield from others[:-1]
            pieces, length = [others[-1]], len(others[-1])
    left = machine.unused_data + bytes(view[place : place + 2])
    if left[:2] == b"\x1f\x8b":
        raise BadFile(f"{label} has a second gzip member.")
    if left:
        raise BadFile(f"{label} has data behind the end of its gzip member.")
    if length:
        raise BadFile(f"{label} does not end with a newline.")


def packed(data: bytes) -> bytes:
    """Data as gzip, without name and time: the same data give the same bytes."""
    buffer = io.BytesIO()
    # An empty name, because GzipFile would otherwise record that of the file it writes to.
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()
