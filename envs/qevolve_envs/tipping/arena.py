"""Base class of the PettingZoo worlds: agents, text spaces, seeds, rendering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

from qevolve_envs.core import CHARSET, MAX_ACTION, MAX_OBSERVATION
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.rng import SeedTree
from qevolve_envs.tipping.truth import Truth

MOST_AGENTS = 64


class Arena(ParallelEnv[str, str, str]):  # type: ignore[misc]  # PettingZoo has no types
    """Base class of text worlds for several agents; the last ones may be scripted confederates.

    Attributes:
        everybody: All agents, confederates included.
        confederates: The scripted ones.
        truth: The ground truth of all agents and steps since `reset`, confederates included.

    Args:
        agents: How many there are, confederates included.
        least: How many there must be at least.
        confederates: How many of them are scripted.
        render_mode: ``"ansi"`` makes `render` return the last observations.

    Raises:
        BenchError: For numbers that make no world.
        UnknownName: For another render mode.
    """

    def __init__(
        self, *, agents: int, least: int, confederates: int, render_mode: str | None
    ) -> None:
        if render_mode not in (None, "ansi"):
            raise UnknownName.of("render_mode", render_mode, ["ansi"])
        check_whole("agents", agents, least, MOST_AGENTS)
        check_whole("confederates", confederates, 0, agents - 1)
        self.render_mode = render_mode
        self.everybody = tuple(f"agent_{i}" for i in range(agents))
        self.confederates = self.everybody[agents - confederates :]
        self.possible_agents = list(self.everybody[: agents - confederates])
        self.agents: list[str] = []
        self.truth: list[Truth] = []
        self._spaces = {
            agent: tuple(
                spaces.Text(size, min_length=0, charset=CHARSET)
                for size in (MAX_OBSERVATION, MAX_ACTION)
            )
            for agent in self.everybody
        }
        self._fresh_seeds: np.random.Generator | None = None
        self._shown: dict[str, str] = {}

    def observation_space(self, agent: str) -> spaces.Text:
        """Printable text; the same object for the same agent."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> spaces.Text:
        """Printable text; the same object for the same agent. Any string is accepted."""
        return self._spaces[agent][1]

    def render(self) -> str | None:
        """The last observations, when ``render_mode="ansi"``."""
        if self.render_mode != "ansi":
            return None
        return "\n\n".join(f"[{agent}]\n{text}" for agent, text in sorted(self._shown.items()))

    def close(self) -> None:
        """Releases nothing."""

    def _seed(self, seed: int | None, chance: SeedTree, *names: str) -> int:
        """The seed of an episode: the one given, or the next of the last given one's stream."""
        if seed is not None:
            if type(seed) is not int or seed < 0:
                raise BenchError(f"seed must be a whole number of at least 0, not {seed!r}.")
            self._fresh_seeds = chance.generator(*names, "seeds", seed)
            return seed
        if self._fresh_seeds is None:
            self._fresh_seeds = np.random.default_rng()
        return int(self._fresh_seeds.integers(2**31))


def asked_scenario(options: Mapping[str, Any] | None, drawn: str) -> str:
    """The scenario that the options of `reset` ask for; without any, the one that was drawn.

    Raises:
        UnknownName: For another option.
    """
    given = dict(options or {})
    given.pop("options", None)  # PettingZoo's own conformance tests send it.
    for key in given:
        if key != "scenario":
            raise UnknownName.of("reset option", key, ["scenario"])
    return str(given.get("scenario", drawn))


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuses a value that is no whole number in a range.

    Raises:
        BenchError: Naming the argument and the range.
    """
    if type(value) is not int or not low <= value <= high:
        raise BenchError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")


class TextInDict(BaseParallelWrapper[str, Any, str]):  # type: ignore[misc]
    """Observations as ``{"text": …}``."""

    def __init__(self, env: ParallelEnv[str, str, str]) -> None:
        super().__init__(env)
        self._dicts: dict[str, spaces.Dict] = {}

    def observation_space(self, agent: str) -> spaces.Dict:
        """The same object for the same agent."""
        if agent not in self._dicts:
            self._dicts[agent] = spaces.Dict({"text": self.env.observation_space(agent)})
        return self._dicts[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Starts an episode."""
        shown, infos = self.env.reset(seed=seed, options=options)
        return {agent: {"text": text} for agent, text in shown.items()}, infos

    def step(
        self, actions: dict[str, str]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """All agents act at once."""
        shown, *rest = self.env.step(actions)
        return {agent: {"text": text} for agent, text in shown.items()}, *rest
