"""Plays a study: warm starts, tuning, and the arms, in processes, resumable."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from qevolve_bench.runner.results import write_json
from qevolve_bench.study.plan import Study
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import (
    TUNING,
    TrainingResult,
    TrainingSpec,
    first_difference,
    read_result,
)
from qevolve_envs.errors import BadFile, BenchError


class Job(NamedTuple):
    """One training run of a study."""

    name: str
    spec: TrainingSpec
    folder: Path
    trial: bool = False  # of tuning: one that fails counts as no success, and ends nothing
    shared: Path | None = None  # where it finds what it has in common with others


def play(study: Study, folder: Path, *, workers: int, say: Callable[[str], None]) -> None:
    """Plays what of a study is not done yet.

    Args:
        study: The plan.
        folder: Where its runs lie: ``warm/`` (and ``warm-1/`` …), ``tuning/`` and ``runs/``, and
            in ``shared/`` what runs have in common, which may be removed when all is done.
        workers: Processes, each with one thread; 0 plays in this one.
        say: Told of every run that ends.

    Raises:
        BenchError: When a run cannot be played; the others are finished first.
    """
    seeds = [*study.tuning_seeds, *study.seeds]
    for part in range(1 + len(study.longer)):
        _play([_warm_job(study, folder, seed, part) for seed in seeds], workers, say)
    _play(_tuning_jobs(study, folder), workers, say)
    chosen = choose(study, folder)
    write_json(folder / "tuned.json", chosen)
    _play(arm_jobs(study, folder, chosen), workers, say)


def _warm_job(study: Study, folder: Path, seed: int, part: int) -> Job:
    def place(number: int) -> Path:
        last = number == len(study.longer)
        return warm_folder(folder, seed) if last else folder / f"warm-{number + 1}" / f"seed-{seed}"

    name = f"warm start, seed {seed}" + (f", part {part + 1}" if study.longer else "")
    return Job(name, study.warm_starts(seed, place)[part], place(part))


def warm_folder(folder: Path, seed: int) -> Path:
    """Where a seed's warm start lies."""
    return folder / "warm" / f"seed-{seed}"


def run_folder(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm's run of a seed lies."""
    return folder / "runs" / arm / f"seed-{seed}"


def trial_folder(folder: Path, arm: str, value: Any, seed: int) -> Path:
    """Where a trial of tuning lies."""
    return folder / "tuning" / arm / f"{value}" / f"seed-{seed}"


def _tuning_jobs(study: Study, folder: Path) -> list[Job]:
    jobs = []
    for arm in study.arms:
        for value in arm.values:
            for seed in study.tuning_seeds:
                spec = study.trial_of(arm, seed, warm_folder(folder, seed), value)
                jobs.append(
                    Job(
                        f"tuning {arm.name}: {arm.tune} {value}, seed {seed}",
                        spec,
                        trial_folder(folder, arm.name, value, seed),
                        trial=True,
                    )
                )
    return jobs


def choose(study: Study, folder: Path) -> dict[str, dict[str, Any]]:
    """The tuned value of each arm: the best mean success on the tuning tasks, the first of equals.

    A trial that failed, by a loss that is not a number, say, counts as no success at all.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for arm in study.arms:
        if arm.like or not arm.values:
            continue
        trials = {}
        for value in arm.values:
            outcomes = [
                read_result(trial_folder(folder, arm.name, value, s)) for s in study.tuning_seeds
            ]
            scores = [o.results[TUNING]["success"] if o is not None else 0.0 for o in outcomes]
            trials[str(value)] = sum(scores) / len(scores)
        best = max(arm.values, key=lambda value: trials[str(value)])
        chosen[arm.name] = {"setting": arm.tune, "value": best, "trials": trials}
    return chosen


def arm_jobs(study: Study, folder: Path, chosen: dict[str, dict[str, Any]]) -> list[Job]:
    """All final runs: the learners first, then their variants, both seed by seed.

    An interrupted study then has its comparison, or whole seeds of it.
    """
    learners = [arm for arm in study.arms if not arm.like]
    variants = [arm for arm in study.arms if arm.like]
    jobs = []
    for seed, arm in [*product(study.seeds, learners), *product(study.seeds, variants)]:
        pick = chosen.get(arm.tuned_as or arm.name)
        tuned = {pick["setting"]: pick["value"]} if pick else {}
        spec = study.run_of(arm, seed, warm_folder(folder, seed), tuned)
        place = run_folder(folder, arm.name, seed)
        jobs.append(Job(f"{arm.name}, seed {seed}", spec, place, shared=folder / "shared"))
    return jobs


def _play(jobs: Sequence[Job], workers: int, say: Callable[[str], None]) -> None:
    """Plays jobs that are not done, and goes on where one fails."""
    waiting = []
    for job in jobs:
        if read_result(job.folder) is None:
            waiting.append(job)
        else:
            check_played(job)
    failed: list[str] = []

    def note(job: Job, result: Callable[[], TrainingResult]) -> None:
        try:
            outcome = result()
        except BenchError as error:
            if not job.trial:
                failed.append(f"{job.name}: {error}")
            say(f"{job.name}: {error}")
            return
        shown = ", ".join(f"{k} {r['success']:.3f}" for k, r in outcome.results.items())
        say(f"{job.name}: {shown} ({outcome.ledger['wall_seconds'] / 60:.1f} min)")

    if workers == 0:
        for job in waiting:
            note(job, partial(_one, job))
    elif waiting:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(workers, len(waiting)), mp_context=context, initializer=end_with_parent
        ) as pool:
            futures = {pool.submit(_one, job): job for job in waiting}
            for future in as_completed(futures):
                note(futures[future], future.result)
    if failed:
        raise BenchError(f"{len(failed)} runs failed; the first: {failed[0]}")


#: What a run may differ in from the plan that takes it over: it can have been moved, and where its
#: curve was evaluated left no trace in it.
_FREE = ("init", "evaluate", "episodes", "checkpoints")


def check_played(job: Job) -> None:
    """Refuses a finished run that the plan would play otherwise.

    Raises:
        BenchError: With the first thing in which they differ.
    """
    file = job.folder / "spec.json"
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BadFile(f"{file} cannot be read: {error}.") from None
    difference = first_difference(found, job.spec.record(), _FREE)
    if difference:
        raise BenchError(
            f"{job.folder} holds a run of another plan, which differs in its {difference}: choose"
            " another folder for the study, or remove that run."
        )


def end_with_parent() -> None:
    """Ends this worker when the study is killed; a pool's workers would train on for hours."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(job: Job) -> TrainingResult:
    """Runs in a worker: one thread, because runs side by side beat threads within one."""
    import torch

    torch.set_num_threads(1)
    outcome = train(job.spec, job.folder, shared=job.shared)
    # Demonstrations can be drawn again from the seed, and an arm's are its warm start's.
    (job.folder / "demonstrations.jsonl").unlink(missing_ok=True)
    return outcome


def spec_digest(study: Study) -> str:
    """A digest of everything that decides a study's numbers."""
    import hashlib

    return hashlib.sha256(json.dumps(asdict(study), sort_keys=True).encode()).hexdigest()
