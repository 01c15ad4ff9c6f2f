"""Transcripts as batches: whole ones, in buckets of similar length, under a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines import parallel
from qevolve_baselines.data.transcript import Trajectory
from qevolve_envs.errors import BenchError


@dataclass(slots=True)
class TokenSequence:
    """Tokens of one transcript to train on.

    Attributes:
        ids: Tokens of the transcript.
        targets: Positions of the tokens that the agent wrote, shape (n,).
        steps: For each of them, the index of its environment step in the data set, shape (n,).
        first: Offset of the sequence's tokens among all action tokens of the data set.
    """

    ids: list[int]
    targets: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    first: int


@dataclass(slots=True)
class TokenizedEpisodes:
    """Trajectories as tokens, laid out flat for learners.

    Steps are numbered over all trajectories, and so are action tokens, so that whatever a learner
    computes (labels, values, advantages, old log-probabilities) is one flat array of either.

    Attributes:
        sequences: One for each transcript.
        bounds: Trajectory ``i`` has the steps from ``bounds[i]`` up to ``bounds[i + 1]``.
        token_steps: The step of each action token, shape (tokens,).
        step_tokens: Number of action tokens of each step, shape (steps,).
        state_at: For each step, the transcript and position of the last token read before its
            action; shape (steps, 2).
        action_at: The same for the last token of the action.
    """

    sequences: list[TokenSequence]
    bounds: npt.NDArray[np.int64]
    token_steps: npt.NDArray[np.int64]
    step_tokens: npt.NDArray[np.int64]
    state_at: npt.NDArray[np.int64]
    action_at: npt.NDArray[np.int64]

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> TokenizedEpisodes:
        """Lays trajectories out.

        Raises:
            BenchError: When there is no action in them.
        """
        sequences: list[TokenSequence] = []
        bounds = [0]
        step_tokens: list[int] = []
        state_at: list[tuple[int, int]] = []
        action_at: list[tuple[int, int]] = []
        first = 0
        for trajectory in trajectories:
            base = bounds[-1]
            for transcript in trajectory.transcripts:
                targets: list[int] = []
                steps: list[int] = []
                for step, start, end in transcript.spans:
                    targets += range(start, end)
                    steps += [base + step] * (end - start)
                    step_tokens.append(end - start)
                    state_at.append((len(sequences), start - 1))
                    action_at.append((len(sequences), end - 1))
                if not targets:
                    continue  # Restarted at the very end: there is nothing to learn from it.
                # What was read behind the last action cannot be learnt from.
                ids = transcript.ids[: targets[-1] + 1]
                sequences.append(TokenSequence(ids, np.array(targets), np.array(steps), first))
                first += len(targets)
            bounds.append(base + len(trajectory.episode.steps))
        if not sequences:
            raise BenchError("There is no action to learn from: no episode has a step.")
        return cls(
            sequences=sequences,
            bounds=np.array(bounds, dtype=np.int64),
            token_steps=np.concatenate([s.steps for s in sequences]),
            step_tokens=np.array(step_tokens, dtype=np.int64),
            state_at=np.array(state_at, dtype=np.int64).reshape(-1, 2),
            action_at=np.array(action_at, dtype=np.int64).reshape(-1, 2),
        )

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each sequence."""
        return [len(sequence.ids) for sequence in self.sequences]

    @property
    def steps(self) -> int:
        """Number of environment steps."""
        return int(self.bounds[-1])

    @property
    def tokens(self) -> int:
        """Number of action tokens."""
        return len(self.token_steps)

    def tokens_of(self, update: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
        """Indices of the action tokens of an update, which is passes of indices of sequences."""
        chosen = [self.sequences[i] for indices in update for i in indices]
        return np.concatenate([np.arange(s.first, s.first + len(s.targets)) for s in chosen])


@dataclass(slots=True)
class Batch:
    """Some samples as tensors.

    Attributes:
        ids: Tokens, padded on the right, shape (rows, width). No attention mask is needed: under a
            causal mask nothing attends to what comes later.
        filled: True where `ids` holds tokens instead of padding, shape (rows, width).
        rows: Row of each action token, shape (n,).
        columns: Column of each action token, shape (n,).
        tokens: Index of each action token among all of the data, shape (n,).
        steps: The index of its step in the data, shape (n,).
        state: ``(rows, columns)`` of the last token before each step's action, each shape (m,).
        action: The same for the last token of the action.
        of: Indices of the steps in the data, shape (m,).
        size: Tokens that go through the network, without padding.
    """

    ids: Tensor
    filled: Tensor
    rows: Tensor
    columns: Tensor
    tokens: Tensor
    steps: Tensor
    state: tuple[Tensor, Tensor]
    action: tuple[Tensor, Tensor]
    of: Tensor
    size: int


def make_batch(
    data: TokenizedEpisodes, indices: Sequence[int], device: torch.device | str
) -> Batch:
    """Builds the tensors of some samples of the data."""
    chosen = [data.sequences[i] for i in indices]
    width = max(len(s.ids) for s in chosen)
    ids = np.zeros((len(chosen), width), dtype=np.int64)
    filled = np.zeros((len(chosen), width), dtype=np.bool_)
    for row, sample in enumerate(chosen):
        ids[row, : len(sample.ids)] = sample.ids
        filled[row, : len(sample.ids)] = True
    counts = [len(s.targets) for s in chosen]
    rows = np.repeat(np.arange(len(chosen)), counts)
    steps = np.concatenate([s.steps for s in chosen])
    tokens = np.concatenate([np.arange(s.first, s.first + len(s.targets)) for s in chosen])
    of, position = np.unique(steps, return_index=True)

    def tensor(array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    step_rows = tensor(rows[position])
    return Batch(
        ids=tensor(ids),
        filled=tensor(filled),
        rows=tensor(rows),
        columns=tensor(np.concatenate([s.targets for s in chosen])),
        tokens=tensor(tokens),
        steps=tensor(steps),
        state=(step_rows, tensor(data.state_at[of, 1])),
        action=(step_rows, tensor(data.action_at[of, 1])),
        of=tensor(of),
        size=sum(len(s.ids) for s in chosen),
    )


def bucketed(
    lengths: Sequence[int], token_budget: int, chosen: Sequence[int] | None = None
) -> list[list[int]]:
    """Groups samples of similar length into forward passes of at most `token_budget` tokens.

    Args:
        lengths: Tokens of each sample.
        token_budget: Rows times width of a pass; a longer sample is a pass of its own.
        chosen: Indices of the samples; all by default.

    Returns:
        Indices for each pass; every chosen sample is in exactly one.
    """
    indices = np.arange(len(lengths)) if chosen is None else np.asarray(chosen, dtype=np.int64)
    passes: list[list[int]] = []
    current: list[int] = []
    for index in indices[np.argsort(np.asarray(lengths)[indices], kind="stable")].tolist():
        # Sorted upwards, so the newcomer is the widest. A pass of very different lengths would be
        # mostly padding, hence a new one where lengths double.
        wide = lengths[index] * (len(current) + 1) > token_budget
        if current and (wide or lengths[index] > 1.5 * lengths[current[0]]):
            passes.append(current)
            current = []
        current.append(index)
    if current:
        passes.append(current)
    return passes


def draw_updates(
    lengths: Sequence[int],
    *,
    batch_tokens: int,
    pass_tokens: int,
    rng: np.random.Generator,
) -> list[list[list[int]]]:
    """Deals the samples of an epoch out to updates, and each update's samples to forward passes.

    An update is a random draw. Only within it are samples sorted by length, because episodes that
    fail are the long ones: updates of one length would be updates of one outcome, and a critic that
    sees them in turn follows the last one.

    Args:
        lengths: Tokens of each sample.
        batch_tokens: Tokens of an update, without padding; it ends with the sample that reaches it.
        pass_tokens: Padded tokens of a forward pass.
        rng: Random generator of the order.

    Returns:
        For each update its passes, and for each pass the indices of its samples.
    """
    updates = []
    current: list[int] = []
    size = 0
    for index in rng.permutation(len(lengths)).tolist():
        current.append(index)
        size += lengths[index]
        if size >= batch_tokens:
            updates.append(bucketed(lengths, pass_tokens, current))
            current, size = [], 0
    if current:
        updates.append(bucketed(lengths, pass_tokens, current))
    return updates


class BatchFraction(NamedTuple):
    """Fraction of the update's tokens and steps that this batch holds.

    It weights the mean over the batch in the mean over the update.

    Attributes:
        tokens: Fraction of the update's action tokens.
        steps: Fraction of its steps.
    """

    tokens: float
    steps: float


def passes_of(
    data: TokenizedEpisodes, update: Sequence[Sequence[int]], device: torch.device | str
) -> Iterator[tuple[Batch, BatchFraction]]:
    """Gives the batches of an update, each with its fraction of it.

    Losses are means over the tokens or the steps of a batch; weighted by these fractions they
    add up to the mean over the update, whatever passes it is split into. Several processes (see
    `qevolve_baselines.parallel`) get batches of their own, whose fractions add up to one over all
    of them. The last update of an epoch may have fewer transcripts than there are processes: those
    that are left over then read the first one, with a fraction of nothing.
    """
    tokens = sum(len(data.sequences[i].targets) for indices in update for i in indices)
    steps = sum(len(np.unique(data.sequences[i].steps)) for indices in update for i in indices)
    elsewhere = 0
    if parallel.size() > 1:
        whole = [i for indices in update for i in indices]
        mine = set(parallel.share(range(len(whole))))
        places = iter(range(len(whole)))
        update = [[i for i in indices if next(places) in mine] for indices in update]
        elsewhere = sum(len(data.sequences[i].ids) for i in whole)
        if not mine:
            idle = make_batch(data, whole[:1], device)
            idle.size = elsewhere
            yield idle, BatchFraction(0.0, 0.0)
            return
        elsewhere -= sum(len(data.sequences[i].ids) for indices in update for i in indices)
    for indices in update:
        if not indices:
            continue
        batch = make_batch(data, indices, device)
        # The ledger of each process counts what all of them read.
        batch.size += elsewhere
        elsewhere = 0
        yield batch, BatchFraction(len(batch.tokens) / tokens, len(batch.of) / steps)


def flat(data: TokenizedEpisodes, per_step: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Repeats what is known per step for each action token of the step."""
    return per_step[data.token_steps]
