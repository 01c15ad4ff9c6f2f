"""Numbers that others have published: read from a file of facts, rendered apart from our own.

They were measured by other code under other protocols, so each group of them names its source, and
each column its benchmark, split and horizon. Nobody can verify them here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from qevolve_bench.analysis.render import table
from qevolve_bench.schema import read_record
from qevolve_envs.errors import BadFile

SCHEMA = 1
#: A number in per cent, a number with its spread, or nothing.
Published = float | tuple[float, float] | None


class PublishedColumn(TypedDict):
    """Benchmark of a column; split and horizon are null where they are not stated."""

    benchmark: str
    split: str | None
    horizon: int | None


class PublishedRow(TypedDict):
    """Numbers of one method: a value for each column."""

    method: str
    model: str
    values: list[Published]


class PublishedGroup(TypedDict):
    """Numbers of one source."""

    title: str
    source: str
    metric: str
    protocol: str
    columns: list[PublishedColumn]
    rows: list[PublishedRow]


class _PublishedFile(TypedDict):
    groups: list[PublishedGroup]


def read_published(path: Path) -> list[PublishedGroup]:
    """Reads the groups of published numbers.

    Raises:
        BadFile: Naming what is wrong.
    """
    file: _PublishedFile = read_record(path, _PublishedFile, SCHEMA, "a file of published numbers")
    for group in file["groups"]:
        for row in group["rows"]:
            if len(row["values"]) != len(group["columns"]):
                raise BadFile(
                    f"{path}: row {row['method']!r} of {group['title']!r} has not one value for"
                    " each column."
                )
    return file["groups"]


def render_published(groups: list[PublishedGroup]) -> str:
    """Writes the page, in Markdown."""
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


def _header(column: PublishedColumn) -> str:
    parts = [column["benchmark"]]
    if column["split"] is not None:
        parts.append(column["split"])
    if column["horizon"] is not None:
        parts.append(f"({column['horizon']} steps)")
    return " ".join(parts)


def _value(value: Published) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"{value[0]:.1f} ± {value[1]:.1f}"
    return f"{value:.1f}"
