"""Episodes, packed small enough for a page: texts once, numbers in columns, gzip, chunk by chunk.

A page's script unpacks only the chunk of the episode that is looked at. The list of all episodes
(`PackedEpisodes.index`) is plain JSON and needs no unpacking.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from qevolve_bench.report.inputs import Method
from qevolve_envs.core import Feedback
from qevolve_envs.episode import Episode

#: Episodes that are unpacked together: their texts are stored once.
CHUNK = 250
FEEDBACK = tuple(feedback.value for feedback in Feedback)
LOST, WON, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class PackedEpisodes:
    """The episodes of a report.

    Attributes:
        index: For the page's list: methods, cells, and one row for each episode: numbers of method
            and cell, task, seed, state (`LOST`, `WON`, `FAILED`), score, steps.
        chunks: Base64 of gzipped JSON, `CHUNK` episodes each.
        first: Number of the first episode, by (method, cell, task).
        left_out: Number of episodes that are not in the browser.
    """

    index: dict[str, Any]
    chunks: list[str]
    first: dict[tuple[str, str, str], int]
    left_out: int


def pack(methods: Sequence[Method], *, most: int | None = None) -> PackedEpisodes:
    """Packs episodes for a page.

    Args:
        methods: Whose episodes.
        most: Keep at most so many of each method and cell, the first ones; all of them when None.
    """
    rows: list[list[Any]] = []
    kept: list[Episode] = []
    first: dict[tuple[str, str, str], int] = {}
    cells: dict[str, int] = {}
    left_out = 0
    for number, method in enumerate(methods):
        for label, episodes in method.played.items():
            shown = episodes if most is None else episodes[:most]
            left_out += len(episodes) - len(shown)
            for episode in shown:
                first.setdefault((method.name, label, episode.task_id), len(kept))
                cell = cells.setdefault(label, len(cells))
                rows.append(_row(number, cell, episode))
                kept.append(episode)
    index = {
        "methods": [method.name for method in methods],
        "cells": list(cells),
        "chunk": CHUNK,
        "feedback": list(FEEDBACK),
        "rows": rows,
    }
    chunks = [_packed(kept[i : i + CHUNK]) for i in range(0, len(kept), CHUNK)]
    return PackedEpisodes(index, chunks, first, left_out)


def unpack(chunk: str) -> dict[str, Any]:
    """Unpacks a chunk, as the page's script does."""
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(chunk)))
    return found


def state(episode: Episode) -> int:
    """`LOST`, `WON` or `FAILED`."""
    return FAILED if episode.error is not None else WON if episode.won else LOST


def _row(method: int, cell: int, episode: Episode) -> list[Any]:
    return [
        method, cell, episode.task_id, episode.seed, state(episode), _short(episode.score),
        len(episode.steps),
    ]  # fmt: skip


def _packed(episodes: Sequence[Episode]) -> str:
    texts: dict[str, int] = {}

    def place(text: str) -> int:
        return texts.setdefault(text, len(texts))

    packed = []
    for episode in episodes:
        one: dict[str, Any] = {
            "goal": place(episode.goal),
            "start": place(episode.first_observation),
            "act": [place(step.action) for step in episode.steps],
            "obs": [place(step.observation) for step in episode.steps],
            "reward": _runs(_short(step.reward) for step in episode.steps),
            "feedback": _runs(FEEDBACK.index(step.feedback) for step in episode.steps),
            "score": _runs(_short(step.score) for step in episode.steps),
            "end": "terminated" if episode.terminated else "truncated" if episode.truncated else "",
            "digest": episode.digest[:16],
        }
        if episode.error is not None:
            one["error"] = place(episode.error)
        tokens = [(step.prompt_tokens, step.generated_tokens) for step in episode.steps]
        if any(map(any, tokens)):
            one["read"], one["written"] = zip(*tokens, strict=True)
        packed.append(one)
    text = json.dumps({"texts": list(texts), "episodes": packed}, separators=(",", ":"))
    # No time stamp: the same episodes give the same page.
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _runs(values: Iterable[float]) -> list[float]:
    """Run lengths: value, count, value, count …; rewards and scores rarely change."""
    return [n for value, group in groupby(values) for n in (value, len(list(group)))]


def _short(number: float) -> float:
    """Four decimals are more than anyone reads; whole numbers lose their ``.0``."""
    rounded = round(number, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def counts(
    methods: Sequence[Method], labels: Container[str] | None = None
) -> Mapping[str, tuple[int, int, int]]:
    """Episodes lost, won and failed, by method; in some cells, or in all."""
    found = {}
    for method in methods:
        chosen = [e for label, e in method.played.items() if labels is None or label in labels]
        states = [state(episode) for episodes in chosen for episode in episodes]
        found[method.name] = (states.count(LOST), states.count(WON), states.count(FAILED))
    return found
