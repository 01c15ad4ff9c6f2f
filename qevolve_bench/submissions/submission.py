"""Submissions: packed runs, which are verified by a replay of every action.

A submission is a folder with ``manifest.json`` and ``episodes/<cell>.jsonl.gz``. This
package recomputes each observation, reward, score and digest from the actions; the tokens and the
name of the agent remain claims. `verify` trusts nothing that it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import gymnasium

from qevolve_bench.folders import new_folder
from qevolve_bench.runner.journal import tally
from qevolve_bench.runner.results import TIMING, Manifest, ledger_of, read_manifest, summary_of
from qevolve_bench.schema import opened, quoted, write_json
from qevolve_bench.submissions.files import (
    EPISODES,
    MANIFEST,
    MAX_COMPRESSED_BYTES,
    SUFFIX,
    Folder,
    packed,
    unpacked_lines,
)
from qevolve_bench.submissions.manifest import (
    SUBMISSION_NAME,
    check_agent_name,
    check_link,
    check_parts,
    find_suite,
    read_foreign_manifest,
)
from qevolve_bench.submissions.replay import CellPlan, Finding, check_cell
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.catalog import EnvEntry
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.factory import make_env, text_env
from qevolve_envs.files import write_file
from qevolve_envs.play import Assignment, draw_tasks
from qevolve_envs.registration import all_entries

Status = Literal["verified", "unverified", "refused"]


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """Verdict on one cell.

    Attributes:
        cell: The suite's cell.
        status: ``verified`` where every action was replayed; ``unverified`` where it could not be;
            ``refused`` where something is wrong.
        reason: Why it is not verified; ``""`` where it is.
        episodes: The episodes that were read; all of them unless the cell is refused.
    """

    cell: Cell
    status: Status
    reason: str
    episodes: list[Episode]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a submission, as `verify` gives it.

    Attributes:
        path: The folder.
        findings: What is wrong; empty unless it is refused.
        cells: By name, in the suite's order; empty where not even the manifest could be used.
        suite: What was played; None where not even the manifest could be used.
        manifest: Its own words, checked; None where they could not be read.
    """

    path: Path
    findings: tuple[Finding, ...]
    cells: dict[str, CellVerdict]
    suite: Suite | None = None
    manifest: Manifest | None = None

    @property
    def status(self) -> Status:
        """``verified`` where every cell is."""
        if self.findings or not self.cells:
            return "refused"
        verified = all(cell.status == "verified" for cell in self.cells.values())
        return "verified" if verified else "unverified"

    @property
    def env_steps(self) -> int:
        """Steps of all episodes that were read."""
        return sum(len(e.steps) for cell in self.cells.values() for e in cell.episodes)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "status": self.status,
            "suite": None if self.suite is None else self.suite.name,
            "agent": None if self.manifest is None else self.manifest["agent"]["name"],
            "cells": {
                name: {"status": c.status, "reason": c.reason, "episodes": len(c.episodes)}
                for name, c in self.cells.items()
            },
            "findings": [
                {
                    "sentence": str(finding),
                    "cell": finding.cell,
                    "episode": finding.episode,
                    "step": finding.step,
                }
                for finding in self.findings
            ],
        }


def pack(run: Path | str, dest: Path | str) -> Path:
    """Makes a submission of a finished run; the same run gives the same bytes.

    Args:
        run: A run folder, as `qevolve-bench eval --suite` leaves it.
        dest: The folder to make; it must not exist.

    Returns:
        The folder.

    Raises:
        BadFile: When the run is not complete, was changed since, or `dest` cannot be written;
            nothing is left behind then.
    """
    run, dest = Path(run), Path(dest)
    manifest = read_manifest(run / MANIFEST)
    if not manifest["complete"]:
        raise BadFile(f"{run} is not complete: run the same command again to finish it.")
    try:
        check_agent_name(manifest["agent"]["name"])
    except BadFile as error:
        raise BadFile(f"Cannot submit {run}: {error}.") from None
    with new_folder(dest) as folder:
        (folder / EPISODES).mkdir()
        for cell in Suite.from_json(manifest["suite"]).cells:
            if cell.name in manifest["skipped"]:
                continue
            source = run / EPISODES / f"{cell.name}.jsonl"
            with opened(source) as stream:
                data = stream.read()
            if hashlib.sha256(data).hexdigest() != manifest["files"].get(cell.name):
                raise BadFile(f"{source} is not what the run wrote: its digest differs.")
            write_file(folder / EPISODES / f"{cell.name}{SUFFIX}", packed(data))
        write_json(folder / MANIFEST, manifest)
    return dest


def add_submission(
    source: Path, root: Path, *, name: str | None = None, link: str | None = None
) -> tuple[Verdict, Path]:
    """Verifies a submission and copies it to ``<root>/<suite>/<name>``, unless it is refused.

    Args:
        source: A submission, or a finished run, which is packed first.
        root: Folder of the leaderboards.
        name: Of the new folder; by default that of `source`.
        link: Where more is said of the agent; it is put into the manifest.

    Returns:
        The verdict, and where the submission lies if it is not refused.

    Raises:
        BadFile: For a name that is taken or cannot be one, or a place that cannot be written.
    """
    if not root.is_dir():
        raise BadFile(f"There is no folder {root}: give that of the leaderboards with --root.")
    if not source.is_dir():
        raise BadFile(f"{source} is not a folder: give that of a submission, or of a run.")
    name = source.resolve().name if name is None else name
    if not SUBMISSION_NAME.fullmatch(name):
        raise BadFile(
            f"A submission cannot be called {name!r}: give --name, of a-z, 0-9, dot, hyphen and"
            " underscore."
        )
    if link is not None:
        try:
            check_link(link)
        except BadFile as error:
            raise BadFile(f"{str(error).capitalize()}.") from None
    with TemporaryDirectory(prefix="qevolve-bench-") as scratch:
        submission = source
        if _is_run(source):
            submission = pack(source, Path(scratch) / name)
        verdict = verify(submission)
        if verdict.status == "refused":
            return verdict, submission
        assert verdict.suite is not None and verdict.manifest is not None
        dest = root / verdict.suite.name / name
        if dest.exists():
            raise BadFile(f"{dest} exists: give another --name.")
        manifest = verdict.manifest
        if link is not None:
            manifest["agent"]["description"]["link"] = link
        # Not by `copytree`: the files of a submission, by name, and nothing else.
        with new_folder(dest) as new, Folder(submission) as folder:
            (new / EPISODES).mkdir()
            for cell in manifest["files"]:
                file = f"{EPISODES}/{cell}{SUFFIX}"
                write_file(new / file, folder.read(file, MAX_COMPRESSED_BYTES))
            write_json(new / MANIFEST, manifest)
    return verdict, dest


def _is_run(folder: Path) -> bool:
    """Tells a run, whose episodes are not packed, from a submission."""
    episodes = folder / EPISODES
    return not folder.is_symlink() and any(episodes.glob("*.jsonl"))


def verify(path: Path | str, *, suite: Suite | None = None) -> Verdict:
    """Replays a submission and recomputes every number in it.

    Never raises for what a submission holds: whatever is wrong becomes a finding.

    Args:
        path: The folder. Nothing in it is trusted.
        suite: The suite that it has to play; by default the one of this package that it names.
    """
    path = Path(path)
    try:
        with Folder(path) as folder:
            return _verify(folder, suite)
    except BadFile as error:
        return Verdict(path, (Finding(str(error).rstrip(".")),), {})


def _verify(folder: Folder, given: Suite | None) -> Verdict:
    """Verifies an open folder; a `BadFile` that it raises is the only finding."""
    names = folder.names()
    if TIMING in names:
        raise BadFile(
            f"it holds {TIMING}, so it is the folder of a run, not a submission: `qevolve-bench"
            " leaderboard add` verifies and packs a run, and `qevolve-bench eval --submit` packs"
            " one as it is played"
        )
    _check_names(names, {MANIFEST, EPISODES}, "")
    manifest = read_foreign_manifest(folder)
    suite = find_suite(manifest, given)
    known = {entry.id: entry for entry in all_entries()}
    entries = {cell.name: known.get(cell.env_id.rpartition(":")[2]) for cell in suite.cells}
    check_parts(manifest, suite, {name: e.needs if e else "" for name, e in entries.items()})
    files = {f"{name}{SUFFIX}" for name in manifest["files"]}
    _check_names(folder.names(EPISODES), files, f"{EPISODES}/")
    findings: list[Finding] = []
    cells: dict[str, CellVerdict] = {}
    for cell, claimed in zip(suite.cells, Suite.from_json(manifest["suite"]).cells, strict=True):
        if cell.name in manifest["skipped"]:
            reason = f"it was not played: {quoted(manifest['skipped'][cell.name], 200)}"
            cells[cell.name] = CellVerdict(cell, "unverified", reason, [])
        else:
            # What the package never measured is as the submission says, or nothing is verified.
            cell = replace(cell, tasks=claimed.tasks, panel=claimed.panel)
            cells[cell.name], found = _verify_cell(folder, cell, entries[cell.name], manifest)
            findings += found
    if not findings:
        played = [episode for cell in cells.values() for episode in cell.episodes]
        findings += _compare("the ledger", manifest["ledger"], ledger_of([tally(played)]))
    return Verdict(folder.path, tuple(findings), cells, suite, manifest)


def _check_names(found: list[str], due: set[str], place: str) -> None:
    for name in found:
        if name not in due:
            raise BadFile(f"{quoted(place + name)} does not belong into a submission of this suite")
    for name in sorted(due.difference(found)):
        raise BadFile(f"there is no {place}{name}")


def _verify_cell(
    folder: Folder, cell: Cell, entry: EnvEntry | None, manifest: Manifest
) -> tuple[CellVerdict, list[Finding]]:
    name = f"{EPISODES}/{cell.name}{SUFFIX}"
    # The bytes first: nothing is built for a file that cannot be read.
    try:
        data = folder.read(name, MAX_COMPRESSED_BYTES)
    except BadFile as error:
        found = [Finding(str(error).rstrip("."), cell.name)]
        return CellVerdict(cell, "refused", found[0].problem, []), found
    with ExitStack() as stack:
        env, reason = _environment(cell, entry)
        if env is not None:
            stack.callback(env.close)
        plan = _plan(cell, env, manifest["agent"]["name"])
        digest = hashlib.sha256()
        lines = _hashed(unpacked_lines(data, name), digest)
        episodes, found = check_cell(lines, plan, None if reason else env)
    if not found and digest.hexdigest() != manifest["files"][cell.name]:
        found = [Finding(f"{MANIFEST} has another digest of its episodes", cell.name)]
    if not found and episodes:
        due = summary_of([tally(episodes)])
        found = _compare("the summary", manifest["summary"][cell.name], due, cell.name)
    if found:
        return CellVerdict(cell, "refused", found[0].problem, episodes), found
    return CellVerdict(cell, "unverified" if reason else "verified", reason, episodes), []


def _environment(cell: Cell, entry: EnvEntry | None) -> tuple[gymnasium.Env[str, str] | None, str]:
    """Makes the environment of a cell; or gives the reason why nothing can be verified."""
    try:
        env = cell.env.make()
    except BenchError as error:
        # Not the error where another will do: it may name a path of this machine.
        needs = f"it needs {entry.needs}" if entry and entry.needs else str(error).rstrip(".")
        return None, f"its environment is not available here: {needs}"
    if entry is not None and entry.nondeterministic:
        return env, f"{entry.id} does not answer alike twice, so it cannot be replayed"
    if cell.panel is None:
        return env, "the suite has no digest of its panel"
    if entry is None or entry.needs:
        digest = text_env(env).panel_digest(cell.split)
    else:
        digest = _embedded_panel(cell.env_id, cell.split, tuple(cell.env_kwargs.items()))
    if digest != cell.panel:
        env.close()
        return None, "the panel that is installed here is another one"
    return env, ""


@cache
def _embedded_panel(env_id: str, split: str, env_kwargs: tuple[tuple[str, Any], ...]) -> str:
    """Digest of a panel that does not change while a process lives; many submissions share it."""
    with closing(make_env(env_id, split=split, env_kwargs=dict(env_kwargs))) as env:
        return text_env(env).panel_digest(split)


def _plan(cell: Cell, env: gymnasium.Env[str, str] | None, agent: str) -> CellPlan:
    """Plans the content of a cell's file, by the functions that a run plays it by."""
    assignments = None
    if env is not None:
        panel = text_env(env).task_ids(cell.split)
        assignments = [a for seed in cell.seeds for a in draw_tasks(panel, cell.episodes, seed)]
    (common,) = cell.env.template().episodes([Assignment("", 0)], agent)
    count = cell.count if assignments is None else len(assignments)
    return CellPlan(cell.name, cell.horizon, common, count, assignments)


def _hashed(lines: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for line in lines:
        digest.update(line + b"\n")
        yield line


def _compare(
    what: str, claimed: Mapping[str, object], due: Mapping[str, object], cell: str = ""
) -> list[Finding]:
    """Makes a finding of the first number that the episodes do not give."""
    for name, value in due.items():
        if repr(claimed[name]) != repr(value):
            says = f"{what} in {MANIFEST} says {name} {claimed[name]!r}, the episodes {value!r}"
            return [Finding(says, cell)]
    return []
