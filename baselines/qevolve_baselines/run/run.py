"""The run of a learner: its metrics, checkpoints, rounds, and exact resume.

A learner is a plain function that reads from top to bottom. What makes it resumable is that each of
its stages goes through the run:

- `Run.track` registers what changes (a model, an optimiser), and restores it from the last save;
- `Run.once` computes something once, such as a collection of episodes, and keeps it on disk;
- `Run.updates` counts the updates of a stage, and goes on where the last save was.

All random numbers are drawn by name from the seed, so there is no generator to save: a run that was
killed and resumed has, on the same CPU and number of threads, the weights of an undisturbed one,
bit for bit.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from qevolve_baselines import parallel
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run import cache
from qevolve_baselines.run.ledger import UPDATE_AXES, Budget, Ledger
from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing
from qevolve_envs.rng import SeedTree

T = TypeVar("T")
_SEEDS = SeedTree(entropy=20260609)
SCHEMA = 2


class Stateful(Protocol):
    """Protocol of what can be tracked: modules, optimisers, schedules."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Takes a saved state over."""


@dataclass(slots=True)
class Round:
    """One round of a learner that collects episodes and trains on them in turn.

    Attributes:
        number: Number of the round, from 1.
        name: Prefix for the names of its stages.
        remaining: Number of rounds left, this one included; they share what is left of a budget.
        policy: The policy that is evaluated when the round ends.
    """

    number: int
    name: str
    remaining: int
    policy: Policy


#: Called with the number of the checkpoint, the policy and the ledger.
OnCheckpoint = Callable[[int, Policy, Ledger], None]


@dataclass(slots=True)
class Run:
    """One run of a learner.

    Args:
        seed: Seed of everything that is drawn.
        budget: Limits of the run.
        folder: Folder for saves; None keeps everything in memory, without resume.
        on_checkpoint: Called at checkpoints of the learning curve.
        checkpoints: Number of checkpoints, log-spaced along the budget's first axis between a
            thirty-second of the limit and the limit.
        save_every: Seconds between saves inside a stage.
        on_log: Called with each line of metrics, for a progress display.
        accelerator: True if it computes on one, so that its time counts as the accelerator's.
        reference: The model that KL terms hold the policy to; by default the policy that the run
            begins with.
        shared: Folder of results that several runs share, see `common`.
    """

    seed: int
    budget: Budget = field(default_factory=Budget)
    folder: Path | None = None
    on_checkpoint: OnCheckpoint | None = None
    checkpoints: int = 6
    save_every: float = 30.0
    on_log: Callable[[dict[str, Any]], None] | None = None
    accelerator: bool = False
    reference: Any = None
    shared: Path | None = None
    ledger: Ledger = field(default_factory=Ledger)
    _tracked: dict[str, Stateful] = field(default_factory=dict)
    _saved: dict[str, Any] = field(default_factory=dict)  # loaded, and not claimed by `track` yet
    _progress: dict[str, int] = field(default_factory=dict)
    _memory: dict[str, Any] = field(default_factory=dict)
    _reached: int = 0
    _evaluated: dict[str, float] = field(default_factory=dict)
    _metrics_at: int = 0
    _clock: float = 0.0
    _saved_at: float = 0.0

    def __post_init__(self) -> None:
        self._clock = self._saved_at = time.monotonic()
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "state.pt"
        if file.is_file():
            try:
                state = torch.load(file, weights_only=True, map_location="cpu")
                if state["schema"] != SCHEMA:
                    raise ValueError(f"its schema is {state['schema']}, not {SCHEMA}")
                self.ledger = Ledger(**state["ledger"])
                self._progress = dict(state["progress"])
                self._reached = state["reached"]
                self._evaluated = dict(state["evaluated"])
                self._metrics_at = state["metrics_at"]
                self._saved = dict(state["tracked"])
            except Exception as error:
                raise _cannot_resume(file, error) from None
        parallel.wait()  # Nobody saves before everybody has loaded.
        metrics = self.folder / "metrics.jsonl"
        if metrics.is_file() and parallel.is_main():
            # What was logged behind the last save will be logged again.
            self._metrics_at = min(self._metrics_at, metrics.stat().st_size)
            with metrics.open("r+b") as stream:
                stream.truncate(self._metrics_at)

    # ── random numbers ─────────────────────────────────────────────────────────

    def rng(self, *names: str | int) -> np.random.Generator:
        """Makes the random generator for a purpose, a function of the seed and the names alone."""
        return _SEEDS.generator(self.seed, *names)

    def torch_seed(self, *names: str | int) -> int:
        """A seed for torch, for what `names` say."""
        return int(self.rng(*names).integers(2**31))

    # ── what makes a run resumable ──────────────────────────────────────────

    def track(self, name: str, thing: Stateful) -> None:
        """Registers something that changes; it is put into its last saved state."""
        self._tracked[name] = thing
        saved = self._saved.pop(name, None)
        if saved is not None:
            try:
                thing.load_state_dict(saved)
            except Exception as error:
                assert self.folder is not None
                raise _cannot_resume(self.folder / "state.pt", error) from None

    def drop(self, name: str) -> None:
        """Ends the tracking of something that is not needed any more."""
        self._tracked.pop(name, None)
        self._saved.pop(name, None)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Computes something once, and keeps it.

        Args:
            name: Name of the stage, unique in the run.
            make: Computes it: tensors, numbers, text, and lists and dictionaries of them. It must
                change nothing that is tracked.
        """
        file = None if self.folder is None else self.folder / "stages" / f"{name}.pt"
        if name in self._progress:
            if name in self._memory:
                kept: T = self._memory[name]
                return kept
            assert file is not None
            try:
                loaded: T = torch.load(file, weights_only=True)
            except Exception as error:
                raise _cannot_resume(file, error) from None
            return loaded
        value = parallel.from_main(make())
        if file is not None:
            file.parent.mkdir(exist_ok=True)
            if parallel.is_main():
                _save(value, file)
            parallel.wait()  # Whoever asks again reads the file.
        else:
            self._memory[name] = value
        self._progress[name] = 1
        self.save()
        return value

    def common(self, what: str, inputs: Callable[[], str], make: Callable[[], T]) -> tuple[T, bool]:
        """Computes something, unless another run of the study has done so; see `cache`.

        Args:
            what: Names it.
            inputs: Gives the fingerprint of everything that it depends on, but the seed.
            make: Computes it; see `cache.take`.

        Returns:
            It, and whether it was computed now, so that the ledger has been told.
        """
        cut_short = any(getattr(self.budget, axis) is not None for axis in UPDATE_AXES)
        if self.shared is None or cut_short or parallel.size() > 1:
            return make(), True
        fresh = False

        def now() -> T:
            nonlocal fresh
            fresh = True
            return make()

        key = cache.fingerprint(SCHEMA, torch.__version__, self.seed, inputs())
        return cache.take(self.shared, what, key, now), fresh

    def updates(self, name: str, total: int) -> Iterator[int]:
        """Counts the updates of a stage, from where the last save was.

        It ends early when a limit on what updates themselves use up is reached. A limit on
        episodes or their steps does not end it: what was collected is to be learnt from. The run
        is saved now and then, and at the end. What torch itself draws during an update, such as
        dropout, depends on the update only.

        Args:
            name: Name of the stage, unique in the run.
            total: Number of updates.
        """
        done = self._progress.get(name, 0)
        if done >= total:
            return
        for index in range(done, total):
            self._agree()
            if self.budget.spent(self.ledger, UPDATE_AXES):
                break
            with torch.random.fork_rng(devices=self._devices()):
                torch.manual_seed(self.torch_seed(name, index))
                yield index
            self._progress[name] = index + 1
            self._tick()
            if parallel.from_main(time.monotonic() - self._saved_at > self.save_every):
                self.save()
        self.save()

    def _devices(self) -> list[int]:
        return [torch.cuda.current_device()] if self.accelerator else []

    def end(self, name: str) -> None:
        """Marks a stage as done, whatever of it was left; `updates` then yields nothing more."""
        self._progress[name] = 2**62
        self.save()

    def done(self, name: str) -> bool:
        """True if a stage was marked as done."""
        return self._progress.get(name) == 2**62

    def save(self) -> None:
        """Saves the run; it replaces the last save whole or not at all."""
        self._tick()
        self._saved_at = time.monotonic()
        if self.folder is None:
            return
        # Asked in all processes, which may hold a part each.
        tracked = {name: thing.state_dict() for name, thing in self._tracked.items()}
        if not parallel.is_main():
            return
        state = {
            "schema": SCHEMA,
            "ledger": asdict(self.ledger),
            "progress": self._progress,
            "reached": self._reached,
            "evaluated": self._evaluated,
            "metrics_at": self._metrics_at,
            # What a resumed run has not come to again is kept as it was.
            "tracked": {**self._saved, **tracked},
        }
        _save(state, self.folder / "state.pt")

    # ── accounting ──────────────────────────────────────────────────────────

    @property
    def spent(self) -> str | None:
        """The axis whose limit is reached, or None."""
        self._agree()
        return self.budget.spent(self.ledger)

    def _tick(self) -> None:
        now = time.monotonic()
        self.ledger.wall_seconds += now - self._clock
        if self.accelerator:
            self.ledger.accelerator_seconds += now - self._clock
        self._clock = now

    def _agree(self) -> None:
        """Ticks; where time decides something, the first process's clock counts."""
        self._tick()
        budget, ledger = self.budget, self.ledger
        if budget.wall_seconds is not None or budget.accelerator_seconds is not None:
            seconds = (ledger.wall_seconds, ledger.accelerator_seconds)
            ledger.wall_seconds, ledger.accelerator_seconds = parallel.from_main(seconds)

    def log(self, **figures: Any) -> None:
        """Writes a line of metrics, with the ledger."""
        if not parallel.is_main():
            return
        line = {**figures, "ledger": asdict(self.ledger)}
        if self.folder is not None:
            # A figure that is not finite is news, but not JSON.
            text = json.dumps(_finite(line)) + "\n"
            with (self.folder / "metrics.jsonl").open("a", encoding="ascii") as stream:
                stream.write(text)
                self._metrics_at = stream.tell()
        if self.on_log is not None:
            self.on_log(line)

    def checkpoint(self, policy: Policy, *, final: bool = False) -> None:
        """Offers the policy for evaluation, if a point of the learning curve is reached.

        Args:
            policy: The policy at this point.
            final: Evaluate in any case, unless nothing has happened since the last evaluation.
        """
        if self.on_checkpoint is None:
            return
        self._agree()
        axis = self.budget.main_axis
        number = self._reached
        if axis is not None:
            # The last point is the limit itself, each one before it a factor below.
            points = float(getattr(self.budget, axis)) * curve_points(self.checkpoints)
            number = int((getattr(self.ledger, axis) >= points - 1e-9).sum())
        counts = {k: v for k, v in asdict(self.ledger).items() if "seconds" not in k}
        if not (number > self._reached or (final and counts != self._evaluated)):
            return
        self._reached = max(number, self._reached + 1)
        self._evaluated = counts
        training = policy.model.training
        before = time.monotonic()
        self._tick()
        self.on_checkpoint(self._reached, policy, self.ledger)
        # Evaluation is the harness's time, not the learner's, and leaves no trace.
        policy.model.train(training)
        self._clock = time.monotonic()
        self._saved_at += self._clock - before

    def checkpoint_within(self, policy: Policy) -> None:
        """`checkpoint` in the middle of a stage: for curves along what updates themselves use up.

        Along interaction nothing moves while a policy learns from what was collected. The place
        of such a stage on the curve is its end, see `end_of_round`.
        """
        if self.budget.main_axis in UPDATE_AXES:
            self.checkpoint(policy)

    def rounds(self, total: int, policy: Policy) -> Iterator[Round]:
        """Begins and ends the rounds of a learner, until the budget is spent.

        A round that has begun is finished, also by a resumed run that finds the budget spent. At
        its end the policy is evaluated, see `end_of_round`.

        Args:
            total: Most rounds.
            policy: The policy that the rounds train.
        """
        for number in range(1, total + 1):
            current = Round(number, f"round-{number}", total - number + 1, policy)
            if self.spent and not self.done(f"{current.name}-begun"):
                return
            self.end(f"{current.name}-begun")
            yield current
            self.end_of_round(current.name, current.policy)

    def end_of_round(self, name: str, policy: Policy) -> None:
        """Evaluates the policy that a round ends with, once, also where the run was resumed."""
        if self.done(f"{name}-evaluated"):
            return
        self.checkpoint(policy, final=True)
        self.end(f"{name}-evaluated")


def curve_points(count: int) -> npt.NDArray[np.float64]:
    """Points of a learning curve: fractions of the budget, log-spaced from 1/32 to 1."""
    return 2.0 ** np.linspace(0 if count == 1 else -5, 0, count)


def _cannot_resume(file: Path, error: Exception) -> BadFile:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return BadFile(f"{file} cannot be resumed from ({reason}): start the run anew with --force.")


def _save(value: Any, file: Path) -> None:
    with replacing(file) as stream:
        torch.save(value, stream)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
