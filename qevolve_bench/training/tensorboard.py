"""Metrics of a training run for TensorBoard, beside the JSON lines that are always written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qevolve_envs.errors import MissingData


@contextmanager
def board(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Opens a folder of TensorBoard's events.

    Args:
        folder: Where they lie, such as ``RUN/tensorboard``.

    Yields:
        What takes a line of metrics: each number becomes a curve ``stage/name`` over the tokens
        that were trained on, and the ledger curves of its own.

    Raises:
        MissingData: Without tensorboard.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingData(
            "--tensorboard needs tensorboard: pip install 'qevolve-bench[tensorboard]'."
        ) from None
    opened: list[Any] = []

    def log(line: dict[str, Any]) -> None:
        if not opened:  # The folder is made by the first line: until then it may be another run's.
            opened.append(SummaryWriter(str(folder)))
        ledger = line["ledger"]
        stage = str(line.get("stage", "run"))
        figures = {f"{stage}/{k}": v for k, v in line.items() if k not in ("ledger", "update")}
        figures |= {f"ledger/{k}": v for k, v in ledger.items()}
        for name, value in figures.items():
            if isinstance(value, int | float):
                opened[0].add_scalar(name, value, global_step=ledger["trained_tokens"])

    try:
        yield log
    finally:
        for writer in opened:
            writer.close()
