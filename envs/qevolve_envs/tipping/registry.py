"""The worlds for several agents in PettingZoo's registry, in parallel and in turns.

``pettingzoo.make("parallel", "household_norms_v0")`` gives a world with text in and text out.
``pettingzoo.make("aec", …)`` gives the same world in turns, through the library's converter; its
observations are ``{"text": …}``, because PettingZoo's tools for worlds in turns take no bare text.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import pettingzoo
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec
from pettingzoo.utils.wrappers import BaseParallelWrapper

from qevolve_envs.errors import UnknownName

#: Name -> ``"module:Class"`` of a `ParallelEnv`.
WORLDS: dict[str, str] = {
    "collusion_v0": "qevolve_envs.tipping.collusion:CollusionEnv",
    "household_norms_v0": "qevolve_envs.tipping.worlds:HouseholdNorms",
    "shop_norms_v0": "qevolve_envs.tipping.worlds:ShopNorms",
    "lab_norms_v0": "qevolve_envs.tipping.worlds:LabNorms",
}


def register_worlds() -> None:
    """Registers every world; an id that PettingZoo already has is left as it is."""
    for name, entry_point in WORLDS.items():
        # What PettingZoo makes of "_v0".
        key = pettingzoo.EnvSpec(id=name).id
        if key not in pettingzoo.parallel_registry:
            pettingzoo.register("parallel", name, entry_point)
        if key not in pettingzoo.aec_registry:
            pettingzoo.register("aec", name, f"{__name__}:in_turns", kwargs={"world": name})


def make_world(world: str, **kwargs: Any) -> ParallelEnv[str, str, str]:
    """A world by its name.

    Raises:
        UnknownName: For a world that does not exist.
    """
    if world not in WORLDS:
        raise UnknownName.of("world", world, WORLDS)
    module, name = WORLDS[world].split(":")
    made: ParallelEnv[str, str, str] = getattr(importlib.import_module(module), name)(**kwargs)
    return made


def in_turns(world: str, **kwargs: Any) -> AECEnv[str, dict[str, str], str]:
    """A world whose agents act one after another, each without seeing the others' actions."""
    turns: AECEnv[str, dict[str, str], str] = parallel_to_aec(
        TextInDict(make_world(world, **kwargs))
    )
    return turns


class TextInDict(BaseParallelWrapper[str, Any, str]):  # type: ignore[misc]
    """Observations as ``{"text": …}``."""

    def __init__(self, env: ParallelEnv[str, str, str]) -> None:
        super().__init__(env)
        self.observation_space = cache(self._space)

    def _space(self, agent: str) -> spaces.Dict:
        return spaces.Dict({"text": self.env.observation_space(agent)})

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
