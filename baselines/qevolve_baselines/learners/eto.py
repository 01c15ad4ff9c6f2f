"""ETO: exploration-based trajectory optimisation (Song et al., ACL 2024).

After behaviour cloning, rounds of

1.  exploration: the policy π_ref plays the training tasks;
2.  pairs: a success τ_w and a failure τ_l of the same task;
3.  DPO on whole trajectories, on the tokens of actions alone:

        L = - log σ(β [log π(τ_w)/π_ref(τ_w) - log π(τ_l)/π_ref(τ_l)])

with π_ref the policy at the round's start. β is 0.1 in the first round and 0.5 later, and the
learning rate is halved once (1e-6, then 5e-7 for 7B parameters).

Departures: the paper's success is always the expert's; here it is the agent's own where it has one,
and the expert's where it has none but the demonstrations hold the task. A failure is an episode
that was not won, instead of one with a lower reward than the expert's. Rates are those of a small
model made from scratch, and batches hold a number of tokens. Cross-entropy on τ_w may be added
(`anchor`), which is no part of the paper: DPO alone may lower the probability of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from qevolve_baselines.collect import CollectConfig, collect_stage
from qevolve_baselines.data.batches import TokenizedEpisodes, make_batch
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.sft import SFTConfig, demonstrations, fit, sft_loss
from qevolve_baselines.model.forward import (
    action_logits,
    data_logprobs,
    segment_sum,
    token_figures,
)
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_policy
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.play import EnvConfig

EXPLORE = ("demos", "all")


@dataclass(slots=True)
class ETOConfig:
    """ETO.

    Attributes:
        bc: Behaviour cloning before the first round; 0 epochs when the policy is warm already.
        rounds: Number of rounds of exploration and DPO.
        explore: The tasks of the ``demos``, as in the paper (all tasks if there are none), or
            ``all``.
        collect: Settings of the exploration.
        pairs: Most pairs of one task and round.
        beta: β of the first round.
        beta_later: β of the others.
        lr_later: Factor of the learning rate after the first round.
        epochs: Passes over a round's pairs.
        anchor: Weight of cross-entropy on the successes; 0 is the paper's form.
        optim: See `OptimConfig`; `batch_tokens` counts both sides of a pair.
    """

    bc: SFTConfig = field(default_factory=lambda: SFTConfig(epochs=0))
    rounds: int = 3
    explore: str = "demos"
    collect: CollectConfig = field(default_factory=lambda: CollectConfig(per_task=1))
    pairs: int = 4
    beta: float = 0.1
    beta_later: float = 0.5
    lr_later: float = 0.5
    epochs: int = 1
    anchor: float = 0.0
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=3e-5, schedule="linear"))

    def __post_init__(self) -> None:
        if self.explore not in EXPLORE:
            raise UnknownName.of("explore", self.explore, EXPLORE)
        for name, value in (("rounds", self.rounds), ("pairs", self.pairs)):
            if value < 1:
                raise BenchError(f"ETO learns from pairs in rounds: {name} must be 1 or more.")
        if not self.collect.temperature > 0 and self.collect.per_task > 1:
            raise BenchError(
                "Without a collect.temperature above 0 all episodes of a task are the same: set"
                " collect.per_task=1."
            )


class Pair(NamedTuple):
    """A success and a failure of one task."""

    won: Trajectory
    lost: Trajectory


def make_pairs(own: Sequence[Trajectory], expert: Sequence[Trajectory], most: int) -> list[Pair]:
    """Pairs successes with failures of the same task.

    The n-th failure of a task goes with its n-th success, which come round again if they are fewer.

    Args:
        own: The agent's episodes.
        expert: Demonstrations, whose success counts where the agent has none.
        most: Pairs of one task, at most.
    """
    wins: dict[str, list[Trajectory]] = {}
    shown: dict[str, list[Trajectory]] = {}
    losses: dict[str, list[Trajectory]] = {}
    for trajectory in own:
        kind = wins if trajectory.episode.won else losses
        kind.setdefault(trajectory.episode.task_id, []).append(trajectory)
    for trajectory in expert:
        shown.setdefault(trajectory.episode.task_id, []).append(trajectory)
    pairs = []
    for task, failures in losses.items():
        successes = wins.get(task) or shown.get(task)
        if successes:
            count = min(most, len(failures))
            pairs += [Pair(successes[i % len(successes)], failures[i]) for i in range(count)]
    return pairs


class DPOFigures(NamedTuple):
    """The loss, and what stands in σ for each pair, shape (pairs,)."""

    loss: Tensor
    margin: Tensor


def dpo_loss(
    won: Tensor, lost: Tensor, reference_won: Tensor, reference_lost: Tensor, beta: float
) -> DPOFigures:
    """Trajectory DPO (Song et al. 2024; Rafailov et al. 2023, equation 7), mean over pairs.

    Args:
        won: log π(τ_w), the sum over its action tokens, shape (pairs,), as all that follow.
        lost: log π(τ_l).
        reference_won: log π_ref(τ_w).
        reference_lost: log π_ref(τ_l).
        beta: β.
    """
    margin = beta * ((won - reference_won) - (lost - reference_lost))
    return DPOFigures(-logsigmoid(margin).mean(), margin)


class ETO:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = ETOConfig

    def __init__(self, config: ETOConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Behaviour cloning, then rounds of exploration and DPO."""
        config = self.config
        expert = [policy.encoder.demonstration(e) for e in demos if e.won and e.steps]
        run.ledger.expert_episodes = len(expert)
        if run.spent and not run.ledger.episodes:
            axis = run.spent
            raise BenchError(
                f"The budget {axis}={getattr(run.budget, axis):g} is spent before ETO has played an"
                " episode: give a larger one."
            )
        run.track("policy", policy.model)
        if config.bc.epochs:
            fit(run, "bc", policy, demonstrations(policy, demos, run), config.bc)
        if config.explore == "demos" and expert:
            shown = {t.episode.task_id for t in expert}
            env = replace(env, tasks=tuple(t for t in env.task_ids() if t in shown))
            if not env.tasks:
                raise BenchError(
                    "None of the demonstrations is of a training task: explore all tasks"
                    " (explore=all), or give demonstrations of the tasks to learn on."
                )
        paired = 0
        for current in run.rounds(config.rounds, policy):
            name = current.name
            own = collect_stage(run, name, policy, env, config.collect, current.remaining)
            pairs = make_pairs(own, expert, config.pairs)
            paired += len(pairs)
            if pairs:
                self._improve(run, current.number, name, policy, pairs)
        if not paired:
            raise NothingToLearn(
                f"No pair of a success and a failure was found in {run.ledger.episodes} episodes,"
                " so ETO had nothing to compare: give demonstrations of the training tasks, sample"
                " more episodes per task (collect.per_task), or start from a better policy"
                " (--init)."
            )
        run.checkpoint(policy, final=True)
        return policy

    def _improve(
        self, run: Run, number: int, name: str, policy: Policy, pairs: Sequence[Pair]
    ) -> None:
        """DPO on a round's pairs."""
        config = self.config
        if run.done(f"{name}-policy"):
            return
        first = number == 1
        optim = replace(config.optim, lr=config.optim.lr * (1.0 if first else config.lr_later))
        beta = config.beta if first else config.beta_later
        # The sides of pair i are the trajectories 2 i and 2 i + 1.
        data = TokenizedEpisodes.of([side for pair in pairs for side in pair])
        side_of = (
            np.searchsorted(data.bounds, [s.steps[0] for s in data.sequences], side="right") - 1
        )
        samples = [np.flatnonzero(side_of // 2 == i).tolist() for i in range(len(pairs))]
        sizes = [sum(len(data.sequences[j].ids) for j in chosen) for chosen in samples]

        def remember() -> Tensor:
            """Log-probability of each side under π_ref, taken before the policy moves."""
            found = data_logprobs(
                policy.model, data, temperature=1.0, token_budget=optim.pass_tokens
            )
            sides = torch.from_numpy(side_of_tokens(data))
            return segment_sum(torch.from_numpy(found), sides, 2 * len(pairs))

        reference = run.once(f"{name}-reference", remember)
        updates = draw_epochs(sizes, config.epochs, optim, run, name)
        sides = torch.from_numpy(side_of_tokens(data))

        def add_losses(update: Update) -> None:
            total = sum(len(chosen) for chosen in updates[update.index])
            for chosen in updates[update.index]:
                batch = make_batch(data, [j for i in chosen for j in samples[i]], policy.device)
                logprobs = token_figures(action_logits(policy.model, batch), batch, 1.0).logprobs
                side = sides[batch.tokens.cpu()].to(policy.device)
                whole = segment_sum(logprobs, side, 2 * len(pairs)).view(-1, 2)[chosen]
                anchor = reference.to(whole).view(-1, 2)[chosen]
                loss, margin = dpo_loss(whole[:, 0], whole[:, 1], anchor[:, 0], anchor[:, 1], beta)
                if config.anchor:
                    loss = loss + config.anchor * sft_loss(logprobs, (side % 2 == 0).to(logprobs))
                share = len(chosen) / total
                moved = (whole - anchor).detach().mean(dim=0)
                figures = {
                    "margin": share * margin.mean().item(),
                    "accuracy": share * (margin > 0).float().mean().item(),
                    "moved_won": share * moved[0].item(),
                    "moved_lost": share * moved[1].item(),
                }
                update.backward(share * loss, batch.size, figures)

        stage, labels = f"{name}-policy", {"pairs": len(pairs)}
        train_policy(run, stage, policy, optim, len(updates), add_losses, labels=labels)


def side_of_tokens(data: TokenizedEpisodes) -> Any:
    """The trajectory of each action token, shape (tokens,)."""
    return np.searchsorted(data.bounds, data.token_steps, side="right") - 1
