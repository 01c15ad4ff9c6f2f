"""Conformance checks that contributors run on their own environment.

The whole of it, under pytest, for an environment that is registered::

    import my_package  # registers "me/World-v0"
    from qevolve_envs.testing import TextEnvConformance

    class TestWorld(TextEnvConformance):
        env_id = "me/World-v0"

Each check is a plain function too, taking a Gymnasium id or a callable that makes the environment;
it raises `ConformanceError`, an `AssertionError` of one sentence, at the first broken promise.
pytest itself is not needed. `replay` and the golden traces are re-exported from `replay.py`.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import pickle
import random
import re
import reprlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker

from qevolve_envs.core import HOOKS, REWARDS, Feedback, TextEnv
from qevolve_envs.errors import UnknownName
from qevolve_envs.factory import text_env
from qevolve_envs.fresh_process import call_fresh
from qevolve_envs.fuzz_inputs import HOSTILE_INPUTS, ActionMix
from qevolve_envs.registration import find_spec
from qevolve_envs.replay import (
    Mismatch,
    check_golden,
    replay,
    spread,
    write_golden,
)
from qevolve_envs.tracing import (
    EnvLike,
    Record,
    TextEnvLike,
    Tracer,
    fingerprint,
    make_copy,
    panel_digests,
    trace,
)

__all__ = [
    "ConformanceError",
    "Mismatch",
    "Record",
    "TextEnvConformance",
    "check_golden",
    "check_names",
    "check_pickling",
    "check_processes",
    "check_repeatable",
    "check_serialisable",
    "check_spaces",
    "check_tasks",
    "check_threads",
    "check_unknown_names",
    "fuzz",
    "panel_digests",
    "replay",
    "trace",
    "write_golden",
]

INFO_KEYS = ("task_id", "goal", "feedback", "score", "won")


class ConformanceError(AssertionError):
    """A promise of the environment contract that is not kept."""


# ── one long run ────────────────────────────────────────────────────────────


def fuzz(env: EnvLike, steps: int, seed: int = 0, **kwargs: Any) -> dict[Feedback, int]:
    """Sends half junk, half executable commands, and checks every answer.

    A long run: ``python -c "from qevolve_envs.testing import fuzz; print(fuzz(ID, 100_000))"``.

    Args:
        env: The environment.
        steps: Number of actions; an episode that ends is followed by another.
        seed: Seed of the environment and of the actions.
        **kwargs: Arguments of the environment.

    Returns:
        How often each kind of feedback came back.

    Raises:
        ConformanceError: With the action, at the first answer that breaks the contract.
    """
    made = make_copy(env, **kwargs)
    world = text_env(made)
    mix = ActionMix(np.random.default_rng(np.random.SeedSequence([seed, 1])), sensible=0.5)
    counts = dict.fromkeys(Feedback, 0)
    observation, info = made.reset(seed=seed)
    keys = sorted(info)
    _check_answer(made, observation, info, keys, "reset")
    _require(info["feedback"] is Feedback.OK, f"reset reports {info['feedback']!r}, not OK")
    for number in range(steps):
        commands = _commands(world, info)
        # Every hostile input is sent once, in order, before actions are drawn.
        if number % 2 and number // 2 < len(HOSTILE_INPUTS):
            action = HOSTILE_INPUTS[number // 2]
        else:
            action = mix.draw(commands)
        where = f"step({_short(action)})"
        before, shown = info, observation
        try:
            answer = made.step(action)
        except Exception as error:
            raise ConformanceError(f"{where} raises {type(error).__name__}: {error}.") from error
        _require(isinstance(answer, tuple) and len(answer) == 5, f"{where} is not a 5-tuple")
        observation, reward, terminated, truncated, info = answer
        _check_answer(made, observation, info, keys, where)
        _check_step(where, before, reward, terminated, truncated, info, world.reward)
        feedback = info["feedback"]
        refused = feedback in (Feedback.INVALID, Feedback.MALFORMED)
        _require(
            not (refused and action in commands), f"{where} was admissible but is {feedback.value}"
        )
        _require(
            feedback is not Feedback.OK or observation != shown,
            f"{where} reports OK for an observation that did not change (UNCHANGED)",
        )
        counts[feedback] += 1
        if terminated or truncated:
            observation, info = made.reset()
            _check_answer(made, observation, info, keys, "reset")
    made.close()
    return counts


# ── spaces, specification, tasks, names ─────────────────────────────────────


def check_spaces(env: EnvLike) -> None:
    """Gymnasium's own checker passes without a warning, and so does rendering as text."""
    made = make_copy(env)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            # Without a spec the checker cannot make the environment again in order to render it.
            check_env(made.unwrapped, skip_render_check=made.unwrapped.spec is None)
            rendered = make_copy(env, render_mode="ansi").unwrapped
            observation, _ = rendered.reset(seed=0)
            env_render_passive_checker(rendered)
        except Exception as error:
            plain = re.sub(r"\x1b\[\d+m", "", str(error))  # Gymnasium colours its warnings.
            raise ConformanceError(f"Gymnasium's checker says: {plain}") from error
    _require(rendered.render() == observation, "render() is not the last observation")
    made.close()


def check_serialisable(env: EnvLike) -> None:
    """The specification survives JSON, and makes the same environment."""
    made = make_copy(env)
    if made.spec is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            spec = EnvSpec.from_json(made.spec.to_json())
        except (Warning, TypeError, ValueError) as error:
            raise ConformanceError(f"The specification is not JSON: {error}") from error
    again = gymnasium.make(spec)
    _require(
        made.reset(seed=0) == again.reset(seed=0),
        "the environment that its specification makes begins differently",
    )


def check_tasks(env: EnvLike, per_split: int = 5) -> None:
    """Panels are disjoint; a task can be described and played by its id, whatever the seed.

    Args:
        env: The environment.
        per_split: Tasks of each panel that are played.
    """
    made = make_copy(env)
    world, other = text_env(made), make_copy(env)
    seen: dict[str, str] = {}
    _require(bool(world.splits), "no split is declared")
    for split in world.splits:
        ids = world.task_ids(split)
        _require(len(ids) > 0, f"split {split!r} has no tasks")
        for task_id in ids:
            _require(task_id not in seen, f"task {task_id!r} is in more than one place")
            seen[task_id] = split
        for number, task_id in enumerate(spread(ids, per_split)):
            task = world.task(task_id)
            _require(task.id == task_id, f"task({task_id!r}) has the id {task.id!r}")
            _require(task.split == split, f"task({task_id!r}) has the split {task.split!r}")
            try:
                json.dumps(task.content, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ConformanceError(f"task({task_id!r}).content is not JSON: {error}") from error
            first, info = made.reset(seed=number, options={"task": task_id})
            _require(
                info["task_id"] == task_id, f"reset plays {info['task_id']!r}, not {task_id!r}"
            )
            _require(info["goal"] == task.goal, f"the goal of {task_id!r} is not that of its task")
            again, _ = other.reset(seed=number + 99, options={"task": task_id})
            _require(first == again, f"{task_id!r} begins differently for another seed or copy")
        _check_draws(env, split, set(ids))


def check_unknown_names(env: EnvLike) -> None:
    """Unknown tasks, options and splits are refused by name, with a close match, and do no harm."""
    made = make_copy(env)
    world = text_env(made)
    for options in ({"task": "no such task"}, {"task": 5}, {"tsk": "x"}, {"task": ""}):
        _refused(f"reset(options={options})", functools.partial(made.reset, options=options))
    made.reset(seed=0)
    _refused("task('no such task')", functools.partial(world.task, "no such task"))
    split = world.splits[0]
    _refused(f"split={split + 'x'!r}", functools.partial(make_copy, env, split=split + "x"), split)
    _refused("reward='spars'", functools.partial(make_copy, env, reward="spars"), "sparse")


def check_names(env: EnvLike, steps: int = 20) -> None:
    """No attribute or method takes the name of one that `TextEnv` needs for itself.

    A subclass may replace the names in `core.HOOKS` by others of their kind, and no other name.

    Args:
        env: The environment.
        steps: Number of actions after which the attributes are looked at again.
    """
    settings = {"reward": "dense", "admissible": True, "render_mode": "ansi"}
    made = make_copy(env, **settings)
    world = text_env(made)
    settings["split"] = world.split
    reserved = {n for n in dir(TextEnv) if not n.startswith("__")} | settings.keys()
    for cls in type(world).__mro__[: type(world).__mro__.index(TextEnv)]:
        for name in sorted((vars(cls).keys() & reserved) - HOOKS):
            _require(False, _clash(f"{cls.__name__}.{name}", name))
    mix = ActionMix(np.random.default_rng(0))
    over = True
    for _ in range(steps):
        try:
            if over:
                made.reset(seed=0)
            *_, terminated, truncated, _ = made.step(mix.draw(world.admissible_commands()))
            over = terminated or truncated
        finally:  # A clash may be the very reason why a step fails.
            _check_attributes(world, reserved, settings)
    made.close()


def _check_attributes(world: TextEnv, reserved: set[str], settings: Mapping[str, Any]) -> None:
    own = type(world).__name__
    for name in sorted(vars(world).keys() & reserved):
        value, theirs = vars(world)[name], getattr(TextEnv, name, None)
        if name in settings:
            kept = type(value) is type(settings[name]) and value == settings[name]
        else:
            kept = callable(value) or not callable(theirs)
        _require(kept, _clash(f"self.{name} of {own}", name))


def _clash(attribute: str, name: str) -> str:
    return f"{attribute} replaces TextEnv's own {name!r}: choose another name"


# ── determinism ─────────────────────────────────────────────────────────────


def check_repeatable(env: EnvLike, seed: int = 0, steps: int = 100) -> None:
    """The same trace gives the same bytes, whatever the global generators hold and whether or not
    anybody asks for the admissible commands; and the global generators are left alone.
    """
    expected = trace(env, None, seed, steps)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        for global_seed in (1, 2):
            # On purpose, and put back: an environment must not notice what these hold.
            random.seed(global_seed)
            np.random.seed(global_seed)  # noqa: NPY002
            held = _global_state()
            _same(expected, trace(env, None, seed, steps), "the second time")
            _require(held == _global_state(), "a global random generator is used")
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    made = make_copy(env)
    for number, record in enumerate(expected):
        if record.action is not None:
            observation, *_ = made.step(record.action)
        else:
            observation, _ = made.reset(seed=None if number else seed)
        _require(
            observation == record.observation,
            f"call {number}: the answer depends on whether admissible commands were asked for",
        )


def check_threads(env: EnvLike, seed: int = 0, steps: int = 60, threads: int = 4) -> None:
    """Copies that play at the same time in threads do not disturb each other."""
    expected = trace(env, None, seed, steps)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(trace, env, None, seed, steps) for _ in range(threads)]:
            _same(expected, future.result(), "in a thread")


def check_processes(
    env: EnvLike, seed: int = 0, steps: int = 60, hash_seeds: Sequence[int] = (1, 2)
) -> None:
    """Traces and panel digests are the same in fresh processes with other hash seeds."""
    if isinstance(env, str):
        # The other process may not import what registered the id.
        env = functools.partial(gymnasium.make, find_spec(env))
    expected = fingerprint(env, seed, steps)
    for hash_seed in hash_seeds:
        try:
            found = call_fresh(fingerprint, env, seed, steps, hash_seed=hash_seed)
        except RuntimeError as error:
            raise ConformanceError(str(error)) from error
        where = f"in another process (PYTHONHASHSEED={hash_seed})"
        for task, records in expected["traces"].items():
            then = [Record(**{**r, "commands": tuple(r["commands"])}) for r in records]
            now = [Record(**{**r, "commands": tuple(r["commands"])}) for r in found["traces"][task]]
            _same(then, now, where)
        for split, digest in expected["panels"].items():
            _require(found["panels"][split] == digest, f"the panel {split!r} differs {where}")


def check_pickling(env: EnvLike, seed: int = 0, steps: int = 40) -> None:
    """An environment pickled or copied in the middle of an episode goes on identically."""
    tracer = Tracer(make_copy(env), seed)
    tracer.reset(None)
    # Not a round number, so that the middle of an episode is hit for most horizons.
    tracer.run(7)
    try:
        twins = {"unpickled": pickle.loads(pickle.dumps(tracer)), "copied": copy.deepcopy(tracer)}
    except Exception as error:
        raise ConformanceError(f"Pickling raises {type(error).__name__}: {error}.") from error
    expected = tracer.run(steps)
    for how, twin in twins.items():
        _same(expected, twin.run(steps), f"once {how}")


# ── all of them, for pytest ─────────────────────────────────────────────────


class TextEnvConformance:
    """Inherit, set `env_id` (or override `make`), and let pytest collect it.

    Attributes:
        env_id: Gymnasium id of a registered environment.
        kwargs: Arguments that every copy is made with.
        fuzz_steps: Length of each fuzzing run.
    """

    env_id: str = ""
    kwargs: ClassVar[Mapping[str, Any]] = {}
    fuzz_steps: int = 400

    def make(self, **kwargs: Any) -> TextEnvLike:
        """Makes one copy; must accept the keyword arguments of `TextEnv`."""
        return gymnasium.make(self.env_id, **{**self.kwargs, **kwargs})

    @property
    def factory(self) -> Callable[..., TextEnvLike]:
        """Makes copies for the checks; it also works in a process that never registered the id."""
        if type(self).make is TextEnvConformance.make:
            return functools.partial(gymnasium.make, find_spec(self.env_id), **dict(self.kwargs))
        return self.make

    def test_spaces(self) -> None:
        """Gymnasium's checker, with warnings as errors."""
        check_spaces(self.factory)

    def test_specification_is_json(self) -> None:
        """`EnvSpec` survives JSON."""
        check_serialisable(self.factory)

    def test_any_text_is_answered(self) -> None:
        """Fuzzing, with the answer to every step checked, in all forms of the environment."""
        for reward in ("sparse", "dense"):
            for admissible in (False, True):
                counts = fuzz(self.factory, self.fuzz_steps, reward=reward, admissible=admissible)
                for feedback in (Feedback.OK, Feedback.MALFORMED):
                    _require(counts[feedback] > 0, f"no junk and no command was {feedback.value}")

    def test_tasks(self) -> None:
        """Tasks are played by id."""
        check_tasks(self.factory)

    def test_unknown_names(self) -> None:
        """Unknown tasks, options and splits."""
        check_unknown_names(self.factory)

    def test_names(self) -> None:
        """No clash with the names of `TextEnv`."""
        check_names(self.factory)

    def test_same_again(self) -> None:
        """Determinism in this process."""
        check_repeatable(self.factory)

    def test_same_in_threads(self) -> None:
        """Determinism in threads."""
        check_threads(self.factory)

    def test_same_in_processes(self) -> None:
        """Determinism across processes and hash seeds, of traces and of panels."""
        check_processes(self.factory)

    def test_pickling(self) -> None:
        """Pickling and copying in the middle of an episode."""
        check_pickling(self.factory)


# ── how it is done ──────────────────────────────────────────────────────────


def _same(expected: list[Record], found: list[Record], where: str) -> None:
    for number, (then, now) in enumerate(zip(expected, found, strict=True)):
        if then == now:
            continue
        for name in ("action", "observation", "reward", "terminated", "truncated", "info"):
            old, new = getattr(then, name), getattr(now, name)
            _require(
                old == new,
                f"call {number} of the trace: {name} is {_short(new)} {where}, "
                f"and was {_short(old)}",
            )
        _require(False, f"call {number} of the trace: the admissible commands differ {where}")


def _check_answer(
    env: TextEnvLike, observation: object, info: object, keys: list[str], where: str
) -> None:
    _require(
        env.observation_space.contains(observation),
        f"{where}: the observation {_short(observation)} is not in the observation space",
    )
    if not isinstance(info, dict):
        raise ConformanceError(f"{where}: info is a {type(info).__name__}, not a dict.")
    wanted = [*INFO_KEYS, *(["admissible_commands"] if text_env(env).admissible else [])]
    for key in wanted:
        _require(key in info, f"{where}: info lacks {key!r}")
    _require(sorted(info) == keys, f"{where}: info has the keys {sorted(info)}, not {keys}")
    # The exact types, because `info` becomes JSON and the dtype of vectorised arrays.
    types = {"task_id": str, "goal": str, "feedback": Feedback, "score": float, "won": bool}
    for key, type_ in types.items():
        _require(
            type(info[key]) is type_,
            f"{where}: info[{key!r}] is a {type(info[key]).__name__}, not a {type_.__name__}",
        )
    for key in ("task_id", "goal"):
        _require(bool(info[key]), f"{where}: info[{key!r}] is empty")
    _require(0.0 <= info["score"] <= 1.0, f"{where}: score is {info['score']}, not in [0, 1]")
    _require(
        not info["won"] or info["score"] == 1.0, f"{where}: won with a score of {info['score']}"
    )


def _check_step(
    where: str,
    before: dict[str, Any],
    reward: object,
    terminated: object,
    truncated: object,
    info: dict[str, Any],
    form: str,
) -> None:
    _require(type(reward) is float, f"{where}: the reward is a {type(reward).__name__}")
    _require(type(terminated) is bool, f"{where}: terminated is a {type(terminated).__name__}")
    _require(type(truncated) is bool, f"{where}: truncated is a {type(truncated).__name__}")
    _require(not info["won"] or bool(terminated), f"{where}: won, but not terminated")
    for key in ("task_id", "goal"):
        _require(info[key] == before[key], f"{where}: {key} changed within an episode")
    if form not in REWARDS:
        return  # A form of the environment's own: only it knows what is due.
    if form == "sparse":
        due = 1.0 if info["won"] and not before["won"] else 0.0
    else:
        due = info["score"] - before["score"]
    _require(
        isinstance(reward, float) and math.isclose(reward, due, abs_tol=1e-9),
        f"{where}: the {form} reward is {reward}, not {due}",
    )


def _commands(world: Any, info: dict[str, Any]) -> list[str]:
    commands: list[str] = world.admissible_commands()
    _require(
        all(isinstance(c, str) for c in commands) and commands == sorted(set(commands)),
        f"the admissible commands {_short(commands)} are not sorted and unique",
    )
    told = info.get("admissible_commands", commands)
    _require(told == commands, "info has other admissible commands than admissible_commands()")
    return commands


def _check_draws(env: EnvLike, split: str, ids: set[str]) -> None:
    one, two = make_copy(env, split=split), make_copy(env, split=split)
    drawn = []
    for seed in range(5):
        task = one.reset(seed=seed)[1]["task_id"]
        _require(task in ids, f"split={split!r} draws {task!r}, which is not of that split")
        _require(two.reset(seed=seed)[1]["task_id"] == task, f"seed {seed} draws different tasks")
        _require(
            one.reset()[1]["task_id"] == two.reset()[1]["task_id"],
            f"after seed {seed}, the second reset draws different tasks",
        )
        drawn.append(task)
    _require(len(ids) < 20 or len(set(drawn)) > 1, f"every seed draws {drawn[0]!r}")


def _refused(what: str, call: Callable[[], object], match: str = "") -> None:
    try:
        call()
    except UnknownName as error:
        _require(repr(match) in str(error) or not match, f"{what} is refused without {match!r}")
    except Exception as error:
        raise ConformanceError(
            f"{what} raises {type(error).__name__}, not UnknownName: {error}"
        ) from error
    else:
        raise ConformanceError(f"{what} is accepted.")


def _global_state() -> tuple[object, str]:
    return random.getstate(), repr(np.random.get_state())  # noqa: NPY002


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ConformanceError(f"{otherwise}.")


def _short(value: object) -> str:
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 160
    return shortener.repr(value)
