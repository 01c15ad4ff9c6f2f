"""Heat maps: every task of a cell, for every method; the easiest tasks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qevolve_bench.report.axes import WIDTH
from qevolve_bench.report.drawing import Drawing, shortened

_LEFT, _RIGHT = 88.0, 8.0
_TILE = 13.0


@dataclass(frozen=True, slots=True)
class Tile:
    """One task of one method.

    Attributes:
        value: In [0, 1].
        failed: Whether an episode of it ended by an error outside of the world.
        episode: Number of the first episode of it in the browser; None where it is not there.
    """

    value: float
    failed: bool = False
    episode: int | None = None


def ordered(tiles: Mapping[str, Mapping[str, Tile]]) -> list[str]:
    """The tasks, from the one that is done best over the methods to the worst, then by name."""
    tasks = {task for of in tiles.values() for task in of}

    def ease(task: str) -> float:
        values = [of[task].value for of in tiles.values() if task in of]
        return sum(values) / len(values)

    return sorted(tasks, key=lambda task: (-ease(task), task))


def heatmap(title: str, tiles: Mapping[str, Mapping[str, Tile]], tasks: Sequence[str]) -> Drawing:
    """Bands of tasks, a row for each method.

    Args:
        title: Of the figure.
        tiles: By method and task.
        tasks: In the order in which they are drawn.
    """
    # Large panels get smaller tiles, so that their map still fits on a screen.
    columns = 25 if len(tasks) <= 300 else 50 if len(tasks) <= 1000 else 80
    width = (WIDTH - _LEFT - _RIGHT) / columns
    bands = [tasks[i : i + columns] for i in range(0, len(tasks), columns)]
    band_height = _TILE * len(tiles) + 7
    drawing = Drawing(WIDTH, 6 + band_height * len(bands) + 26, title)
    for i, band in enumerate(bands):
        for row, (name, of) in enumerate(tiles.items()):
            y = 6 + band_height * i + _TILE * row
            drawing.text(_LEFT - 6, y + _TILE - 2.5, shortened(name, 14), anchor="end", size=10,
                         colour="muted", title=name)  # fmt: skip
            for column, task in enumerate(band):
                if task in of:
                    _tile(drawing, _LEFT + width * column, y, width, name, task, of[task])
    _key(drawing, 6 + band_height * len(bands) + 6)
    return drawing


def _tile(
    drawing: Drawing, x: float, y: float, width: float, name: str, task: str, tile: Tile
) -> None:
    said = f"{name}, {task}: {100 * tile.value:.0f} %{', failed' if tile.failed else ''}"
    gap = 0.8 if width > 5 else 0.3
    shade = round(0.03 + 0.97 * tile.value, 2)
    drawing.tile((x, y), (width - gap, _TILE - 1), shade, title=said, link=tile.episode)
    if tile.failed:
        right, low = x + width - gap - 1.5, y + _TILE - 2.5
        for line in (((x + 1.5, y + 1.5), (right, low)), ((x + 1.5, low), (right, y + 1.5))):
            drawing.line(*line, stroke="bad", width=1.3)


def _key(drawing: Drawing, y: float) -> None:
    drawing.text(_LEFT - 6, y + 9, "0 %", anchor="end", size=10, colour="muted")
    for i in range(5):
        drawing.tile((_LEFT + 16 * i, y), (15, 10), 0.03 + 0.97 * i / 4)
    drawing.text(_LEFT + 86, y + 9, "100 %", size=10, colour="muted")
    for line in (((_LEFT + 136, y + 1), (_LEFT + 145, y + 9)),
                 ((_LEFT + 136, y + 9), (_LEFT + 145, y + 1))):  # fmt: skip
        drawing.line(*line, stroke="bad", width=1.5)
    drawing.text(_LEFT + 151, y + 9, "failed by an error", size=10, colour="muted")
