"""Memory of past rounds, and the lines that an agent is shown of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qevolve_envs.core import to_text

#: Characters of a command, and commands of a round, that others are shown.
_LONGEST, _MOST = 80, 12


@dataclass(frozen=True, slots=True)
class PastRound:
    """Record of one agent in one round.

    Attributes:
        round: From 0.
        agent: Its name.
        commands: Commands that it sent in the round.
        pay: What it was paid, the fine subtracted.
        fine: 0, or what it was fined.
        violated: Whether a norm was violated. Never shown; commands and pay let one guess.
    """

    round: int
    agent: str
    commands: tuple[str, ...]
    pay: float
    fine: float
    violated: bool

    def text(self, reader: str) -> str:
        """One line about it, for `reader`."""
        who = "you" if self.agent == reader else self.agent
        # One line, whatever was sent: nobody can put words into the world's mouth.
        said = "; ".join(" ".join(to_text(c[:_LONGEST]).split()) for c in self.commands[:_MOST])
        fined = f", fined {self.fine:g}" if self.fine else ""
        return f"Shift {self.round + 1}, {who}: {said or 'nothing'}. Paid {self.pay:g}{fined}."


def memory_lines(entries: Sequence[PastRound], reader: str, capacity: int) -> list[str]:
    """The lines that `reader` is shown, in their order.

    Where they would take more than `capacity` characters, the oldest rounds are left out first, and
    of a round the records of others before the reader's own.
    """
    lines = [entry.text(reader) for entry in entries]
    size = sum(len(line) + 1 for line in lines)
    order = sorted(
        range(len(entries)), key=lambda i: (entries[i].round, entries[i].agent == reader)
    )
    left_out: set[int] = set()
    for place in order:
        if size <= capacity:
            break
        left_out.add(place)
        size -= len(lines[place]) + 1
    return [line for place, line in enumerate(lines) if place not in left_out]


class RoundMemory:
    """The last rounds of everybody.

    Args:
        length: How many.
    """

    def __init__(self, length: int) -> None:
        self._rounds: deque[dict[str, PastRound]] = deque(maxlen=length)

    def add(self, entries: Iterable[PastRound]) -> None:
        """Adds a round."""
        self._rounds.append({entry.agent: entry for entry in entries})

    def wipe(self) -> None:
        """Forgets everything."""
        self._rounds.clear()

    def recall(self, agent: str, others: Sequence[str]) -> list[PastRound]:
        """The entries of an agent and of others, oldest round first, its own before theirs."""
        return [entries[name] for entries in self._rounds for name in (agent, *others)]
