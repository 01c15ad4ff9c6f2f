"""A scripted expert that shops like a person: it reads the customer's words and the pages.

It knows what an agent can know: the words of the instruction, what pages say, and the common sense
that words like "size" name a choice and that "under 40 dollars" is a limit. It does not know how
instructions are made, nor what the shop sells.

It takes the instruction apart into short pieces ("hiking boot", "wide toe box", "black"), searches
for their words, opens the most promising result that is not too dear, and holds the pieces against
the title, the options and, where they leave a doubt, the features. While there are steps left, it
turns away from what falls short; at last it buys the best that it has seen.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from qevolve_envs.agent import PerEpisode, TaskView

#: The expert hurries so as to be done in this many steps.
HORIZON = 10

_LIMIT = re.compile(
    r"(?:for )?(?:under|below|(?:less|lower|cheaper|not more|no more) than|at most|up to|"
    r"not above|within|maximum of)\s+(?:\$(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?) dollars)"
)
_PIECES = re.compile(r"[,;?!]|\.(?=\s|$)|\bas long as\b|\bis fine\b|\bold one:")
_LINKS = re.compile(r"\b(?:and|with|for|made of|that is|that are|which is|which are)\b")


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words that say that somebody wants something, not what.
_FILLERS = _set_of(
    """
    a an the i i'm i'd i've am me my we us you it is are be to of in on by as so can could will
    should need want wants would like love have get buy find order please help shop looking look
    searching search ideally price priced cost costs pay spend budget keep make sure anything
    where best possible for and with that present sister asked replace use been has
    """
)
#: Words that name a choice rather than its value.
_CHOICES = _set_of(
    """
    color size style flavor scent shade pack count length width height capacity pattern model waist
    inseam pieces animal motif theme players thickness weight shape roast variety ink layout
    switches edition season connector plug tips power band firmness base pans set protection
    """
)
_COLOURS = _set_of(
    """
    black white gray grey silver gold navy blue teal green olive sage mint yellow mustard orange
    coral red burgundy pink blush purple lavender brown tan cream ivory charcoal copper bronze oak
    walnut brass camo clear khaki indigo terracotta
    """
)
_PRICE = re.compile(r"\$(\d+(?:\.\d+)?)")
_RESULTS = re.compile(r"Page \d+ \(Total results: \d+\)")


def make_expert() -> PerEpisode:
    """The expert as an agent of the harness."""
    return PerEpisode(Shopper)


# ── reading ─────────────────────────────────────────────────────────────────


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, without the punctuation around them."""
    return [w for w in (raw.strip("()[].,:;!?\"'") for raw in text.lower().split()) if w]


def _core(text: str) -> tuple[str, ...]:
    """The words that matter."""
    return tuple(word for word in words_of(text) if word not in _FILLERS)


def read_page(observation: str) -> list[str]:
    """The texts of a page in any of the three forms, in order."""
    if observation.startswith("<!DOCTYPE"):
        texts = [html.unescape(text) for text in re.findall(r">([^<>]+)<", observation)]
    elif " [SEP] " in observation:
        texts = observation.split(" [SEP] ")
    else:
        texts = re.sub(r"\[(?:clicked )?button_?\]", "", observation).split("\n")
    return [text.strip() for text in texts if text.strip()]


@dataclass(frozen=True)
class ParsedRequest:
    """An instruction as the expert understands it.

    Attributes:
        pieces: Short phrases, each of which should be true of what is bought.
        limit: The most that may be paid.
    """

    pieces: tuple[str, ...]
    limit: float

    @classmethod
    def read(cls, instruction: str) -> ParsedRequest:
        """Takes an instruction apart."""
        text = instruction.lower()
        limit = float("inf")
        if found := _LIMIT.search(text):
            limit = float(found[1] or found[2])
            text = f"{text[: found.start()]}, {text[found.end() :]}"
        pieces: list[str] = []
        for part in _PIECES.split(text):
            for piece in _LINKS.split(part):
                words = words_of(piece)
                while words and words[0] in _FILLERS:
                    del words[0]
                while words and words[-1] in _FILLERS:
                    del words[-1]
                if words and " ".join(words) not in pieces:
                    pieces.append(" ".join(words))
        return cls(tuple(pieces), limit)

    def query(self) -> str:
        """Words to search for."""
        return " ".join(dict.fromkeys(word for piece in self.pieces for word in _core(piece)))


@dataclass
class Candidate:
    """A product as far as it has been read.

    Attributes:
        code: What to click.
        title: Its title.
        price: What it costs.
        rank: Its place among the results.
        choices: Texts of its options, once its page was seen.
        features: Its features, once they were read.
    """

    code: str
    title: str
    price: float
    rank: int
    choices: list[str] | None = None
    features: str | None = None

    def says(self, piece: str) -> float:
        """Share of a piece that its title and features say, in [0, 1]."""
        text = f" {' '.join(words_of(f'{self.title} {self.features or str()}'))} "
        words = _core(piece)
        return 1.0 if f" {piece} " in text else sum(f" {w} " in text for w in words) / len(words)

    def value_for(self, piece: str) -> str | None:
        """The text of an option that a piece asks for: "olive", "size 9", "2 pack size"."""
        wanted = _core(piece)
        for value in self.choices or ():
            core = _core(value)
            if not core or value in _CHOICES:
                continue
            if wanted == core or (
                len(wanted) > len(core)
                and (
                    (wanted[-len(core) :] == core and _names(wanted[: -len(core)]))
                    or (wanted[: len(core)] == core and _names(wanted[len(core) :]))
                )
            ):
                return value
        return None

    def lacks(self, piece: str) -> bool:
        """Tells whether a piece asks for a choice that its page does not offer."""
        names = _CHOICES.intersection(self.choices or ())
        words = _core(piece)
        colour = words and "color" in names and _COLOURS.issuperset(words)
        named = len(words) > 1 and (words[0] in names or words[-1] in names)
        return bool(colour or named) and self.value_for(piece) is None


def _names(words: tuple[str, ...]) -> bool:
    """Tells whether the words name a choice, such as "size" or "handle color"."""
    return len(words) <= 2 and words[-1] in _CHOICES | {"side"}


# ── one episode ─────────────────────────────────────────────────────────────


@dataclass
class Shopper:
    """Plays one episode."""

    task: TaskView
    steps: int = 0
    wish: ParsedRequest = field(default_factory=lambda: ParsedRequest((), 0.0))
    results: dict[str, Candidate] = field(default_factory=dict)
    here: Candidate | None = None
    clicked: list[str] = field(default_factory=list)
    #: The product that the expert has decided to buy.
    decided: Candidate | None = None

    def __call__(self, observation: str) -> str:
        """The next command."""
        if not self.steps:
            self.wish = ParsedRequest.read(self.task.goal)
        texts = read_page(observation)
        place = self._read(texts)
        command = self._plan(place)
        self.steps += 1
        return command

    # reading what is shown

    def _read(self, texts: list[str]) -> str:
        """Takes in a page; returns what kind of page it is."""
        start = next((i for i, text in enumerate(texts) if _RESULTS.fullmatch(text)), -1)
        if start >= 0:
            self.here, self.clicked = None, []
            self._read_results(texts[start + 1 :])
            return "results"
        if self.here is None or "< Prev" not in texts:
            return "search"
        content = texts[texts.index("< Prev") + 1 :]
        if "Buy Now" in texts:
            price = next((i for i, text in enumerate(content) if text.startswith("Price:")), 1)
            self.here.choices = content[: price - 1]
            return "item"
        self.here.features = " ".join(content)
        return "features"

    def _read_results(self, texts: list[str]) -> None:
        for code, title, price in zip(texts, texts[1:], texts[2:], strict=False):
            paid = _PRICE.match(price)
            if paid and code not in self.results and re.fullmatch(r"\w{6,}", code):
                rank = len(self.results)
                self.results[code] = Candidate(code, title, float(paid[1]), rank)

    # judging

    def _holds(self, one: Candidate, piece: str) -> float:
        """Share of a piece that is true of a candidate, as far as it has been read."""
        if one.choices is not None and one.value_for(piece) is not None:
            return 1.0
        said = one.says(piece)
        if said == 1.0 or (one.choices is not None and one.lacks(piece)):
            return float(said == 1.0)
        if one.features is not None:
            return 0.0
        # Not known yet; what the search puts first has more of it.
        return said + (1 - said) * max(0.7, 0.95 - 0.02 * one.rank)

    def _worth(self, one: Candidate) -> float:
        """Share of the request that a candidate is expected to meet."""
        pieces = self.wish.pieces
        met = sum(self._holds(one, piece) for piece in pieces) + (one.price <= self.wish.limit)
        return met / (len(pieces) + 1) - 0.005 * one.rank

    def _doubts(self, one: Candidate) -> list[str]:
        """Pieces that only its features can settle."""
        if one.features is not None:
            return []
        return [p for p in self.wish.pieces if 0.0 < self._holds(one, p) < 1.0]

    def _flawless(self, one: Candidate) -> bool:
        holds = all(self._holds(one, piece) == 1.0 for piece in self.wish.pieces)
        return holds and one.price <= self.wish.limit

    # deciding what to do

    def _plan(self, place: str) -> str:
        if place == "search" or (place == "results" and not self.results):
            return f"search[{self.wish.query() or 'gift'}]"
        if place == "results":
            best = self.decided or max(self.results.values(), key=self._worth)
            self.here = best
            return f"click[{best.code}]"
        here = self.here
        assert here is not None
        left = HORIZON - self.steps
        finish = len(self._open_choices(here)) + 1
        if self.decided is None:
            if place == "item" and self._doubts(here) and left >= 2 + finish:
                return "click[features]"
            best = max(self.results.values(), key=self._worth)
            if self._flawless(here) or best is here:
                self.decided = here
            elif left >= 2 + self._cost(best) and best.choices is not None:
                self.decided = best
            elif left < 2 + self._cost(best):
                self.decided = here
        if self.decided is here:
            return "click[< prev]" if place == "features" else self._buy(here)
        # The search of the same words leads back to the results from anywhere.
        return "click[< prev]" if place == "item" else f"search[{self.wish.query()}]"

    def _cost(self, one: Candidate) -> int:
        """Steps on the page of a candidate until it is bought."""
        if one.choices is None:
            return self._choices_wanted() + 1
        return sum(one.value_for(piece) is not None for piece in self.wish.pieces) + 1

    def _choices_wanted(self) -> int:
        """Most choices that any page has offered for the wish so far."""
        return max(
            sum(one.value_for(piece) is not None or one.lacks(piece) for piece in self.wish.pieces)
            for one in self.results.values()
        )

    def _open_choices(self, one: Candidate) -> list[str]:
        values = [one.value_for(piece) for piece in self.wish.pieces]
        return [value for value in values if value is not None and value not in self.clicked]

    def _buy(self, one: Candidate) -> str:
        choices = self._open_choices(one)
        if not choices or self.steps >= HORIZON - 1:
            return "click[buy now]"
        self.clicked.append(choices[0])
        return f"click[{choices[0]}]"
