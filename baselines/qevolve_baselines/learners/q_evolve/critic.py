"""Weighted IQL (Kostrikov et al. 2022): Q-Evolve's critic.

    (1)  L_V = E[|m - 1(u < 0)| u²],  u = Q̄(s_t, a_t) - V(s_t)
    (2)  L_Q = E[(r_{t+1} + γ V(s_{t+1}) - Q(s_t, a_t))²],  r = r_env + r_aux
    (4)  w_t = 0.5 (t/T + d) + 0.5,  d = 1 if the trajectory ended with a non-zero reward
    (5)  L_V = E[w_t |m - 1(u < 0)| u²],  L_Q = E[w_t (r_{t+1} + γ V(s_{t+1}) - Q(s_t, a_t))²]

Equations have the paper's numbers, see `qevolve_baselines.learners.q_evolve.learner`.

E is over the steps of D, Q̄ the smallest Q of a target network, and V the online one, as in IQL.
Where `CriticConfig.critic_lambda` says so, the targets of L_Q are λ-returns. V and Q are heads of
one backbone; each round begins with a new critic and a new optimiser.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qevolve_baselines.data.batches import Batch, TokenizedEpisodes, passes_of
from qevolve_baselines.data.step_data import StepData
from qevolve_baselines.losses import Floats, generalised_advantages
from qevolve_baselines.model.critic import Critic, Values
from qevolve_baselines.model.forward import frozen
from qevolve_baselines.model.policy import weights_digest
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.cache import fingerprint
from qevolve_baselines.run.run import Run
from qevolve_baselines.training_loop import Update, draw_epochs, train_stage


@dataclass(slots=True)
class CriticConfig:
    """Settings of the critic, (1), (2), (4) and (5).

    Attributes:
        epochs: Passes over D.
        optim: See `OptimConfig`.
        shared: Heads on the policy's own frozen backbone instead of a separate one.
        q_heads: Number of Q heads.
        expectile: m of L_V; 0.5 is the mean.
        gamma: γ.
        target_tau: Speed τ with which the target network of Q̄ follows; 1 uses the online
            network itself.
        critic_lambda: λ of the return that Q is fitted to; 0 is the paper's one-step target.
        weight_time: The term t/T of w_t.
        weight_success: The term d of w_t.
        held_out: Share of the trajectories that the critic is tested on instead of trained on.
        data: ``hybrid``, the paper's D, or ``self``: V is then the value of the policy that
            collected, instead of a mixture with the expert's.
    """

    epochs: int = 6
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3, schedule="linear"))
    shared: bool = False
    q_heads: int = 2
    expectile: float = 0.7
    gamma: float = 0.99
    target_tau: float = 1.0
    critic_lambda: float = 0.9
    weight_time: bool = True
    weight_success: bool = True
    held_out: float = 0.05
    data: str = "self"


def step_weights(
    bounds: npt.NDArray[np.int64],
    rewarded: npt.NDArray[np.bool_],
    *,
    time: bool = True,
    success: bool = True,
) -> Floats:
    """(4): w_t = 0.5 (t/T + d) + 0.5 for each step, with t counted from 1; shape (steps,).

    Without either term it is 1, which is about what w_t is on the average.

    Args:
        bounds: Offsets at which the trajectories begin, and the end, shape (trajectories + 1,).
        rewarded: d: whether it ended with a non-zero reward, shape (trajectories,).
        time: Keep the term t/T.
        success: Keep the term d.
    """
    weights = np.ones(bounds[-1])
    if not (time or success):
        return weights
    for i, d in enumerate(rewarded):
        start, end = bounds[i], bounds[i + 1]
        progress = np.arange(1, end - start + 1) / max(1, end - start)
        weights[start:end] = 0.5 * (time * progress + success * float(d)) + 0.5
    return weights


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """|m - 1(u < 0)| u² of each u (Kostrikov et al. 2022, equation 5); shape (n,)."""
    weight = torch.where(difference < 0, 1 - expectile, expectile)
    return weight * difference.square()


def v_loss(v: Tensor, q_target: Tensor, weights: Tensor, expectile: float) -> Tensor:
    """(1) with the weights of (5): L_V; all of shape (n,)."""
    return (weights * expectile_loss(q_target.detach() - v, expectile)).mean()


def q_loss(q: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """(2) with the weights of (5): L_Q, summed over the Q heads.

    Args:
        q: Shape (heads, n).
        targets: r_{t+1} + γ V(s_{t+1}), shape (n,).
        weights: w_t, shape (n,).
    """
    return (weights * (targets.detach() - q).square()).mean(dim=-1).sum()


def train_critic(
    run: Run,
    name: str,
    critic: Critic,
    data: TokenizedEpisodes,
    step_data: StepData,
    config: CriticConfig,
) -> int:
    """(5): weighted IQL on the fixed D, by passes over whole transcripts.

    Returns:
        The tokens of all its updates.
    """
    held = np.repeat(step_data.held_out, np.diff(step_data.bounds))
    left_out = held | step_data.expert if config.data == "self" else held
    training = [i for i, sample in enumerate(data.sequences) if not left_out[sample.steps[0]]]
    lengths = [len(data.sequences[i].ids) for i in training]
    updates = [
        [[training[i] for i in indices] for indices in update]
        for update in draw_epochs(lengths, config.epochs, config.optim, run, name)
    ]
    trainer = Trainer(critic.parameters(), config.optim, len(updates), "critic")
    target = TargetNetwork(critic, config.target_tau) if config.target_tau < 1 else None
    if target is not None:
        run.track(f"{name} target", target)
    run.track(name, critic)
    run.track(f"{name} optimiser", trainer)
    # V(s_{t+1}) of a step whose successor stands in another transcript (after an overflow of the
    # context) is the one that was last computed for it.
    known = _LatestValues(np.zeros(data.steps))
    run.track(f"{name} values", known)
    rewards = step_data.r_critic
    critic.train()

    def add_losses(update: Update) -> None:
        for batch, fraction in passes_of(data, updates[update.index], data_device(critic)):
            of = batch.of.cpu().numpy()
            values = critic(batch)
            q_bar = (values if target is None else target(batch)).q.detach().min(dim=0).values
            v = values.v.detach()
            known.values[of] = v.double().cpu().numpy()
            targets = q_targets(rewards, known.values, step_data.bounds, of, config)
            weights = torch.from_numpy(step_data.weights[of]).to(values.v)
            loss_v = v_loss(values.v, q_bar, weights, config.expectile)
            loss_q = q_loss(values.q, torch.from_numpy(targets).to(values.v), weights)
            figures = {"loss_v": loss_v.item(), "loss_q": loss_q.item(), "v": v.mean().item()}
            update.backward(
                fraction.steps * (loss_v + loss_q),
                batch.size,
                {figure: fraction.steps * value for figure, value in figures.items()},
            )

    train_stage(
        run,
        name,
        len(updates),
        {"": trainer},
        add_losses,
        labels={"stage": name},
        after=None if target is None else lambda figures: target.follow(critic),
    )
    for tracked in (name, f"{name} optimiser", f"{name} values", f"{name} target"):
        run.drop(tracked)
    return config.epochs * sum(lengths)


def fit_critic(
    run: Run,
    name: str,
    critic: Critic,
    data: TokenizedEpisodes,
    step_data: StepData,
    config: CriticConfig,
) -> None:
    """`train_critic`, unless another run of the study has trained this critic on these data."""

    def inputs() -> str:
        # As it begins, also where the run is resumed in the middle: `train_critic` restores it.
        start = [weights_digest(critic), weights_digest(critic.network)]
        of_data = [data.bounds, data.token_steps, data.state_at, data.action_at]
        of_data += [np.array(sample.ids) for sample in data.sequences]
        of_facts = [step_data.r_critic, step_data.weights, step_data.expert, step_data.held_out]
        return fingerprint(name, start, asdict(config), *of_data, *of_facts)

    def train() -> dict[str, Any]:
        tokens = train_critic(run, name, critic, data, step_data, config)
        return {"weights": critic.state_dict(), "tokens": tokens}

    trained, fresh = run.common("critic", inputs, train)
    if not fresh:
        critic.load_state_dict(trained["weights"])
        run.ledger.trained_tokens += trained["tokens"]
        run.log(stage=name, taken="from another run")


@dataclass(slots=True)
class _LatestValues:
    """Latest V of every step, tracked so that a resumed run has them too."""

    values: Floats

    def state_dict(self) -> dict[str, Any]:
        return {"values": torch.from_numpy(self.values.copy())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.values = state_dict["values"].numpy().copy()


def data_device(module: torch.nn.Module) -> torch.device:
    """Device of a module's parameters."""
    return next(module.parameters()).device


def q_targets(
    rewards: Floats,
    values: Floats,
    bounds: npt.NDArray[np.int64],
    of: npt.NDArray[np.int64],
    config: CriticConfig,
) -> Floats:
    """Targets of Q in (2) for the steps `of`, shape of `of`.

    With ``critic_lambda`` 0 it is r_{t+1} + γ V(s_{t+1}), the paper's L_Q; else the λ-return
    G_t = r_{t+1} + γ ((1 - λ) V(s_{t+1}) + λ G_{t+1}), which is V(s_t) plus the generalised
    advantage.
    """
    # Only the trajectories that the batch touches are gone through.
    first = np.unique(np.searchsorted(bounds, of, side="right") - 1)
    spans = [np.arange(bounds[i], bounds[i + 1]) for i in first]
    index = np.concatenate(spans)
    local = np.concatenate([[0], np.cumsum([len(span) for span in spans])])
    gained = generalised_advantages(
        rewards[index], values[index], local, config.gamma, config.critic_lambda
    )
    returns = gained + values[index]
    result: Floats = returns[np.searchsorted(index, of)]
    return result


class TargetNetwork:
    """A network that follows another one slowly: θ̄ ← θ̄ + τ (θ - θ̄).

    Args:
        online: The network that is followed.
        tau: τ.
    """

    def __init__(self, online: Critic, tau: float) -> None:
        self.tau = tau
        self._network = frozen(online)
        # A step of a share τ is less than bfloat16 resolves, so exact copies follow.
        self._exact = [p.float() for p in self._network.parameters()]

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Values:
        """Its values of the steps of a batch."""
        values: Values = self._network(batch)
        return values

    @torch.no_grad()
    def follow(self, online: Critic) -> None:
        """One step towards the online network."""
        pairs = zip(self._exact, online.parameters(), strict=True)
        for exact, fast in pairs:
            exact.lerp_(fast.float(), self.tau)
        self._round()

    def _round(self) -> None:
        for slow, exact in zip(self._network.parameters(), self._exact, strict=True):
            slow.copy_(exact)

    def state_dict(self) -> dict[str, Any]:
        """For `Run.track`."""
        return {"exact": self._exact}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """For `Run.track`."""
        for exact, saved in zip(self._exact, state_dict["exact"], strict=True):
            exact.copy_(saved)
        self._round()
