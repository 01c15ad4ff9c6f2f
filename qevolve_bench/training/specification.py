"""Specification of a training run, its folder, and its result.

A run folder holds ``spec.json`` (everything that decides the result), ``metrics.jsonl``,
``curve.jsonl`` (one evaluation per checkpoint), ``state.pt`` and ``stages/`` (what a resume needs),
``evaluation/<split>.jsonl`` (the episodes of the last evaluation), ``policy/`` (the trained model,
as Hugging Face saves it), and, once all is done, ``result.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

from qevolve_bench.flags import Count, Flag, Nested, Pairs, Seed
from qevolve_bench.schema import Bounds, plain, read_record

SCHEMA = 1
RESULT = "result.json"
#: The split of training tasks that a run keeps apart, for choosing settings.
TUNING = "tuning"


@dataclass(slots=True)
class TrainingSpec:
    """Everything that decides the result of a training run; JSON.

    Attributes:
        learner: Name of the learner: sft, rft, grpo, q_evolve …
        env_id: The environment, such as qevolve/Household-v0.
        env_kwargs: An argument of the environment, such as size=small; numbers, true, false and
            null are read as such, "..." in quotes as text; may be repeated.
        horizon: Steps of an episode; by default the registered number.
        split: Split to train on.
        preset: Settings that come with the learner; none by default.
        settings: A setting of the learner, such as optim.lr=1e-3; may be repeated.
        seed: Seed of everything that is drawn.
        budget: A limit: env_steps, episodes, generated_tokens, trained_tokens …; may be repeated.
        demos: Number of expert episodes to play, or a file of episodes.
        init: A run folder, or a saved policy, to start from.
        model: A Hugging Face causal language model to start from.
        scratch: Size of a small model made from scratch, which is where a run starts by default,
            such as hidden_size=128 (`ScratchConfig`). A learner other than sft gets it after
            behaviour cloning; may be repeated.
        warm: A setting of that behaviour cloning, laid over the preset warm of sft; may be
            repeated.
        reference: A run folder, or a saved policy, that KL terms hold this one to; by default the
            policy that training starts from.
        transcript_config: A setting of the transcripts: style=react, context=4096 …
            (`TranscriptConfig`); may be repeated.
        device: cpu or cuda.
        dtype: Type of the weights: bfloat16 … Weights of bfloat16 are updated by exact copies.
        attention: Implementation of attention, such as flash_attention_2.
        gradient_checkpointing: Save memory by computing activations twice.
        lora: Train low-rank adapters: rank=16 … (`LoraSettings`); may be repeated.
        evaluate: Splits for the learning curve, such as seen,unseen; tuning is the one kept apart;
            none by default.
        episodes: Episodes of each evaluation; 0, the default, plays each task once.
        checkpoints: Points of the learning curve.
        tuning_tasks: Number of training tasks that are kept apart, for choosing settings.
    """

    learner: Annotated[str, Flag("")]
    env_id: Annotated[str, Flag("--env", metavar="ID")]
    env_kwargs: Annotated[Pairs, Flag("--env-arg", metavar="NAME=VALUE")] = field(
        default_factory=dict
    )
    horizon: Annotated[int | None, Bounds(1), Flag(metavar="H")] = None
    split: str = "train"
    preset: Annotated[str | None, Flag(metavar="NAME")] = None
    settings: Annotated[dict[str, Any], Flag("--set", "NAME=VALUE", nested=True)] = field(
        default_factory=dict
    )
    seed: Seed = 0
    budget: Annotated[dict[str, float], Flag(metavar="AXIS=LIMIT")] = field(default_factory=dict)
    demos: Annotated[int | str, Bounds(0), Flag(metavar="N|FILE")] = 1000
    init: Annotated[str | None, Flag(metavar="RUN")] = None
    model: Annotated[str | None, Flag(metavar="PATH")] = None
    scratch: Nested = field(default_factory=dict)
    warm: Nested = field(default_factory=dict)
    reference: Annotated[str | None, Flag(metavar="RUN")] = None
    transcript_config: Annotated[
        dict[str, Any], Flag("--form --transcript-config", "NAME=VALUE", nested=True)
    ] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "float32"
    attention: Annotated[str | None, Flag(metavar="NAME")] = None
    gradient_checkpointing: bool = False
    lora: Nested = field(default_factory=dict)
    evaluate: Annotated[tuple[str, ...], Flag(metavar="SPLITS", comma=True)] = ()
    episodes: Annotated[int, Bounds(0), Flag("--eval-episodes", "N")] = 0
    checkpoints: Count = 6
    tuning_tasks: Annotated[int, Bounds(0), Flag(metavar="N")] = 0

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
    record = read_record(file, _ResultRecord, SCHEMA, "the result of a training run")
    return TrainingResult(folder, record["ledger"], record["results"])


class _ResultRecord(TypedDict):
    """Content of ``result.json``."""

    schema: int
    ledger: dict[str, float]
    results: dict[str, dict[str, Any]]
