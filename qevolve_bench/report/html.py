"""HTML that is escaped unless it was made here: text of episodes and agents is never trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

#: Elements without content or end tag.
_VOID = frozenset({"meta", "input", "br", "hr", "link"})
#: Control characters, lone surrogates and noncharacters, which neither HTML nor XML may hold.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


#: What an element may hold: text is escaped, markup is not; sequences are joined, None is nothing.
Content = Markup | str | int | None | Iterable["Content"]


def text(value: object) -> Markup:
    """Plain text as HTML: `Markup` stays, everything else is escaped."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_UNREADABLE.sub("\ufffd", str(value)), quote=True))


def tag(name: str, /, *content: Content, **attributes: object) -> Markup:
    """An element, such as ``tag("td", 3, class_="num")``.

    Args:
        name: Of the element.
        *content: What it holds.
        **attributes: A trailing underscore is dropped, others become hyphens (``aria_label``); True
            stands alone, None and False are left out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{text(value)}"')
    if name in _VOID:
        return Markup("".join([*parts, ">"]))
    return Markup("".join([*parts, ">", join(content), f"</{name}>"]))


def join(content: Content) -> Markup:
    """Content one after the other."""
    if content is None:
        return Markup("")
    if isinstance(content, str | int):
        return text(content)
    return Markup("".join(join(part) for part in content))


def table(
    headers: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    caption: str,
    numeric: Sequence[int] = (),
) -> Markup:
    """A table in a box that scrolls by itself, so that a phone's page does not.

    Args:
        headers: Of the columns.
        rows: The first value of each names the row.
        caption: What the table says; read aloud, and shown.
        numeric: Columns that are set right-aligned.
    """
    cells = [
        tag("th", header, scope="col", class_="num" if i in numeric else None)
        for i, header in enumerate(headers)
    ]
    body = []
    for row in rows:
        first, *others = row
        values = [
            tag("td", value, class_="num" if i in numeric else None)
            for i, value in enumerate(others, 1)
        ]
        body.append(tag("tr", tag("th", first, scope="row"), values))
    inner = tag(
        "table", tag("caption", caption), tag("thead", tag("tr", cells)), tag("tbody", body)
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def embedded_json(value: Any, id_: str) -> Markup:
    """Data for the page's script; nothing in it can end the element or begin another."""
    dumped = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        dumped = dumped.replace(char, f"\\u{ord(char):04x}")
    return Markup(f'<script type="application/json" id="{text(id_)}">{dumped}</script>')
