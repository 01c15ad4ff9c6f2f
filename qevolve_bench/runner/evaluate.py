"""Seeded evaluation in this process: an agent plays a panel, and every episode counts.

`evaluate` keeps the episodes in memory, for an agent that is an object already; `run_suite` plays
whole suites in processes of their own, with limits, on disk and resumable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from qevolve_bench.agents import resolve_agent
from qevolve_envs.agent import Agent
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.play import EnvConfig, Lanes, Observer, draw_tasks, panel_of, play_batch

OnEpisode = Callable[[Episode], None]


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
    config = EnvConfig(env_id, split, dict(env_kwargs or {}), max_episode_steps)
    with closing(Lanes(config.make)) as lanes:
        # The first environment answers for all: does it exist, which tasks, who is its expert?
        env = lanes.take(1)[0].env
        player = resolve_agent(agent, env) if isinstance(agent, str) else agent
        assignments = draw_tasks(panel_of(env, env_id, split), episodes, seed)
        result = config.template().episodes(assignments, agent_name)
        listener = _Listener(on_episode)
        for start in range(0, len(result), batch_size):
            batch = result[start : start + batch_size]
            play_batch(lanes.take(len(batch)), player, batch, listener)
    return result


class _Listener(Observer):
    """Tells a callback of the episodes that end."""

    def __init__(self, on_episode: OnEpisode | None) -> None:
        self._on_episode = on_episode

    def ended(self, index: int, episode: Episode) -> None:
        if self._on_episode is not None:
            self._on_episode(episode)
