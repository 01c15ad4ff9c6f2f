"""Plays a study: warm starts, tuning and arms, in processes; what is done is not played again.

The folder of a study holds the warm starts (``warm/``, and ``warm-1/`` … where there are several
parts), ``tuning/``, ``runs/``, and in ``shared/`` results that runs have in common, which may be
removed when all is done. Each run has a ``spec.json`` of everything that decides it, with which a
later plan is compared: arms and seeds may be added, and runs put there by hand.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from qevolve_bench.folders import SPEC, current_names, first_difference
from qevolve_bench.schema import convert, read_json, write_json
from qevolve_bench.study.plan import Arm, Study
from qevolve_bench.study.rounds import (
    find_warm,
    make_warm,
    play_rounds,
    run_record,
    warm_record,
)
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import (
    RESULT,
    TUNING,
    TrainingSpec,
    read_result,
)
from qevolve_envs.errors import BadFile, BenchError

R = TypeVar("R")


class StudyJob(NamedTuple):
    """A part of a study that one process plays.

    Attributes:
        name: Its name in messages.
        folder: Its folder.
        spec: Content of the folder's ``spec.json``.
        play: Plays it, in a worker; returns its result in words.
        result: The file in the folder that says that it is done.
        trial: Of tuning: a trial that fails counts as no success, and ends nothing.
    """

    name: str
    folder: Path
    spec: Mapping[str, Any]
    play: Callable[[], str]
    result: str = RESULT
    trial: bool = False


def run_folder(folder: Path, seed: int, *parts: object) -> Path:
    """The folder of a seed's run in a study.

    Args:
        folder: Folder of the study.
        seed: The seed.
        parts: ``"warm"`` for the warm start, ``"runs"`` and the arm, or ``"tuning"``, the arm and
            the value that is tried.
    """
    return folder.joinpath(*map(str, parts), f"seed-{seed}")


def done_runs(
    study: Study, folder: Path, read: Callable[[Path], R | None]
) -> dict[str, dict[int, R]]:
    """Reads the results of the runs that are done: arm -> seed -> result.

    Args:
        study: The study.
        folder: Its folder.
        read: Reads the result of a run; None where it is not done.
    """
    places = {arm.name: {s: run_folder(folder, s, "runs", arm.name) for s in study.seeds}
              for arm in study.arms}  # fmt: skip
    return {
        name: {s: result for s, place in by_seed.items() if (result := read(place)) is not None}
        for name, by_seed in places.items()
    }


def play_study(study: Study, folder: Path, *, workers: int, say: Callable[[str], None]) -> None:
    """Plays the runs of a study that are not done yet.

    Args:
        study: The study.
        folder: Its folder.
        workers: Processes, each with one thread; 0 plays in this one.
        say: Called with a sentence about every run that ends.

    Raises:
        BenchError: When a run cannot be played, after the others are finished; or when the folder
            holds runs of another plan.
    """
    folder = folder.resolve()  # Runs name each other by absolute paths.
    _claim(folder)
    for jobs in _warm_jobs(study, folder):
        perform(jobs, workers, say)
    perform(_tuning_jobs(study, folder), workers, say)
    chosen = choose(study, folder)
    if not study.phases:
        write_json(folder / "tuned.json", chosen)
    perform(arm_jobs(study, folder, chosen), workers, say)


def _claim(folder: Path) -> None:
    """Makes the folder of a study, or checks that it is one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name.partition("-")[0] for path in folder.iterdir()}
    except OSError as error:
        raise BadFile(f"{folder} cannot hold a study: {error.strerror or error}.") from None
    if names and not names & {"warm", "runs", _EARLIER}:
        raise BadFile(f"{folder} is not empty and holds no study: choose another folder.")
    if _EARLIER in names:
        _take_over(folder)


#: Earlier releases kept the plan of a study of rounds in this file, and none with its runs.
_EARLIER = "study.json"


def _take_over(folder: Path) -> None:
    """Gives each run of a study of rounds of an earlier release its ``spec.json``."""
    file = folder / _EARLIER
    old = read_json(file)
    try:
        old["mixture"]["env_kwargs"] = old.pop("mixture_kwargs")
        for arm in old["arms"]:
            arm["extends"] = arm.pop("like")
        study: Study = convert(current_names(old), Study, "the plan of a study")
    except (BadFile, LookupError, TypeError, AttributeError) as error:
        raise BadFile(f"{file} is not the plan of a study: {error}.") from None
    jobs = [job for part in _warm_jobs(study, folder) for job in part]
    for job in [*jobs, *arm_jobs(study, folder, {})]:
        if job.folder.is_dir() and not (job.folder / SPEC).is_file():
            write_json(job.folder / SPEC, job.spec)
    file.unlink()


# ── the jobs ────────────────────────────────────────────────────────────────


def _warm_jobs(study: Study, folder: Path) -> list[list[StudyJob]]:
    """The jobs of each part of the warm starts, one part after the other."""
    if study.phases:
        return [[_mixture_job(study, seed, folder) for seed in study.seeds]]
    last = len(study.longer)

    def job(seed: int, part: int) -> StudyJob:
        def place(number: int) -> Path:
            return run_folder(folder, seed, "warm" if number == last else f"warm-{number + 1}")

        name = f"warm start, seed {seed}" + (f", part {part + 1}" if last else "")
        return _training_job(name, place(part), study.warm_starts(seed, place)[part])

    seeds = [*study.tuning.seeds, *study.seeds]
    return [[job(seed, part) for seed in seeds] for part in range(last + 1)]


def _tuning_jobs(study: Study, folder: Path) -> list[StudyJob]:
    return [
        _training_job(
            f"tuning {arm.name}: {arm.tune} {value}, seed {seed}",
            run_folder(folder, seed, "tuning", arm.name, value),
            study.trial_of(arm, seed, run_folder(folder, seed, "warm"), value),
        )._replace(trial=True)
        for arm in study.arms
        for value in arm.values
        for seed in study.tuning.seeds
    ]


def choose(study: Study, folder: Path) -> dict[str, dict[str, Any]]:
    """The tuned value of each arm: the best mean success on the tuning tasks, the first of equals.

    A trial that failed, by a loss that is not a number, say, counts as no success at all.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for arm in study.arms:
        trials = {}
        for value in arm.values:
            results = [
                read_result(run_folder(folder, seed, "tuning", arm.name, value))
                for seed in study.tuning.seeds
            ]
            scores = [r.results[TUNING]["success"] if r is not None else 0.0 for r in results]
            trials[str(value)] = sum(scores) / len(scores)
        if trials:
            best = max(arm.values, key=lambda value: trials[str(value)])
            chosen[arm.name] = {"setting": arm.tune, "value": best, "trials": trials}
    return chosen


def arm_jobs(study: Study, folder: Path, chosen: Mapping[str, Mapping[str, Any]]) -> list[StudyJob]:
    """The runs of all arms, seed by seed, so that an interrupted study has whole seeds.

    Of a study without phases, the learners come first, and then their variants.
    """
    if study.phases:
        return [
            _rounds_job(study, arm, seed, folder) for seed, arm in product(study.seeds, study.arms)
        ]
    learners = [arm for arm in study.arms if not arm.extends]
    variants = [arm for arm in study.arms if arm.extends]
    jobs = []
    for seed, arm in [*product(study.seeds, learners), *product(study.seeds, variants)]:
        pick = chosen.get(arm.tuned_as or arm.name)
        tuned = {pick["setting"]: pick["value"]} if pick else {}
        spec = study.run_of(arm, seed, run_folder(folder, seed, "warm"), tuned)
        place = run_folder(folder, seed, "runs", arm.name)
        jobs.append(_training_job(f"{arm.name}, seed {seed}", place, spec, folder / "shared"))
    return jobs


def _training_job(
    name: str, folder: Path, spec: TrainingSpec, shared: Path | None = None
) -> StudyJob:
    return StudyJob(name, folder, spec.record(), partial(_train, spec, folder, shared))


def _train(spec: TrainingSpec, folder: Path, shared: Path | None) -> str:
    result = train(spec, folder, shared=shared)
    # Demonstrations can be drawn again from the seed, and an arm's are its warm start's.
    (folder / "demonstrations.jsonl").unlink(missing_ok=True)
    shown = ", ".join(f"{k} {r['success']:.3f}" for k, r in result.results.items())
    return f"{shown} ({result.ledger['wall_seconds'] / 60:.1f} min)"


def _mixture_job(study: Study, seed: int, folder: Path) -> StudyJob:
    place = run_folder(folder, seed, "warm")
    return StudyJob(
        f"warm start, seed {seed}", place, warm_record(study, seed),
        partial(_make_warm, study, seed, place), result=f"train/{RESULT}",
    )  # fmt: skip


def _make_warm(study: Study, seed: int, folder: Path) -> str:
    make_warm(study, seed, folder)
    return "done"


def _rounds_job(study: Study, arm: Arm, seed: int, folder: Path) -> StudyJob:
    place = run_folder(folder, seed, "runs", arm.name)
    play = partial(_play_rounds, study, arm, seed, place, run_folder(folder, seed, "warm"))
    return StudyJob(f"{arm.name}, seed {seed}", place, run_record(study, arm, seed), play)


def _play_rounds(study: Study, arm: Arm, seed: int, folder: Path, warm_folder: Path) -> str:
    warm = find_warm(study, warm_folder)
    assert warm is not None
    result = play_rounds(study, arm, seed, folder, warm)
    rates: dict[str, float] = {}
    for record in result["rounds"]:  # The last round of each phase remains.
        rates[record["phase"]] = record["violations"] / max(1, record["opportunities"])
    return "violation rate " + ", ".join(f"{k} {v:.3f}" for k, v in rates.items())


# ── the pool ────────────────────────────────────────────────────────────────


def perform(jobs: Sequence[StudyJob], workers: int, say: Callable[[str], None]) -> None:
    """Plays the jobs that are not done, and goes on where one fails.

    Args:
        jobs: The jobs; those that are done must be of the same plan.
        workers: See `play_study`.
        say: See `play_study`.

    Raises:
        BenchError: When jobs failed, with the first failure; or when one that is done is of
            another plan.
    """
    waiting = [job for job in jobs if not _is_done(job)]
    failed: list[str] = []

    def note(job: StudyJob, result: Callable[[], str]) -> None:
        try:
            say(f"{job.name}: {result()}")
        except BenchError as error:
            say(f"{job.name}: {error}")
            if not job.trial:
                failed.append(f"{job.name}: {error}")

    if workers == 0:
        for job in waiting:
            note(job, partial(_in_one_thread, job.play))
    elif waiting:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(workers, len(waiting)), mp_context=context, initializer=end_with_parent
        ) as pool:
            futures = {pool.submit(_in_one_thread, job.play): job for job in waiting}
            for future in as_completed(futures):
                note(futures[future], future.result)
    if failed:
        raise BenchError(f"{len(failed)} runs failed; the first: {failed[0]}")


#: Fields in which a run may differ from a plan that takes it over: it can have been moved, and
#: where its curve was evaluated left no trace in it.
_FREE = ("init", "evaluate", "episodes", "checkpoints")


def _is_done(job: StudyJob) -> bool:
    """Tells whether a job is done.

    Raises:
        BenchError: When it is done by another plan, with the first field in which they differ.
    """
    if not (job.folder / job.result).is_file():
        return False
    difference = first_difference(read_json(job.folder / SPEC), job.spec, _FREE)
    if difference:
        raise BenchError(
            f"{job.folder} holds a run of another plan, which differs in its {difference}: choose"
            " another folder for the study, or remove that run."
        )
    return True


def _in_one_thread(play: Callable[[], str]) -> str:
    """Plays a job in one thread, because runs side by side beat threads within one."""
    import torch

    torch.set_num_threads(1)
    return play()


def end_with_parent() -> None:
    """Ends this worker when the study is killed; a pool's workers would train on for hours."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
