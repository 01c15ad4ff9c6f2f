"""Puts the catalogue, and what plug-ins add to it, into Gymnasium's registry, and the worlds for
several agents into PettingZoo's.

Gymnasium has no plug-in entry point of its own any more, so registration happens when
`qevolve_bench` is imported, or with ``gym.make("qevolve_bench:qevolve/Household-v0")``.
A misspelt id is answered by Gymnasium itself, with the close match ("Environment `Houshold`
doesn't exist in namespace qevolve. Did you mean: `Household`?").
"""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Iterable
from importlib.metadata import entry_points

import gymnasium
from gymnasium.envs.registration import EnvSpec, parse_env_id, registry

from qevolve_envs.catalog import CATALOG, NAMESPACE, EnvEntry
from qevolve_envs.errors import UnknownName
from qevolve_envs.loading import importable_cwd, load_module
from qevolve_envs.tipping.registry import register_worlds

#: EnvEntry-point group whose objects are an `EnvEntry`, or a list or tuple of them.
GROUP = "qevolve_bench.environments"
#: Module of the vector entry points: the attribute of an id is its vector environment.
_VECTOR_MODULE = "qevolve_envs.vector"


def all_entries() -> tuple[EnvEntry, ...]:
    """The catalogue, followed by what installed plug-ins offer under `GROUP`.

    A plug-in that cannot be loaded, or offers something that is no new environment, is left out
    with a warning of one sentence; it never breaks the suite.
    """
    entries = {entry.id: entry for entry in CATALOG}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        try:
            offered = point.load()
        except Exception as error:
            _warn(point.name, f"failed to load ({type(error).__name__}: {error})")
            continue
        for entry in offered if isinstance(offered, list | tuple) else [offered]:
            if not isinstance(entry, EnvEntry):
                _warn(point.name, f"offers a {type(entry).__name__}, not an EnvEntry")
            elif problem := _problem(entry):
                _warn(point.name, problem)
            elif entries.setdefault(entry.id, entry) != entry:
                _warn(point.name, f"offers {entry.id!r}, which is taken")
    return tuple(entries.values())


def register_all() -> None:
    """Registers every environment with Gymnasium, and the worlds for several agents with
    PettingZoo; calling it again changes nothing.
    """
    for entry in all_entries():
        register(entry)
    register_worlds()


def register(entry: EnvEntry) -> None:
    """Registers one environment; an id that Gymnasium already has is left as it is."""
    if entry.id not in gymnasium.registry:
        gymnasium.register(
            id=entry.id,
            entry_point=entry.entry_point,
            max_episode_steps=entry.max_episode_steps,
            nondeterministic=entry.nondeterministic,
            # A string, because a callable here would make every EnvSpec unserialisable.
            vector_entry_point=f"{_VECTOR_MODULE}:{entry.id}",
        )


def find_spec(env_id: str) -> EnvSpec:
    """Looks an environment up in Gymnasium's registry.

    Args:
        env_id: A registered id such as ``"qevolve/Household-v0"``, or ``"module:id"``, which
            imports the module (that registers the environment) first.

    Raises:
        UnknownName: For an id that is not registered, with close matches.
        BenchError: When the module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        with importable_cwd():
            load_module(module, f"environment {env_id!r}")
    if name not in registry:
        register_all()  # It looks through all that is installed, which takes its time.
    if name in registry:
        return registry[name]
    namespaces = {NAMESPACE}
    # What is not even shaped like an id can only be meant for one of ours.
    with contextlib.suppress(gymnasium.error.Error):
        namespaces.add(parse_env_id(name)[0] or NAMESPACE)
    known = sorted(known for known, s in registry.items() if s.namespace in namespaces)
    raise unknown_environment(env_id, known)


def unknown_environment(env_id: str, known: Iterable[str]) -> UnknownName:
    """The error for an id that is none of the known ones."""
    # Names are compared without their namespace, which would make all of ours look alike.
    ids = {name.rpartition("/")[2]: name for name in known}
    close = difflib.get_close_matches(env_id.rpartition("/")[2], ids, n=3, cutoff=0.6)
    candidates = [ids[name] for name in close] or list(ids.values())
    return UnknownName.of("environment", env_id, candidates, "see qevolve-bench list.")


def _problem(entry: EnvEntry) -> str:
    """Why an entry cannot be registered, or ``""``."""
    try:
        _, _, version = parse_env_id(entry.id)
    except (gymnasium.error.Error, TypeError):
        version = None
    if version is None:
        return f"offers the id {entry.id!r}, which is not of the form 'namespace/Name-v0'"
    if not isinstance(entry.entry_point, str) or entry.entry_point.count(":") != 1:
        return f"offers {entry.id!r} with an entry point that is not 'module:Class'"
    return ""


def _warn(plugin: str, problem: str) -> None:
    message = f"The environment plug-in {plugin!r} {problem}; it is left out."
    warnings.warn(" ".join(message.split()), UserWarning, stacklevel=3)


def local_arguments(env_id: str) -> frozenset[str]:
    """Arguments of an environment that only say where this machine keeps something.

    Args:
        env_id: An id, or ``module:id``.
    """
    name = env_id.rpartition(":")[2]
    return frozenset(arg for entry in all_entries() if entry.id == name for arg in entry.local)
