"""Numbers that others have published: read from a file of facts, rendered apart from our own.

They were measured by other code under other protocols, so each group of them names its source, and
each column its benchmark, split and horizon. Nobody can verify them here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from qevolve_bench.analysis.render import table
from qevolve_envs.errors import BadFile

SCHEMA = 1
_GROUP = {"title", "source", "metric", "protocol", "columns", "rows"}
_COLUMN = {"benchmark", "split", "horizon"}
_ROW = {"method", "model", "values"}


def read_published(path: Path) -> list[dict[str, Any]]:
    """Reads the groups of published numbers.

    Returns:
        Objects with ``title``, ``source``, ``metric``, ``protocol``, ``columns`` (each with
        ``benchmark``, ``split``, ``horizon``, null where it is not stated) and ``rows`` (each with
        ``method``, ``model`` and, for each column, a value, ``[value, spread]`` or null).

    Raises:
        BadFile: Naming what is wrong.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: not JSON ({error}).") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise BadFile(f"{path}: this release reads schema version {SCHEMA}.")
    groups = raw.get("groups")
    if not isinstance(groups, list):
        raise BadFile(f"{path}: 'groups' is missing, or not a list.")
    for group in groups:
        if problem := _problem(group):
            raise BadFile(f"{path}: {problem}.")
    return groups


def render_published(groups: list[dict[str, Any]]) -> str:
    """The page, in Markdown."""
    parts = [
        "# Published numbers",
        "Facts from the literature, in per cent, as their authors report them. They were measured"
        " on the official simulators, by other code and under other protocols than ours, and nobody"
        " replayed them: they are no rows of a leaderboard. ± is the authors' own spread. Written"
        " by `qevolve-bench leaderboard build` from `published.json`; do not edit.",
    ]
    for group in groups:
        parts += [
            f"## {group['title']}",
            f"Source: {group['source']}. Metric: {group['metric']}. Protocol: {group['protocol']}",
        ]
        headers = ["method", "model"] + [_header(column) for column in group["columns"]]
        rows = [[row["method"], row["model"], *map(_value, row["values"])] for row in group["rows"]]
        parts.append(table(headers, rows))
    return "\n\n".join(parts) + "\n"


def _problem(group: Any) -> str:
    if not isinstance(group, dict) or group.keys() != _GROUP:
        return f"a group needs exactly the fields {', '.join(sorted(_GROUP))}"
    title = group["title"]
    for column in group["columns"]:
        if not isinstance(column, dict) or column.keys() != _COLUMN:
            return f"a column of {title!r} needs exactly {', '.join(sorted(_COLUMN))}"
    for row in group["rows"]:
        if not isinstance(row, dict) or row.keys() != _ROW:
            return f"a row of {title!r} needs exactly {', '.join(sorted(_ROW))}"
        if len(row["values"]) != len(group["columns"]):
            return f"row {row['method']!r} of {title!r} has not one value for each column"
        for value in row["values"]:
            numbers = value if isinstance(value, list) else [value]
            if value is not None and not all(_is_number(number) for number in numbers):
                return f"row {row['method']!r} of {title!r} has a value that is no number"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _header(column: dict[str, Any]) -> str:
    parts = [column["benchmark"]]
    if column["split"] is not None:
        parts.append(column["split"])
    if column["horizon"] is not None:
        parts.append(f"({column['horizon']} steps)")
    return " ".join(parts)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{value[0]:.1f} ± {value[1]:.1f}"
    return f"{value:.1f}"
