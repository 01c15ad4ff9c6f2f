"""HTML by jinja2, always escaped: text of episodes and agents is never trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

#: Control characters, lone surrogates and noncharacters, which neither HTML nor XML may hold.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def readable(value: object) -> object:
    """Replaces characters that HTML may not hold, in `Markup` too; None becomes nothing."""
    if isinstance(value, str):
        return type(value)(_UNREADABLE.sub("\ufffd", value))
    return "" if value is None else value


@cache
def environment() -> Environment:
    """Makes the engine of the report's templates: everything is escaped, nothing may be missing."""
    return Environment(
        loader=PackageLoader("qevolve_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def macro(name: str, *arguments: object) -> Markup:
    """Fills one macro of ``macros.html``."""
    filled: Markup = getattr(environment().get_template("macros.html").module, name)(*arguments)
    return filled


def table(
    caption: str,
    headers: Sequence[object],
    rows: Iterable[Sequence[object]],
    numeric: Container[int] | None = None,
) -> Markup:
    """Makes a table in a box that scrolls by itself, so that a phone's page does not.

    Args:
        caption: Title of the table; read aloud, and shown.
        headers: Names of the columns.
        rows: Values of each row; the first one names it.
        numeric: Columns that are set right-aligned; by default all but the first.
    """
    columns = range(1, len(headers)) if numeric is None else numeric
    return macro("table", headers, list(rows), caption, columns)


def embedded_json(value: Any, id_: str) -> Markup:
    """Embeds data for the page's script; nothing in it can end the element or begin another."""
    dumped = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        dumped = dumped.replace(char, f"\\u{ord(char):04x}")
    start = Markup('<script type="application/json" id="{}">').format(id_)
    return start + Markup(dumped) + Markup("</script>")
