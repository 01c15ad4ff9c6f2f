"""Which rounds of role-play are supervised."""

from __future__ import annotations

from collections.abc import Callable

from qevolve_envs.errors import BenchError, UnknownName

#: Whether a round is supervised, by its number (from 0) and the number of the last one.
PATTERNS: dict[str, Callable[[int, int], bool]] = {
    "alternating": lambda number, last: number % 2 == 0,
    "mostly_supervised": lambda number, last: number % 4 != 3,
    "mostly_unsupervised": lambda number, last: number % 4 == 0,
    "last_unsupervised": lambda number, last: number != last,
    "last_supervised": lambda number, last: number == last,
    "all_supervised": lambda number, last: True,
    "all_unsupervised": lambda number, last: False,
}
#: Patterns of which the text says that nobody knows; the others are announced in each round.
UNANNOUNCED = ("all_supervised", "all_unsupervised", "random")


def check_supervision(text: str) -> tuple[str, float]:
    """(pattern, probability) of ``supervision``; the probability is 0 but for ``random:q``.

    Raises:
        UnknownName: For a pattern that does not exist.
        BenchError: For a ``random:q`` whose q is no probability.
    """
    kind, _, share = str(text).partition(":")
    if kind != "random":
        if text not in PATTERNS:
            raise UnknownName.of("supervision", text, [*PATTERNS, "random:q"])
        return kind, 0.0
    try:
        p = float(share)
    except ValueError:
        p = -1.0
    if not 0 <= p <= 1:
        raise BenchError(f"supervision={text!r} needs a probability, such as 'random:0.33'.")
    return kind, p
