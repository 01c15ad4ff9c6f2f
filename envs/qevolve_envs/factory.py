"""Making environments for the harness: `gymnasium.make`, with errors that a person can mend."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from qevolve_envs.core import TextEnv
from qevolve_envs.errors import BenchError, MissingData, UnknownName
from qevolve_envs.loading import describe
from qevolve_envs.registration import find_spec

#: Name, among an environment's arguments, of what perturbs it.
PERTURBATION = "perturbation"
#: Arguments of `make_env` itself, which therefore cannot be given in `env_kwargs`.
RESERVED = {"split": "split (--split)", "max_episode_steps": "horizon (--horizon)"}


def make_env(
    env_id: str,
    *,
    split: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
) -> gymnasium.Env[str, str]:
    """Makes a text environment, with its horizon.

    Args:
        env_id: Gymnasium id, or ``module:id``; see `find_spec`.
        split: The panel; the environment's default when None.
        env_kwargs: Further arguments of the environment; JSON scalars. `PERTURBATION` among them,
            such as ``"typos:2"``, is what `qevolve_envs.perturb` does to the environment.
        max_episode_steps: The horizon; the registered one when None.

    Raises:
        MissingData: When the environment needs what is not on this machine.
        BenchError: For anything else that the caller can mend; the environment's own errors
            included.
    """
    spec = find_spec(env_id)
    kwargs = dict(env_kwargs or {})
    perturbation = kwargs.pop(PERTURBATION, None)
    if not (perturbation is None or isinstance(perturbation, str)):
        raise BenchError(f"A perturbation is text such as typos:2, not {perturbation!r}.")
    _check_kwargs(spec, kwargs)
    if max_episode_steps is None:
        max_episode_steps = spec.max_episode_steps
    if max_episode_steps is None:
        raise BenchError(f"{spec.id} has no horizon: give one (--horizon).")
    if max_episode_steps < 1:
        raise BenchError(f"The horizon must be at least 1, not {max_episode_steps}.")
    arguments = kwargs if split is None else {**kwargs, "split": split}
    try:
        # The passive checker is for authors of environments, and slows every step.
        env = gymnasium.make(
            spec, max_episode_steps=max_episode_steps, disable_env_checker=True, **arguments
        )
    except BenchError:
        raise
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingData(f"Cannot make {spec.id}: {error}") from error
    except (TypeError, ValueError, OSError) as error:
        # Names were checked before, so this is a value that the environment does not take.
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        cause = error.__cause__ or error
        raise BenchError(f"Cannot make {spec.id} with {given}: {describe(cause)}.") from error
    try:
        text_env(env)
    except BenchError:
        env.close()
        raise
    if perturbation is None:
        return env
    from qevolve_envs.perturb import perturb

    return perturb(env, perturbation)


def text_env(env: gymnasium.Env[str, str]) -> TextEnv:
    """Returns the `TextEnv` inside the wrappers.

    Raises:
        BenchError: When it is another kind of environment.
    """
    inner = env.unwrapped
    if not isinstance(inner, TextEnv):
        name = env.spec.id if env.spec is not None else type(inner).__name__
        raise BenchError(f"{name} is not a text environment with tasks (a TextEnv).")
    return inner


def _check_kwargs(spec: EnvSpec, kwargs: Mapping[str, Any]) -> None:
    """Refuses what the environment does not know, and what an episode could not record."""
    accepted = _accepted_arguments(spec)
    for name, value in kwargs.items():
        if name in RESERVED:
            raise BenchError(f"{name} is not an environment argument: give it as {RESERVED[name]}.")
        if accepted is not None and name not in accepted:
            raise UnknownName.of(f"argument of {spec.id}", name, sorted(accepted))
        if not (value is None or isinstance(value, str | int | float)):
            raise BenchError(
                f"Environment argument {name} must be text, a number, true, false or null,"
                f" not a {type(value).__name__}."
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise BenchError(f"Environment argument {name} must be finite, not {value}.")


def _accepted_arguments(spec: EnvSpec) -> set[str] | None:
    """Names of the keyword arguments that an environment takes; None when it takes any."""
    creator: Any = spec.entry_point
    if isinstance(creator, str):
        try:
            creator = load_env_creator(creator)
        except (ImportError, AttributeError) as error:
            raise BenchError(f"Cannot load {spec.id}: {describe(error)}.") from error
    if isinstance(creator, type):
        constructors = [vars(c)["__init__"] for c in creator.__mro__ if "__init__" in vars(c)]
    else:
        constructors = [creator]
    names: set[str] = set()
    for constructor in constructors:
        takes_any = False
        for name, parameter in inspect.signature(constructor).parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                takes_any = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL and name != "self":
                names.add(name)
        # What **kwargs takes goes to the next constructor up; without it the list is complete.
        if not takes_any:
            return names - RESERVED.keys()
    return None
