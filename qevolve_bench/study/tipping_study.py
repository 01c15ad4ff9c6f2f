"""Plays a study of in-weights drift: warm starts, then every arm and seed; resumable."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from qevolve_bench.runner.results import write_json
from qevolve_bench.study.runner import end_with_parent
from qevolve_bench.study.tipping_plan import Arm, Study
from qevolve_bench.study.tipping_run import find_warm, make_warm, play_run, read_result
from qevolve_envs.errors import BadFile, BenchError

PLAN = "study.json"


def play(study: Study, folder: Path, *, workers: int, say: Callable[[str], None]) -> None:
    """Plays what of a study is not done yet.

    Args:
        study: The plan.
        folder: Where it lies: ``study.json``, ``warm/`` and ``runs/``.
        workers: Processes, each with one thread; 0 plays in this one.
        say: Told of every run that ends.

    Raises:
        BenchError: When the folder holds another study, or when a run cannot be played; the others
            are finished first.
    """
    folder = folder.resolve()  # The runs of a study know each other by their places.
    claim(study, folder)
    warm = [
        (f"warm start, seed {seed}", partial(_warm, study, seed, warm_folder(folder, seed)))
        for seed in study.seeds
        if find_warm(study, warm_folder(folder, seed)) is None
    ]
    _all(warm, workers, say)
    # Seed by seed, so that an interrupted study has whole seeds.
    runs = [
        (f"{arm.name}, seed {seed}", partial(_run, study, arm, seed, folder))
        for seed in study.seeds
        for arm in study.arms
        if read_result(run_folder(folder, arm.name, seed)) is None
    ]
    _all(runs, workers, say)


def warm_folder(folder: Path, seed: int) -> Path:
    """Where a seed's warm start lies."""
    return folder / "warm" / f"seed-{seed}"


def run_folder(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm's run of a seed lies."""
    return folder / "runs" / arm / f"seed-{seed}"


def claim(study: Study, folder: Path) -> None:
    """Makes or checks a study's folder: arms and seeds may be added to it, nothing may change.

    Raises:
        BenchError: When it holds something else.
    """
    file = folder / PLAN
    wanted = json.loads(json.dumps(asdict(study)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            found = json.loads(file.read_text())
            difference = _difference(found, wanted)
            if difference:
                raise BenchError(
                    f"{folder} holds a study that differs in {difference}: choose another folder."
                )
        elif any(folder.iterdir()):
            raise BadFile(f"{folder} is not empty and holds no study: choose another folder.")
    except BenchError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"{folder} cannot hold a study: {reason}.") from None
    write_json(file, wanted)


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What of a study that was begun is not as it was; "" for nothing."""
    for name in wanted:
        if name not in ("arms", "seeds") and found.get(name) != wanted[name]:
            return f"its {name} ({found.get(name)!r} there, {wanted[name]!r} here)"
    before = {arm["name"]: arm for arm in found["arms"]}
    for arm in wanted["arms"]:
        if before.get(arm["name"], arm) != arm:
            return f"its arm {arm['name']}"
    return ""


def _all(
    jobs: Sequence[tuple[str, Callable[[], str]]], workers: int, say: Callable[[str], None]
) -> None:
    """Does all jobs, and goes on where one fails."""
    failed: list[str] = []

    def note(name: str, result: Callable[[], str]) -> None:
        try:
            say(f"{name}: {result()}")
        except BenchError as error:
            failed.append(f"{name}: {error}")
            say(failed[-1])

    if workers == 0:
        for name, job in jobs:
            note(name, job)
    elif jobs:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(workers, len(jobs)), mp_context=context, initializer=end_with_parent
        ) as pool:
            futures = {pool.submit(job): name for name, job in jobs}
            for future in as_completed(futures):
                note(futures[future], future.result)
    if failed:
        raise BenchError(f"{len(failed)} runs failed; the first: {failed[0]}")


def _warm(study: Study, seed: int, folder: Path) -> str:
    """Makes a warm start in a worker; returns what to say of it."""
    _one_thread()
    make_warm(study, seed, folder)
    return "done"


def _run(study: Study, arm: Arm, seed: int, folder: Path) -> str:
    """Plays a run in a worker; returns what to say of it."""
    _one_thread()
    warm = find_warm(study, warm_folder(folder, seed))
    assert warm is not None
    result = play_run(study, arm, seed, run_folder(folder, arm.name, seed), warm)
    rates: dict[str, float] = {}
    for record in result["rounds"]:  # The last round of each phase remains.
        rates[record["phase"]] = record["violations"] / max(1, record["opportunities"])
    return "violation rate " + ", ".join(f"{k} {v:.3f}" for k, v in rates.items())


def _one_thread() -> None:
    """Runs side by side beat threads within one."""
    import torch

    torch.set_num_threads(1)
