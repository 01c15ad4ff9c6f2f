"""The write-ahead log of a run: what was played, before anything else is made of it.

The first line is the plan. Then follow records: a line of JSON, and for a batch the lines of its
episodes right behind it. A record counts when its length and checksum are right; what a killed
process left unfinished at the end does not, and is played again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from qevolve_bench.runner.journal import Tally
from qevolve_bench.runner.results import LOG
from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file

NAME = LOG
SCHEMA = 1
#: A crash of the machine, unlike one of the process, can lose what was played in so many seconds.
_SYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Place of the lines of a batch in the log.

    Attributes:
        offset: Of the first byte.
        size: In bytes.
        tally: What its episodes add to the summary of the run.
        seconds: How long the batch took.
    """

    offset: int
    size: int
    tally: Tally
    seconds: float


class Log:
    """The log of one run, open for writing; no other process can open it meanwhile.

    Args:
        path: The file, which exists already (`create` makes one).

    Raises:
        BadFile: When it is no log, or when another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = _open(path)
        try:
            _lock(self._file, path)
            self.content = read(self._file, path)
        except BaseException:
            self._file.close()
            raise
        self._file.seek(self.content.end)
        self._file.truncate()
        self._synced = time.monotonic()

    @staticmethod
    def create(path: Path, plan: dict[str, Any]) -> Log:
        """Begins a log, under a temporary name that is renamed when the plan is written."""
        write_file(path, _line({"schema": SCHEMA, "plan": plan}))
        return Log(path)

    def begin(self, session: dict[str, Any]) -> None:
        """Records that a process begins, or continues, to play: with what code, on what machine."""
        self._append(_line({"session": session}))
        self.content.sessions.append(session)

    def introduce(self, description: dict[str, Any]) -> None:
        """Records what the agent says of itself."""
        self._append(_line({"agent": description}))
        self.content.description = description

    def append(self, cell: str, batch: int, lines: bytes, tally: Tally, seconds: float) -> None:
        """Records a batch.

        Raises:
            BadFile: When the disk is full, or the like.
        """
        head = {
            "unit": [cell, batch],
            "bytes": len(lines),
            "sha256": hashlib.sha256(lines).hexdigest(),
            "tally": tally,
            "seconds": round(seconds, 3),
        }
        line = _line(head)
        offset = self._file.tell() + len(line)
        self._append(line + lines)
        self.content.units[cell, batch] = LogSpan(offset, len(lines), tally, seconds)

    def close(self) -> None:
        """Lets another process have the log."""
        with suppress(OSError):
            self._file.close()

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise BadFile(f"Cannot write {self._path}: {error.strerror or error}.") from None


@dataclass(slots=True)
class LogContent:
    """Content of a log.

    Attributes:
        plan: What is to be played.
        sessions: The processes that played, one after the other.
        description: What the agent said of itself; None before it was made.
        units: Where the episodes of each batch lie, by cell and batch.
        end: Where the good part of the file ends.
    """

    plan: dict[str, Any]
    sessions: list[dict[str, Any]]
    description: dict[str, Any] | None
    units: dict[tuple[str, int], LogSpan]
    end: int

    def ordered(self, cell: str) -> list[LogSpan]:
        """The batches of a cell, in the order of their draw."""
        return [place for (name, _), place in sorted(self.units.items()) if name == cell]


def read_log(path: Path) -> LogContent:
    """Reads the log of a run, which may still be going on.

    Raises:
        BadFile: When it is no log.
    """
    with _open(path, "rb") as stream:
        return read(stream, path)


def copy_units(path: Path, places: Sequence[LogSpan]) -> Iterator[bytes]:
    """The lines of batches, one after the other."""
    with _open(path, "rb") as stream:
        for place in places:
            stream.seek(place.offset)
            yield stream.read(place.size)


def _open(path: Path, mode: str = "r+b") -> IO[bytes]:
    try:
        return cast("IO[bytes]", path.open(mode))
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None


def read(stream: IO[bytes], path: Path) -> LogContent:
    """Reads an open log."""
    head = _parse(stream.readline())
    if head is None or head.get("schema") != SCHEMA or not isinstance(head.get("plan"), dict):
        raise BadFile(f"{path} is no log of a run that this release can continue.")
    sessions: list[dict[str, Any]] = []
    description: dict[str, Any] | None = None
    units: dict[tuple[str, int], LogSpan] = {}
    end = stream.tell()
    for record in _records(stream):
        if "agent" in record:
            description = record["agent"]
        elif "session" in record:
            sessions.append(record["session"])
        else:
            cell, batch = record["unit"]
            units[cell, batch] = LogSpan(
                record["offset"], record["bytes"], record["tally"], record["seconds"]
            )
        end = stream.tell()
    return LogContent(head["plan"], sessions, description, units, end)


def _records(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The records that are whole; the stream stands behind the latest one."""
    while (record := _parse(stream.readline())) is not None:
        if "unit" in record:
            record["offset"] = stream.tell()
            lines = stream.read(record["bytes"])
            if hashlib.sha256(lines).hexdigest() != record["sha256"]:
                return
        yield record


def _parse(line: bytes) -> dict[str, Any] | None:
    """A line of ours; None for what was not written to its end."""
    if not line.endswith(b"\n"):
        return None
    try:
        raw = json.loads(line)
    except ValueError:
        return None
    return raw if isinstance(raw, dict) else None


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _lock(stream: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Not on every system.
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise BadFile(
            f"Another process is writing {path.parent}: wait for it, or end it."
        ) from None
