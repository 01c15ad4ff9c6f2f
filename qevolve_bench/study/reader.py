"""Reads the YAML file that decides every number of a study.

Of every study::

    name: household-cpu
    env: qevolve/Household-v0
    env_kwargs: {size: small}
    split: train                 # tasks to train on
    horizon: 30                  # steps of an episode; the registered number by default
    seeds: [0, 1, 2, 3, 4]
    warm: {…}                    # settings of the warm start, over sft's preset "warm"
    scratch: {…}                 # size of the model
    transcript_config: {…}       # settings of the transcripts
    budget: {env_steps: 60000}   # of every arm that does not name one: of its run, or of each round
    arms:
      rft:
        learner: rft
        preset: null
        settings: {…}
        budget: {…}
      rft-variant:
        extends: rft             # its settings, with these laid over them; compared with it
        settings: {…}            # ("like" in plans of earlier releases)

Of a study whose arms are training runs (`qevolve-bench run`)::

    demos: 1000                  # expert episodes, drawn by each seed
    longer:                      # after the warm start: sft by its preset "longer", once or more
      - {settings: {…}, budget: {…}}
    evaluate: [seen, unseen]
    episodes: 0                  # of an evaluation; 0: each task once
    checkpoints: 4               # of the learning curves; an arm may say otherwise
    baseline: sft_longer         # the arm that the others are compared with
    focus: q_evolve              # one that is also compared with each of the others; optional
    tuning_tasks: 200            # training tasks kept apart for choosing settings
    tuning:
      seeds: [100]               # never among the seeds above
      share: 0.5                 # of the budget that a trial has; 1 by default
    arms:
      rft:
        tune: {fit.optim.lr: [3e-4, 1e-3, 3e-3]}   # as many values for every arm that is tuned

Of a study whose arms are rounds of training and measurement (`qevolve-bench tip --study`)::

    mixture:                     # episodes that the warm start of each seed is cloned from
      episodes: 600
      violate: 0.15              # probability that a script violates, so that there is something
      env_kwargs: {p: 0.0}       # to explore; nobody is fined here: only accepted work is cloned
    experts: 100                 # honest demonstrations for the learners that use some
    phases:                      # in this order
      A: {rounds: 3, env_kwargs: {p: 0.5}}
      B: {rounds: 6, env_kwargs: {p: 0.0}}
      C: {rounds: 4, env_kwargs: {p: 0.5}}
    measure: {split: unseen, episodes: 60, temperature: 1.0}
    arms:
      untrained:
        learner: none            # measures the warm start in each round, and trains nothing
      grpo:
        learner: grpo
        reference: warm          # the policy that KL terms hold to: the warm start, or that of the
        env_kwargs: {…}          # round before (previous); laid over those of the phase
      grpo-g0:
        extends: grpo
        control: g0              # not a variant, but a control that bears this name
        env_kwargs: {g: 0}

Every arm of a seed begins with the same warm start; rounds of a seed train on tasks drawn alike and
are measured on the same held-out scenarios. So all differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qevolve_bench.folders import current_names
from qevolve_bench.schema import convert, place, quoted
from qevolve_bench.study.plan import NONE, Arm, Study, TrainingPhase
from qevolve_envs.errors import BadFile, BenchError, UnknownName

_COMMON = (
    "name", "env", "env_kwargs", "split", "horizon", "seeds", "warm", "scratch",
    "transcript_config", "budget", "arms",
)  # fmt: skip
_OF_RUNS = (
    "demos", "longer", "evaluate", "episodes", "checkpoints", "baseline", "focus", "tuning_tasks",
    "tuning",
)  # fmt: skip
_OF_ROUNDS = ("mixture", "experts", "phases", "measure")
_ARM = ("learner", "preset", "settings", "budget", "extends")
_ARM_OF_RUNS = ("tune", "checkpoints")
_ARM_OF_ROUNDS = ("env_kwargs", "reference", "control")


def read_study(path: Path) -> Study:
    """Reads and checks a study.

    Raises:
        BadFile: With the file's name and the first mistake in it.
    """
    from qevolve_baselines.run.config import read_yaml

    raw = read_yaml(path, "the study")
    try:
        study = _study(raw)
        _check_learners(study)
        _check_worlds(study)
    except BenchError as error:
        with place(str(path)):
            raise BadFile(str(error)) from None
    return study


def _study(raw: Mapping[str, Any]) -> Study:
    """Makes a study of the content of its file; null is as good as a field that is left out."""
    _check_plain(raw, "the study", 0)
    raw = {name: value for name, value in raw.items() if value is not None}
    raw = current_names(raw)
    rounds = any(name in raw for name in _OF_ROUNDS)
    kind = "study of rounds" if rounds else "study"
    _check_names(raw, (*_COMMON, *(_OF_ROUNDS if rounds else _OF_RUNS)), f"field of a {kind}")
    for name in ("name", "env", "seeds", "arms", "phases" if rounds else "baseline"):
        if not raw.get(name) and raw.get(name) != 0:
            raise BenchError(f"a {kind} needs {name!r}.")
    shared: dict[str, Any] = {name: raw[name] for name in ("budget", "checkpoints") if name in raw}
    arms: dict[str, Arm] = {}
    for name, given in _mapping(raw["arms"], "arms").items():
        with place(f"arm {name}"):
            arms[name] = _arm(name, _mapping(given, f"arm {name}"), arms, shared, rounds)
    fields = {name: value for name, value in raw.items() if name not in shared}
    if rounds:
        fields["phases"] = []
    fields["arms"] = []
    study: Study = convert(fields, Study, f"a {kind}")
    study.arms = list(arms.values())
    study.phases = [_phase(*item) for item in _mapping(raw.get("phases"), "phases").items()]
    _check_distinct(study.seeds, "seeds")
    if not rounds:
        _check_runs(study)
    return study


def _phase(name: str, given: Any) -> TrainingPhase:
    with place(f"phase {name}"):
        fields = _mapping(given, "it")
        _check_names(fields, ("rounds", "env_kwargs"), f"field of phase {name}")
        phase: TrainingPhase = convert({**fields, "name": name}, TrainingPhase, "it")
    return phase


def _arm(
    name: str,
    given: Mapping[str, Any],
    earlier: Mapping[str, Arm],
    shared: Mapping[str, Any],
    rounds: bool,
) -> Arm:
    from qevolve_baselines.run.config import merge

    if "like" in given:  # The name of extends in plans of earlier releases.
        if "extends" in given:
            raise BadFile("it has both extends and like: leave like out")
        given = {("extends" if field == "like" else field): v for field, v in given.items()}
    known = (*_ARM, *(_ARM_OF_ROUNDS if rounds else _ARM_OF_RUNS))
    _check_names(given, known, f"field of arm {name}")
    preset = {"preset": given["preset"]} if "preset" in given else {}  # null takes one away
    given = {field: value for field, value in given.items() if value is not None} | preset
    extends = given.get("extends", "")
    fields = {**shared, **given, "name": name}
    if extends:
        if not isinstance(extends, str) or extends not in earlier:
            raise UnknownName.of(f"arm that {name} extends", extends, earlier)
        base = earlier[extends]
        if rounds and base.extends:
            raise BadFile(f"it extends {extends}, which itself extends another: name that one")
        if "tune" in given:
            raise BadFile(f"it extends {extends}, whose tuned value it takes: it tunes none")
        kept = ("learner", "preset", "settings", "budget", "checkpoints", "env_kwargs", "reference")
        fields = {field: getattr(base, field) for field in kept} | given | {"name": name}
        for field in ("settings", "env_kwargs"):
            over = _mapping(given.get(field, {}), field)
            laid = merge if field == "settings" else dict.__or__
            fields[field] = laid(getattr(base, field), over)
        fields["tuned_as"] = "" if rounds else base.tuned_as or extends
    elif "learner" not in given:
        raise BadFile("it needs a learner, or another arm that it extends")
    elif "control" in given:
        raise BadFile("it is a control of no arm: say which one it extends")
    fields |= _tuned(fields.pop("tune", {}), fields.get("settings", {}))
    arm: Arm = convert(fields, Arm, "it")
    return arm


def _tuned(tune: Any, settings: Any) -> dict[str, Any]:
    """Reads the setting that an arm tunes, and its values."""
    if not _mapping(tune, "tune"):
        return {}
    if len(tune) > 1:
        raise BadFile(f"it tunes {len(tune)} settings: one at a time, for equal trials")
    [(path, values)] = tune.items()
    if not isinstance(values, list) or not values or len(set(map(str, values))) < len(values):
        raise BadFile(f"it needs a list of different values for {path}")
    found = settings
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if found is not None:
        raise BadFile(f"it sets {path} and tunes it as well: leave one of them out")
    return {"tune": path, "values": values}


# ── checks ──────────────────────────────────────────────────────────────────


def _check_runs(study: Study) -> None:
    """Checks the evaluations, the tuning and the comparisons of a study without phases."""
    _check_distinct(study.evaluate, "evaluate")
    tuning = study.tuning
    if tuning.seeds:
        _check_distinct(tuning.seeds, "tuning.seeds")
    if not tuning.share:
        raise BenchError("tuning.share must be above 0.")
    if set(study.seeds) & set(tuning.seeds):
        raise BenchError("a seed that settings are tuned on must not be one of the study's own.")
    trials = {len(arm.values) for arm in study.arms if arm.values}
    if len(trials) > 1:
        raise BenchError("every arm that is tuned needs equally many values to try.")
    if trials and not tuning.seeds:
        raise BenchError("tuning needs seeds of its own (tuning: {seeds: [100]}).")
    if trials and not study.tuning_tasks:
        raise BenchError("tuning needs tasks of its own (tuning_tasks: 200).")
    learners = [arm.name for arm in study.arms if not arm.extends]
    for role, name in (("baseline", study.baseline), ("focus", study.focus)):
        if name and name not in learners:
            raise UnknownName.of(role, name, learners)
    if any(not part.budget and "epochs" not in part.settings for part in study.longer):
        raise BenchError(
            "each part of longer needs a budget (budget: {trained_tokens: 1000000}) or epochs"
            " (settings: {epochs: 2})."
        )


def _check_learners(study: Study) -> None:
    """Makes every learner, so that mistakes in settings are found before anything is played."""
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.policy import ScratchConfig, TranscriptConfig
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.ledger import Budget

    build(ScratchConfig, study.scratch, "scratch.")
    build(TranscriptConfig, study.transcript_config, "transcript_config.")
    specs = study.warm_starts(study.seeds[0], lambda number: Path("-"))
    for arm in study.arms:
        if arm.learner == NONE and study.phases:
            continue
        for value in arm.values or [None]:
            tuned = {arm.tune: value} if arm.values else {}
            specs.append(study.run_of(arm, study.seeds[0], Path("-"), tuned))
    for spec in specs:
        make_learner(spec.learner, spec.preset, spec.settings)
        Budget.parse([f"{axis}={limit}" for axis, limit in spec.budget.items()])


def _check_worlds(study: Study) -> None:
    """Makes every environment, so that mistakes in arguments are found before the warm starts."""
    from qevolve_envs.play import EnvConfig

    arguments, splits = [study.env_kwargs], [study.split, *study.evaluate]
    if study.phases:
        arguments = [study.kwargs(None, None)]
        arguments += [study.kwargs(phase, arm) for phase in study.phases for arm in study.arms]
        splits = [study.split, study.measure.split]
    for split in splits:
        for kwargs in {str(given): given for given in arguments}.values():
            EnvConfig(study.env, split, kwargs, study.horizon).make().close()


def _check_plain(value: Any, where: str, depth: int) -> None:
    """Refuses values that are not names, numbers, texts, lists or mappings: dates, NaN, loops."""
    if depth > 20:
        raise BenchError(f"{where} is nested more than 20 deep.")
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise BenchError(
                    f"{where} must map names to values, and {name!r} is no name (write '{name}')."
                )
            _check_plain(part, name, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_plain(part, f"an item of {where}", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BenchError(f"{where} must be a finite number, not {value!r}.")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise BenchError(f"{where} must be a number or a text, not {value!r}.")


def _check_names(raw: Mapping[str, Any], names: tuple[str, ...], kind: str) -> None:
    for name in raw:
        if name not in names:
            raise UnknownName.of(kind, name, names)


def _check_distinct(values: Any, name: str) -> None:
    if not values or len(set(values)) < len(values):
        raise BenchError(f"{name} must be a list of different values, at least one.")


def _mapping(value: Any, name: str) -> dict[str, Any]:
    """A value that maps names to values; an empty mapping for null."""
    if not isinstance(value, dict | None):
        raise BadFile(f"{name} must map names to values, not {quoted(value)}")
    return value or {}
