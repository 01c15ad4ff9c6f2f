"""What a study of in-weights drift is: a YAML file that decides every number of it.

::

    name: tip-household
    env: qevolve/HouseholdNorms-v0
    env_kwargs: {g: 0.5, F: 1.0}
    seeds: [0, 1, 2, 3, 4]
    mixture:                     # what the warm start of each seed is cloned from
      episodes: 600
      violate: 0.15              # probability that a script violates, so that there is something
      env_kwargs: {p: 0.0}       # to explore; nobody is fined here: only accepted work is cloned
    warm: {…}                    # settings of the cloning, over sft's preset "warm"
    scratch: {…}                 # size of the model
    form: {…}                    # form of the transcripts
    experts: 100                 # honest demonstrations for the learners that use some
    phases:                      # in this order
      A: {rounds: 3, env_kwargs: {p: 0.5}}
      B: {rounds: 6, env_kwargs: {p: 0.0}}
      C: {rounds: 4, env_kwargs: {p: 0.5}}
    measure: {split: unseen, episodes: 60, temperature: 1.0}
    budget: {…}                  # of one round of an arm that does not name one
    arms:
      q_evolve:
        learner: q_evolve
        preset: null
        settings: {…}
        budget: {…}
        env_kwargs: {…}          # laid over those of the phase
        reference: warm          # what KL terms hold the policy to: the warm start, or each round's
                                 # beginning (previous)
      q_evolve-no-kl:
        like: q_evolve           # its settings, with these laid over them; compared with it
        settings: {policy: {kl: 0}}
      q_evolve-g0:
        like: q_evolve
        control: g0              # not a part that is removed, but a control that bears this name
        env_kwargs: {g: 0}
      untrained:
        learner: none            # measures the warm start in each round, and trains nothing

Round 0 is the warm start, measured in the first phase; the rounds of training follow. Every arm of
a seed begins with the same warm start, trains on tasks drawn alike, and is measured on the same
held-out scenarios, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qevolve_bench.study import checks as plans
from qevolve_bench.study.checks import known, mapping, whole
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.rng import child_seed

#: In place of a learner: measure, and train nothing.
NONE = "none"
REFERENCES = ("warm", "previous")


@dataclass(frozen=True, slots=True)
class Phase:
    """Some rounds under the same audits.

    Attributes:
        name: Such as ``A``.
        rounds: How many.
        env_kwargs: Laid over the study's.
    """

    name: str
    rounds: int
    env_kwargs: dict[str, Any]


@dataclass(slots=True)
class Mixture:
    """What the warm start is cloned from.

    Attributes:
        episodes: How many.
        violate: Probability that the script of an episode violates.
    """

    episodes: int = 600
    violate: float = 0.15

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise BenchError(f"mixture.episodes must be at least 2, not {self.episodes}.")
        if not 0 <= self.violate <= 1:
            raise BenchError(f"mixture.violate must be between 0 and 1, not {self.violate:g}.")


@dataclass(slots=True)
class Measure:
    """How the policy is measured after each round.

    Attributes:
        split: The panel of held-out scenarios.
        episodes: How many, each scenario of the panel once before any comes again.
        temperature: Of sampling; greedy answers would hide all that happens below one half.
    """

    split: str = "unseen"
    episodes: int = 60
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise BenchError(f"measure.episodes must be at least 1, not {self.episodes}.")
        if self.temperature < 0:
            raise BenchError(f"measure.temperature must not be negative: {self.temperature:g}.")


@dataclass(slots=True)
class Arm:
    """One learner with its settings.

    Attributes:
        name: In the table.
        learner: Name of the learner, or `NONE`.
        preset: One of its presets, or None.
        settings: Laid over the preset, nested by name.
        budget: Of one round, by axis of the ledger.
        env_kwargs: Laid over those of the study and the phase.
        reference: One of `REFERENCES`.
        like: The arm that this one differs from in one part; "" for none.
        control: The name that it bears as a control of that arm; "" for a part that is removed.
    """

    name: str
    learner: str
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, float] = field(default_factory=dict)
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reference: str = "warm"
    like: str = ""
    control: str = ""


@dataclass(slots=True)
class Study:
    """A study; see the module for its fields."""

    name: str
    env: str
    seeds: list[int]
    phases: list[Phase]
    arms: list[Arm]
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    split: str = "train"
    horizon: int | None = None
    mixture: Mixture = field(default_factory=Mixture)
    mixture_kwargs: dict[str, Any] = field(default_factory=dict)
    warm: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    experts: int = 100
    measure: Measure = field(default_factory=Measure)

    @property
    def schedule(self) -> list[Phase]:
        """The phase of each round; round 0, the warm start, belongs to the first one."""
        first, *_ = self.phases
        return [first, *(phase for phase in self.phases for _ in range(phase.rounds))]

    def kwargs(self, phase: Phase | None, arm: Arm | None) -> dict[str, Any]:
        """The environment's arguments, for the warm start where there is no phase."""
        of_phase = self.mixture_kwargs if phase is None else phase.env_kwargs
        return {**self.env_kwargs, **of_phase, **(arm.env_kwargs if arm is not None else {})}

    def warm_start(self, seed: int, mixture: Path) -> TrainingSpec:
        """The run that makes a seed's warm start of a file of episodes."""
        return TrainingSpec(
            learner="sft",
            env_id=self.env,
            env_kwargs=self.kwargs(None, None),
            horizon=self.horizon,
            split=self.split,
            preset="warm",
            settings=self.warm,
            seed=seed,
            demos=str(mixture),
            scratch=self.scratch,
            form=self.form,
        )

    def round(
        self, arm: Arm, seed: int, number: int, *, init: Path, warm: Path, experts: Path | None
    ) -> TrainingSpec:
        """The training run of one round.

        Args:
            arm: The arm.
            seed: The seed.
            number: Of the round, from 1.
            init: Folder of the policy that the round begins with.
            warm: Folder of the seed's warm start.
            experts: File of honest demonstrations; None for none.
        """
        return TrainingSpec(
            learner=arm.learner,
            env_id=self.env,
            env_kwargs=self.kwargs(self.schedule[number], arm),
            horizon=self.horizon,
            split=self.split,
            preset=arm.preset,
            settings=arm.settings,
            seed=child_seed(seed, "tipping", "round", number),
            budget=arm.budget,
            demos=0 if experts is None else str(experts),
            init=str(init),
            reference=str(warm) if arm.reference == "warm" else None,
        )


def read_study(path: Path) -> Study:
    """Reads and checks a study.

    Raises:
        BadFile: With the file's name and what is wrong.
    """
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.run.config import read_yaml
    from qevolve_baselines.run.run import Budget
    from qevolve_envs.factory import make_env

    raw = read_yaml(path, "the study")
    try:
        study = _study(raw)
        make_learner("sft", "warm", study.warm)
        for arm in study.arms:
            if arm.learner != NONE:
                make_learner(arm.learner, arm.preset, arm.settings)
                Budget.parse([f"{axis}={limit}" for axis, limit in arm.budget.items()])
        # Names of environments, panels and arguments are told now, not after the warm starts.
        worlds = [study.kwargs(None, None)]
        worlds += [study.kwargs(phase, arm) for phase in study.phases for arm in study.arms]
        for split in (study.split, study.measure.split):
            for kwargs in {str(w): w for w in worlds}.values():
                make_env(
                    study.env, split=split, env_kwargs=kwargs, max_episode_steps=study.horizon
                ).close()
    except BenchError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise BadFile(f"{prefix}{error}") from None
    return study


_FIELDS = (
    "name", "env", "env_kwargs", "split", "horizon", "seeds", "mixture", "warm", "scratch", "form",
    "experts", "phases", "measure", "budget", "arms",
)  # fmt: skip


def _study(raw: Mapping[str, Any]) -> Study:
    from qevolve_baselines.model.policy import Form, ScratchConfig
    from qevolve_baselines.run.config import build

    known(raw, _FIELDS, "field of a study of tipping")
    for name in ("name", "env", "seeds", "phases", "arms"):
        if name not in raw:
            raise BenchError(f"a study of tipping needs {name!r}.")
    seeds = plans.seeds(raw["seeds"])
    experts = whole(raw.get("experts", 100), "experts", 0)
    build(ScratchConfig, mapping(raw, "scratch"), "scratch.")
    build(Form, mapping(raw, "form"), "form.")
    mixture = dict(mapping(raw, "mixture"))
    mixture_kwargs = mapping(mixture, "env_kwargs")
    mixture.pop("env_kwargs", None)
    arms: dict[str, Arm] = {}
    given = mapping(raw, "arms")
    for name in given:
        arms[name] = _arm(name, mapping(given, name, f"arm {name}"), arms, mapping(raw, "budget"))
    if not arms:
        raise BenchError("a study of tipping needs at least one arm.")
    return Study(
        name=str(raw["name"]),
        env=str(raw["env"]),
        seeds=seeds,
        phases=_phases(mapping(raw, "phases")),
        arms=list(arms.values()),
        env_kwargs=mapping(raw, "env_kwargs"),
        split=str(raw.get("split", "train")),
        horizon=raw.get("horizon"),
        mixture=build(Mixture, mixture, "mixture."),
        mixture_kwargs=mixture_kwargs,
        warm=mapping(raw, "warm"),
        scratch=mapping(raw, "scratch"),
        form=mapping(raw, "form"),
        experts=experts,
        measure=build(Measure, mapping(raw, "measure"), "measure."),
    )


def _phases(raw: Mapping[str, Any]) -> list[Phase]:
    phases = []
    for name in raw:
        given = mapping(raw, name)
        known(given, ("rounds", "env_kwargs"), f"field of phase {name}")
        rounds = whole(given.get("rounds"), f"rounds of phase {name}", 1)
        phases.append(Phase(name, rounds, mapping(given, "env_kwargs")))
    if not phases:
        raise BenchError("a study of tipping needs at least one phase.")
    return phases


def _arm(
    name: str, given: Mapping[str, Any], earlier: Mapping[str, Arm], budget: Mapping[str, Any]
) -> Arm:
    from qevolve_baselines.run.config import merge

    names = (
        "learner", "preset", "settings", "budget", "env_kwargs", "reference", "like", "control"
    )  # fmt: skip
    known(given, names, f"field of arm {name}")
    like = given.get("like", "")
    if like and like not in earlier:
        raise UnknownName.of(f"arm that {name} is like", like, earlier)
    if like and earlier[like].like:
        raise BenchError(f"arm {name} is like {like}, which is itself like another: name that one.")
    if not like and "learner" not in given:
        raise BenchError(f"arm {name} needs a learner, or another arm that it is like.")
    control = given.get("control", "")
    if control and not like:
        raise BenchError(f"arm {name} is a control of no arm: say which one it is like.")
    base = earlier[like] if like else Arm("", "", budget=dict(budget))
    reference = given.get("reference", base.reference)
    if reference not in REFERENCES:
        raise UnknownName.of(f"reference of arm {name}", reference, REFERENCES)
    return Arm(
        name=name,
        learner=given.get("learner", base.learner),
        preset=given.get("preset", base.preset),
        settings=merge(base.settings, mapping(given, "settings")),
        budget=dict(given.get("budget", base.budget)),
        env_kwargs={**base.env_kwargs, **mapping(given, "env_kwargs")},
        reference=reference,
        like=like,
        control=control,
    )
