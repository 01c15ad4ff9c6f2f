"""PPO with a token critic (Schulman et al. 2017).

Each iteration samples episodes; every token that the agent wrote is an action:

    A_i = δ_i + γ λ A_{i+1},   δ_i = r_i + γ V_{i+1} - V_i         over the action tokens i
    L_π = - min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) + β KL(π ‖ π_ref),   ρ = π / π_old
    L_V = max((V - G)², (clip(V, V_old - c, V_old + c) - G)²),     G = A + V_old

with γ = λ = 1, so that A = G - V_old, and rewards on the last token of an action: the episode's on
the last of all, the price of a refused action on its own. Advantages are standardised over the
iteration. Policy, critic and both optimisers persist over iterations.

Departures: in verl-agent every step is a sample of its own; here an episode is one sequence, all of
which the critic reads, in two passes (`epochs`), and a refused action's price reaches the tokens
before it as any reward does. Rates are those of a small model made from scratch (verl-agent's: 1e-6
and 1e-5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines.collect import CollectConfig
from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, bucketed, make_batch, passes_of
from qevolve_baselines.learners.base import NothingToLearn
from qevolve_baselines.learners.on_policy import (
    HealthLimits,
    check_online,
    iterations,
    log_iteration,
    play_groups,
    refused_steps,
    step_rewards,
)
from qevolve_baselines.learners.surrogate import OnPolicyData, token_weights
from qevolve_baselines.losses import (
    Floats,
    explained_variance,
    generalised_advantages,
    standardised,
)
from qevolve_baselines.model.forward import frozen
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.model.value import ValueNetwork
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage
from qevolve_envs.episode import Episode
from qevolve_envs.play import EnvConfig


@dataclass(slots=True)
class PPOConfig:
    """PPO.

    Attributes:
        iterations: Most iterations; 0 goes on until the budget is spent.
        collect: Settings of sampling an iteration's episodes. Tasks need no groups.
        dense: Weight of the progress score's increase in the reward of a step.
        penalty: Cost of an invalid or malformed action.
        gamma: γ, per token.
        gae_lambda: λ, per token.
        whiten: Standardise the advantages of an iteration.
        epochs: Passes over an iteration's episodes, for the policy and the critic alike.
        clip: ε.
        kl: β.
        value_clip: c; 0 does not clip.
        critic_warmup: Iterations in which the critic alone is trained.
        shared: Read values off the policy's own hidden states, without training them, instead of
            off a second network that begins as a copy of it.
        optim: Optimiser of the policy; `batch_tokens` decides how many updates an iteration makes.
        critic_optim: Optimiser of the critic.
        limits: Limits beyond which the run stops.
    """

    iterations: int = 0
    collect: CollectConfig = field(default_factory=lambda: CollectConfig(tasks=128, per_task=1))
    dense: float = 0.0
    penalty: float = 0.1
    gamma: float = 1.0
    gae_lambda: float = 1.0
    whiten: bool = True
    epochs: int = 2
    clip: float = 0.2
    kl: float = 0.01
    value_clip: float = 0.5
    critic_warmup: int = 0
    shared: bool = False
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-4))
    critic_optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3))
    limits: HealthLimits = field(default_factory=HealthLimits)

    def __post_init__(self) -> None:
        check_online("PPO", self.collect, self.optim)
        check_online("PPO", self.collect, self.critic_optim)


# ── the critic ──────────────────────────────────────────────────────────────


def before_tokens(critic: ValueNetwork, batch: Batch) -> Tensor:
    """The value of what stands before each action token of a batch, shape (n,)."""
    values: Tensor = critic(batch.ids, batch.rows, batch.columns - 1)
    return values


@torch.no_grad()
def token_values(critic: ValueNetwork, data: TokenizedEpisodes, token_budget: int) -> Floats:
    """The value before every action token of the data, shape (tokens,)."""
    critic.eval()
    device = critic.head.weight.device
    values = np.zeros(data.tokens)
    for indices in bucketed([len(s.ids) for s in data.sequences], token_budget):
        batch = make_batch(data, indices, device)
        values[batch.tokens.cpu().numpy()] = before_tokens(critic, batch).double().cpu().numpy()
    return values


# ── advantages and the loss ─────────────────────────────────────────────────


def token_rewards(rewards: Floats, data: TokenizedEpisodes) -> Floats:
    """Puts the reward of each step on the last token of its action, shape (tokens,)."""
    placed = np.zeros(data.tokens)
    placed[np.cumsum(data.step_tokens) - 1] = rewards
    return placed


def token_bounds(data: TokenizedEpisodes) -> npt.NDArray[np.int64]:
    """Offsets at which the action tokens of each episode begin, and the end, (episodes + 1,)."""
    before = np.concatenate([[0], np.cumsum(data.step_tokens)])
    bounds: npt.NDArray[np.int64] = before[data.bounds]
    return bounds


def value_loss(
    values: Tensor, old: Tensor, returns: Tensor, weights: Tensor, clip: float
) -> Tensor:
    """L_V: the squared error, or that of a value which stays near its old one if that is larger.

    Args:
        values: V of each token, shape (n,), as all that follows.
        old: V_old.
        returns: G.
        weights: From `token_weights`; over an update they add up to one.
        clip: c; 0 does not clip.
    """
    error = (values - returns).square()
    if clip > 0:
        near = old + (values - old).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns).square())
    return (weights * error).sum()


# ── the learner ─────────────────────────────────────────────────────────────


class PPO:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = PPOConfig
    parallel = True

    def __init__(self, config: PPOConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Iterations of sampling and improving; demonstrations are not used."""
        config = self.config
        reference = frozen(run.reference or policy.model) if config.kl else None
        critic = ValueNetwork(policy, shared=config.shared)
        actor = Trainer(policy.model.parameters(), config.optim, 1, "policy")
        critic_trainer = Trainer(critic.parameters(), config.critic_optim, 1, "critic")
        run.track("policy", policy.model)
        run.track("policy optimiser", actor)
        run.track("critic", critic)
        run.track("critic optimiser", critic_trainer)
        tasks = env.task_ids()
        for number, stage in iterations(run, config.iterations, "PPO"):
            groups = play_groups(run, number, stage, policy, env, tasks, config.collect)
            if actor.updates:
                config.limits.check_malformed(groups.shares, number)
            played = groups.trajectories
            own = OnPolicyData.of(
                played,
                np.zeros(sum(len(t.episode.steps) for t in played)),
                reference,
                config.collect.temperature,
                config.optim.pass_tokens,
            )
            costs = config.penalty * refused_steps(played)
            rewards = token_rewards(step_rewards(played, config.dense) - costs, own.data)

            def value_all(own: OnPolicyData = own) -> Tensor:
                budget = config.critic_optim.pass_tokens
                return torch.from_numpy(token_values(critic, own.data, budget))

            # The critic changes below, so its values at this point must survive a resume.
            values = run.once(f"{stage}-values", value_all).numpy()
            bounds = token_bounds(own.data)
            gained = generalised_advantages(
                rewards, values, bounds, config.gamma, config.gae_lambda
            )
            returns = gained + values
            own.advantages = torch.from_numpy(standardised(gained) if config.whiten else gained)
            log_iteration(
                run,
                number,
                groups,
                value=float(values[bounds[:-1]].mean()),
                returned=float(returns[bounds[:-1]].mean()),
                explained_variance=explained_variance(values, returns),
            )
            self._improve(
                run, number, stage, policy, critic, actor, critic_trainer, own, values, returns
            )
            run.checkpoint(policy)
        if not actor.updates:
            raise NothingToLearn(
                "No episode was rewarded more than another before the budget was spent, so PPO had"
                " nothing to learn from: start from a better policy (--init), give a larger budget,"
                " learn from progress as well (dense=1), or lower critic_warmup."
            )
        run.checkpoint(policy, final=True)
        return policy

    def _improve(
        self,
        run: Run,
        number: int,
        stage: str,
        policy: Policy,
        critic: ValueNetwork,
        actor: Trainer,
        critic_trainer: Trainer,
        own: OnPolicyData,
        values: Floats,
        returns: Floats,
    ) -> None:
        """Passes over an iteration's episodes, for policy and critic in turn."""
        config = self.config
        # Where no episode differs from another, there is nothing for the policy to learn.
        warm = number > config.critic_warmup and bool(own.advantages.any())
        updates = draw_epochs(own.data.lengths, config.epochs, config.optim, run, stage)
        old_values, all_returns = torch.from_numpy(values), torch.from_numpy(returns)
        policy.model.train()
        critic.train()

        def add_losses(update: Update) -> None:
            passes = updates[update.index]
            weights = token_weights(own.data, passes, "token", 1)
            for batch, fraction in passes_of(own.data, passes, policy.device):
                counted = weights if fraction.tokens else weights * 0
                if warm:
                    loss, figures = own.loss(
                        policy,
                        batch,
                        counted,
                        clip_low=config.clip,
                        clip_high=config.clip,
                        kl=config.kl,
                    )
                    update.backward(loss, batch.size, figures)
                found = before_tokens(critic, batch)
                pick = batch.tokens.cpu()
                loss = value_loss(
                    found,
                    old_values[pick].to(found),
                    all_returns[pick].to(found),
                    torch.from_numpy(counted)[pick].to(found),
                    config.value_clip,
                )
                update.backward(loss, critic.trained_tokens(batch), of="critic_")

        train_stage(
            run,
            f"{stage}-policy",
            len(updates),
            {"": actor, "critic_": critic_trainer} if warm else {"critic_": critic_trainer},
            add_losses,
            labels={"stage": "policy", "iteration": number},
            after=(lambda figures: config.limits.check_kl(figures, number)) if warm else None,
        )
