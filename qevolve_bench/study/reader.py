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
    form: {…}                    # form of the transcripts
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
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qevolve_bench.study.plan import (
    NONE,
    REFERENCES,
    Arm,
    Measure,
    Mixture,
    Study,
    TrainingPhase,
)
from qevolve_envs.errors import BadFile, BenchError, UnknownName

_COMMON = (
    "name", "env", "env_kwargs", "split", "horizon", "seeds", "warm", "scratch", "form", "budget",
    "arms",
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
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise BadFile(f"{prefix}{error}") from None
    return study


# ── the fields ──────────────────────────────────────────────────────────────


def _study(raw: Mapping[str, Any]) -> Study:
    _check_plain(raw, "the study", 0)
    rounds = any(name in raw for name in _OF_ROUNDS)
    kind = "study of rounds" if rounds else "study"
    _known(raw, (*_COMMON, *(_OF_ROUNDS if rounds else _OF_RUNS)), f"field of a {kind}")
    needed = ("name", "env", "seeds", "arms", "phases" if rounds else "baseline")
    for name in needed:
        if raw.get(name) is None:
            raise BenchError(f"a {kind} needs {name!r}.")
    given: dict[str, Any] = {"name": _text(raw, "name"), "env": _text(raw, "env")}
    given["seeds"] = _seeds(raw["seeds"])
    for name in ("env_kwargs", "warm", "scratch", "form"):
        given[name] = _mapping(raw, name)
    if raw.get("horizon") is not None:
        given["horizon"] = _whole(raw["horizon"], "horizon", 1)
    if raw.get("split") is not None:
        given["split"] = _text(raw, "split")
    arms: dict[str, Arm] = {}
    for name in _mapping(raw, "arms"):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
            raise BenchError(
                f"{name!r} cannot be the name of an arm: letters, digits, - and _ can."
            )
        arms[name] = _arm(name, _mapping(raw["arms"], name, f"arm {name}"), arms, raw, rounds)
    if not arms:
        raise BenchError("a study needs at least one arm.")
    given["arms"] = list(arms.values())
    return Study(**given, **(_rounds(raw) if rounds else _runs(raw, arms, given["seeds"])))


def _runs(raw: Mapping[str, Any], arms: Mapping[str, Arm], seeds: list[int]) -> dict[str, Any]:
    """Reads the fields of a study whose arms are training runs."""
    given: dict[str, Any] = {}
    for name, least in (("demos", 2), ("tuning_tasks", 0), ("episodes", 0)):
        if raw.get(name) is not None:
            given[name] = _whole(raw[name], name, least)
    evaluate = raw.get("evaluate", ["seen", "unseen"])
    distinct = isinstance(evaluate, list) and len(set(map(str, evaluate))) == len(evaluate)
    if not evaluate or not distinct or not all(isinstance(split, str) for split in evaluate):
        raise BenchError(f"evaluate must be a list of different panels, not {evaluate!r}.")
    given["evaluate"] = tuple(evaluate)
    given["longer"] = longer = raw.get("longer") or []
    if not isinstance(longer, list) or not all(isinstance(part, dict) for part in longer):
        raise BenchError("longer must be a list of parts, each with settings and a budget.")
    for number, part in enumerate(longer, 1):
        _known(part, ("settings", "budget"), "field of longer")
        _mapping(part, "settings", f"settings of part {number} of longer")
        _budget(part, f"budget of part {number} of longer")
    tuning = _mapping(raw, "tuning")
    _known(tuning, ("seeds", "share"), "field of tuning")
    tuning_seeds = _seeds(tuning["seeds"], "tuning.seeds") if tuning.get("seeds") else []
    share = tuning.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise BenchError(f"tuning.share must be above 0 and at most 1, not {share!r}.")
    if set(seeds) & set(tuning_seeds):
        raise BenchError("a seed that settings are tuned on must not be one of the study's own.")
    trials = {len(arm.values) for arm in arms.values() if arm.values}
    if len(trials) > 1:
        raise BenchError("every arm that is tuned needs equally many values to try.")
    if trials and not tuning_seeds:
        raise BenchError("tuning needs seeds of its own (tuning: {seeds: [100]}).")
    if trials and given.get("tuning_tasks") == 0:
        raise BenchError("tuning needs tasks of its own (tuning_tasks: 200).")
    learners = [name for name, arm in arms.items() if not arm.extends]
    for role in ("baseline", "focus"):
        if raw.get(role) is not None:
            if raw[role] not in learners:
                raise UnknownName.of(role, raw[role], learners)
            given[role] = raw[role]
    return {**given, "tuning_seeds": tuning_seeds, "tuning_share": share}


def _rounds(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the fields of a study whose arms are rounds of training and measurement."""
    from qevolve_baselines.run.config import build

    mixture = dict(_mapping(raw, "mixture"))
    mixture_kwargs = _mapping(mixture, "env_kwargs", "mixture.env_kwargs")
    mixture.pop("env_kwargs", None)
    phases = []
    for name, given in _mapping(raw, "phases").items():
        given = _mapping({name: given}, name, f"phase {name}")
        _known(given, ("rounds", "env_kwargs"), f"field of phase {name}")
        number = _whole(given.get("rounds"), f"rounds of phase {name}", 1)
        kwargs = _mapping(given, "env_kwargs", f"env_kwargs of phase {name}")
        phases.append(TrainingPhase(name, number, kwargs))
    if not phases:
        raise BenchError("a study of rounds needs at least one phase.")
    return {
        "phases": phases,
        "mixture": build(Mixture, mixture, "mixture."),
        "mixture_kwargs": mixture_kwargs,
        "measure": build(Measure, _mapping(raw, "measure"), "measure."),
        "experts": _whole(raw.get("experts", 100), "experts", 0),
    }


def _arm(
    name: str,
    given: Mapping[str, Any],
    earlier: Mapping[str, Arm],
    study: Mapping[str, Any],
    rounds: bool,
) -> Arm:
    from qevolve_baselines.run.config import merge

    given = dict(given)
    if "like" in given:  # Its name in plans of earlier releases.
        if "extends" in given:
            raise BenchError(f"arm {name} has both extends and like: leave like out.")
        given["extends"] = given.pop("like")
    known = (*_ARM, *(_ARM_OF_ROUNDS if rounds else _ARM_OF_RUNS))
    _known(given, known, f"field of arm {name}")
    for part in ("learner", "preset", "extends", "reference", "control"):
        if not isinstance(given.get(part) or "", str):
            raise BenchError(f"{part} of arm {name} must be a name, not {given[part]!r}.")
    extends = given.get("extends") or ""
    if extends:
        if extends not in earlier:
            raise UnknownName.of(f"arm that {name} extends", extends, earlier)
        base = earlier[extends]
    elif not given.get("learner"):
        raise BenchError(f"arm {name} needs a learner, or another arm that it extends.")
    else:
        budget = _budget(study, "budget")
        checkpoints = study.get("checkpoints", 4)
        base = Arm("", given["learner"], budget=budget, checkpoints=checkpoints)
    mine = _budget(given, f"budget of arm {name}")
    arm = Arm(
        name=name,
        learner=given.get("learner") or base.learner,
        preset=given.get("preset", base.preset),
        settings=merge(base.settings, _mapping(given, "settings", f"settings of arm {name}")),
        budget=dict(base.budget) if given.get("budget") is None else mine,
        extends=extends,
        tuned_as=(base.tuned_as or extends) if not rounds else "",
        checkpoints=_whole(
            given.get("checkpoints", base.checkpoints), f"checkpoints of arm {name}", 1
        ),
        env_kwargs={
            **base.env_kwargs, **_mapping(given, "env_kwargs", f"env_kwargs of arm {name}")
        },
        reference=given.get("reference", base.reference),
        control=given.get("control") or "",
    )  # fmt: skip
    if rounds:
        _check_round_arm(arm, earlier)
    else:
        _read_tuning(arm, _mapping(given, "tune", f"tune of arm {name}"))
    return arm


def _check_round_arm(arm: Arm, earlier: Mapping[str, Arm]) -> None:
    if arm.extends and earlier[arm.extends].extends:
        raise BenchError(
            f"arm {arm.name} extends {arm.extends}, which itself extends another: name that one."
        )
    if arm.control and not arm.extends:
        raise BenchError(f"arm {arm.name} is a control of no arm: say which one it extends.")
    if arm.reference not in REFERENCES:
        raise UnknownName.of(f"reference of arm {arm.name}", arm.reference, REFERENCES)


def _read_tuning(arm: Arm, tune: Mapping[str, Any]) -> None:
    """Reads the setting that an arm tunes, and its values."""
    if not tune:
        return
    if arm.extends:
        raise BenchError(
            f"arm {arm.name} extends {arm.extends}, whose tuned value it takes: it tunes none."
        )
    if len(tune) > 1:
        raise BenchError(
            f"arm {arm.name} tunes {len(tune)} settings: one at a time, for equal trials."
        )
    [(path, values)] = tune.items()
    if not isinstance(values, list) or len(set(map(str, values))) < max(1, len(values)):
        raise BenchError(f"arm {arm.name} needs a list of different values for {path}.")
    found: Any = arm.settings
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is not None:
        raise BenchError(f"arm {arm.name} sets {path} and tunes it as well: leave one of them out.")
    arm.tune, arm.values = path, list(values)


# ── what the fields name ────────────────────────────────────────────────────


def _check_learners(study: Study) -> None:
    """Makes every learner, so that mistakes in settings are found before anything is played."""
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.policy import Form, ScratchConfig
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.run import Budget

    build(ScratchConfig, study.scratch, "scratch.")
    build(Form, study.form, "form.")
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
    if any(not p.get("budget") and "epochs" not in p.get("settings", {}) for p in study.longer):
        raise BenchError(
            "each part of longer needs a budget (budget: {trained_tokens: 1000000}) or epochs"
            " (settings: {epochs: 2})."
        )


def _check_worlds(study: Study) -> None:
    """Makes every environment, so that mistakes in arguments are found before the warm starts."""
    from qevolve_envs.factory import make_env

    arguments, splits = [study.env_kwargs], [study.split, *study.evaluate]
    if study.phases:
        arguments = [study.kwargs(None, None)]
        arguments += [study.kwargs(phase, arm) for phase in study.phases for arm in study.arms]
        splits = [study.split, study.measure.split]
    for split in splits:
        for kwargs in {str(given): given for given in arguments}.values():
            make_env(
                study.env, split=split, env_kwargs=kwargs, max_episode_steps=study.horizon
            ).close()


# ── values ──────────────────────────────────────────────────────────────────


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


def _known(raw: Mapping[str, Any], names: Iterable[str], kind: str) -> None:
    """Refuses a field that does not exist; `kind` names the fields in the error."""
    names = tuple(names)
    for name in raw:
        if name not in names:
            raise UnknownName.of(kind, name, names)


def _mapping(raw: Mapping[str, Any], name: str, title: str = "") -> dict[str, Any]:
    """A field that maps names to values; an empty mapping where it is missing or null."""
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BenchError(f"{title or name} must map names to values, not {value!r}.")
    return value


def _budget(raw: Mapping[str, Any], title: str) -> dict[str, float]:
    budget = _mapping(raw, "budget", title)
    for axis, limit in budget.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise BenchError(f"{axis} of {title} must be a number, not {limit!r}.")
    return budget


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str) or not value:
        raise BenchError(f"{name} must be a text, not {value!r}.")
    return value


def _whole(value: Any, title: str, least: int) -> int:
    if type(value) is not int or value < least:
        raise BenchError(f"{title} must be a whole number of at least {least}, not {value!r}.")
    return value


def _seeds(value: Any, title: str = "seeds") -> list[int]:
    if not isinstance(value, list) or not value:
        raise BenchError(f"{title} must be a list of different whole numbers.")
    found = [_whole(seed, title, 0) for seed in value]
    if len(set(found)) < len(found):
        raise BenchError(f"{title} must be a list of different whole numbers: a seed counts once.")
    return found
