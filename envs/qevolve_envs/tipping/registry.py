"""The worlds for several agents in PettingZoo's registry, in parallel and in turns.

``pettingzoo.make("parallel", "household_norms_v0")`` gives a world with text in and text out.
``pettingzoo.make("aec", …)`` gives the same world in turns, through the library's converter; its
observations are ``{"text": …}``, because PettingZoo's tools for worlds in turns take no bare text.

PettingZoo is imported only by who uses it, so that importing this package stays cheap. Whoever
imports it, before or after this package, finds the worlds in its registry.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qevolve_envs.errors import UnknownName

if TYPE_CHECKING:
    from pettingzoo import AECEnv, ParallelEnv

#: Name -> ``"module:Class"`` of a `ParallelEnv`.
WORLDS: dict[str, str] = {
    "collusion_v0": "qevolve_envs.tipping.collusion:CollusionEnv",
    "household_norms_v0": "qevolve_envs.tipping.norms:HouseholdNorms",
    "shop_norms_v0": "qevolve_envs.tipping.norms:ShopNorms",
    "lab_norms_v0": "qevolve_envs.tipping.norms:LabNorms",
}
_LIBRARY = "pettingzoo"


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
    from pettingzoo.utils.conversions import parallel_to_aec

    from qevolve_envs.tipping.arena import TextInDict

    turns: AECEnv[str, dict[str, str], str] = parallel_to_aec(
        TextInDict(make_world(world, **kwargs))
    )
    return turns


# ── registration ────────────────────────────────────────────────────────────


def register_worlds() -> None:
    """Registers every world, now or when PettingZoo is imported; again changes nothing."""
    if _LIBRARY in sys.modules:
        _register()
    elif not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


def _register() -> None:
    import pettingzoo

    for name, entry_point in WORLDS.items():
        # What PettingZoo makes of "_v0".
        key = pettingzoo.EnvSpec(id=name).id
        if key not in pettingzoo.parallel_registry:
            pettingzoo.register("parallel", name, entry_point)
        if key not in pettingzoo.aec_registry:
            pettingzoo.register("aec", name, f"{__name__}:in_turns", kwargs={"world": name})


class _WhenImported(importlib.abc.MetaPathFinder):
    """Waits for the import of PettingZoo, once, and registers the worlds after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _LIBRARY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenRegister(spec.loader)
        return spec


class _ThenRegister(importlib.abc.Loader):
    """Loads a module as its own loader does, and then registers the worlds."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps the loader that it would have had.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _register()
