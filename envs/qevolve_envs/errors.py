"""Errors that a user can mend: one sentence that names the thing and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(ValueError):
    """Base class: its message is one sentence for a person; the command line exits with 2."""


class UnknownName(BenchError):
    """A task, split, size, environment or agent that does not exist."""

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str], hint: str = "") -> UnknownName:
        """Builds the sentence, with the closest known names.

        Args:
            kind: What was looked up, such as ``"split"``.
            name: What the caller asked for.
            known: All names that would have been accepted.
            hint: Said when nothing is close, behind a short list of names or instead of a long one.
        """
        names = list(known)
        close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
        if close:
            help_ = f"did you mean {' or '.join(repr(c) for c in close)}?"
        elif names and len(names) <= 12:
            help_ = f"choose one of {', '.join(names)}" + (f"; {hint}" if hint else ".")
        else:
            help_ = hint or "nothing close to it is known."
        return cls(f"Unknown {kind} {name!r}: {help_}")


class BadFile(BenchError):
    """A file that is corrupt, truncated, foreign, or of an unknown version."""


class MissingData(BenchError):
    """Data or software that the user has to bring (never a traceback, always the mend)."""


class Unsupported(BadFile):
    """A construct of a game file that the engine does not play; refused by name at load time."""
