"""Results of an evaluation: runs on disk, and numbers that always carry their interval.

A run folder holds ``manifest.json`` (`Manifest`), ``episodes/<cell>.jsonl`` with the episodes of
each cell in the order of their draw, and ``timing.json``. Only the last may differ between two runs
of the same command. A submission is the same with ``episodes/<cell>.jsonl.gz``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from qevolve_bench.runner.journal import Tally
from qevolve_bench.schema import (
    Sha256,
    check_version,
    convert,
    numbered_lines,
    place,
    read_json,
)
from qevolve_bench.statistics import Estimate, bootstrap_interval, wilson_interval
from qevolve_bench.suites import Suite
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.rng import seed_sequence

SCHEMA = 1
MANIFEST = "manifest.json"
TIMING = "timing.json"
EPISODES = "episodes"
#: There is one while a run is unfinished (`qevolve_bench.runner.log`).
LOG = "log.jsonl"


class AgentRecord(TypedDict):
    """The agent of a run.

    Attributes:
        name: Its name on the command line, and in `Episode.agent`.
        description: Its ``describe()``: model, prompt, sampling …
    """

    name: str
    description: NotRequired[dict[str, Any]]


class RunSettings(TypedDict, total=False):
    """Settings of a run, besides suite and agent, that change its episodes.

    Attributes:
        batch_size: Episodes that the agent played in lockstep.
        step_seconds: Limit of one answer of the agent (to the whole batch); None for none.
        episode_seconds: Limit of an episode; None for none.
        memory_mib: Limit of a worker's memory; None for none.
    """

    batch_size: int
    step_seconds: float | None
    episode_seconds: float | None
    memory_mib: int | None


class EvaluationLedger(TypedDict):
    """Cost of a run, over all cells."""

    episodes: int
    env_steps: int
    prompt_tokens: int
    generated_tokens: int


class CellSummary(TypedDict):
    """Results of one cell; intervals are computed from the episodes when they are shown.

    Attributes:
        episodes: Number of episodes, the failed ones included.
        failed: Number of those that ended by an error outside of the world.
        won: Number of those that were won.
        success: won / episodes.
        score: Mean final score.
        env_steps: Environment steps.
    """

    episodes: int
    failed: int
    won: int
    success: float
    score: float
    env_steps: int


class Manifest(TypedDict):
    """Description of a run.

    Attributes:
        schema: Version of this record.
        complete: False only for an unfinished run, as `load_run` reads it.
        suite: As `qevolve_bench.suites.Suite.to_json` writes it, with the sizes and digests of the
            panels that were played.
        agent: The agent.
        settings: Settings that change the episodes.
        provenance: Versions of the packages and of the code (`qevolve_bench.provenance`).
        ledger: Cost, over all cells.
        summary: Results by cell.
        skipped: Reasons why cells were not played, by cell.
        files: SHA-256 of the episodes' lines (not compressed), by cell.
    """

    schema: int
    complete: bool
    suite: dict[str, Any]
    agent: AgentRecord
    settings: RunSettings
    provenance: dict[str, Any]
    ledger: EvaluationLedger
    summary: dict[str, CellSummary]
    skipped: dict[str, str]
    files: dict[str, Sha256]


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """A finished evaluation, a submission, or a bare file of episodes.

    Attributes:
        name: The folder's or file's name.
        cells: Episodes of each cell that was played, in the order of their draw.
        manifest: None for a bare file.
    """

    name: str
    cells: dict[str, list[Episode]]
    manifest: Manifest | None = None

    @property
    def suite(self) -> Suite | None:
        """The suite that was played; None for a bare file."""
        return None if self.manifest is None else Suite.from_json(self.manifest["suite"])

    @property
    def agent(self) -> str:
        """Name of the agent; of the first episode for a bare file."""
        if self.manifest is not None:
            return self.manifest["agent"]["name"]
        return next((e.agent for episodes in self.cells.values() for e in episodes), "")


def load_run(path: Path | str, *, partial: bool = False) -> EvaluationRun:
    """Reads a run folder, a submission, or a bare ``*.jsonl`` file of episodes (one cell).

    Args:
        path: The folder or file.
        partial: Read what there is of an unfinished run, instead of refusing it. Its manifest is
            not ``complete``.

    Raises:
        BadFile: For what is none of them, with the file and line of what is wrong.
    """
    path = Path(path)
    if not path.is_dir():
        name = path.name.removesuffix(".gz").removesuffix(".jsonl")
        return EvaluationRun(name, {name: list(read_lines(path))})
    if not (path / MANIFEST).exists() and (path / LOG).exists():
        if partial:
            from qevolve_bench.runner.suite import load_partial

            return load_partial(path)
        raise BadFile(f"The run in {path} is unfinished: the command that began it continues it.")
    manifest = read_manifest(path / MANIFEST)
    cells = {}
    for name in (cell.name for cell in Suite.from_json(manifest["suite"]).cells):
        if name not in manifest["skipped"]:
            plain = path / EPISODES / f"{name}.jsonl"
            packed = plain.with_name(plain.name + ".gz")
            cells[name] = list(read_lines(packed if packed.exists() else plain))
    return EvaluationRun(path.resolve().name, cells, manifest)


def read_lines(path: Path) -> Iterator[Episode]:
    """Reads episodes from JSON lines, compressed where the name ends in ``.gz``.

    Raises:
        BadFile: With the file's name and the line number of what is wrong.
    """
    for number, line in numbered_lines(path):
        with place(f"{path}, line {number}"):
            episode = Episode.from_json(line)
        yield episode


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
        BadFile: When it cannot be read, or is no manifest of this release.
    """
    raw = read_json(path)
    with place(str(path)):
        manifest = parse_manifest(raw)
        Suite.from_json(manifest["suite"])
    return manifest


def parse_manifest(raw: Any) -> Manifest:
    """Checks the content of a manifest, except for its suite.

    Raises:
        BadFile: Naming what is wrong, without the file.
    """
    manifest: Manifest = convert(check_version(raw, SCHEMA, "a manifest"), Manifest, "the manifest")
    return manifest


def summary_of(tallies: Iterable[Tally]) -> CellSummary:
    """Sums up the episodes of a cell.

    Args:
        tallies: Counts of its batches, in their order; at least one episode.
    """
    tallies = list(tallies)
    scores = [score for tally in tallies for score in tally["scores"]]
    total = 0.0
    for score in scores:
        total += score  # One by one: from Python 3.12 on, `sum` rounds otherwise.
    won = sum(tally["won"] for tally in tallies)
    return CellSummary(
        episodes=len(scores),
        failed=sum(tally["failed"] for tally in tallies),
        won=won,
        success=round(won / len(scores), 6),
        score=round(total / len(scores), 6),
        env_steps=sum(tally["env_steps"] for tally in tallies),
    )


def ledger_of(tallies: Sequence[Tally]) -> EvaluationLedger:
    """Sums up the cost of all episodes."""
    return EvaluationLedger(
        episodes=sum(len(tally["scores"]) for tally in tallies),
        env_steps=sum(tally["env_steps"] for tally in tallies),
        prompt_tokens=sum(tally["prompt_tokens"] for tally in tallies),
        generated_tokens=sum(tally["generated_tokens"] for tally in tallies),
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of a list of episodes.

    Attributes:
        n: Number of episodes, the failed ones included.
        failed: Episodes that ended by an error outside of the world (`Episode.error`).
        env_steps: Environment steps over all episodes.
        success: Rate of won episodes, with Wilson's interval.
        score: Mean final score, with a bootstrap interval.
        steps: Mean length of an episode, with a bootstrap interval.
        level: Confidence level of the intervals.
    """

    n: int
    failed: int
    env_steps: int
    success: Estimate
    score: Estimate
    steps: Estimate
    level: float


def summarise(
    episodes: Sequence[Episode], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Summary:
    """Summarises episodes; failed ones count as not won, with the score they had reached.

    The intervals take the episodes for independent draws. Where a task was played repeatedly they
    are too narrow to speak about other tasks.

    Args:
        episodes: At least one.
        level: Confidence level of the intervals.
        resamples: Bootstrap samples for score and steps.
        seed: Seed of the bootstrap.
    """
    if not episodes:
        raise BenchError("There are no episodes to summarise.")
    n = len(episodes)
    won = sum(episode.won and episode.error is None for episode in episodes)
    lengths = [len(episode.steps) for episode in episodes]

    def mean(name: str, values: Sequence[float]) -> Estimate:
        chance = seed_sequence(seed, "bootstrap", name)
        interval = bootstrap_interval(values, level, resamples, chance)
        return Estimate(math.fsum(values) / n, interval)

    return Summary(
        n=n,
        failed=sum(episode.error is not None for episode in episodes),
        env_steps=sum(lengths),
        success=Estimate(won / n, wilson_interval(won, n, level)),
        score=mean("score", [episode.score for episode in episodes]),
        steps=mean("steps", lengths),
        level=level,
    )
