"""Seeded evaluation: an agent plays a panel, and every episode ends up in the denominator.

Which episodes are played is fixed by `draw_tasks`; playing a batch of them is `play_batch`, which
knows nothing of files, processes or progress.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from qevolve_bench.agents import resolve_agent
from qevolve_bench.environments import find_spec, make_env, text_env
from qevolve_bench.loading import describe
from qevolve_bench.seeding import child_seed, stream
from qevolve_envs.agent import Agent, TaskView
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.registration import all_entries

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
    ``reset(seed=e.seed, options={"task": e.task_id})``, once data that is not embedded is in place.

    Args:
        env_id: Gymnasium id, or ``module:id``.
        agent: An agent, or its name (see `qevolve_bench.agents`).
        split: The panel to play; `draw_tasks` says which tasks of it, and in which order.
        episodes: How many; None plays each task of the panel once.
        seed: Seed of the tasks' order and of every episode; not negative.
        env_kwargs: Further arguments of the environment; JSON scalars.
        max_episode_steps: The horizon, if not the registered one. It is recorded among the
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
    spec = find_spec(env_id)
    # Our own prefix says only that we are imported, which whoever reads the episode has done.
    recorded_id = spec.id if env_id.startswith("qevolve_bench:") else env_id
    local = {name for entry in all_entries() if entry.id == spec.id for name in entry.local}
    recorded_kwargs = {k: v for k, v in (env_kwargs or {}).items() if k not in local}
    if max_episode_steps is not None:
        recorded_kwargs["max_episode_steps"] = max_episode_steps
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
        slots = [stack.enter_context(closing(_Slot(make)))]
        # The first environment answers for all: does it exist, which tasks, who is its expert?
        env = slots[0].env
        player = resolve_agent(agent, env) if isinstance(agent, str) else agent
        panel = text_env(env).task_ids(split)
        if not panel:
            raise BenchError(f"{spec.id} has no tasks in its split {split!r}: choose another one.")
        result = [
            Episode(
                env_id=recorded_id,
                env_kwargs=dict(recorded_kwargs),
                task_id=task_id,
                split=split,
                seed=episode_seed,
                agent=agent_name,
            )
            for task_id, episode_seed in draw_tasks(panel, episodes, seed)
        ]
        while len(slots) < min(batch_size, len(result)):
            slots.append(stack.enter_context(closing(_Slot(make))))
        for start in range(0, len(result), batch_size):
            batch = result[start : start + batch_size]
            play_batch(slots[: len(batch)], player, batch, on_episode)
    return result


class _Slot:
    """One place of a batch: an environment that is made when needed, and anew once it crashed."""

    def __init__(self, make: Callable[[], gymnasium.Env[str, str]]) -> None:
        self._make = make
        self._env: gymnasium.Env[str, str] | None = None

    @property
    def env(self) -> gymnasium.Env[str, str]:
        if self._env is None:
            self._env = self._make()
        return self._env

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None

    def discard(self) -> None:
        """Forgets an environment that crashed; closing it may well fail too."""
        try:
            self.close()
        except Exception:
            self._env = None


class _Failure(NamedTuple):
    """Stands where an agent's action should have been."""

    reason: str


def play_batch(
    slots: Sequence[_Slot],
    agent: Agent,
    episodes: Sequence[Episode],
    on_episode: OnEpisode | None = None,
) -> None:
    """Plays prepared episodes in lockstep, and fills them in.

    Args:
        slots: One environment for each episode.
        agent: Plays them all.
        episodes: Records with their task and seed, not begun.
        on_episode: Called with each episode as it ends.
    """
    running: list[str | None] = []
    views = []
    for slot, episode in zip(slots, episodes, strict=True):
        observation, info = slot.env.reset(seed=episode.seed, options={"task": episode.task_id})
        episode.begin(observation, info)
        running.append(observation)
        views.append(
            TaskView(
                env_id=episode.env_id,
                task_id=episode.task_id,
                goal=episode.goal,
                seed=episode.seed,
                commands=text_env(slot.env).admissible_commands,
            )
        )
    failure = _begin(agent, views)
    while any(observation is not None for observation in running):
        answers = [failure] * len(running) if failure else _ask(agent, running)
        for index, answer in enumerate(answers):
            if running[index] is None:
                continue
            episode = episodes[index]
            running[index] = _advance(slots[index], episode, answer)
            if running[index] is None and on_episode is not None:
                on_episode(episode)


def _begin(agent: Agent, views: Sequence[TaskView]) -> _Failure | None:
    try:
        agent.reset(views)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # An agent must not end the harness by sys.exit() either.
        return _Failure(f"agent.reset raised {describe(error)}")
    return None


def _ask(agent: Agent, observations: Sequence[str | None]) -> Sequence[str | _Failure]:
    """One action for each episode, or the reason why there is none."""
    try:
        # A copy, for an agent may do with its list whatever it likes.
        answers: Any = agent.act(list(observations))
        if isinstance(answers, str) or not isinstance(answers, Sequence | np.ndarray):
            failure = _Failure(f"agent.act returned a {type(answers).__name__}, not a list of text")
        elif len(answers) != len(observations):
            failure = _Failure(
                f"agent.act returned {len(answers)} answers for {len(observations)} episodes"
            )
        else:
            return [_checked(answer) for answer in answers]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = _Failure(f"agent.act raised {describe(error)}")
    return [failure] * len(observations)


def _checked(answer: object) -> str | _Failure:
    if isinstance(answer, str):
        return str(answer)  # A plain one: numpy's and other subclasses must not leak into records.
    return _Failure(f"agent.act answered with a {type(answer).__name__}, not text")


def _advance(slot: _Slot, episode: Episode, answer: str | _Failure) -> str | None:
    """Plays one answer of an episode; returns the next observation, or None when it is over."""
    if isinstance(answer, _Failure):
        episode.error = answer.reason
    else:
        try:
            observation, reward, terminated, truncated, info = slot.env.step(answer)
            if not (math.isfinite(reward) and math.isfinite(info["score"])):
                raise ValueError("reward or score is not finite")  # No record could hold it.
            episode.record(answer, observation, float(reward), terminated, truncated, info)
        except Exception as error:
            # An environment promises not to raise. If it does, whoever provoked it must neither
            # lose the other episodes nor be rid of this one.
            episode.error = f"environment raised {describe(error)} on action {answer[:200]!r}"
            slot.discard()
        else:
            return None if terminated or truncated else observation
    episode.won = False
    return None
