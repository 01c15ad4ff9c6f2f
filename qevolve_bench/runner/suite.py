"""Playing a suite from beginning to end: plan, play what is missing, finish."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qevolve_bench.provenance import hardware, provenance
from qevolve_bench.runner.backends import BACKENDS
from qevolve_bench.runner.folder import abandon, check_folder, finish, open_run
from qevolve_bench.runner.jobs import AgentLimits, RunJob, cut
from qevolve_bench.runner.log import Log
from qevolve_bench.runner.results import Manifest
from qevolve_bench.runner.supervisor import Done
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.errors import BadFile, BenchError, MissingData, UnknownName
from qevolve_envs.factory import make_env, text_env
from qevolve_envs.play import panel_of

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
    check_folder(out)
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
    with closing(open_run(out, plan, force=force)) as log:
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
            abandon(out, log)
            raise
        return finish(out, log)


def adhoc_suite(
    env_id: str,
    *,
    split: str,
    episodes: int | None = None,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
) -> Suite:
    """A suite of one cell, for an evaluation that no suite describes.

    Args:
        env_id: Gymnasium id, or ``module:id``.
        split: The panel.
        episodes: How many; None plays each task of the panel once.
        seed: Seed of the draw.
        env_kwargs: Further arguments of the environment; JSON scalars.
        max_episode_steps: The horizon; the registered one when None.

    Raises:
        BenchError: When there is no such environment, or it has no horizon.
    """
    with closing(
        make_env(env_id, split=split, env_kwargs=env_kwargs, max_episode_steps=max_episode_steps)
    ) as env:
        horizon = max_episode_steps or (env.spec.max_episode_steps if env.spec else None)
    assert horizon is not None
    name = re.sub(r"[^a-z0-9.]+", "-", f"{env_id.rpartition('/')[2]} {split}".lower()).strip("-.")
    cell = Cell(
        name=name[:80] or "cell",
        env_id=env_id,
        split=split,
        horizon=horizon,
        env_kwargs=dict(env_kwargs or {}),
        episodes=episodes,
        seeds=(seed,),
    )
    return Suite("adhoc", (cell,), "One environment, as given on the command line.")


def survey(suite: Suite) -> tuple[Suite, list[Sequence[str]], dict[str, str]]:
    """Looks at every cell of a suite before anything is played.

    Returns:
        The suite with the panels as they are here; the task ids of each cell that can be played;
        and why others cannot, by the cell's name.

    Raises:
        BenchError: When a panel is not the suite's, when no cell can be played, or for a mistake in
            the suite.
    """
    cells, panels, skipped = [], [], {}
    for cell in suite.cells:
        try:
            seen, panel = _look(cell)
        except MissingData as error:
            if len(suite.cells) == 1:
                raise
            skipped[cell.name] = " ".join(str(error).split())
            cells.append(cell)
            continue
        if cell.panel not in (None, seen.panel):
            raise BadFile(
                f"The tasks of {cell.name} are not those of {suite.name}: the panel's digest is"
                f" {str(seen.panel)[:12]} instead of {str(cell.panel)[:12]}. Use the release that"
                " the suite belongs to."
            )
        cells.append(seen)
        panels.append(panel)
    if not panels:
        reason = next(iter(skipped.values()))
        raise MissingData(f"No cell of {suite.name} can be played here. {reason}")
    return dataclasses.replace(suite, cells=tuple(cells)), panels, skipped


def _look(cell: Cell) -> tuple[Cell, Sequence[str]]:
    """The cell with its panel, and the tasks of it."""
    with closing(
        make_env(
            cell.env_id,
            split=cell.split,
            env_kwargs=cell.env_kwargs,
            max_episode_steps=cell.horizon,
        )
    ) as env:
        panel = panel_of(env, cell.env_id, cell.split)
        digest = text_env(env).panel_digest(cell.split)
    return dataclasses.replace(cell, tasks=len(panel), panel=digest), panel


def _record(log: Log, cell: str, result: Done) -> None:
    """Puts a unit into the log, and what the agent says of itself before the first."""
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
