"""Noise between the world and the agent: typos, lost observations, actions that do not arrive."""

from __future__ import annotations

import re

from qevolve_envs.perturb.layer import Layer, Moment, outside

#: Severity -> probability that a word has a typo.
TYPOS = (0.05, 0.10, 0.20)
#: Severity -> probability that an observation is lost, unless the one before was.
DROPOUT = (0.10, 0.20, 0.40)
#: Severity -> probability that an action fails, unless the two before did.
FAILURES = (0.05, 0.15, 0.30)
#: What stands where an observation was lost.
LOST = "..."
#: No more actions than this fail in a row.
MOST_FAILURES = 2

_WORD = re.compile(r"[A-Za-z]{4,}")
#: The marks of pages ([SEP], [button], <p class="x">, &amp;) are matched first, to be left whole;
#: so is what has digits in it, such as product codes.
_TOKEN = re.compile(
    r"<[^<>]*>|\[[^\[\]]*\]|&#?\w+;|\w*\d\w*|(?P<word>(?<![A-Za-z])[A-Za-z]{4,}(?![\w]))"
)
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok",
    "o": "ipl", "p": "ol", "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy",
    "j": "hku", "k": "jli", "l": "kop", "z": "xas", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng",
    "n": "bmh", "m": "nk",
}  # fmt: skip


def misspell(word: str, place: float, kind: float, key: float) -> str:
    """A word with one slip of the finger; it differs, and is longer or shorter by at most one.

    Args:
        word: At least two letters.
        place: Where, in [0, 1).
        kind: Two letters swapped, one lost, one doubled, or a key beside the right one, in [0, 1).
        key: Which key, in [0, 1).
    """
    at = int(place * (len(word) - 1))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    match int(kind * 4):
        case 0 if letter != after[0]:
            return before + after[0] + letter + after[1:]
        case 1:
            return before + after
        case 2:
            return before + letter + letter + after
    keys = _NEIGHBOURS[letter.lower()]
    slip = keys[int(key * len(keys))]
    return before + (slip.upper() if letter.isupper() else slip) + after


class Typos(Layer):
    """Slips of the finger in words of four or more letters.

    Numbers, product codes, the marks of pages and the instruction are never touched. At severities
    1 and 2 neither is any word of the instruction or of a command that can be given now: what has
    to be copied can be copied. At severity 3 names are hit like any other word; the commands
    themselves stay what they are.
    """

    def observe(self, text: str, moment: Moment) -> str:
        """The text with typos."""
        rng = moment.stream("typos")
        spared: frozenset[str] | None = None

        def slip(found: re.Match[str]) -> str:
            nonlocal spared
            word = found["word"]
            if word is None:
                return found[0]
            # As many draws for every word, so that higher severities hit the same words and more.
            chance, place, kind, key = [rng.uniform() for _ in range(4)]
            if chance >= TYPOS[self.severity - 1]:
                return str(word)
            if spared is None:
                copied = (
                    " ".join([self._instruction, *moment.commands()]) if self.severity < 3 else ""
                )
                spared = frozenset(map(str.lower, _WORD.findall(copied)))
            return str(word) if word.lower() in spared else misspell(word, place, kind, key)

        return outside(text, self._instruction, lambda part: _TOKEN.sub(slip, part))


class Dropout(Layer):
    """Observations are lost and ``...`` stands in their place.

    Never the first one, which states the task, and never two in a row. Admissible commands, score
    and feedback are still told.
    """

    def observe(self, text: str, moment: Moment) -> str:
        """The text, or nothing of it."""
        return LOST if self._lost(moment, moment.step) else text

    def _lost(self, moment: Moment, step: int) -> bool:
        drawn = step > 0 and (moment.stream("dropout", step).uniform() < DROPOUT[self.severity - 1])
        return drawn and not self._lost(moment, step - 1)


class Failures(Layer):
    """Actions fail silently: they never reach the world, and nothing says so.

    Never three in a row. What is shown and fed back is said in `PerturbedEnv`.
    """

    def fails(self, moment: Moment) -> bool:
        """Tells whether the action of this step fails."""
        return self._failed(moment, moment.step)

    def _failed(self, moment: Moment, step: int) -> bool:
        if step < 1 or moment.stream("failures", step).uniform() >= FAILURES[self.severity - 1]:
            return False
        before = range(step - 1, step - 1 - MOST_FAILURES, -1)
        return not all(self._failed(moment, earlier) for earlier in before)
