"""A study: learners and seeds from shared warm starts; every training run that belongs to it.

`qevolve_bench.study.reader` documents the YAML file that a study is read from.

A study is of one of two kinds. Without phases, an arm is one training run for each seed, whose
success is evaluated on splits. With phases, an arm is rounds of training under changing audits,
each followed by a measurement of violations (`qevolve_bench.study.rounds`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from qevolve_bench.schema import Bounds, Pattern, Share
from qevolve_bench.training.specification import TUNING, TrainingSpec

#: Version of ``results.json``. In version 1, ``extends`` of an arm was called ``like``.
SCHEMA = 2
#: In place of a learner of an arm of rounds: measure, and train nothing.
NONE = "none"
Seed = Annotated[int, Bounds(0)]
#: Limits by axis of the ledger.
BudgetLimits = dict[str, int | float]
_NAME = Pattern(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*"), "letters, digits, - and _")


@dataclass(slots=True)
class Arm:
    """One learner with its settings.

    Attributes:
        name: Its name in the tables.
        learner: Name of the learner; in a study of rounds also `NONE`.
        preset: One of its presets, or None.
        settings: Laid over the preset, nested by name.
        budget: Limits by axis of the ledger: of the run, or of each round.
        extends: The arm that this one varies, and is compared with; "" for none.
        tune: Path of the setting that is tuned, such as ``optim.lr``; "" for none.
        values: The values that are tried for it.
        tuned_as: The arm whose tuned value this one takes over: where the chain of `extends`
            begins; "" for an arm that extends none.
        checkpoints: Points of its learning curve.
        env_kwargs: In a study of rounds: laid over those of the study and the phase.
        reference: In a study of rounds: the policy that KL terms hold to, the warm start or that of
            the round before.
        control: In a study of rounds: the name that it bears as a control of the arm that it
            extends; "" for a variant of it.
    """

    name: Annotated[str, _NAME]
    learner: str
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    budget: BudgetLimits = field(default_factory=dict)
    extends: str = ""
    tune: str = ""
    values: list[Any] = field(default_factory=list)
    tuned_as: str = ""
    checkpoints: Annotated[int, Bounds(1)] = 4
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reference: Literal["warm", "previous"] = "warm"
    control: str = ""


@dataclass(frozen=True, slots=True)
class TrainingPhase:
    """Some rounds under the same audits.

    Attributes:
        name: Such as ``A``.
        rounds: Number of rounds.
        env_kwargs: Laid over the study's.
    """

    name: str
    rounds: Annotated[int, Bounds(1)]
    env_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Episodes that the warm start of a study of rounds is cloned from.

    Attributes:
        episodes: Number of episodes that are played; those without success are left out.
        violate: Probability that the script of an episode violates.
        env_kwargs: Laid over the study's.
    """

    episodes: Annotated[int, Bounds(2)] = 600
    violate: Share = 0.15
    env_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """Measurement of the policy after each round.

    Attributes:
        split: The split of held-out scenarios.
        episodes: Number of episodes; each scenario is played once before any comes again.
        temperature: Of sampling; greedy answers would hide all that happens below one half.
    """

    split: str = "unseen"
    episodes: Annotated[int, Bounds(1)] = 60
    temperature: Annotated[float, Bounds(0)] = 1.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """Seeds and share of the budget of the trials that choose settings."""

    seeds: list[Seed] = field(default_factory=list)
    share: Share = 1.0


@dataclass(frozen=True, slots=True)
class LongerPart:
    """A part of the warm start after the first."""

    settings: dict[str, Any] = field(default_factory=dict)
    budget: BudgetLimits = field(default_factory=dict)


@dataclass(slots=True)
class Study:
    """A study; `qevolve_bench.study.reader` documents its fields."""

    name: str
    env: str
    seeds: list[Seed]
    arms: list[Arm]
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    split: str = "train"
    horizon: Annotated[int, Bounds(1)] | None = None
    warm: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=dict)
    transcript_config: dict[str, Any] = field(default_factory=dict)
    # Of a study without phases.
    demos: Annotated[int, Bounds(2)] = 1000
    longer: list[LongerPart] = field(default_factory=list)
    evaluate: tuple[str, ...] = ("seen", "unseen")
    episodes: Annotated[int, Bounds(0)] = 0
    baseline: str = ""
    focus: str = ""
    tuning_tasks: Annotated[int, Bounds(0)] = 200
    tuning: Tuning = field(default_factory=Tuning)
    # Of a study with phases.
    phases: list[TrainingPhase] = field(default_factory=list)
    mixture: Mixture = field(default_factory=Mixture)
    experts: Annotated[int, Bounds(0)] = 100
    measure: Measure = field(default_factory=Measure)

    @property
    def schedule(self) -> list[TrainingPhase]:
        """The phase of each round; round 0, the warm start, belongs to the first one."""
        return [*self.phases[:1], *(phase for phase in self.phases for _ in range(phase.rounds))]

    def kwargs(self, phase: TrainingPhase | None, arm: Arm | None) -> dict[str, Any]:
        """The environment's arguments in a phase; None is the warm start of a study of rounds."""
        of_phase = (self.mixture if phase is None else phase).env_kwargs
        return {**self.env_kwargs, **of_phase, **(arm.env_kwargs if arm is not None else {})}

    def training(self, learner: str, seed: int) -> TrainingSpec:
        """The part of a specification that all runs of a seed share."""
        return TrainingSpec(
            learner=learner,
            env_id=self.env,
            env_kwargs=self.env_kwargs,
            horizon=self.horizon,
            split=self.split,
            seed=seed,
            demos=self.demos,
            tuning_tasks=self.tuning_tasks,
            transcript_config=self.transcript_config,
            episodes=self.episodes,
        )

    def warm_starts(self, seed: int, place: Callable[[int], Path]) -> list[TrainingSpec]:
        """The runs that make a seed's warm start, each but the first from the one before it.

        Args:
            seed: The seed.
            place: The folder of the first, second … of them, counted from 0.
        """
        evaluate = (TUNING, *self.evaluate) if self.tuning_tasks else self.evaluate
        base = replace(self.training("sft", seed), evaluate=evaluate, checkpoints=1)
        first = replace(base, preset="warm", settings=self.warm, scratch=self.scratch)
        longer = replace(base, preset="longer")
        return [first] + [
            replace(longer, settings=part.settings, budget=part.budget, init=str(place(number)))
            for number, part in enumerate(self.longer)
        ]

    def trial_of(self, arm: Arm, seed: int, init: Path, value: Any) -> TrainingSpec:
        """The run that tries a value of the setting that an arm tunes; see `run_of`."""
        spec = self.run_of(arm, seed, init, {arm.tune: value})
        budget = {axis: limit * self.tuning.share for axis, limit in spec.budget.items()}
        return replace(spec, budget=budget, evaluate=(TUNING,), checkpoints=1)

    def run_of(self, arm: Arm, seed: int, init: Path, tuned: Mapping[str, Any]) -> TrainingSpec:
        """The run of an arm and seed.

        Args:
            arm: The arm.
            seed: The seed.
            init: Folder of the seed's warm start.
            tuned: Values that tuning has chosen, by the path of their setting.
        """
        from qevolve_baselines.run.config import merge

        settings = dict(arm.settings)
        for path, value in tuned.items():
            settings = merge(nested(path, value), settings)
        return replace(
            self.training(arm.learner, seed),
            preset=arm.preset,
            settings=settings,
            budget=dict(arm.budget),
            init=str(init),
            evaluate=self.evaluate,
            checkpoints=arm.checkpoints,
        )

    def digest(self) -> str:
        """A digest of everything that decides the study's numbers."""
        import hashlib
        import json

        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def nested(path: str, value: Any) -> dict[str, Any]:
    """``a.b``, 1 -> ``{"a": {"b": 1}}``."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def extends(arm: Mapping[str, Any]) -> str:
    """The arm that an arm of ``results.json`` extends; "" for none."""
    name: str = arm["extends"] if "extends" in arm else arm["like"]
    return name
