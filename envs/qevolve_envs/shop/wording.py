"""Words of the generated catalogue: attributes, brands and prose (``wording.toml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that may be asked of a product.

    Attributes:
        name: Lower case, as goals and products list it.
        phrase: How it follows the name of a thing: ``"with a travel case"``, ``"waterproof"``.
        adjective: The phrase may stand before the noun.
        praise: A fragment that says what it is good for.
    """

    name: str
    phrase: str
    adjective: bool
    praise: str


Sentences = tuple[str, ...]


@dataclass(frozen=True)
class _WordTables:
    brands: Sentences
    lines: Sentences
    acronyms: frozenset[str]
    titles: Sentences
    bullets: Sentences
    fillers: Sentences
    openings: Sentences
    middles: Sentences
    remarks: Sentences
    closings: Sentences
    requests: Sentences
    limits: Sentences
    choices: Sentences
    colour_choices: Sentences
    rivals: tuple[frozenset[str], ...]
    attributes: Mapping[str, Mapping[str, str]]


def _attributes(groups: Mapping[str, Mapping[str, str]]) -> Mapping[str, Attribute]:
    """The attributes by name; a group is called after the words before the name."""
    table: dict[str, Attribute] = {}
    for group, names in groups.items():
        start = group.replace("_", " ")
        for name, praise in names.items():
            vowel = start == "with a" and (name[0] in "aeio" or name.startswith("led"))
            phrase = name if start == "is" else f"{start}{'n' * vowel} {name}"
            table[name] = Attribute(name, phrase, start == "is", praise)
    return table


_WORDING = read_table(Path(__file__).with_suffix(".toml"), _WordTables)

BRANDS, LINES, ACRONYMS = _WORDING.brands, _WORDING.lines, _WORDING.acronyms
TITLES, BULLETS, FILLERS = _WORDING.titles, _WORDING.bullets, _WORDING.fillers
OPENINGS, MIDDLES, REMARKS = _WORDING.openings, _WORDING.middles, _WORDING.remarks
CLOSINGS, REQUESTS, LIMITS = _WORDING.closings, _WORDING.requests, _WORDING.limits
CHOICES, COLOUR_CHOICES = _WORDING.choices, _WORDING.colour_choices
#: Attributes of which a product has at most one.
RIVALS = _WORDING.rivals
ATTRIBUTES = _attributes(_WORDING.attributes)
#: Attributes that say what a thing is made of: a product has at most one.
MATERIALS = frozenset(_WORDING.attributes["made_of"])
