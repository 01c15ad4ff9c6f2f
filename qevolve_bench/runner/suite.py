"""Playing a suite into a folder: plan, play what is missing, finish.

While a run is played there is a log (`log.jsonl`); when it is finished there is a manifest, which
is written last. A process can be killed between any two of these steps and the next one continues.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from qevolve_bench.folders import names_in
from qevolve_bench.provenance import hardware, provenance
from qevolve_bench.runner.backends import BACKENDS
from qevolve_bench.runner.log import Log, LogContent, copy_units, read_log
from qevolve_bench.runner.results import (
    EPISODES,
    LOG,
    MANIFEST,
    SCHEMA,
    TIMING,
    EvaluationRun,
    Manifest,
    RunSettings,
    ledger_of,
    summary_of,
)
from qevolve_bench.runner.supervisor import PlayedBatch
from qevolve_bench.runner.worker import AgentLimits, RunJob, cut
from qevolve_bench.schema import write_json
from qevolve_bench.suites import Suite, survey
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.files import replacing

#: Everything that a run writes; a folder that holds anything else is not taken for one.
_OURS = {MANIFEST, EPISODES, TIMING, LOG}
#: Told the episodes that are done, and those of the whole run.
OnProgress = Callable[[int, int], None]


def run_suite(
    suite: Suite,
    *,
    agent: str,
    out: Path,
    options: Mapping[str, Any] | None = None,
    limits: AgentLimits | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    backend: str = "local",
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Manifest:
    """Plays a suite into a folder; the same command continues what was interrupted.

    The files of the folder are a function of the suite, the agent, its options, the limits and the
    batch size (and of the code): not of the workers, the backend, or of how often the process was
    killed. Only `timing.json` differs.

    Args:
        suite: What is played.
        agent: Name of the agent (see `qevolve_bench.agents`), which every worker makes for itself.
        out: Folder of the run.
        options: Options of the agent; JSON scalars.
        limits: When an agent is given up.
        batch_size: Episodes that the agent plays in lockstep.
        workers: Number of processes; by default one, on Ray one for each CPU of the cluster. 0
            plays in this process, without limits or protection: for a debugger.
        backend: A name in `BACKENDS`.
        force: Replace a run that lies in the folder.
        on_progress: Called with the number of episodes done and of all, whenever it changes.

    Returns:
        The manifest, which lies in the folder too.

    Raises:
        BenchError: For what the user can mend. Failures of the agent are failed episodes.
        KeyboardInterrupt: When interrupted; what was done by then lies in the log.
    """
    if backend not in BACKENDS:
        raise UnknownName.of("backend", backend, BACKENDS)
    limits = limits or AgentLimits()
    _check_numbers(batch_size, workers, limits)
    _check_folder(out)
    played, panels, skipped = survey(suite)
    cells = tuple(cell for cell in played.cells if cell.name not in skipped)
    plan = {
        "suite": played.to_json(),
        "agent": {"name": agent, "options": _fingerprints(options or {})},
        "settings": {"batch_size": batch_size, **dataclasses.asdict(limits)},
        "skipped": skipped,
    }
    job = RunJob.of(cells, agent, options or {}, limits)
    units = cut(cells, panels, batch_size)
    with closing(_open_run(out, plan, force=force)) as log:
        missing = [u for u in units if (cells[u.cell].name, u.batch) not in log.content.units]
        total = sum(len(unit.assignments) for unit in units)
        done = total - sum(len(unit.assignments) for unit in missing)
        if on_progress is not None:
            on_progress(done, total)
        if missing:
            log.begin(
                {
                    "began": datetime.now(UTC).isoformat(timespec="seconds"),
                    "provenance": provenance(),
                    "hardware": hardware(),
                    "backend": backend,
                    "workers": workers,
                }
            )
        # Closed by hand, so that no worker outlives an error or an interrupt.
        try:
            with closing(BACKENDS[backend](job, missing, workers, out)) as results:
                for result in results:
                    _record(log, cells[result.unit.cell].name, result)
                    done += len(result.unit.assignments)
                    if on_progress is not None:
                        on_progress(done, total)
        except BenchError:
            _abandon(out, log)
            raise
        return _finish(out, log)


def _record(log: Log, cell: str, result: PlayedBatch) -> None:
    """Puts a batch into the log, and what the agent says of itself before the first."""
    known = log.content.description
    if known is None:
        log.introduce(result.description)
    elif known != result.description:
        names = known.keys() | result.description.keys()
        changed = min(n for n in names if known.get(n) != result.description.get(n))
        raise BenchError(
            f"The agent describes itself differently than before ({changed}): a run has one agent;"
            " begin another with --out or --force."
        )
    log.append(cell, result.unit.batch, result.lines, result.tally, result.seconds)


def _fingerprints(options: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the options: enough to see that one changed, and no secret is written down."""
    return {
        name: hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
        for name, value in sorted(options.items())
    }


def _check_numbers(batch_size: int, workers: int | None, limits: AgentLimits) -> None:
    for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0)):
        if value is not None and value < least:
            raise BenchError(f"{name} must be at least {least}, not {value}.")
    for name, limit in dataclasses.asdict(limits).items():
        if limit is not None and not 0 < limit < float("inf"):
            raise BenchError(f"{name} must be more than 0, not {limit}.")


# ── the folder of a run ──────────────────────────────────────────────────────


def _open_run(folder: Path, plan: dict[str, Any], *, force: bool) -> Log:
    """Begins a run in a folder, or continues the unfinished one that lies there.

    Args:
        folder: Made where it is missing.
        plan: What is to be played.
        force: Replace what lies there, if it is a run.

    Raises:
        BadFile: When the folder holds something else, a finished run, a run of another plan, or
            one that another process is writing.
    """
    _check_folder(folder)
    path = folder / LOG
    if (folder / MANIFEST).exists() and not force:
        raise BadFile(
            f"{folder} holds a finished run: choose another --out, or replace it with --force."
        )
    if path.exists() and not (folder / MANIFEST).exists():
        unfinished = Log(path)  # Also with `force`: no other process must be writing it.
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


def _abandon(folder: Path, log_: Log) -> None:
    """Leaves no trace of a run of which nothing was played, because of a mistake in its command."""
    if not log_.content.units:
        log_.close()
        with suppress(OSError):
            _clear(folder)
            folder.rmdir()


def _check_folder(folder: Path) -> None:
    """Makes sure that a folder is missing, empty or a run.

    Raises:
        BadFile: When it is anything else, so that no other files are lost or mixed with a run's.
    """
    names = names_in(folder, "run")
    strange = [n for n in names if n not in _OURS and not n.endswith(".part")]
    if strange:
        raise BadFile(
            f"{folder} holds files that are no part of a run ({min(strange)}): choose another"
            " --out."
        )


def _finish(folder: Path, log_: Log) -> Manifest:
    """Makes the files of a finished run out of its log, and removes the log.

    Returns:
        The manifest.

    Raises:
        BadFile: When a file cannot be written; the log is then still there.
    """
    content, episodes = log_.content, folder / EPISODES
    manifest = _outline(content)
    tallies = []
    for cell in content.plan["suite"]["cells"]:
        name = cell["name"]
        if name in manifest["skipped"]:
            continue
        units = content.ordered(name)
        manifest["summary"][name] = summary_of(unit.tally for unit in units)
        tallies += [unit.tally for unit in units]
        try:
            episodes.mkdir(exist_ok=True)
            lines = copy_units(folder / LOG, units)
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
    manifest["ledger"] = ledger_of(tallies)
    manifest["complete"] = True
    write_json(folder / MANIFEST, manifest)
    log_.close()
    _clear(folder, keep={MANIFEST, TIMING, EPISODES})
    return manifest


def load_partial(folder: Path) -> EvaluationRun:
    """Reads what there is of an unfinished run; its manifest says that it is not complete.

    Raises:
        BadFile: When there is no log, or it is no log.
    """
    path = folder / LOG
    content = read_log(path)
    manifest = _outline(content)
    cells: dict[str, list[Episode]] = {}
    tallies = []
    for cell in content.plan["suite"]["cells"]:
        name = cell["name"]
        if units := content.ordered(name):
            manifest["summary"][name] = summary_of(unit.tally for unit in units)
            tallies += [unit.tally for unit in units]
            text = b"".join(copy_units(path, units)).decode("ascii")
            cells[name] = [Episode.from_json(line) for line in text.splitlines()]
    manifest["ledger"] = ledger_of(tallies)
    return EvaluationRun(folder.resolve().name, cells, manifest)


def _outline(content: LogContent) -> Manifest:
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
        settings=cast("RunSettings", plan["settings"]),
        provenance=first,
        ledger=ledger_of([]),
        summary={},
        skipped=plan["skipped"],
        files={},
    )


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
    for name in (MANIFEST, LOG, TIMING):
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
