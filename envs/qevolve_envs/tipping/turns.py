"""Observations of a parallel world as dictionaries, which PettingZoo's tools for turns demand."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper


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
        """Everybody acts at once."""
        shown, *rest = self.env.step(actions)
        return {agent: {"text": text} for agent, text in shown.items()}, *rest
