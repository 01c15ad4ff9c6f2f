"""The training loop of all learners: draw updates, forward, backward, step, log, checkpoint.

A learner says what the loss of an update is; the loop does the rest. An update is drawn as forward
passes over whole transcripts, see `qevolve_baselines.data.batches.draw_updates`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from qevolve_baselines.data.batches import draw_updates
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run


@dataclass(slots=True)
class Update:
    """One step of one or several optimisers, while its gradient is added up.

    Attributes:
        index: Number of the update in its stage, from 0.
        run: Counts the tokens.
        trainers: See `train_stage`.
        figures: Further figures for the update's line of metrics.
    """

    index: int
    run: Run
    trainers: Mapping[str, Trainer]
    figures: dict[str, Any] = field(default_factory=dict)

    def backward(
        self, loss: Tensor, tokens: int, figures: Mapping[str, float] | None = None, of: str = ""
    ) -> None:
        """Adds the gradient of a forward pass.

        Args:
            loss: Part of the update's loss: the fractions of all passes add up to one.
            tokens: Tokens that are trained in the pass, for the ledger.
            figures: Figures to log, weighted like the loss; they are summed over the update.
            of: Prefix of the trainer, see `train_stage`.
        """
        self.trainers[of].backward(loss, **(figures or {}))
        self.run.ledger.trained_tokens += tokens


def train_stage(
    run: Run,
    stage: str,
    total: int,
    trainers: Mapping[str, Trainer],
    add_losses: Callable[[Update], None],
    *,
    labels: Mapping[str, Any],
    after: Callable[[dict[str, float]], bool | None] | None = None,
    policy: Policy | None = None,
) -> None:
    """Trains for a number of updates, from where the run was last saved.

    Args:
        run: The run.
        stage: Name of the updates, unique in the run.
        total: Number of updates.
        trainers: The optimisers that step in each update, in this order, by the prefix that their
            figures have in the metrics.
        add_losses: Computes the losses of an update, and calls `Update.backward` for each pass.
        labels: Fields that each line of metrics begins with.
        after: Called with the figures of each update after it is logged; True ends the stage.
        policy: Offered as a point of the learning curve after each update; see
            `Run.checkpoint_within`.
    """
    for index in run.updates(stage, total):
        update = Update(index, run, trainers)
        add_losses(update)
        figures = {
            f"{prefix}{name}": figure
            for prefix, trainer in trainers.items()
            for name, figure in trainer.step().items()
        }
        run.log(**labels, update=index, **update.figures, **figures)
        if policy is not None:
            run.checkpoint_within(policy)
        if after is not None and after(figures):
            break


def train_policy(
    run: Run,
    stage: str,
    policy: Policy,
    optim: OptimConfig,
    total: int,
    add_losses: Callable[[Update], None],
    *,
    labels: Mapping[str, Any] | None = None,
    after: Callable[[dict[str, float]], bool | None] | None = None,
) -> None:
    """Trains a policy in a stage with an optimiser of its own, and marks the stage as done.

    Args:
        run: The run.
        stage: Name of the stage.
        policy: The policy to train.
        optim: Settings of the optimiser.
        total: Number of updates.
        add_losses: See `train_stage`.
        labels: Fields of each line of metrics besides ``stage``.
        after: See `train_stage`.
    """
    trainer = Trainer(policy.model.parameters(), optim, total, "policy")
    run.track(f"{stage} optimiser", trainer)
    policy.model.train()
    train_stage(
        run,
        stage,
        total,
        {"": trainer},
        add_losses,
        labels={"stage": stage, **(labels or {})},
        after=after,
        policy=policy,
    )
    run.drop(f"{stage} optimiser")
    run.end(stage)


def draw_epochs(
    lengths: Sequence[int], epochs: int, optim: OptimConfig, run: Run, name: str
) -> list[list[list[int]]]:
    """Draws the updates of all epochs, by names, so that a resumed run sees the same ones.

    Args:
        lengths: Tokens of each sample.
        epochs: Passes over all samples.
        optim: Tokens of an update and of a forward pass.
        run: Gives the random numbers.
        name: Name of the draw, unique in the run.

    Returns:
        For each update its forward passes, and for each pass the indices of its samples.
    """
    return [
        update
        for epoch in range(epochs)
        for update in draw_updates(
            lengths,
            batch_tokens=optim.batch_tokens,
            pass_tokens=optim.pass_tokens,
            rng=run.rng(name, "epoch", epoch),
        )
    ]
