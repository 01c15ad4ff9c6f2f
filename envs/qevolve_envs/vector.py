"""Many copies of a text environment at once: in lockstep, one after another, or in processes.

`LockstepVectorEnv` is what ``gymnasium.make_vec(id)`` builds for our ids. Observations are a tuple
of strings, as Gymnasium batches `spaces.Text`; `info` is vectorised by Gymnasium's own code. The
three modes of `make_vec` give the same trajectories.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from qevolve_envs.core import TextEnv
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.registration import find_spec, register_all

MODES = ("lockstep", "sync", "async")

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
TextVectorEnv: TypeAlias = VectorEnv[tuple[str, ...], Sequence[str], npt.NDArray[Any]]


def __getattr__(name: str) -> Callable[..., LockstepVectorEnv]:
    # Gymnasium calls a vector entry point without saying for which environment, so the entry point
    # of "qevolve/Household-v0" is the attribute of that name of this module (registration.py).
    if re.search(r"-v\d+$", name):
        if name not in gymnasium.registry:
            register_all()
        if name in gymnasium.registry:
            point = gymnasium.registry[name].entry_point
            env = load_env_creator(point) if isinstance(point, str) else point
            return functools.partial(LockstepVectorEnv, cast("Callable[..., TextEnv]", env))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def make_vec(
    env_id: str,
    num_envs: int,
    *,
    mode: str = "lockstep",
    autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    context: str | None = None,
    **kwargs: Any,
) -> TextVectorEnv:
    """Builds a vector environment; whatever the mode, the trajectories are the same.

    Besides what `TextEnv.reset` accepts, ``options={"task": [id, …]}`` gives each copy its own
    task (None draws one), in every mode.

    Args:
        env_id: Gymnasium id, or ``"module:id"``.
        num_envs: Number of copies.
        mode: ``"lockstep"`` steps them in this thread without Gymnasium's wrappers; ``"sync"`` is
            Gymnasium's loop over fully wrapped environments; ``"async"`` gives each a process.
        autoreset_mode: Gymnasium's mode or its value (``"NextStep"``, ``"SameStep"``,
            ``"Disabled"``).
        context: Start method of the processes in mode ``"async"``; None is the platform's.
        **kwargs: Passed to the environment (and ``max_episode_steps`` to its time limit).

    Raises:
        UnknownName: For a mode that does not exist.
    """
    if mode not in MODES:
        raise UnknownName.of("mode", mode, MODES)
    autoreset_mode = _autoreset_mode(autoreset_mode)
    _check_count(num_envs)
    register_all()
    if mode == "lockstep":
        return gymnasium.make_vec(
            env_id,
            num_envs,
            vectorization_mode="vector_entry_point",
            autoreset_mode=autoreset_mode.value,
            **kwargs,
        )
    spec = find_spec(env_id)
    envs: TextVectorEnv
    if mode == "sync":
        slots = [_Slot(spec, kwargs, i, num_envs, None) for i in range(num_envs)]
        envs = SyncVectorEnv(slots, autoreset_mode=autoreset_mode)
    else:
        # Two faults of Gymnasium's worker are avoided here. With shared memory, Text comes back
        # as garbage. Without it, an explicit reset after the end of an episode leaves the
        # worker's autoreset pending, which loses the next action. So the worker never resets,
        # and the copy does it.
        slots = [_Slot(spec, kwargs, i, num_envs, autoreset_mode) for i in range(num_envs)]
        envs = AsyncVectorEnv(
            slots, shared_memory=False, context=context, autoreset_mode=AutoresetMode.DISABLED
        )
        envs.metadata["autoreset_mode"] = envs.autoreset_mode = autoreset_mode
    envs.spec = copy.deepcopy(spec)
    envs.spec.kwargs |= {**kwargs, "num_envs": num_envs, "vectorization_mode": mode}
    return envs


class LockstepVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], npt.NDArray[Any]]):
    """Copies of a `TextEnv`, stepped in one thread without per-copy wrappers.

    The horizon, the seeds (``seed + i``), the autoreset modes, ``options["reset_mask"]`` and the
    vectorised `info` are those of `gymnasium.vector.SyncVectorEnv`.

    Args:
        env: Creates one copy.
        num_envs: Number of copies.
        max_episode_steps: The horizon; None or -1 for none.
        autoreset_mode: Gymnasium's mode or its value.
        **kwargs: Passed to `env`.
    """

    def __init__(
        self,
        env: Callable[..., TextEnv],
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        _check_count(num_envs)
        self.num_envs = num_envs
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.envs = [env(**kwargs) for _ in range(num_envs)]
        first = self.envs[0]
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, num_envs)
        self.action_space = batch_space(first.action_space, num_envs)
        self._horizon = max_episode_steps if max_episode_steps not in (None, -1) else None
        self._elapsed = [0] * num_envs
        #: The latest text of each copy; None where it was never reset.
        self._observations: list[str | None] = [None] * num_envs
        self._over = [False] * num_envs

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Starts an episode in every copy, or in those of ``options["reset_mask"]``.

        Args:
            seed: One seed for each copy, or a number to which the copy's index is added.
            options: As for `TextEnv.reset`; ``"task"`` may be a list with an id for each copy.
                It is not changed.
        """
        self._check_open()
        seeds = self._seeds(seed)
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None))
        infos: dict[str, Any] = {}
        for i in np.flatnonzero(mask).tolist():
            text, info = self.envs[i].reset(
                seed=seeds[i], options=_own_options(options, i, self.num_envs)
            )
            self._started(i, text)
            infos = self._add_info(infos, info, i)
        return self._texts(), infos

    def step(
        self, actions: Sequence[str]
    ) -> tuple[tuple[str, ...], Floats, Bools, Bools, dict[str, Any]]:
        """Executes one command in every copy (ignored where the mode resets on this step).

        Raises:
            BenchError: When there is not one action for each copy.
            gymnasium.error.ResetNeeded: When a copy was not reset, or, in mode ``DISABLED``, when
                its episode is over.
        """
        self._check_open()
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise BenchError(f"Expected {self.num_envs} actions, one for each environment.")
        self._texts()
        if self.autoreset_mode is AutoresetMode.DISABLED and any(self._over):
            over = self._over.index(True)
            raise gymnasium.error.ResetNeeded(
                f"The episode of environment {over} is over; reset it with options['reset_mask']."
            )
        rewards = np.zeros(self.num_envs, dtype=np.float64)
        terminations = np.zeros(self.num_envs, dtype=np.bool_)
        truncations = np.zeros(self.num_envs, dtype=np.bool_)
        infos: dict[str, Any] = {}
        for i, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            if self._over[i]:
                text, info = env.reset()
                self._started(i, text)
                infos = self._add_info(infos, info, i)
                continue
            text, reward, terminated, truncated, info = env.step(action)
            self._elapsed[i] += 1
            if self._horizon is not None and self._elapsed[i] >= self._horizon:
                truncated = True
            rewards[i], terminations[i], truncations[i] = reward, terminated, truncated
            self._observations[i] = text
            self._over[i] = terminated or truncated
            if self._over[i] and self.autoreset_mode is AutoresetMode.SAME_STEP:
                infos = self._add_info(infos, {"final_obs": text, "final_info": info}, i)
                text, info = env.reset()
                self._started(i, text)
            infos = self._add_info(infos, info, i)
        return self._texts(), rewards, terminations, truncations, infos

    def render(self) -> tuple[str | None, ...]:  # type: ignore[override]
        """The rendering of each copy."""
        return tuple(env.render() for env in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The attribute of each copy, called if it can be."""
        values = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in values)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute of each copy (a method is called, as Gymnasium does)."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Sets an attribute of each copy, from a list or tuple of one value each or from one."""
        if not isinstance(values, list | tuple):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise BenchError(f"Expected {self.num_envs} values, one for each environment.")
        for env, value in zip(self.envs, values, strict=True):
            env.set_wrapper_attr(name, value)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The random generator of each copy."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each copy."""
        return self.get_attr("np_random_seed")

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the copies."""
        for env in self.envs:
            env.close()

    def _started(self, i: int, text: str) -> None:
        self._observations[i], self._over[i], self._elapsed[i] = text, False, 0

    def _texts(self) -> tuple[str, ...]:
        texts = tuple(text for text in self._observations if text is not None)
        if len(texts) < self.num_envs:
            raise gymnasium.error.ResetNeeded("Every environment has to be reset once.")
        return texts

    def _check_open(self) -> None:
        if self.closed:
            raise gymnasium.error.ClosedEnvironmentError("The vector environment is closed.")

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise BenchError(f"Expected {self.num_envs} seeds, got {len(seed)}.")
        return list(seed)

    def _mask(self, mask: Bools | None) -> Bools:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        # The types of error are Gymnasium's.
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError("options['reset_mask'] must be a numpy array of dtype bool.")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask'] must have the shape ({self.num_envs},) and one True."
            )
        return mask


@dataclass(frozen=True)
class _Slot:
    """Creates the copy at one index, for Gymnasium's vectorisers; picklable.

    Attributes:
        spec: The environment.
        kwargs: Arguments of `gymnasium.make`.
        index: Place in the vector.
        num_envs: Size of the vector.
        autoreset_mode: What the copy does at the end of an episode; None leaves it to Gymnasium.
    """

    spec: EnvSpec
    kwargs: dict[str, Any]
    index: int
    num_envs: int
    autoreset_mode: AutoresetMode | None

    def __call__(self) -> gymnasium.Env[str, str]:
        env = gymnasium.make(self.spec, **self.kwargs)
        return _SlotWrapper(env, self.index, self.num_envs, self.autoreset_mode)


class _SlotWrapper(gymnasium.Wrapper[str, str, str, str]):
    """Picks the copy's own task out of a list, and resets by itself when it is asked to."""

    def __init__(
        self,
        env: gymnasium.Env[str, str],
        index: int,
        num_envs: int,
        autoreset_mode: AutoresetMode | None,
    ) -> None:
        super().__init__(env)
        self._index = index
        self._num_envs = num_envs
        self._mode = autoreset_mode
        self._over = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._over = False
        own = _own_options(options or {}, self._index, self._num_envs)
        return self.env.reset(seed=seed, options=own)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._over and self._mode is AutoresetMode.NEXT_STEP:
            text, info = self.reset()
            return text, 0.0, False, False, info
        if self._over and self._mode is AutoresetMode.DISABLED:
            raise gymnasium.error.ResetNeeded(
                f"The episode of environment {self._index} is over; reset it first."
            )
        text, reward, terminated, truncated, info = self.env.step(action)
        self._over = terminated or truncated
        if self._over and self._mode is AutoresetMode.SAME_STEP:
            final = {"final_info": info, "final_obs": text}
            text, info = self.reset()
            info = {**final, **info}
        return text, float(reward), terminated, truncated, info


def _own_options(options: dict[str, Any], index: int, num_envs: int) -> dict[str, Any]:
    """The reset options of one copy: its own task, where there is a list of tasks."""
    tasks = options.get("task")
    if not isinstance(tasks, list | tuple):
        return options
    if len(tasks) != num_envs:
        raise BenchError(f"Expected {num_envs} tasks, one for each environment, got {len(tasks)}.")
    return {**options, "task": tasks[index]}


def _autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    known = [m.value for m in AutoresetMode]
    if mode not in known:
        raise UnknownName.of("autoreset mode", mode, known)
    return AutoresetMode(mode)


def _check_count(num_envs: int) -> None:
    if num_envs < 1:
        raise BenchError(f"A vector environment needs at least one copy, not {num_envs}.")
