"""Finding agents by name, and the agents that belong to the harness.

A name is one of `BUILT_IN`, an entry point of the group ``qevolve_bench.agents``, or
``module:factory``, where calling ``factory(**options)`` returns the agent.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from qevolve_envs.agent import Agent, EpisodePolicy, Failed, PerEpisode, TaskView
from qevolve_envs.core import TextEnv
from qevolve_envs.episode import Episode, read_episodes
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.loading import describe, importable_cwd, load_attribute
from qevolve_envs.rng import seed_sequence

ENTRY_POINTS = "qevolve_bench.agents"


class RandomAgent(PerEpisode):
    """Chooses uniformly among the admissible commands; answers nothing when there are none."""

    def __init__(self) -> None:
        super().__init__(_RandomPolicy)


class _RandomPolicy:
    def __init__(self, task: TaskView) -> None:
        self._commands = task.commands
        # A named child, because the environment may draw from the episode's seed itself.
        self._rng = np.random.default_rng(seed_sequence(task.seed, "random agent"))

    def __call__(self, observation: str) -> str:
        commands = self._commands()
        return commands[int(self._rng.integers(len(commands)))] if commands else ""


class _Script:
    """Plays a list of actions, then empty ones."""

    def __init__(self, actions: Iterable[str]) -> None:
        self._actions = iter(actions)

    def __call__(self, observation: str) -> str:
        return next(self._actions, "")


class MockAgent(PerEpisode):
    """Plays the same list of actions in every episode, then empty actions.

    It tests a harness without a model.
    """

    def __init__(self, actions: Sequence[str]) -> None:
        self._actions = tuple(actions)
        super().__init__(lambda task: _Script(self._actions))

    def describe(self) -> dict[str, Any]:
        """A digest of the script."""
        return {"script_digest": _digest(list(self._actions))}


class ReplayAgent(PerEpisode):
    """Plays the recorded actions of the episode with the same environment, task and seed.

    After the last recorded action it plays empty ones, which matters only for an episode that had
    failed. An episode that was not recorded fails.
    """

    def __init__(self, episodes: Iterable[Episode]) -> None:
        self._actions = {
            (episode.env_id, episode.task_id, episode.seed): [s.action for s in episode.steps]
            for episode in episodes
        }
        super().__init__(self._script)

    def describe(self) -> dict[str, Any]:
        """A digest of the actions."""
        return {"actions_digest": _digest(sorted([list(k), v] for k, v in self._actions.items()))}

    def _script(self, task: TaskView) -> EpisodePolicy:
        actions = self._actions.get((task.env_id, task.task_id, task.seed))
        if actions is None:
            failed = Failed(f"No recorded episode of {task.task_id} with seed {task.seed}.")
            return lambda observation: failed
        return _Script(actions)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _random(env: gymnasium.Env[Any, Any]) -> Agent:
    return RandomAgent()


def _expert(env: gymnasium.Env[Any, Any]) -> Agent:
    unwrapped = env.unwrapped
    if not isinstance(unwrapped, TextEnv):
        raise BenchError(f"{type(unwrapped).__name__} has no scripted expert.")
    return unwrapped.expert()


def _replay(env: gymnasium.Env[Any, Any], *, file: str) -> Agent:
    return ReplayAgent(read_episodes(str(file)))


def _mock(env: gymnasium.Env[Any, Any], *, script: str) -> Agent:
    try:
        return MockAgent(Path(str(script)).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot read the script {script}: {reason}.") from None


def _openai(env: gymnasium.Env[Any, Any], **options: Any) -> Agent:
    from qevolve_bench.llm.endpoint import make_agent

    return make_agent(options)


def _hf(env: gymnasium.Env[Any, Any], **options: Any) -> Agent:
    from qevolve_bench.llm.huggingface import make_agent

    return make_agent(options)


def _checkpoint(env: gymnasium.Env[Any, Any], *, path: str, **options: Any) -> Agent:
    from qevolve_bench.training.checkpoint import make_agent

    return make_agent(str(path), options)


#: The agents that come with the harness: functions of an environment and of the agent's options.
BUILT_IN: dict[str, Callable[..., Agent]] = {
    "random": _random,
    "expert": _expert,
    "replay": _replay,  # file=EPISODES.jsonl
    "mock": _mock,  # script=FILE, one action a line
    "checkpoint": _checkpoint,  # path=RUN and some of `checkpoint.OPTIONS`
    "openai": _openai,  # model=NAME base_url=URL and the fields of `llm.endpoint.EndpointConfig`
    "hf": _hf,  # model=FOLDER and the fields of `llm.huggingface.HuggingFaceConfig`
}


def agent_names() -> tuple[list[str], list[str]]:
    """Names of the built-in agents, and of those that other packages have installed."""
    return list(BUILT_IN), sorted(point.name for point in entry_points(group=ENTRY_POINTS))


def resolve_agent(
    name: str, env: gymnasium.Env[Any, Any], options: Mapping[str, Any] | None = None
) -> Agent:
    """Finds an agent by its name, and makes it.

    Args:
        name: See the module's docstring.
        env: An environment of the kind that will be played; ``expert`` is its expert.
        options: Arguments of the agent (``--agent-arg``); JSON scalars.

    Raises:
        UnknownName: For a name or an option that nothing answers to, with close matches.
        BenchError: When the agent cannot be loaded or made, or is not an agent.
    """
    options = options or {}
    purpose = f"agent {name!r}"
    if name in BUILT_IN:
        _check_options(BUILT_IN[name], (env,), options, purpose)
        return BUILT_IN[name](env, **options)
    if ":" in name:
        return _make(load_attribute(name, purpose), options, purpose)
    plugins = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in plugins:
        hint = "an agent of your own is given as module:factory."
        raise UnknownName.of("agent", name, [*BUILT_IN, *sorted(plugins)], hint)
    return _make(_load_plugin(plugins[name], purpose), options, purpose)


def _check_options(
    factory: Callable[..., object], given: tuple[Any, ...], options: Mapping[str, Any], purpose: str
) -> None:
    """Refuses options that a factory does not take, and asks for those that it needs."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # Some callables of C have none: then the call will tell.
        return
    rest = list(parameters.values())[len(given) :]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in rest)
    named = {p.name: p for p in rest if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    if not takes_any:
        for option in options:
            if option not in named:
                hint = f"{purpose} takes no options."
                raise UnknownName.of(f"option of {purpose}", option, named, hint)
    for option, parameter in named.items():
        if parameter.default is parameter.empty and option not in options:
            raise BenchError(f"Cannot make {purpose}: give --agent-arg {option}=VALUE.")


def _load_plugin(point: EntryPoint, purpose: str) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise BenchError(
            f"Cannot load {purpose}: its entry point {point.value} raised {describe(error)}."
        ) from error


def _make(factory: Callable[..., object], options: Mapping[str, Any], purpose: str) -> Agent:
    """Calls a factory and makes sure that what it returns is an agent."""
    if not callable(factory):
        raise BenchError(f"Cannot make {purpose}: {type(factory).__name__} is not callable.")
    _check_options(factory, (), options, purpose)
    try:
        with importable_cwd():
            made = factory(**options)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(f"Cannot make {purpose}: its factory raised {describe(error)}.") from error
    # A class has the methods too, but unbound: a factory that forgot to call it.
    if isinstance(made, type):
        raise BenchError(f"Cannot use {purpose}: its factory returned a class, not an object.")
    lacking = [m for m in ("reset", "act") if not callable(getattr(made, m, None))]
    if lacking or not isinstance(made, Agent):
        raise BenchError(
            f"Cannot use {purpose}: the {type(made).__name__} that its factory returned"
            f" has no method {' and no method '.join(lacking)}."
        )
    return made
