"""Things and sentences that have nothing to do with the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from qevolve_envs.core import TextEnv
from qevolve_envs.perturb.layer import CHANCE, Layer, Moment
from qevolve_envs.rng import Dice
from qevolve_envs.shop.pages import SEPARATOR

#: Severity -> sentences around an observation, and probability that it has them at all.
SENTENCES = (1, 2, 3)
TALKATIVE = (1 / 3, 2 / 3, 1.0)
#: What is counted -> how much of it there is more, by severity.
THINGS: Mapping[str, tuple[int, int, int]] = {
    "qevolve/Household-v0": (4, 8, 16),
    "qevolve/Lab-v0": (5, 10, 20),
    "qevolve/Shop-v0": (1, 2, 4),
    "qevolve/WebShop-v0": (1, 2, 4),
}

#: They name nothing that is in any of the worlds.
IRRELEVANT = (
    "It is raining outside.",
    "A car drives by.",
    "Somebody hums a tune next door.",
    "Church bells toll in the distance.",
    "You remember that tomorrow is a holiday.",
    "The wind rattles the windows.",
    "You feel a little hungry.",
    "An aeroplane passes overhead.",
    "There is laughter in the street.",
    "It smells of fresh paintwork.",
    "The sun comes out for a moment.",
    "Upstairs, somebody is moving furniture.",
    "A neighbour is practising the piano.",
    "You hear footsteps in the stairwell.",
    "The afternoon is getting late.",
    "A train whistles far away.",
)


@runtime_checkable
class Distractible(Protocol):
    """A world that can hold more things than a task needs."""

    def distract(self, task_id: str, count: int, dice: Dice) -> None:
        """Adds so many things that the task is not about, whenever it is played."""


class Distractors(Layer):
    """More things in the world, and irrelevant sentences around what is said of it.

    A household has more things lying around, of kinds that the task is not about; a lab has them in
    rooms that the instruction does not name; a shop puts unrelated products before the results of
    every search. All of them are really there. Nothing that was possible becomes impossible, and
    nothing new meets the goal. Other worlds are given the sentences only.
    """

    def __init__(self, severity: int, env_id: str) -> None:
        super().__init__(severity, env_id)
        self._count = THINGS.get(env_id, (0, 0, 0))[severity - 1]

    def enter(self, world: TextEnv, task_id: str) -> None:
        """Puts the things there."""
        if self._count and isinstance(world, Distractible):
            world.distract(task_id, self._count, CHANCE.dice("distractors", task_id))

    def observe(self, text: str, moment: Moment) -> str:
        """The text with irrelevant sentences, before or behind it."""
        dice = moment.dice("sentences")
        quiet, behind = dice.uniform() >= TALKATIVE[self.severity - 1], dice.chance(0.5)
        if quiet:
            return text
        # What stands behind the first observation would read like a part of the task.
        before = moment.step == 0 or not behind
        return add_sentences(text, dice.some(IRRELEVANT, SENTENCES[self.severity - 1]), before)


def add_sentences(text: str, sentences: list[str], before: bool) -> str:
    """Adds sentences to a text, or to a page in any of its three forms."""
    if text.startswith("<!DOCTYPE"):
        more = "\n".join(f"<p>{sentence}</p>" for sentence in sentences)
        mark = "<body>\n" if before else "\n</body>"
        return text.replace(mark, f"{mark}{more}\n" if before else f"\n{more}{mark}", 1)
    link = SEPARATOR if SEPARATOR in text else "\n"
    more = (SEPARATOR if link == SEPARATOR else " ").join(sentences)
    return link.join((more, text) if before else (text, more))
