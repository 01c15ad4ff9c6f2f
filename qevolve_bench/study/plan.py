"""What a study is: a YAML file that decides every number of it.

::

    name: household-cpu
    env: qevolve/Household-v0
    env_kwargs: {size: small}
    seeds: [0, 1, 2, 3, 4]
    demos: 1000                  # expert episodes, drawn by each seed
    tuning_tasks: 200            # training tasks kept apart for choosing settings
    warm: {…}                    # settings of the warm start, over sft's preset "warm"
    longer:                      # then sft by its preset "longer", once or more; optional
      - {settings: {…}, budget: {…}}
    scratch: {…}                 # size of the model
    form: {…}                    # form of the transcripts
    evaluate: [seen, unseen]
    episodes: 0                  # 0: each task once
    budget: {env_steps: 60000}   # of every arm that does not name one
    baseline: sft_longer         # what the others are compared with
    focus: q_evolve              # one that is also compared with each of the others; optional
    checkpoints: 4               # of the learning curves; an arm may say otherwise
    tuning:
      seeds: [100]               # never among the seeds above
      share: 0.5                 # of the budget that a trial has; 1 by default
    arms:
      rft:
        learner: rft
        settings: {…}
        budget: {…}
        tune: {fit.optim.lr: [3e-4, 1e-3, 3e-3]}   # as many values for every arm that is tuned
      q_evolve-no-labels:
        like: q_evolve           # its tuned settings, with these laid over them
        settings: {r_fmt: 0, r_inv: 0, r_repeat: 0}

Every arm of a seed begins with the same warm start, so that differences are paired.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qevolve_bench.study import checks as plans
from qevolve_bench.study.checks import known, mapping, whole
from qevolve_bench.training.specification import TUNING, TrainingSpec
from qevolve_envs.errors import BadFile, BenchError, UnknownName


@dataclass(slots=True)
class Arm:
    """One learner with its settings.

    Attributes:
        name: In the table.
        learner: Name of the learner.
        preset: One of its presets, or None.
        settings: Laid over the preset, nested by name.
        budget: By axis of the ledger.
        tune: Path of the setting that is tuned, such as ``optim.lr``; "" for none.
        values: The values that are tried for it.
        like: The arm that this one varies, and is compared with; "" for none.
        tuned_as: The arm whose tuned value this one takes over: where the chain of `like` begins;
            "" for an arm that is like no other.
        checkpoints: Points of its learning curve.
    """

    name: str
    learner: str
    preset: str | None
    settings: dict[str, Any]
    budget: dict[str, float]
    tune: str = ""
    values: list[Any] = field(default_factory=list)
    like: str = ""
    tuned_as: str = ""
    checkpoints: int = 4


@dataclass(slots=True)
class Study:
    """A study; see the module for its fields."""

    name: str
    env: str
    seeds: list[int]
    arms: list[Arm]
    baseline: str
    focus: str = ""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    demos: int = 1000
    tuning_tasks: int = 200
    tuning_seeds: list[int] = field(default_factory=list)
    tuning_share: float = 1.0
    warm: dict[str, Any] = field(default_factory=dict)
    longer: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    scratch: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    evaluate: tuple[str, ...] = ("seen", "unseen")
    episodes: int = 0

    def training(self, learner: str, seed: int) -> TrainingSpec:
        """What all runs of a seed share."""
        return TrainingSpec(
            learner=learner,
            env_id=self.env,
            env_kwargs=self.env_kwargs,
            horizon=self.horizon,
            seed=seed,
            demos=self.demos,
            tuning_tasks=self.tuning_tasks,
            form=self.form,
            episodes=self.episodes,
        )

    def warm_starts(self, seed: int, place: Callable[[int], Path]) -> list[TrainingSpec]:
        """The runs that make a seed's warm start, each but the first from the one before it.

        Args:
            seed: The seed.
            place: The folder of the first, second … of them, counted from 0.
        """
        specs = [self.training("sft", seed)]
        specs[0].preset = "warm"
        specs[0].settings = self.warm
        specs[0].scratch = self.scratch
        for number, stage in enumerate(self.longer):
            spec = self.training("sft", seed)
            spec.preset = "longer"
            spec.settings = stage.get("settings", {})
            spec.budget = stage.get("budget", {})
            spec.init = str(place(number))
            specs.append(spec)
        for spec in specs:
            spec.evaluate = (TUNING, *self.evaluate) if self.tuning_tasks else self.evaluate
            spec.checkpoints = 1
        return specs

    def trial_of(self, arm: Arm, seed: int, init: Path, value: Any) -> TrainingSpec:
        """A run that tries a value of the setting that an arm tunes; see `run_of`."""
        spec = self.run_of(arm, seed, init, {arm.tune: value})
        spec.budget = {axis: limit * self.tuning_share for axis, limit in spec.budget.items()}
        spec.evaluate = (TUNING,)
        spec.checkpoints = 1
        return spec

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
        spec = self.training(arm.learner, seed)
        spec.preset = arm.preset
        spec.settings = settings
        spec.budget = arm.budget
        spec.init = str(init)
        spec.evaluate = self.evaluate
        spec.checkpoints = arm.checkpoints
        return spec


def nested(path: str, value: Any) -> dict[str, Any]:
    """``a.b``, 1 -> ``{"a": {"b": 1}}``."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def read_study(path: Path) -> Study:
    """Reads and checks a study.

    Raises:
        BadFile: With the file's name and what is wrong.
    """
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.policy import Form, ScratchConfig
    from qevolve_baselines.run.config import build, read_yaml
    from qevolve_baselines.run.run import Budget
    from qevolve_envs.factory import make_env

    raw = read_yaml(path, "the study")
    try:
        study = _study(raw)
        for arm in study.arms:
            for value in arm.values or [None]:
                tuned = {arm.tune: value} if arm.values else {}
                spec = study.run_of(arm, study.seeds[0], Path("-"), tuned)
                make_learner(spec.learner, spec.preset, spec.settings)
            Budget.parse([f"{axis}={limit}" for axis, limit in arm.budget.items()])
        build(ScratchConfig, study.scratch, "scratch.")
        build(Form, study.form, "form.")
        for panel in study.evaluate:
            make_env(
                study.env,
                split=panel,
                env_kwargs=study.env_kwargs,
                max_episode_steps=study.horizon,
            ).close()
        for spec in study.warm_starts(study.seeds[0], lambda number: Path("-")):
            make_learner("sft", spec.preset, spec.settings)
            Budget.parse([f"{axis}={limit}" for axis, limit in spec.budget.items()])
            if spec.init and not spec.budget and "epochs" not in spec.settings:
                raise BenchError(
                    "each part of longer needs a budget (budget: {trained_tokens: 1000000}) or"
                    " epochs (settings: {epochs: 2})."
                )
    except BenchError as error:
        raise BadFile(f"{path}: {error}") from None
    return study


_FIELDS = (
    "name", "env", "env_kwargs", "horizon", "seeds", "demos", "tuning_tasks", "warm", "longer",
    "scratch", "form", "evaluate", "episodes", "checkpoints", "budget", "baseline", "focus",
    "tuning", "arms",
)  # fmt: skip


def _study(raw: Mapping[str, Any]) -> Study:
    known(raw, _FIELDS, "field of a study")
    for name in ("name", "env", "seeds", "arms", "baseline"):
        if name not in raw:
            raise BenchError(f"a study needs {name!r}.")
    for name, least in (("demos", 2), ("tuning_tasks", 0), ("episodes", 0), ("horizon", 1)):
        if raw.get(name) is not None:
            whole(raw[name], name, least)
    for name in ("env_kwargs", "warm", "scratch", "form", "budget"):
        mapping(raw, name)
    seeds = plans.seeds(raw["seeds"])
    evaluate = raw.get("evaluate", ["seen", "unseen"])
    if (
        not isinstance(evaluate, list)
        or not evaluate
        or len(set(map(str, evaluate))) < len(evaluate)
    ):
        raise BenchError(f"evaluate must be a list of different panels, not {evaluate!r}.")
    tuning = mapping(raw, "tuning")
    known(tuning, ("seeds", "share"), "field of tuning")
    tuning_seeds = plans.seeds(tuning["seeds"], "tuning.seeds") if tuning.get("seeds") else []
    share = tuning.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise BenchError(f"tuning.share must be above 0 and at most 1, not {share!r}.")
    longer = raw.get("longer") or []
    if not isinstance(longer, list) or not all(isinstance(part, dict) for part in longer):
        raise BenchError("longer must be a list of parts, each with settings and a budget.")
    for number, part in enumerate(longer, 1):
        known(part, ("settings", "budget"), "field of longer")
        for name in part:
            mapping(part, name, f"{name} of part {number} of longer")
    if set(seeds) & set(tuning_seeds):
        raise BenchError("a seed that settings are tuned on must not be one of the study's own.")
    arms: dict[str, Arm] = {}
    for name in mapping(raw, "arms"):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
            raise BenchError(
                f"{name!r} cannot be the name of an arm: letters, digits, - and _ can."
            )
        arms[name] = _arm(name, mapping(raw["arms"], name, f"arm {name}"), arms, raw)
    trials = {len(arm.values) for arm in arms.values() if arm.values}
    if len(trials) > 1:
        raise BenchError("every arm that is tuned needs equally many values to try.")
    if trials and not tuning_seeds:
        raise BenchError("tuning needs seeds of its own (tuning: {seeds: [100]}).")
    if trials and raw.get("tuning_tasks") == 0:
        raise BenchError("tuning needs tasks of its own (tuning_tasks: 200).")
    learners = [name for name, arm in arms.items() if not arm.like]
    for role in ("baseline", "focus"):
        if role in raw and raw[role] not in learners:
            raise UnknownName.of(role, raw[role], learners)
    optional = {
        name: raw[name]
        for name in ("env_kwargs", "horizon", "demos", "tuning_tasks", "warm", "longer",
                     "scratch", "form",
                     "episodes")
        if raw.get(name) is not None
    }  # fmt: skip
    return Study(
        name=str(raw["name"]),
        env=str(raw["env"]),
        seeds=seeds,
        arms=list(arms.values()),
        baseline=raw["baseline"],
        focus=raw.get("focus", ""),
        tuning_seeds=tuning_seeds,
        tuning_share=share,
        evaluate=tuple(map(str, evaluate)),
        **optional,
    )


def _arm(
    name: str, given: Mapping[str, Any], earlier: Mapping[str, Arm], study: Mapping[str, Any]
) -> Arm:
    from qevolve_baselines.run.config import merge

    names = ("learner", "preset", "settings", "budget", "tune", "like", "checkpoints")
    known(given, names, f"field of arm {name}")
    settings, budget, tune = (
        mapping(given, part, f"{part} of arm {name}") for part in ("settings", "budget", "tune")
    )
    for field_name in ("learner", "preset", "like"):
        if not isinstance(given.get(field_name) or "", str):
            raise BenchError(f"{field_name} of arm {name} must be a name.")
    like = given.get("like") or ""
    checkpoints = given.get("checkpoints", study.get("checkpoints", 4))
    whole(checkpoints, f"checkpoints of arm {name}", 1)
    if like:
        if like not in earlier:
            raise UnknownName.of(f"arm that {name} is like", like, earlier)
        if tune:
            raise BenchError(
                f"arm {name} is like {like}, whose tuned value it takes: it tunes none."
            )
        base = earlier[like]
        return Arm(
            name=name,
            learner=given.get("learner", base.learner),
            preset=given.get("preset", base.preset),
            settings=merge(base.settings, settings),
            budget=base.budget if given.get("budget") is None else budget,
            like=like,
            tuned_as=base.tuned_as or like,
            checkpoints=given.get("checkpoints", base.checkpoints),
        )
    if "learner" not in given:
        raise BenchError(f"arm {name} needs a learner, or another arm that it is like.")
    if len(tune) > 1:
        raise BenchError(f"arm {name} tunes {len(tune)} settings: one at a time, for equal trials.")
    path, values = next(iter(tune.items()), ("", []))
    if tune and (not isinstance(values, list) or len(set(map(str, values))) < max(1, len(values))):
        raise BenchError(f"arm {name} needs a list of different values for {path}.")
    if tune and _holds(settings, path):
        raise BenchError(f"arm {name} sets {path} and tunes it as well: leave one of them out.")
    return Arm(
        name=name,
        learner=given["learner"],
        preset=given.get("preset"),
        settings=settings,
        budget=mapping(study, "budget") if given.get("budget") is None else budget,
        checkpoints=checkpoints,
        tune=path,
        values=list(values),
    )


def _holds(settings: Mapping[str, Any], path: str) -> bool:
    """Whether nested settings hold a value at ``a.b``."""
    found: Any = settings
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True
