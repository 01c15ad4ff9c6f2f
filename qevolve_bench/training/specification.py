"""Specification of a training run, its folder, and its result.

A run folder holds ``spec.json`` (everything that decides the result), ``metrics.jsonl``,
``curve.jsonl`` (one evaluation per checkpoint), ``state.pt`` and ``stages/`` (what a resume needs),
``evaluation/<split>.jsonl`` (the episodes of the last evaluation), ``policy/`` (the trained model,
as Hugging Face saves it), and, once all is done, ``result.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from qevolve_bench.schema import plain, read_record

SCHEMA = 1
RESULT = "result.json"
#: The split of training tasks that a run keeps apart, for choosing settings.
TUNING = "tuning"


@dataclass(slots=True)
class TrainingSpec:
    """Everything that decides the result of a training run; JSON.

    Attributes:
        learner: Name of the learner.
        env_id: The environment.
        env_kwargs: Its arguments.
        horizon: Steps of an episode; None for the registered number.
        split: The split to train on.
        preset: A preset of the learner; None for its defaults.
        settings: Laid over the preset, nested by name.
        seed: Seed of everything that is drawn.
        budget: Limits, by axis of the ledger.
        demos: Number of expert episodes to play, or a file of episodes.
        init: Folder of a policy to start from; or
        model: a Hugging Face model; or neither, for
        scratch: a small model made from scratch (fields of `ScratchConfig`), which a learner other
            than ``sft`` gets warmed by behaviour cloning first:
        warm: settings of that ``sft``, laid over its preset ``warm``.
        reference: Folder of the policy that KL terms hold this one to, instead of the one that
            training starts from.
        form: Form of the transcripts (fields of `Form`).
        device: ``cpu`` or ``cuda``.
        dtype: Of the weights; those of ``bfloat16`` are updated by exact copies of them.
        attention: Implementation of attention, such as ``flash_attention_2``; None for the default.
        gradient_checkpointing: Compute activations twice instead of keeping them.
        lora: Train low-rank adapters (fields of `LoraSettings`); empty trains all weights.
        evaluate: Splits that are evaluated at each checkpoint; ``tuning`` is the one kept apart.
        episodes: Episodes of each evaluation; 0 plays each task once.
        checkpoints: Points of the learning curve.
        tuning_tasks: Number of training tasks that are kept apart.
    """

    learner: str
    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    split: str = "train"
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    budget: dict[str, float] = field(default_factory=dict)
    demos: int | str = 1000
    init: str | None = None
    model: str | None = None
    scratch: dict[str, Any] = field(default_factory=dict)
    warm: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    form: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "float32"
    attention: str | None = None
    gradient_checkpointing: bool = False
    lora: dict[str, Any] = field(default_factory=dict)
    evaluate: tuple[str, ...] = ()
    episodes: int = 0
    checkpoints: int = 6
    tuning_tasks: int = 0

    def record(self) -> dict[str, Any]:
        """The content of ``spec.json``."""
        return {"schema": SCHEMA, **plain(self)}


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training run that is done.

    Attributes:
        folder: Folder of the run.
        ledger: What the run has used up, the warm start not included.
        results: The last evaluation, by split: ``n, success, score`` and the per-task lists.
    """

    folder: Path
    ledger: dict[str, float]
    results: dict[str, dict[str, Any]]


def read_result(folder: Path) -> TrainingResult | None:
    """Reads the result of a run; None for a run that is not done.

    Raises:
        BadFile: For a ``result.json`` that is none.
    """
    file = folder / RESULT
    if not file.is_file():
        return None
    record = read_record(file, _Result, SCHEMA, "the result of a training run")
    return TrainingResult(folder, record["ledger"], record["results"])


class _Result(TypedDict):
    """Content of ``result.json``."""

    schema: int
    ledger: dict[str, float]
    results: dict[str, dict[str, Any]]
