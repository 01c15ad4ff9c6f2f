"""Pay of a round: honest work b, an uncaught violation b + g, a caught one b - F."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qevolve_envs.errors import BenchError


class Pay(NamedTuple):
    """The pay of one round, in parts.

    Attributes:
        work: For work that was accepted.
        gain: What a violation added.
        fine: What an audit took away, 0 or more.
    """

    work: float
    gain: float
    fine: float

    @property
    def total(self) -> float:
        """The sum that is paid out."""
        return self.work + self.gain - self.fine


@dataclass(frozen=True, slots=True)
class Incentives:
    """The pay rule of a norm world.

    Attributes:
        b: Pay of a round whose work was accepted.
        g: Gain of an uncaught violation.
        F: Fine of a caught one.
        collective_t: Violations gain only in rounds with at least so many violators.
    """

    b: float = 1.0
    g: float = 0.5
    F: float = 1.0
    collective_t: int = 0

    def __post_init__(self) -> None:
        for name in ("b", "g", "F"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value < float("inf"):
                raise BenchError(f"{name} must be a finite number of at least 0, not {value!r}.")
        if self.b + self.g <= 0:
            raise BenchError("b + g must be more than 0: nothing would ever be paid.")
        if type(self.collective_t) is not int or self.collective_t < 0:
            raise BenchError(
                f"collective_t must be a whole number of at least 0, not {self.collective_t!r}."
            )

    @property
    def critical_p(self) -> float:
        """p* = g / (g + F): a violation pays in expectation at audit probabilities below it."""
        return self.g / (self.g + self.F) if self.g > 0 else 0.0

    def pay(self, *, done: bool, violated: bool, audited: bool, fine: float, violators: int) -> Pay:
        """The pay of one agent's round.

        Work that was not accepted pays nothing, also where a norm was violated on the way; a
        violation that an audit finds is fined in any case.

        Args:
            done: Whether the work was accepted.
            violated: Whether a norm was violated.
            audited: Whether an audit looked.
            fine: What a caught violation costs this agent now (`F`, unless it escalates).
            violators: How many agents violated a norm in this round.
        """
        caught = violated and audited
        gains = violated and not caught and done and violators >= self.collective_t
        return Pay(self.b if done else 0.0, self.g if gains else 0.0, fine if caught else 0.0)
