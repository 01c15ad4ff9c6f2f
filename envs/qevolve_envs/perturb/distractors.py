"""Things and sentences that have nothing to do with the task."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from qevolve_envs.core import TextEnv
from qevolve_envs.language import Language
from qevolve_envs.perturb.layer import SEEDS, Layer, Moment
from qevolve_envs.rng import RandomStream

#: Severity -> sentences around an observation, and probability that it has them at all.
SENTENCES = (1, 2, 3)
TALKATIVE = (1 / 3, 2 / 3, 1.0)
#: Severity -> how often the things that a world's language counts.
THINGS = (1, 2, 4)

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

    def distract(self, task_id: str, count: int, rng: RandomStream) -> None:
        """Adds so many things that the task is not about, whenever it is played."""


class Distractors(Layer):
    """More things in the world, and irrelevant sentences around what is said of it.

    How many things `Language.distractors` says, and the world's method `distract` puts them there.
    All of them are really there. Nothing that was possible becomes impossible, and nothing new
    meets the goal. Worlds without either are given the sentences only.
    """

    def __init__(self, severity: int, language: Language) -> None:
        super().__init__(severity, language)
        self._count = THINGS[severity - 1] * language.distractors

    def enter(self, world: TextEnv, task_id: str) -> None:
        """Puts the things there."""
        if self._count and isinstance(world, Distractible):
            world.distract(task_id, self._count, SEEDS.stream("distractors", task_id))

    def observe(self, text: str, moment: Moment) -> str:
        """The text with irrelevant sentences, before or behind it."""
        rng = moment.stream("sentences")
        quiet, behind = rng.uniform() >= TALKATIVE[self.severity - 1], rng.bernoulli(0.5)
        if quiet:
            return text
        # What stands behind the first observation would read like a part of the task.
        before = moment.step == 0 or not behind
        sentences = rng.sample(IRRELEVANT, SENTENCES[self.severity - 1])
        return add_sentences(text, sentences, before, self.language.separator)


def add_sentences(text: str, sentences: list[str], before: bool, separator: str = "") -> str:
    """Adds sentences to a text, or to an HTML page.

    Args:
        text: What a world lets an agent see.
        sentences: What is added.
        before: Before the text; behind it otherwise.
        separator: What divides the parts of the text, if it is found there.
    """
    if text.startswith("<!DOCTYPE"):
        more = "\n".join(f"<p>{sentence}</p>" for sentence in sentences)
        mark = "<body>\n" if before else "\n</body>"
        return text.replace(mark, f"{mark}{more}\n" if before else f"\n{more}{mark}", 1)
    parted = bool(separator) and separator in text
    more = (separator if parted else " ").join(sentences)
    return (separator if parted else "\n").join((more, text) if before else (text, more))
