"""One worker process under supervision: whatever becomes of it, every episode gets a record."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from qevolve_bench.runner import journal, worker
from qevolve_bench.runner.journal import (
    BEGAN,
    PHASE,
    PHASES,
    SINCE,
    STATUS_SIZE,
    WRITTEN,
    Tally,
)
from qevolve_bench.runner.worker import BatchJob, RunJob
from qevolve_envs.errors import BenchError

#: Not fork: a forked child shares the locks of threads that it does not have, and CUDA breaks.
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class PlayedBatch:
    """A batch that was played.

    Attributes:
        unit: Which.
        lines: Its episodes as JSON lines.
        tally: What they add to the summary of the run.
        seconds: How long it took, by the wall clock.
        description: What the agent said of itself.
    """

    unit: BatchJob
    lines: bytes
    tally: Tally
    seconds: float
    description: dict[str, Any]


class Supervised:
    """A worker process, started when it is needed and replaced when it was lost.

    Args:
        job: What is played.
        journal_path: File of its own, which the worker writes and this class reads.
    """

    def __init__(self, job: RunJob, journal_path: Path) -> None:
        self._job = job
        self._journal = journal_path
        self._process: SpawnProcess | None = None
        self._pipe: Any = None
        self._status = _CONTEXT.RawArray("d", STATUS_SIZE)
        self._description: dict[str, Any] | None = None
        self._since = 0.0
        self.unit: BatchJob | None = None

    def submit(self, unit: BatchJob) -> None:
        """Has a batch played; there must be none in play."""
        assert self.unit is None
        if self._process is None or self._process.exitcode is not None:
            self._launch()
        self.unit, self._since = unit, time.monotonic()
        # Here, because what ends the worker before it opens the journal must find no older batch.
        self._status[BEGAN] = self._status[WRITTEN] = 0.0
        # If the process has just died, `poll` will find out.
        with suppress(OSError):
            self._pipe.send(unit)

    def waitables(self) -> list[Any]:
        """Objects for `multiprocessing.connection.wait` to watch while a batch is in play."""
        assert self._process is not None
        return [self._pipe, self._process.sentinel]

    def patience(self) -> float | None:
        """Seconds until a limit can be exceeded; None for never."""
        limits = [self._job.limits.step_seconds, self._job.limits.episode_seconds]
        least = min((limit for limit in limits if limit is not None), default=None)
        if least is None:
            return None
        # Before the agent's turn no limit runs, but its turn may come as soon as nobody looks.
        ends = [end - time.monotonic() for end, _ in self._deadlines()]
        return max(0.0, min(ends, default=least))

    def poll(self) -> PlayedBatch | None:
        """Returns the batch in play once it is played, or lost; None before.

        Raises:
            BenchError: When the agent or the environment cannot be made.
        """
        process = self._process
        assert process is not None and self.unit is not None
        # In this order: what it sent before it died counts.
        dead = process.exitcode is not None
        if (done := self._receive()) is not None:
            return done
        if dead:
            return self._lost(self._obituary())
        now = time.monotonic()
        for end, reason in self._deadlines():
            if end <= now:
                self._kill()
                return self._receive() or self._lost(reason)
        return None

    def play(self, unit: BatchJob) -> PlayedBatch:
        """Plays a batch and waits for it."""
        self.submit(unit)
        while (done := self.poll()) is None:
            connection.wait(self.waitables(), self.patience())
        return done

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        # The number of one that ended long ago may by now be somebody else's.
        if self._process is not None and self._process.exitcode is None:
            self._kill()
        if self._pipe is not None:
            self._pipe.close()
        journal.remove(self._journal)
        self.unit = None

    def _launch(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        self._status[PHASE] = 0.0
        self._description = None
        ours, theirs = _CONTEXT.Pipe()
        arguments = (self._job, theirs, self._journal, self._status)
        self._process = _CONTEXT.Process(target=worker.main, args=arguments, daemon=True)
        with _interrupts_held():
            self._process.start()
        theirs.close()
        self._pipe = ours

    def _receive(self) -> PlayedBatch | None:
        """Takes what the worker has sent."""
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                kind, *values = self._pipe.recv()
                if kind == "error":
                    self.unit = None
                    raise BenchError(values[0])
                if kind == "agent":
                    self._description = values[0]
                else:
                    return self._finish(*values)
        return None

    def _finish(self, lines: bytes, tally: Tally, seconds: float) -> PlayedBatch:
        assert self.unit is not None
        done = PlayedBatch(self.unit, lines, tally, seconds, self._description or {})
        self.unit = None
        return done

    def _deadlines(self) -> Iterator[tuple[float, str]]:
        """Time at which the batch in play is given up, and the reason that is recorded then."""
        limits, began = self._job.limits, self._status[BEGAN]
        phase, since = PHASES[int(self._status[PHASE])], self._status[SINCE]
        if not began:
            return
        if limits.step_seconds is not None:
            who = phase or "the environment"
            yield since + limits.step_seconds, f"{who} took longer than {limits.step_seconds:g} s"
        if limits.episode_seconds is not None:
            end = began + limits.episode_seconds
            yield end, f"the episode took longer than {limits.episode_seconds:g} s"

    def _obituary(self) -> str:
        """Describes how the process ended, and what it was doing."""
        assert self._process is not None and self._process.exitcode is not None
        code = self._process.exitcode
        phase = PHASES[int(self._status[PHASE])]
        during = f"during {phase}" if phase else "while the environment was stepped"
        if code >= 0:
            return f"the worker exited with code {code} {during}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name} {during}{hint}"

    def _lost(self, reason: str) -> PlayedBatch:
        """Makes records of what the journal still knows."""
        assert self.unit is not None
        if self._description is None:
            self.unit = None
            raise BenchError(f"Cannot make agent {self._job.agent!r}: {reason}.")
        self._kill()  # Its children may have survived it.
        episodes = self.unit.episodes(self._job)
        journal.restore(self._journal, int(self._status[WRITTEN]), episodes, reason)
        seconds = time.monotonic() - self._since
        return self._finish(journal.lines(episodes), journal.tally(episodes), seconds)

    def _kill(self) -> None:
        """Kills the process, which lives or has just died, and all that it has started."""
        process = self._process
        assert process is not None and process.pid is not None
        if hasattr(os, "killpg"):
            with suppress(OSError):
                # Only once it leads a group of its own; before, its group is ours.
                if os.getpgid(process.pid) == process.pid or process.exitcode is not None:
                    os.killpg(process.pid, signal.SIGKILL)
        if process.exitcode is None:
            process.kill()
        process.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the child is started, and never reaches it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
