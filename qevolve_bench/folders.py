"""Folders that a command writes: claimed, so that nothing of anybody else is ever overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qevolve_bench.schema import read_json, write_json
from qevolve_envs.errors import BadFile, BenchError

#: Everything that decides the content of a folder; written first.
SPEC = "spec.json"


#: Fields of specifications that earlier releases wrote under another name.
OLD_NAMES = {"form": "transcript_config"}


def current_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """A stored specification with the present names of its fields."""
    return {OLD_NAMES.get(name, name): value for name, value in record.items()}


def first_difference(
    found: Mapping[str, Any], wanted: Mapping[str, Any], ignoring: Sequence[str] = ()
) -> str | None:
    """Names the first field in which a stored specification differs; None for none."""
    found = current_names(found)
    for name, value in wanted.items():
        if name not in ignoring and found.get(name) != value:
            return f"{name}: {found.get(name)!r} there, {value!r} here"
    return None


def claim_folder(
    wanted: Mapping[str, Any],
    folder: Path,
    *,
    force: bool = False,
    kind: str = "training run",
    file: str = SPEC,
    marks: Sequence[str] = (),
    difference: Callable[[dict[str, Any], Mapping[str, Any]], str | None] = first_difference,
    remove: Callable[[Path], None] = shutil.rmtree,
) -> bool:
    """Makes a folder, or finds that it holds what the same command has begun.

    Args:
        wanted: The content of its specification.
        folder: The folder.
        force: Replace what is there, if it is of the same kind.
        kind: Name of what the folder holds, for errors.
        file: Name of the specification.
        marks: Fields by which a specification of this kind is known from others.
        difference: Names what differs between the specification there and `wanted`; a falsy value
            where the command goes on with what is there.
        remove: Removes what is there.

    Returns:
        True when it was made here; False when it holds the same already.

    Raises:
        BenchError: When the folder holds something else, or cannot be written.
    """
    path = folder / file
    try:
        names = names_in(folder, kind)
        if path.is_file():
            found = read_json(path)
            if not isinstance(found, dict) or any(mark not in found for mark in marks):
                raise BadFile(f"{path} is not of a {kind}: choose another folder.")
            if not force and (what := difference(found, wanted)):
                raise BenchError(
                    f"{folder} holds a {kind} that differs in its {what};"
                    " choose another folder, or replace it with --force."
                )
            if not force:
                return False
            remove(folder)
        elif names:
            raise BadFile(f"{folder} is not empty and holds no {kind}: choose another folder.")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, BenchError):
            raise
        raise _unwritable(folder, kind, error) from None
    write_json(path, wanted)
    return True


def names_in(folder: Path, kind: str) -> list[str]:
    """Lists an output folder; a missing one is empty.

    Raises:
        BadFile: For what is no folder, or cannot be read.
    """
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise BadFile(f"{folder} cannot hold a {kind}: it is a file, and a {kind} is a folder.")
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        raise _unwritable(folder, kind, error) from None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder that takes its name when the block is left, and is removed when that fails.

    Args:
        folder: Its name in the end; nothing may be there.

    Raises:
        BadFile: When something is there, or the place cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise BadFile(f"{folder} exists: choose another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".qevolve-bench-") as scratch:
            made = Path(scratch) / folder.name
            made.mkdir()
            yield made
            made.rename(folder)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise BadFile(f"Cannot write {folder}: {reason}.") from None


def _unwritable(folder: Path, kind: str, error: Exception) -> BadFile:
    reason = getattr(error, "strerror", None) or error
    return BadFile(f"{folder} cannot hold a {kind}: {reason}.")
