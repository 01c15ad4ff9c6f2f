"""Writing a report: under a temporary name that is renamed when complete; never over another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qevolve_bench.report import png
from qevolve_bench.report.drawing import svg_file
from qevolve_bench.report.figures import Figure
from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file


def check_free(path: Path, *, force: bool) -> None:
    """Refuses a place where something lies already, or where nothing can lie.

    Raises:
        BadFile: Before anything is computed.
    """
    if path.is_dir():
        raise BadFile(f"{path} is a folder: name the file of the page, such as {path}/report.html.")
    if not path.parent.is_dir():
        raise BadFile(f"There is no folder {path.parent} to put the page in.")
    if path.exists() and not force:
        raise BadFile(f"{path} exists: choose another name, or replace it with --force.")


def check_figures(folder: Path, *, force: bool) -> None:
    """Refuses a folder for figures that holds something already.

    Raises:
        BadFile: Before anything is computed.
    """
    if folder.exists() and not folder.is_dir():
        raise BadFile(f"{folder} is a file: --figures names a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise BadFile(f"{folder} is not empty: choose another folder, or add to it with --force.")


def write_figures(folder: Path, figures: Sequence[Figure]) -> list[str]:
    """Writes every figure as SVG, and as PNG where matplotlib is installed.

    Returns:
        The names of the files.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"Cannot make {folder}: {error.strerror or error}.") from None
    written = []
    for figure in figures:
        write_file(folder / f"{figure.name}.svg", svg_file(figure.whole).encode())
        written.append(f"{figure.name}.svg")
        if png.available():
            write_file(folder / f"{figure.name}.png", png.png(figure.whole))
            written.append(f"{figure.name}.png")
    return written
