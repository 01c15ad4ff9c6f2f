"""One way to write results down: tables in four formats, and numbers with their intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from qevolve_envs.errors import UnknownName

if TYPE_CHECKING:
    from qevolve_bench.statistics import Interval

#: ``text`` for a terminal, ``md`` for GitHub, ``latex`` with booktabs, ``json`` in full precision.
Format = Literal["text", "md", "latex", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
_TABULATE = {"text": "simple", "md": "github", "latex": "latex_booktabs"}


def check_format(format: str, known: Sequence[str] = FORMATS) -> None:
    """Refuses a format that is not known.

    Raises:
        UnknownName: With those that are.
    """
    if format not in known:
        raise UnknownName.of("format", format, known)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], format: str = "md") -> str:
    """Lays rows out as a table; numbers stand as they are given.

    Args:
        headers: Names of the columns.
        rows: Values of each row, in the order of the columns.
        format: ``text``, ``md`` or ``latex``.
    """
    from tabulate import tabulate

    text: str = tabulate(rows, headers, tablefmt=_TABULATE[format], disable_numparse=True)
    return text


def json_table(document: Any) -> str:
    """Writes results as JSON in full precision; non-finite numbers are refused."""
    return json.dumps(document, indent=1, allow_nan=False)


def percent(share: float) -> str:
    """Formats a share in percent: one decimal, and no minus before zero."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def span(interval: Interval) -> str:
    """Formats an interval of shares in percent, in brackets."""
    return f"[{percent(interval.low)}, {percent(interval.high)}]"


def percent_with(value: float, interval: Interval | None, without: str = "") -> str:
    """Formats a share and its interval in percent; `without` stands for a missing interval."""
    return f"{percent(value)} {without if interval is None else span(interval)}".rstrip()


def p_text(p: float) -> str:
    """Formats a p-value: two digits, and never 0."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def p_cell(p: float | None) -> str:
    """Formats a p-value for a column of them; a dash where there is none."""
    return "–" if p is None else p_text(p).removeprefix("p ").removeprefix("= ")
