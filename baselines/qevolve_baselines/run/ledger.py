"""The ledger of a run: resources that a learner has used up; and the budget: limits on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName


@dataclass(slots=True)
class Ledger:
    """Resources that a learner has used up.

    Attributes:
        env_steps: Environment steps of own episodes.
        episodes: Own episodes, not the expert's.
        expert_episodes: Demonstrations that it was given.
        generated_tokens: Tokens sampled by its policies.
        trained_tokens: Tokens, context included, that went through a forward and backward pass of
            any of its networks; a token counts once for each pass.
        wall_seconds: Time.
        accelerator_seconds: Time on an accelerator: `wall_seconds` of training and sampling there.
    """

    env_steps: int = 0
    episodes: int = 0
    expert_episodes: int = 0
    generated_tokens: int = 0
    trained_tokens: int = 0
    wall_seconds: float = 0.0
    accelerator_seconds: float = 0.0

    def count(self, episodes: list[Episode] | tuple[Episode, ...]) -> None:
        """Adds episodes that the learner's own policy has played."""
        self.episodes += len(episodes)
        self.env_steps += sum(len(e.steps) for e in episodes)
        self.generated_tokens += sum(s.generated_tokens for e in episodes for s in e.steps)


AXES = tuple(f.name for f in dataclasses.fields(Ledger))
#: Axes that updates use up.
UPDATE_AXES = ("trained_tokens", "wall_seconds", "accelerator_seconds")


@dataclass(slots=True)
class Budget:
    """HealthLimits on what a learner may use up; None is no limit.

    A learner stops at the first boundary behind a limit: it may go past one of steps by less than
    an episode, and past the others by one update or batch of episodes.
    """

    env_steps: int | None = None
    episodes: int | None = None
    expert_episodes: int | None = None
    generated_tokens: int | None = None
    trained_tokens: int | None = None
    wall_seconds: float | None = None
    accelerator_seconds: float | None = None

    @classmethod
    def parse(cls, items: list[str] | tuple[str, ...]) -> Budget:
        """Reads ``axis=limit`` items, such as ``env_steps=60000``.

        Raises:
            BenchError: For an unknown axis, or a limit that is not a positive number.
        """
        budget = cls()
        for item in items:
            axis, _, text = item.partition("=")
            if axis not in AXES:
                raise UnknownName.of("budget", axis, AXES)
            try:
                value = float(text.replace("_", ""))
            except ValueError:
                value = math.nan
            seconds = "seconds" in axis
            if not ((value > 0 if seconds else value >= 1) and math.isfinite(value)):
                raise BenchError(f"The budget {item!r} needs a positive number: {axis}=1000.")
            setattr(budget, axis, value if seconds else int(value))
        return budget

    def spent(self, ledger: Ledger, axes: Sequence[str] = AXES) -> str | None:
        """The first axis whose limit is reached, or None."""
        for axis in axes:
            limit = getattr(self, axis)
            if limit is not None and getattr(ledger, axis) >= limit:
                return axis
        return None

    def left(self, ledger: Ledger, axis: str) -> float:
        """Remainder of an axis; infinite without a limit."""
        limit = getattr(self, axis)
        return math.inf if limit is None else max(0.0, limit - getattr(ledger, axis))

    @property
    def main_axis(self) -> str | None:
        """The axis that a learning curve is spaced along: the first one with a limit."""
        return next((a for a in AXES if getattr(self, a) is not None), None)
