"""Writes files under a temporary name and renames them when complete, so that none is partial."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from qevolve_envs.errors import BadFile


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[BinaryIO]:
    """Opens a file that takes its name when the block is left, and is removed when that fails.

    A reader sees the old file or the new one, also after a crash.

    Args:
        path: Its name in the end.
        shared: Several processes may write it at once, so that each needs a temporary name of its
            own. Otherwise it is `path` with ``.part`` behind it, which a later write takes up.

    Raises:
        BadFile: When the place cannot be written.
    """
    try:
        part = path.with_name(path.name + ".part")
        if shared:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            part = Path(name)
        stream = os.fdopen(handle, "wb") if shared else part.open("wb")
    except (OSError, ValueError) as error:  # ValueError: the name holds a null character.
        raise _unwritable(path, error) from None
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # A file that is written anew keeps its mode; a temporary one would be its owner's alone.
        if shared or path.exists():
            part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from None
        raise


def write_file(path: Path, content: bytes | str, *, shared: bool = False) -> None:
    """Writes a whole file; text as UTF-8. See `replacing`."""
    with replacing(path, shared=shared) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


def _unwritable(path: Path, error: Exception) -> BadFile:
    return BadFile(f"Cannot write {path}: {getattr(error, 'strerror', None) or error}.")
