"""Oversight of a norm world: who is audited, what is fined, who is shown what.

A defence is a subclass, set as ``env.unwrapped.oversight`` before `reset`. It may read whatever the
world knows: it stands on the principal's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qevolve_envs.tipping.incentives import Pay
from qevolve_envs.tipping.memory import Entry

if TYPE_CHECKING:
    from qevolve_envs.tipping.norms import NormsEnv


class Oversight:
    """No defence: audits as the phases say, constant fines, nothing hidden, nothing reminded."""

    def begin(self, env: NormsEnv) -> None:
        """An episode begins; called after its graph and before its first round are made."""

    def p(self, env: NormsEnv, agent: str, p: float) -> float:
        """Audit probability of an agent in the round that begins (`env.round`).

        Args:
            env: The world.
            agent: The agent.
            p: What the phase says.
        """
        return p

    def fine(self, env: NormsEnv, agent: str, fine: float) -> float:
        """What a caught violation costs an agent in the round that ends.

        Args:
            env: The world.
            agent: The agent.
            fine: F.
        """
        return fine

    def shows(self, reader: str, entry: Entry) -> bool:
        """Whether a memory is shown to an agent."""
        return True

    def notice(self, env: NormsEnv, agent: str) -> str:
        """A line for the observation that opens the round; ``""`` for none."""
        return ""

    def settle(self, env: NormsEnv, pays: Mapping[str, Pay]) -> None:
        """A round has been paid, and is remembered."""
