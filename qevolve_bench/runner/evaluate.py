"""Seeded evaluation: an agent plays a panel, and every episode ends up in the denominator.

Which episodes are played is fixed by `draw_tasks`. `evaluate` plays them in this process and keeps
them in memory, for whoever has an agent at hand; `qevolve_bench.runner` plays whole suites in
processes of their own, with limits, on disk and resumable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from qevolve_bench.agents import resolve_agent
from qevolve_envs.agent import Agent
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.factory import find_spec, make_env, text_env
from qevolve_envs.play import Slot, play_batch
from qevolve_envs.registration import local_arguments
from qevolve_envs.rng import child_seed, stream

OnEpisode = Callable[[Episode], None]


class Assignment(NamedTuple):
    """One episode to play: the task, and the seed of the episode."""

    task_id: str
    seed: int


def draw_tasks(panel: Sequence[str], episodes: int | None, seed: int) -> list[Assignment]:
    """Which episodes an evaluation plays: a pure function of its arguments.

    The panel is gone around as often as needed, each round in a permutation of its own that `seed`
    draws. Hence (a) fewer episodes than tasks are a random sample without repetition, (b) no task
    is played twice before every other was played once, (c) a longer evaluation begins with the
    shorter one, and (d) two agents evaluated with the same seed meet the same tasks. The seed of an
    episode depends on `seed`, the task and the round only, not on its place in the list.

    Args:
        panel: The task ids of a split.
        episodes: How many; None plays each task once.
        seed: Seed of the evaluation.
    """
    if not panel:
        raise BenchError("There are no tasks to play.")
    total = len(panel) if episodes is None else episodes
    rounds = -(-total // len(panel))
    drawn = []
    for round_ in range(rounds):
        rng = np.random.default_rng(stream(seed, "tasks", round_))
        for index in rng.permutation(len(panel)):
            task_id = panel[int(index)]
            drawn.append(Assignment(task_id, child_seed(seed, "episode", task_id, round_)))
    return drawn[:total]


def evaluate(
    env_id: str,
    *,
    agent: str | Agent,
    split: str,
    episodes: int | None = None,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    batch_size: int = 16,
    agent_name: str | None = None,
    on_episode: OnEpisode | None = None,
) -> list[Episode]:
    """Lets an agent play; the episodes are a pure function of the arguments.

    An agent that raises or that answers with anything but text fails its episode, never the
    evaluation: the episode stays, not won, with the reason in `Episode.error`. Any of them can be
    replayed by ``gym.make(e.env_id, split=e.split, **e.env_kwargs)`` and
    ``reset(seed=e.seed, options={"task": e.task_id})``, once data that is not embedded is in place;
    one that is perturbed needs `qevolve_envs.perturb` around it.

    Args:
        env_id: Gymnasium id, or ``module:id``.
        agent: An agent, or its name (see `qevolve_bench.agents`).
        split: The panel to play; `draw_tasks` says which tasks of it, and in which order.
        episodes: How many; None plays each task of the panel once.
        seed: Seed of the tasks' order and of every episode; not negative.
        env_kwargs: Further arguments of the environment; JSON scalars.
        max_episode_steps: The horizon, if not the registered one. It is then recorded among the
            episodes' `env_kwargs`, because a replay needs it.
        batch_size: How many episodes the agent plays in lockstep. It changes nothing for an agent
            that treats its episodes independently.
        agent_name: What the episodes call the agent; by default its name or its class.
        on_episode: Called with each episode as it ends, which need not be the order of the result.

    Returns:
        The episodes, in the order of `draw_tasks`.

    Raises:
        BenchError: For arguments that cannot be played; an agent's failures do not raise.
    """
    for name, value, least in (
        ("episodes", episodes, 1),
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
    ):
        if value is not None and value < least:
            raise BenchError(f"{name} must be at least {least}, not {value}.")
    if agent_name is None:
        agent_name = agent if isinstance(agent, str) else type(agent).__name__
    make = functools.partial(
        make_env,
        env_id,
        split=split,
        env_kwargs=env_kwargs,
        max_episode_steps=max_episode_steps,
    )
    with ExitStack() as stack:
        slots = [stack.enter_context(closing(Slot(make)))]
        # The first environment answers for all: does it exist, which tasks, who is its expert?
        env = slots[0].env
        player = resolve_agent(agent, env) if isinstance(agent, str) else agent
        result = prepare(
            draw_tasks(panel_of(env, env_id, split), episodes, seed),
            env_id=env_id,
            split=split,
            env_kwargs=env_kwargs,
            max_episode_steps=max_episode_steps,
            agent_name=agent_name,
        )
        while len(slots) < min(batch_size, len(result)):
            slots.append(stack.enter_context(closing(Slot(make))))
        listener = _Listener(on_episode)
        for start in range(0, len(result), batch_size):
            batch = result[start : start + batch_size]
            play_batch(slots[: len(batch)], player, batch, listener)
    return result


def panel_of(env: gymnasium.Env[str, str], env_id: str, split: str) -> Sequence[str]:
    """The tasks of a split.

    Raises:
        BenchError: When there is none.
    """
    panel = text_env(env).task_ids(split)
    if not panel:
        raise BenchError(f"{env_id} has no tasks in its split {split!r}: choose another one.")
    return panel


def prepare(
    assignments: Sequence[Assignment],
    *,
    env_id: str,
    split: str,
    env_kwargs: Mapping[str, Any] | None,
    max_episode_steps: int | None,
    agent_name: str,
) -> list[Episode]:
    """Records of episodes that were not begun; see `recorded_as`."""
    recorded_id, recorded = recorded_as(env_id, env_kwargs, max_episode_steps)
    return [
        Episode(
            env_id=recorded_id,
            env_kwargs=dict(recorded),
            task_id=task_id,
            split=split,
            seed=seed,
            agent=agent_name,
        )
        for task_id, seed in assignments
    ]


def recorded_as(
    env_id: str, env_kwargs: Mapping[str, Any] | None, max_episode_steps: int | None
) -> tuple[str, dict[str, Any]]:
    """The id and the arguments under which the episodes of an environment are recorded.

    The arguments are those that change the world: not where this machine keeps its data, and the
    horizon only where it is not the registered one.
    """
    spec = find_spec(env_id)
    # Our own prefix says only that we are imported, which whoever reads the episode has done.
    recorded_id = spec.id if env_id.startswith("qevolve_bench:") else env_id
    local = local_arguments(spec.id)
    recorded = {k: v for k, v in (env_kwargs or {}).items() if k not in local}
    if max_episode_steps not in (None, spec.max_episode_steps):
        recorded["max_episode_steps"] = max_episode_steps
    return recorded_id, recorded


class _Listener:
    """Tells a callback of the episodes that end, and nothing else."""

    def __init__(self, on_episode: OnEpisode | None) -> None:
        self._on_episode = on_episode

    def enter(self, phase: str) -> None: ...

    def begun(self, index: int, episode: Episode) -> None: ...

    def stepped(self, index: int, episode: Episode, observation: str) -> None: ...

    def ended(self, index: int, episode: Episode) -> None:
        if self._on_episode is not None:
            self._on_episode(episode)
