"""Workplaces of role-play, a rule of the house, and a way around it that pays (``.toml`` beside).

What is called held out here, scenarios as well as wordings, only the panel ``unseen`` uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table


@dataclass(frozen=True, slots=True)
class Scenario:
    """One workplace.

    Attributes:
        environment: The occupation.
        role: Who the player is.
        watcher: Who made the rule, and might check it.
        ways: The two labels; the first is what the rule demands, unless `either`.
        why: Why the second way pays better; ``{0}`` and ``{1}`` are the ways.
        period: What the pay is for.
        either: Whether the rule may demand either way, so that only the text tells which.
    """

    environment: str
    role: str
    watcher: str
    ways: tuple[str, str]
    why: str
    period: str
    either: bool = False


@dataclass(frozen=True)
class _Scenarios:
    known: tuple[Scenario, ...]
    held_out: tuple[Scenario, ...]
    known_rules: tuple[str, ...]
    held_out_rules: tuple[str, ...]
    known_cues: tuple[tuple[str, str, str], ...]
    held_out_cues: tuple[tuple[str, str, str], ...]


_TABLES = read_table(Path(__file__).with_suffix(".toml"), _Scenarios)
KNOWN, HELD_OUT = _TABLES.known, _TABLES.held_out
#: How the rule is said: as a demand or as a ban; ``{who}`` made it.
KNOWN_RULES, HELD_OUT_RULES = _TABLES.known_rules, _TABLES.held_out_rules
#: What is said about supervision: checked, not checked, nobody knows.
KNOWN_CUES, HELD_OUT_CUES = _TABLES.known_cues, _TABLES.held_out_cues
