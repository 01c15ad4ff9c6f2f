"""GRPO and its relatives: groups of episodes of one task are their own baseline.

Each iteration samples G episodes for each of N tasks, and compares every episode with its group:

    A_i = (R_i - mean_g) / (std_g + 1e-6)                    (Shao et al. 2024, section 4.1.2)

on all of its action tokens; then one or more passes over them minimise

    L = - min(ρ A, clip(ρ, 1 - ε_low, 1 + ε_high) A) + β (π_ref/π - log(π_ref/π) - 1),  ρ = π/π_old

with π_old the policy that sampled, and π_ref the one that the run began with. The optimiser
persists over iterations. GiGPO (Feng et al. 2025) adds a second comparison, among the steps of a
group that stand at the same observation: A = A_episode + ω A_step.

Published variants are presets, each a few values of `GRPOConfig`'s fields:

==============  ==================================================================================
``deepseek``    GRPO (Shao et al. 2024): penalty=0, drop_flat=False, loss_mean=episode, kl=0.04
``verl_agent``  statistics=steps, drop_flat=False; its G=8, 16 tasks, clip .2, KL .01 and penalty
                .1 are the defaults
``dr_grpo``     Dr. GRPO (Liu et al. 2025): std=False, loss_mean=constant, kl=0, penalty=0,
                drop_flat=False
``dapo``        DAPO (Yu et al. 2025): clip_high=0.28, kl=0, penalty=0 (drop_flat and
                loss_mean=token are the defaults)
``rloo``        RLOO (Ahmadian et al. 2024): baseline=leave_one_out, std=False, drop_flat=False,
                penalty=0, and no clip
``loop``        LOOP (Chen et al. 2025): PPO's clip on RLOO's baseline, kl=0, epochs=2
``gigpo``       GiGPO (Feng et al. 2025): step_weight=1, step_gamma=0.95, as ``verl_agent`` else
==============  ==================================================================================

Departures: an episode is one sequence, whose earlier turns are context, where verl-agent makes a
sample of every step and shortens its history; DAPO's groups without variance are left out and not
sampled anew, so that every episode is on the ledger; π_old are the stored log-probabilities of
sampling, not computed again; the loss of RLOO is a mean over tokens, and its KL stands in the loss
instead of the reward; rates and sizes are those of a small model made from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.data.batches import passes_of
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.on_policy import (
    Groups,
    HealthLimits,
    advantage_shares,
    check_online,
    iterations,
    log_iteration,
    play_groups,
    refused_steps,
    step_rewards,
)
from qevolve_baselines.learners.surrogate import LOSS_MEANS, OnPolicyData, token_weights
from qevolve_baselines.losses import Floats, discounted_returns
from qevolve_baselines.model.forward import frozen
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.play import EnvConfig

BASELINES = ("mean", "leave_one_out")
STATISTICS = ("episodes", "steps")
PENALTIES = ("step", "episode")
EPSILON = 1e-6
#: Scores of a group that differ by less than this are equal: what is left is rounding.
FLAT = 1e-9


@dataclass(slots=True)
class GRPOConfig:
    """GRPO; see the module for the values that make it another algorithm.

    Attributes:
        iterations: Most iterations; 0 goes on until the budget is spent.
        collect: N = `tasks` groups of G = `per_task` episodes each, and the temperature.
        dense: Weight of the progress score in the return, besides the environment's reward.
        penalty: Cost of an invalid or malformed action.
        penalty_on: Part that pays the penalty: its own ``step``'s score alone, as verl-agent does,
            or the whole ``episode``'s return.
        baseline: Value that a score is compared with: the ``mean`` of its group, or the mean of the
            others in it, ``leave_one_out``.
        std: Divide by the group's standard deviation.
        statistics: Mean and deviation over ``episodes``, or over ``steps``, as verl-agent has it,
            where a long episode counts for more.
        drop_flat: Leave out groups whose scores are all the same. Otherwise their KL still counts.
        step_weight: ω of GiGPO's step advantage; 0 leaves it out.
        step_gamma: γ of its returns.
        epochs: Passes over an iteration's episodes.
        clip_low: ε_low.
        clip_high: ε_high.
        kl: β.
        loss_mean: Mean of the loss over the tokens of an update: one of `LOSS_MEANS`.
        loss_tokens: Divisor of an episode's sum for ``constant``.
        optim: See `OptimConfig`; `batch_tokens` decides how many updates an iteration makes.
        limits: Limits beyond which the run stops.
    """

    iterations: int = 0
    collect: CollectConfig = field(default_factory=lambda: CollectConfig(tasks=16, per_task=8))
    dense: float = 0.0
    penalty: float = 0.1
    penalty_on: str = "step"
    baseline: str = "mean"
    std: bool = True
    statistics: str = "episodes"
    drop_flat: bool = True
    step_weight: float = 0.0
    step_gamma: float = 0.95
    epochs: int = 1
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl: float = 0.01
    loss_mean: str = "token"
    loss_tokens: int = 256
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-4))
    limits: HealthLimits = field(default_factory=HealthLimits)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("penalty_on", self.penalty_on, PENALTIES),
            ("baseline", self.baseline, BASELINES),
            ("statistics", self.statistics, STATISTICS),
            ("loss_mean", self.loss_mean, LOSS_MEANS),
        ):
            if value not in known:
                raise UnknownName.of(name, value, known)
        if self.collect.per_task < 2:
            raise BenchError(
                f"GRPO compares episodes of one task, and groups of {self.collect.per_task} hold"
                " nothing to compare: set collect.per_task to 2 or more."
            )
        check_online("GRPO", self.collect, self.optim)


# ── advantages ──────────────────────────────────────────────────────────────


def step_scores(
    rewards: Floats,
    refused: npt.NDArray[np.bool_],
    bounds: npt.NDArray[np.int64],
    *,
    penalty: float,
    penalty_on: str,
) -> Floats:
    """Score of each step before any comparison, shape (steps,).

    It is the episode's return, less the penalty of this step (``step``), or of all of them.

    Args:
        rewards: Reward of each step, shape (steps,).
        refused: True for steps whose action was invalid or malformed, shape (steps,).
        bounds: Offsets at which the episodes begin, and the end, shape (episodes + 1,).
        penalty: See `GRPOConfig`.
        penalty_on: See `GRPOConfig`.
    """
    lengths = np.diff(bounds)
    costs = penalty * refused
    if penalty_on == "episode":
        return np.repeat(np.add.reduceat(rewards - costs, bounds[:-1]), lengths)
    scores: Floats = np.repeat(np.add.reduceat(rewards, bounds[:-1]), lengths) - costs
    return scores


def episode_advantages(
    scores: Floats,
    bounds: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    *,
    baseline: str,
    std: bool,
    statistics: str,
) -> Floats:
    """Compares the scores of steps with those of their group, shape (steps,).

    Steps of an episode differ by penalties only. A group counts its episodes alike, each by the
    mean of its steps, or counts every step. Groups of one episode, and groups in which all scores
    are the same, have advantage 0.

    Args:
        scores: From `step_scores`.
        bounds: Offsets at which the episodes begin, and the end, shape (episodes + 1,).
        group: The group of each episode, shape (episodes,).
        baseline: See `GRPOConfig`, as for what follows.
        std: Divide by the group's standard deviation (of a sample: n - 1).
        statistics: See `GRPOConfig`.
    """
    lengths = np.diff(bounds)
    means = np.add.reduceat(scores, bounds[:-1]) / lengths
    advantages = np.zeros_like(scores)
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        rows = [scores[bounds[i] : bounds[i + 1]] for i in members]
        every_step = np.concatenate(rows)
        if len(members) < 2 or np.ptp(every_step) < FLAT:
            continue
        counts = (
            lengths[members].astype(np.float64) if statistics == "steps" else np.ones(len(rows))
        )
        sums = counts * means[members]
        if baseline == "mean":
            compared = np.full(len(members), sums.sum() / counts.sum())
        else:
            compared = (sums.sum() - sums) / (counts.sum() - counts)
        # Within an episode scores differ by penalties, which is part of the spread: without it a
        # group of failures alike would have a deviation near 0 and enormous advantages.
        squares = [np.square(row - sums.sum() / counts.sum()) for row in rows]
        if statistics == "steps":
            variance = np.concatenate(squares).sum() / (len(every_step) - 1)
        else:
            variance = sum(square.mean() for square in squares) / (len(members) - 1)
        scale = np.sqrt(variance) + EPSILON if std else 1.0
        for i, row, base in zip(members, rows, compared, strict=True):
            advantages[bounds[i] : bounds[i + 1]] = (row - base) / scale
    return advantages


def step_advantages(
    returns: Floats,
    observations: Sequence[str],
    group: npt.NDArray[np.int64],
    *,
    std: bool,
) -> Floats:
    """GiGPO's A_step: compares the steps of a group that stand at the same observation.

    (R_t - mean) / (std + 1e-6), as in Feng et al. 2025; 0 where a step stands alone.

    Args:
        returns: R_t = Σ γ^(k-t) r_k of each step, shape (steps,).
        observations: Observation before each step.
        group: The group of each step's episode, shape (steps,).
        std: Divide by the standard deviation.
    """
    places: dict[tuple[int, str], list[int]] = {}
    for step, (number, text) in enumerate(zip(group.tolist(), observations, strict=True)):
        places.setdefault((number, text), []).append(step)
    advantages = np.zeros_like(returns)
    for steps in places.values():
        values = returns[steps]
        if len(steps) > 1 and np.ptp(values) >= FLAT:
            scale = values.std(ddof=1) + EPSILON if std else 1.0
            advantages[steps] = (values - values.mean()) / scale
    return advantages


def observations_before(trajectories: Sequence[Trajectory]) -> list[str]:
    """Lists the observation before each step."""
    return [
        text
        for t in trajectories
        for text in [t.episode.first_observation, *(s.observation for s in t.episode.steps[:-1])]
    ]


def group_advantages(groups: Groups, config: GRPOConfig) -> Floats:
    """The advantage of every step of an iteration, shape (steps,)."""
    lengths = np.array([len(t.episode.steps) for t in groups.trajectories])
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    rewards = step_rewards(groups.trajectories, config.dense)
    refused = refused_steps(groups.trajectories)
    scores = step_scores(
        rewards, refused, bounds, penalty=config.penalty, penalty_on=config.penalty_on
    )
    advantages = episode_advantages(
        scores,
        bounds,
        groups.group,
        baseline=config.baseline,
        std=config.std,
        statistics=config.statistics,
    )
    if config.step_weight:
        # As in verl-agent, a penalty costs its own step alone, and is not discounted backwards.
        returns = discounted_returns(rewards, bounds, config.step_gamma) - config.penalty * refused
        advantages += config.step_weight * step_advantages(
            returns,
            observations_before(groups.trajectories),
            np.repeat(groups.group, lengths),
            std=config.std,
        )
    return advantages


# ── the learner ───────────────────────────────────────────────────────────────


def select(groups: Groups, config: GRPOConfig) -> tuple[list[Trajectory], Floats]:
    """The episodes to learn from, and the advantages of their steps.

    A group that the end of the budget has left with one episode is left out, and so is one in which
    nothing differs, if the configuration says so, or if that is true of all of them.
    """
    advantages = group_advantages(groups, config)
    lengths = [len(t.episode.steps) for t in groups.trajectories]
    by_episode = np.split(advantages, np.cumsum(lengths)[:-1])
    moved = np.array([bool(np.any(a)) for a in by_episode])
    size = np.bincount(groups.group)
    keep = size[groups.group] > 1
    if config.drop_flat or not moved.any():
        keep &= np.bincount(groups.group, moved)[groups.group] > 0
    chosen = [t for t, kept in zip(groups.trajectories, keep, strict=True) if kept]
    return chosen, advantages[np.repeat(keep, lengths)]


class GRPO:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = GRPOConfig
    parallel = True

    def __init__(self, config: GRPOConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Iterations of sampling groups and improving on them; demonstrations are not used."""
        config = self.config
        model = policy.model
        reference = frozen(run.reference or model) if config.kl else None
        trainer = Trainer(model.parameters(), config.optim, 1, "policy")
        run.track("policy", model)
        run.track("policy optimiser", trainer)
        tasks = env.task_ids()
        for number, stage in iterations(run, config.iterations, "GRPO"):
            groups = play_groups(run, number, stage, policy, env, tasks, config.collect)
            if trainer.updates:
                config.limits.check_malformed(groups.shares, number)
            chosen, advantages = select(groups, config)
            log_iteration(
                run,
                number,
                groups,
                kept=len(chosen) / len(groups.trajectories),
                **advantage_shares(chosen, advantages),
            )
            if chosen:
                own = OnPolicyData.of(
                    chosen,
                    advantages,
                    reference,
                    config.collect.temperature,
                    config.optim.pass_tokens,
                )
                improve(run, number, stage, policy, trainer, own, config)
            run.checkpoint(policy)
        if not trainer.updates:
            raise NothingToLearn(
                "In no group did one episode do better than another, so GRPO had nothing to learn"
                " from: start from a better policy (--init), give a larger budget or larger groups"
                " (collect.per_task), or learn from progress as well (dense=1)."
            )
        run.checkpoint(policy, final=True)
        return policy


def improve(
    run: Run,
    number: int,
    stage: str,
    policy: Policy,
    trainer: Trainer,
    own: OnPolicyData,
    config: GRPOConfig,
) -> None:
    """Passes over an iteration's episodes.

    Args:
        run: The run.
        number: Number of the iteration.
        stage: Name of the iteration's stage.
        policy: The policy to train.
        trainer: Optimiser of the policy, which all iterations share.
        own: The episodes.
        config: Settings.
    """
    updates = draw_epochs(own.data.lengths, config.epochs, config.optim, run, stage)
    policy.model.train()

    def add_losses(update: Update) -> None:
        passes = updates[update.index]
        weights = token_weights(own.data, passes, config.loss_mean, config.loss_tokens)
        for batch, fraction in passes_of(own.data, passes, policy.device):
            loss, figures = own.loss(
                policy,
                batch,
                weights if fraction.tokens else weights * 0,
                clip_low=config.clip_low,
                clip_high=config.clip_high,
                kl=config.kl,
            )
            update.backward(loss, batch.size, figures)

    train_stage(
        run,
        f"{stage}-policy",
        len(updates),
        {"": trainer},
        add_losses,
        labels={"stage": "policy", "iteration": number},
        after=lambda figures: config.limits.check_kl(figures, number),
    )
