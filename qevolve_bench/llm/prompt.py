"""Prompts are data: a versioned TOML file, with a digest that a run records.

The files that come with the package lie in ``prompts/``; a user's own is given by its path.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from qevolve_envs.catalog import CATALOG
from qevolve_envs.errors import BadFile, UnknownName
from qevolve_envs.language import find_language, language_of

#: The placeholders that each template may hold.
_PLACEHOLDERS: dict[str, frozenset[str]] = {
    "system": frozenset({"world"}),
    "first": frozenset({"goal", "observation"}),
    "next": frozenset({"observation"}),
    "elided": frozenset({"turns", "observation"}),
    "commands": frozenset({"commands"}),
    "demonstration": frozenset({"action"}),
}


@dataclass(frozen=True)
class Prompt:
    """All words that an agent adds to those of the world.

    Attributes:
        name: Its name.
        version: Its version; a change of a word is a new one.
        marker: The word, followed by a colon, after which an answer names its action.
        system: The instructions; ``{world}`` is the entry of `worlds`.
        first: The first message of an episode; ``{goal}``, ``{observation}``.
        next: Each further message; ``{observation}``.
        elided: Follows `first` where a limited history has left turns out; ``{turns}``, how many,
            and ``{observation}``, the last one that is left out.
        commands: Follows the latest message where commands are listed; ``{commands}``, one a line.
        demonstration: An answer in a demonstration; ``{action}``.
        worlds: What is said about the commands of a world, by its environment id: what the suite's
            own worlds say of themselves, and what the prompt's file says instead or besides.
    """

    name: str
    version: int
    marker: str
    system: str
    first: str
    next: str
    elided: str
    commands: str
    demonstration: str
    worlds: Mapping[str, str]

    def explain(self, env_id: str) -> str:
        """Finds the text about the commands of a world; a plug-in brings its own.

        Args:
            env_id: Gymnasium id, or ``module:id``.
        """
        name = env_id.rpartition(":")[2]
        return self.worlds.get(name) or find_language(name).prompt

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """The prompt as a JSON object, with its digest."""
        return {**asdict(self), "digest": self.digest}


def _shipped() -> dict[str, Traversable]:
    folder = files("qevolve_bench.llm") / "prompts"
    found = {
        item.name.removesuffix(".toml"): item
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }
    return dict(sorted(found.items()))


def load_prompt(name: str) -> Prompt:
    """Loads a prompt.

    Args:
        name: One that comes with the package (``react``, ``act``), or the path of a TOML file with
            the fields of `Prompt`; its ``worlds`` add to the package's and replace them.

    Raises:
        UnknownName: For a name that is neither.
        BadFile: For a file that is not a prompt.
    """
    shipped = _shipped()
    source = shipped.get(name) or (Path(name) if name.endswith(".toml") else None)
    if source is None:
        hint = "a prompt of your own is given as the path of a .toml file."
        raise UnknownName.of("prompt", name, shipped, hint)
    raw = _read_toml(source)
    languages = {entry.id: language_of(entry.load()) for entry in CATALOG}
    worlds: dict[str, Any] = {env_id: one.prompt for env_id, one in languages.items() if one.prompt}
    own = raw.pop("worlds", {})
    if not isinstance(own, dict):
        raise BadFile(f"{name}: worlds must be a table of texts.")
    worlds |= own
    types: dict[str, type] = {"version": int}
    known = {field.name for field in fields(Prompt)} - {"worlds"}
    for field in sorted(known - raw.keys()):
        raise BadFile(f"{name} is no prompt: it lacks {field}.")
    for field, value in raw.items():
        if field not in known:
            raise BadFile(f"{name}: {UnknownName.of('field of a prompt', field, sorted(known))}")
        if type(value) is not types.get(field, str):
            raise BadFile(f"{name}: {field} must not be a {type(value).__name__}.")
        if field in _PLACEHOLDERS:
            _check_template(name, field, str(value))
    for world, text in worlds.items():
        if not isinstance(text, str):
            raise BadFile(f"{name}: the world {world} must be described by a text.")
    if not raw["marker"].strip():
        raise BadFile(f"{name}: the marker must not be empty.")
    return Prompt(**raw, worlds={world: text.strip() for world, text in sorted(worlds.items())})


def _read_toml(source: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"Cannot read the prompt {source}: {reason}.") from None


def _check_template(name: str, field: str, template: str) -> None:
    allowed = _PLACEHOLDERS[field]
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BadFile(f"{name}: {field} is no template ({error}).") from None
    for _, placeholder, format_spec, conversion in parts:
        if placeholder is None:
            continue
        if placeholder not in allowed or format_spec or conversion:
            known = ", ".join(f"{{{known}}}" for known in sorted(allowed))
            raise BadFile(
                f"{name}: {field} has the placeholder {{{placeholder}}}, but only {known} can be"
                " filled in; a brace of its own is written twice."
            )
