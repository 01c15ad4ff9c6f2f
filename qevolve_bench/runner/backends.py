"""Backends that play the batches of a run: processes of this machine, or a Ray cluster.

A backend takes units and gives them back as they are done, in any order. It decides nothing about
what is in them, so that all backends give the same bytes.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from multiprocessing import connection
from pathlib import Path
from typing import Any

from qevolve_bench.runner.journal import STATUS_SIZE, Journal, remove
from qevolve_bench.runner.supervisor import PlayedBatch, Supervised
from qevolve_bench.runner.worker import BatchJob, BatchPlayer, RunJob, description
from qevolve_envs.errors import BenchError, MissingData

#: How often Ray restarts a supervisor whose machine was lost; the batch is then played again.
_RESTARTS = 3


def play_local(
    job: RunJob, units: Sequence[BatchJob], workers: int, scratch: Path
) -> Generator[PlayedBatch]:
    """Plays batches in processes of this machine.

    Args:
        job: What every worker must know.
        units: What is played.
        workers: Number of processes.
        scratch: Folder for the journals.

    Raises:
        BenchError: When the agent or an environment cannot be made.
    """
    waiting = deque(units)
    with ExitStack() as stack:
        pool = [
            stack.enter_context(closing(Supervised(job, scratch / f"worker-{number}.part")))
            for number in range(min(workers, len(units)))
        ]
        while True:
            for worker in pool:
                if worker.unit is None and waiting:
                    worker.submit(waiting.popleft())
            busy = [worker for worker in pool if worker.unit is not None]
            if not busy:
                return
            watched = [thing for worker in busy for thing in worker.waitables()]
            patience = [p for worker in busy if (p := worker.patience()) is not None]
            connection.wait(watched, min(patience, default=None))
            for worker in busy:
                if (done := worker.poll()) is not None:
                    yield done


def play_here(job: RunJob, units: Sequence[BatchJob], scratch: Path) -> Generator[PlayedBatch]:
    """Plays batches in this very process: for a debugger. Nothing is limited, a crash is a crash.

    Args:
        job: What is played.
        units: What is played.
        scratch: Folder for the journal.

    Raises:
        BenchError: When the agent or an environment cannot be made.
    """
    path = scratch / "here.part"
    with closing(BatchPlayer(job, Journal(path, [0.0] * STATUS_SIZE))) as player:
        for unit in units:
            start = time.monotonic()
            told = description(player.agent(unit.cell))
            yield PlayedBatch(unit, *player.play(unit), time.monotonic() - start, told)
    remove(path)


def play_ray(
    job: RunJob, units: Sequence[BatchJob], workers: int | None, scratch: Path
) -> Generator[PlayedBatch]:
    """Plays batches on the Ray cluster of `$RAY_ADDRESS`, or on a local one that is started for it.

    Every actor supervises a worker process of its own, exactly as `play_local` does. What the agent
    needs (its packages, its keys) must be on the machines of the cluster; modules and files of the
    current folder are found where that folder is there too, as on a shared file system.

    Args:
        job: What every worker must know.
        units: What is played.
        workers: Number of actors, of one CPU each; None for one on each CPU of the cluster.
        scratch: Not used: the journals lie on the machines that write them.

    Raises:
        MissingData: When Ray is not installed.
        BenchError: When the agent or an environment cannot be made, or the cluster fails.
    """
    try:
        # By name, so that types are checked alike with and without it.
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise MissingData("Ray is missing: pip install 'qevolve-bench[ray]'.") from error
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=True, include_dashboard=False, logging_level=logging.ERROR)
    actors: list[Any] = []
    try:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        make = ray.remote(num_cpus=1, max_restarts=_RESTARTS, max_task_retries=_RESTARTS)(_Actor)
        actors = [make.remote(job, str(Path.cwd())) for _ in range(min(count, len(units)))]
        waiting, free, playing = deque(units), list(actors), dict[Any, Any]()
        while waiting or playing:
            while waiting and free:
                actor = free.pop()
                playing[actor.play.remote(waiting.popleft())] = actor
            (ready, *_), _ = ray.wait(list(playing))
            free.append(playing.pop(ready))
            done = ray.get(ready)
            if isinstance(done, str):
                raise BenchError(done)
            yield done
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:300]
        raise BenchError(f"The Ray cluster failed ({type(error).__name__}: {reason}).") from error
    finally:
        # A supervisor that does not answer at once is busy with a batch, and is ended all the same.
        with suppress(ray.exceptions.RayError):
            ray.get([actor.close.remote() for actor in actors], timeout=5)
        for actor in actors:
            ray.kill(actor)
        if started:
            ray.shutdown()


class _Actor:
    """Supervises one worker, on some machine of the cluster."""

    def __init__(self, job: RunJob, folder: str) -> None:
        # The worker process inherits both.
        if Path(folder).is_dir():
            os.chdir(folder)
            sys.path.insert(0, folder)
        descriptor, path = tempfile.mkstemp(prefix="qevolve-bench-", suffix=".part")
        os.close(descriptor)
        self._worker = Supervised(job, Path(path))

    def play(self, unit: BatchJob) -> PlayedBatch | str:
        """Plays a batch; returns the sentence where there was an error that the user can mend."""
        try:
            return self._worker.play(unit)
        except BenchError as error:
            return str(error)

    def close(self) -> None:
        """Ends the worker, and removes its journal."""
        self._worker.close()


def _local(
    job: RunJob, units: Sequence[BatchJob], workers: int | None, scratch: Path
) -> Generator[PlayedBatch]:
    if workers == 0:
        return play_here(job, units, scratch)
    return play_local(job, units, workers or 1, scratch)


#: By the name that the command line knows them under.
BACKENDS: dict[
    str, Callable[[RunJob, Sequence[BatchJob], int | None, Path], Generator[PlayedBatch]]
] = {
    "local": _local,
    "ray": play_ray,
}
