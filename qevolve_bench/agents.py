"""Finding agents by name, and the agents that belong to the harness.

A name is ``random``, ``expert``, an entry point of the group ``qevolve_bench.agents``, or
``module:factory``, where calling ``factory()`` returns the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import gymnasium
import numpy as np

from qevolve_bench.loading import describe, importable_cwd, load_attribute
from qevolve_bench.seeding import stream
from qevolve_envs.agent import Agent, PerEpisode, TaskView
from qevolve_envs.core import TextEnv
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName

ENTRY_POINTS = "qevolve_bench.agents"
BUILT_IN = ("random", "expert")


class RandomAgent(PerEpisode):
    """Chooses uniformly among the admissible commands; answers nothing when there are none."""

    def __init__(self) -> None:
        super().__init__(_RandomPolicy)


class _RandomPolicy:
    def __init__(self, task: TaskView) -> None:
        self._commands = task.commands
        # A named child, because the environment may draw from the episode's seed itself.
        self._rng = np.random.default_rng(stream(task.seed, "random agent"))

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
        script = tuple(actions)
        super().__init__(lambda task: _Script(script))


class ReplayAgent(PerEpisode):
    """Plays the recorded actions of the episode with the same environment, task and seed.

    After the last recorded action it plays empty ones, which matters only for an episode that had
    failed.
    """

    def __init__(self, episodes: Iterable[Episode]) -> None:
        self._actions = {
            (episode.env_id, episode.task_id, episode.seed): [s.action for s in episode.steps]
            for episode in episodes
        }
        super().__init__(self._script)

    def _script(self, task: TaskView) -> _Script:
        key = (task.env_id, task.task_id, task.seed)
        if key not in self._actions:
            raise BenchError(f"No recorded episode of {task.task_id} with seed {task.seed}.")
        return _Script(self._actions[key])


def resolve_agent(name: str, env: gymnasium.Env[Any, Any]) -> Agent:
    """Finds an agent by its name.

    Args:
        name: See the module's docstring.
        env: An environment of the kind that will be played; ``expert`` is its expert.

    Raises:
        UnknownName: For a name that nothing answers to, with close matches.
        BenchError: When the agent cannot be loaded or made, or is not an agent.
    """
    if name == "random":
        return RandomAgent()
    if name == "expert":
        unwrapped = env.unwrapped
        if not isinstance(unwrapped, TextEnv):
            raise BenchError(f"{type(unwrapped).__name__} has no scripted expert.")
        return unwrapped.expert()
    purpose = f"agent {name!r}"
    if ":" in name:
        return _make(load_attribute(name, purpose), purpose)
    plugins = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in plugins:
        hint = "an agent of your own is given as module:factory."
        raise UnknownName.of("agent", name, [*BUILT_IN, *sorted(plugins)], hint)
    return _make(_load_plugin(plugins[name], purpose), purpose)


def _load_plugin(point: EntryPoint, purpose: str) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise BenchError(
            f"Cannot load {purpose}: its entry point {point.value} raised {describe(error)}."
        ) from error


def _make(factory: Callable[[], object], purpose: str) -> Agent:
    """Calls a factory and makes sure that what it returns is an agent."""
    if not callable(factory):
        raise BenchError(f"Cannot make {purpose}: {type(factory).__name__} is not callable.")
    try:
        with importable_cwd():
            made = factory()
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
