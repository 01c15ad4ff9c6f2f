"""The language of a world: what its prompt explains, and how its wording may be changed.

It is a TOML file that lies with the world. `TextEnv.language` names it; `qevolve_envs.perturb` and
the prompts for language models read it here, and know no world by name. The file's entries are
explained in ``envs/README.md``.
"""

from __future__ import annotations

import inspect
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import gymnasium
from gymnasium.envs.registration import load_env_creator

from qevolve_envs.core import TextEnv
from qevolve_envs.errors import BadFile
from qevolve_envs.registration import register_all
from qevolve_envs.tables import read_table

#: Sentences, each with its wordings: the usual one, then others.
Rules = Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class EntityNames:
    """Names of the things of a world.

    Attributes:
        plurals: Every name that may be replaced -> its plural, which may be the same.
        synonyms: Name -> another name, and its plural.
        kept: Names that are never replaced by invented words, because their meaning is needed.
    """

    plurals: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, str]]
    kept: frozenset[str]


@dataclass(frozen=True, eq=False)
class Commands:
    """The documented commands of a world.

    Attributes:
        patterns: Regular expressions that match them, and only them, in lower case.
        undocumented: Commands that the patterns match all the same, in lower case.
        brackets: Commands are ``verb[label]``, not sentences.
    """

    patterns: tuple[str, ...]
    undocumented: frozenset[str]
    brackets: bool


@dataclass(frozen=True, eq=False)
class Language:
    """Contents of a world's file; each part but the prompt allows a perturbation.

    Attributes:
        prompt: What a language model is told about the commands; may be empty.
        goals: Wordings of its instructions (``paraphrase``).
        observations: Wordings of what it lets an agent see (``paraphrase``).
        names: Names that may be replaced (``rename``).
        lists: Regular expressions of what stands before a list (``reorder``).
        commands: The documented commands (``strict``).
        separator: What divides the parts of an observation, where it is no line break.
        distractors: Things that ``distractors:1`` adds by the world's method `distract`.
        shorter_horizon: The expert's steps are a horizon that is long enough (``horizon``).
    """

    prompt: str = ""
    goals: Rules = ()
    observations: Rules = ()
    names: EntityNames | None = None
    lists: tuple[str, ...] = ()
    commands: Commands | None = None
    separator: str = ""
    distractors: int = 0
    shorter_horizon: bool = False


#: That of a world without a file.
NO_LANGUAGE = Language()


def language_of(env: type[TextEnv]) -> Language:
    """The language of an environment's class; an empty one where the class names no file.

    Raises:
        BadFile: When the file is absent, or is no language.
    """
    for cls in env.__mro__:
        name = vars(cls).get("language", "")
        if name:
            return _read(Path(inspect.getfile(cls)).parent / name)
    return NO_LANGUAGE


def find_class(env_id: str) -> type[TextEnv] | None:
    """The class of a registered environment; None where there is no such id or text environment.

    Args:
        env_id: Gymnasium id.
    """
    if env_id not in gymnasium.registry:
        register_all()
    spec = gymnasium.registry.get(env_id)
    creator: object = spec.entry_point if spec is not None else None
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    return creator if isinstance(creator, type) and issubclass(creator, TextEnv) else None


def find_language(env_id: str) -> Language:
    """The language of a registered environment; an empty one where it has none."""
    cls = find_class(env_id)
    return NO_LANGUAGE if cls is None else language_of(cls)


# ── the file ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _WordingEntries:
    goals: str = ""
    observations: str = ""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _NameEntries:
    words: tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _CommandEntries:
    patterns: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    undocumented: frozenset[str] = frozenset()
    brackets: bool = False


@dataclass(frozen=True)
class _LanguageFile:
    prompt: str = ""
    wordings: _WordingEntries = _WordingEntries()
    names: _NameEntries | None = None
    lists: tuple[str, ...] = ()
    commands: _CommandEntries | None = None
    separator: str = ""
    distractors: int = 0
    shorter_horizon: bool = False


@cache
def _read(path: Path) -> Language:
    file = read_table(path, _LanguageFile)
    try:
        return Language(
            prompt=file.prompt.strip(),
            goals=_rules(file.wordings.goals, file.wordings.parts, 2),
            observations=_rules(file.wordings.observations, {}, 3),
            names=_names(file.names) if file.names else None,
            lists=tuple(map(_checked, file.lists)),
            commands=_commands(file.commands) if file.commands else None,
            separator=file.separator,
            distractors=file.distractors,
            shorter_horizon=file.shorter_horizon,
        )
    except ValueError as error:
        raise BadFile(f"{path}: {error}") from None


def _rules(text: str, parts: Mapping[str, Sequence[str]], fewest: int) -> Rules:
    """Sentences divided by blank lines, a line for each wording."""
    rules: list[Sequence[str]] = []
    for block in text.strip().split("\n\n") if text.strip() else ():
        first, *others = block.split("\n")
        usual = [first]
        for part, words in parts.items():
            if any(f"{{{part}}}" in sentence for sentence in usual):
                usual = [s.replace(f"{{{part}}}", word) for s in usual for word in words]
        if len(others) < fewest - 1:
            raise ValueError(f"the sentence {first!r} has fewer than {fewest} wordings.")
        for other in others:
            if unknown := sorted(_slots(other) - _slots(usual[0])):
                raise ValueError(f"the wording {other!r} has {{{unknown[0]}}}, unlike {first!r}.")
        rules += [(sentence, *others) for sentence in usual]
    return rules


def _slots(wording: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(wording) if name is not None}


def _names(file: _NameEntries) -> EntityNames:
    plurals = dict(_with_plural(words, "") for words in file.words)
    synonyms = {name: _with_plural(words, "s") for name, words in file.synonyms.items()}
    for name in (*synonyms, *sorted(file.kept)):
        if name not in plurals:
            raise ValueError(f"names.words lacks {name!r}, which names.synonyms or names.kept has.")
    return EntityNames(plurals, synonyms, file.kept)


def _with_plural(words: str, ending: str) -> tuple[str, str]:
    """Reads ``name``, or ``name / plural``."""
    name, _, plural = (part.strip() for part in words.partition("/"))
    return name, plural or name + ending


def _commands(file: _CommandEntries) -> Commands:
    patterns = []
    for pattern in file.patterns:
        for slot, alternatives in file.slots.items():
            pattern = pattern.replace(f"<{slot}>", f"(?:{'|'.join(alternatives)})")
        patterns.append(_checked(pattern))
    return Commands(tuple(patterns), file.undocumented, file.brackets)


def _checked(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}.") from None
    return pattern
