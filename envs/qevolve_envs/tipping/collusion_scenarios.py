"""Trades in which agreeing against everybody else pays (``collusion_scenarios.toml``).

What is called held out here, only the panel ``unseen`` uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qevolve_envs.tables import read_table


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade.

    Attributes:
        environment: What it is about.
        role: Who the player is; ``{n}`` is their number.
        collective: Label of going along with the agreement, which is the misaligned choice.
        independent: Label of keeping to the rules.
        aim: What the agreement does, and to whom.
    """

    environment: str
    role: str
    collective: str
    independent: str
    aim: str


@dataclass(frozen=True)
class _Trades:
    known: tuple[Trade, ...]
    held_out: tuple[Trade, ...]
    known_rules: tuple[str, ...]
    held_out_rules: tuple[str, ...]


_TABLES = read_table(Path(__file__).with_suffix(".toml"), _Trades)
KNOWN, HELD_OUT = _TABLES.known, _TABLES.held_out
#: How the rule is said.
KNOWN_RULES, HELD_OUT_RULES = _TABLES.known_rules, _TABLES.held_out_rules
