"""The folder of a run: when it may be begun, continued or replaced, and what is in it at the end.

While a run is played there is a log (`log.jsonl`); when it is finished there is a manifest, which
is written last. A process can be killed between any two of these steps and the next one continues.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from qevolve_bench.folders import names_in
from qevolve_bench.runner import log
from qevolve_bench.runner.log import Content, Log, Place
from qevolve_bench.runner.results import (
    EPISODES,
    MANIFEST,
    SCHEMA,
    TIMING,
    CellSummary,
    Ledger,
    Manifest,
    Run,
    Settings,
)
from qevolve_bench.schema import write_json
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing

#: Everything that a run writes; a folder that holds anything else is not taken for one.
_OURS = {MANIFEST, EPISODES, TIMING, log.NAME}


def open_run(folder: Path, plan: dict[str, Any], *, force: bool) -> Log:
    """Begins a run in a folder, or continues the unfinished one that lies there.

    Args:
        folder: Made where it is missing.
        plan: What is to be played.
        force: Replace what lies there, if it is a run.

    Raises:
        BadFile: When the folder holds something else, a finished run, a run of another plan, or
            one that another process is writing.
    """
    check_folder(folder)
    path = folder / log.NAME
    if (folder / MANIFEST).exists() and not force:
        raise BadFile(
            f"{folder} holds a finished run: choose another --out, or replace it with --force."
        )
    if path.exists() and not (folder / MANIFEST).exists():
        unfinished = Log(path)  # Also with `force`: nobody else must be writing it.
        force = force or not unfinished.content.units  # Nothing was played: nothing is lost.
        if not force and (difference := _difference(unfinished.content.plan, plan)):
            unfinished.close()
            raise BadFile(
                f"{folder} holds an unfinished run with {difference}: give its command to continue"
                " it, choose another --out, or replace it with --force."
            )
        if not force:
            return unfinished
        unfinished.close()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot write {folder}: {reason}.") from None
    return Log.create(path, plan)


def abandon(folder: Path, log_: Log) -> None:
    """Leaves no trace of a run of which nothing was played, because of a mistake in its command."""
    if not log_.content.units:
        log_.close()
        with suppress(OSError):
            _clear(folder)
            folder.rmdir()


def check_folder(folder: Path) -> None:
    """Makes sure that a folder is missing, empty or a run.

    Raises:
        BadFile: When it is anything else, so that nobody's files are lost or mixed with a run's.
    """
    names = names_in(folder, "run")
    strange = [n for n in names if n not in _OURS and not n.endswith(".part")]
    if strange:
        raise BadFile(
            f"{folder} holds files that are no part of a run ({min(strange)}): choose another"
            " --out."
        )


def finish(folder: Path, log_: Log) -> Manifest:
    """Makes the files of a finished run out of its log, and removes the log.

    Returns:
        The manifest.

    Raises:
        BadFile: When a file cannot be written; the log is then still there.
    """
    content, episodes = log_.content, folder / EPISODES
    manifest = outline(content)
    for cell in content.plan["suite"]["cells"]:
        name = cell["name"]
        if name in manifest["skipped"]:
            continue
        units = content.ordered(name)
        count(manifest, name, units)
        try:
            episodes.mkdir(exist_ok=True)
            lines = log.copy_units(folder / log.NAME, units)
            manifest["files"][name] = _write_cell(episodes / f"{name}.jsonl", lines)
        except OSError as error:
            raise BadFile(f"Cannot write {episodes}: {error.strerror or error}.") from None
    seconds = {
        cell["name"]: round(sum(place.seconds for place in content.ordered(cell["name"])), 3)
        for cell in content.plan["suite"]["cells"]
    }
    sessions = [{k: v for k, v in s.items() if k != "provenance"} for s in content.sessions]
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    timing = {"schema": SCHEMA, "sessions": sessions, "ended": ended, "worker_seconds": seconds}
    write_json(folder / TIMING, timing)
    manifest["complete"] = True
    write_json(folder / MANIFEST, manifest)
    log_.close()
    _clear(folder, keep={MANIFEST, TIMING, EPISODES})
    return manifest


def load_partial(folder: Path) -> Run:
    """Reads what there is of an unfinished run; its manifest says that it is not complete.

    Raises:
        BadFile: When there is no log, or it is no log.
    """
    path = folder / log.NAME
    content = log.read_log(path)
    manifest = outline(content)
    cells: dict[str, list[Episode]] = {}
    for cell in content.plan["suite"]["cells"]:
        name = cell["name"]
        if units := content.ordered(name):
            count(manifest, name, units)
            text = b"".join(log.copy_units(path, units)).decode("ascii")
            cells[name] = [Episode.from_json(line) for line in text.splitlines()]
    return Run(folder.resolve().name, cells, manifest)


def outline(content: Content) -> Manifest:
    """The manifest of a run of which no episode was counted yet."""
    plan = content.plan
    codes = [session["provenance"] for session in content.sessions]
    first = dict(codes[0]) if codes else {}
    others = [code for i, code in enumerate(codes) if code not in codes[:i]][1:]
    if others:
        first["continued_with"] = others
    return Manifest(
        schema=SCHEMA,
        complete=False,
        suite=plan["suite"],
        agent={"name": plan["agent"]["name"], "description": content.description or {}},
        settings=cast("Settings", plan["settings"]),
        provenance=first,
        ledger=Ledger(episodes=0, env_steps=0, prompt_tokens=0, generated_tokens=0),
        summary={},
        skipped=plan["skipped"],
        files={},
    )


def count(manifest: Manifest, cell: str, units: Sequence[Place]) -> None:
    """Puts the units of a cell into the summary and the ledger."""
    tallies = [unit.tally for unit in units]
    scores = [score for tally in tallies for score in tally["scores"]]
    total = 0.0
    for score in scores:
        # One by one, as `verify` does: from Python 3.12 on, `sum` rounds otherwise.
        total += score
    won, env_steps = (sum(tally[name] for tally in tallies) for name in ("won", "env_steps"))
    manifest["summary"][cell] = CellSummary(
        episodes=len(scores),
        failed=sum(tally["failed"] for tally in tallies),
        won=won,
        success=round(won / len(scores), 6),
        score=round(total / len(scores), 6),
        env_steps=env_steps,
    )
    ledger = manifest["ledger"]
    ledger["episodes"] += len(scores)
    ledger["env_steps"] += env_steps
    ledger["prompt_tokens"] += sum(tally["prompt_tokens"] for tally in tallies)
    ledger["generated_tokens"] += sum(tally["generated_tokens"] for tally in tallies)


def _write_cell(path: Path, units: Iterable[bytes]) -> str:
    """Writes the episodes of a cell, and returns their SHA-256."""
    digest = hashlib.sha256()
    with replacing(path) as stream:
        for lines in units:
            stream.write(lines)
            digest.update(lines)
    return digest.hexdigest()


def _clear(folder: Path, keep: Iterable[str] = ()) -> None:
    """Removes what an earlier run left, its manifest first: half a run must not look finished."""
    for name in (MANIFEST, log.NAME, TIMING):
        if name not in keep:
            (folder / name).unlink(missing_ok=True)
    if EPISODES not in keep:
        shutil.rmtree(folder / EPISODES, ignore_errors=True)
    for path in [*folder.glob("*.part")]:
        with suppress(OSError):
            path.unlink()


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first thing in which two plans differ, in words; empty where they are the same."""
    pairs = [("agent", old["agent"]["name"], new["agent"]["name"])]
    pairs.append(("suite", old["suite"]["name"], new["suite"]["name"]))
    for name in new["settings"]:
        pairs.append((name.replace("_", " "), old["settings"].get(name), new["settings"][name]))
    cells = [{cell["name"]: cell for cell in plan["suite"]["cells"]} for plan in (old, new)]
    pairs.append(("cells", ", ".join(cells[0]), ", ".join(cells[1])))
    for name in cells[0].keys() & cells[1].keys():
        for field in cells[1][name]:
            pairs.append((f"{field} of {name}", cells[0][name].get(field), cells[1][name][field]))
    pairs.append(("skipped cells", ", ".join(old["skipped"]), ", ".join(new["skipped"])))
    for what, before, now in pairs:
        if before != now:
            return f"another {what} ({before!r}, now {now!r})"
    # Only of the same agent: what another one takes says nothing.
    options = old["agent"]["options"], new["agent"]["options"]
    for name in sorted(options[0].keys() | options[1].keys()):
        if options[0].get(name) != options[1].get(name):
            return f"another value of the agent's {name!r}"
    return ""
