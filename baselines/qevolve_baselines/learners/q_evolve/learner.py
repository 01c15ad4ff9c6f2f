"""Q-Evolve: self-evolution by process rewards from a critic of in-distribution data.

Zhang, Fang, Chen, Pechenizkiy: "Self-evolving LLM agents with in-distribution Optimization", ICML
2026, arXiv 2606.07367. The loop is the paper's Algorithm 1, and equations have the paper's numbers:

1.  Behaviour cloning on D_expert gives π_BC.
2.  K rounds. In each, sample `per_task` trajectories per task with the current policy, D_self,
    refreshed each round; D = D_expert ∪ D_self; this policy is frozen as π_old.

    -   Retrospective labels r_aux from what the environment answered:

            (3)  r_fmt = -0.3 where the action was malformed, r_inv = -0.2 where it could not be
                 executed, r_repeat = -0.1 where the observation did not change
                 (WebShop: -0.3, 0, 0)

    -   A critic on the fixed D by weighted IQL, apart from the policy:

            (1)  L_V = E[|m - 1(u < 0)| u²],  u = Q̄(s_t, a_t) - V(s_t)
            (2)  L_Q = E[(r_{t+1} + γ V(s_{t+1}) - Q(s_t, a_t))²],  r = r_env + r_aux
            (4)  w_t = 0.5 (t/T + d) + 0.5,  d = 1 if the trajectory ended with a non-zero reward
            (5)  (1) and (2) with w_t before the square of each step

    -   Process rewards by GAE on r_env only:

            (6)  δ_t = r_env,t+1 + γ V(s_{t+1}) - V(s_t),  A_t = δ_t + λγ A_{t+1},  A_T = 0

    -   The policy on the same D by behaviour-proximal optimisation:

            (7)  maximise E[min(η_t A_t, clip(η_t, 1 - ε_low, 1 + ε_high) A_t)] - α KL(π ‖ π_ref),
                 η_t = π / π_old on the data's actions, ε_low = 0.8 > ε_high = 0.4

Step 1 is `qevolve_baselines.learners.sft.fit`; sampling is `qevolve_baselines.collect`; (3) is in
`labels`; (1), (2), (4) and (5) are in `critic`, on the network of `qevolve_baselines.model.critic`;
(6) is `process_rewards` here, by `losses.generalised_advantages`; (7) is in `update`.

**Settings.** What the paper says, what the preset ``paper`` takes, and what the default is, made
for small models from scratch:

============================  ==============  ===================  =================
field                         the paper       ``paper``            default
============================  ==============  ===================  =================
rounds (K)                    2; WebShop 3    2                    2
collect.per_task              3               3                    3
r_fmt, r_inv, r_repeat        -.3, -.2, -.1   the same             the same
critic.data                   D (hybrid)      hybrid               self
critic.epochs                 about 20        20                   6
critic.expectile (m)          not said        0.7                  0.7
critic.gamma (γ)              not said        0.99                 0.99
critic.target_tau (τ)         not said        0.005                1: online Q
critic.critic_lambda          0: one step     0                    0.9
critic.q_heads                not said        2, their minimum     2, their minimum
critic.held_out               not said        0                    0.05
gae_lambda (λ)                not said        0.95                 0.95
advantage_rewards             env             env                  env+aux
advantage_norm, _clip         not said        none                 scale, to ±3
policy.ratio                  not said        token                token
policy.clip_low, clip_high    0.8, 0.4        0.8, 0.4             0.8, 0.4
policy.kl (α)                 not said        0.1                  0.1
policy.reference (π_ref)      not said        bc                   bc
policy.kl_stop                not said        none                 1.0
policy.anchor                 none            0                    0
learning rates, epochs        not said        of models of         of models of
                                              billions             thousands
============================  ==============  ===================  =================

``paper_webshop`` is ``paper`` with WebShop's rounds and labels. The paper's rewards there and in
ScienceWorld are graded: `--env-arg reward=dense`. Its text is ReAct's,
`--transcript-config style=react`, in which demonstrations without thoughts have "Action:" alone;
the default is bare actions.

**The paper's ablations**, as settings: labels `r_fmt=0 r_inv=0 r_repeat=0`; w_t
`critic.weight_time=false critic.weight_success=false`, or one of them; `advantage=q_minus_v`;
`advantage=td`; GAE with r_aux `advantage_rewards=env+aux`; AWR `policy.objective=awr`; re-ranking
alone `rerank=4`, where the number of actions is our choice.

**Why the default departs from the paper's form**: each of these is known to fail for small models
made from scratch.

- *Targets.* `critic_lambda` > 0 replaces the one-step target of (2) by a λ-return along the
  trajectory, and `target_tau` 1 takes the online Q for Q̄. With slow one-step targets a few hundred
  updates leave V(s_0) near zero, every advantage then has the sign of the outcome, and Q-Evolve
  becomes self-imitation.
- *Data of the critic.* On ``hybrid`` data, V mixes the expert's future with the agent's. Where the
  two differ much, it is too high for the agent, whose valid actions then have negative advantages;
  ``self`` fits V to the agent's own episodes. Where the agent wins most of its episodes, that V is
  noise on the expert's states, and ``hybrid`` is the better choice (`qevolve-bench advantages`
  shows which it is).
- *λ.* 0.95 blames valid actions for a loop that comes later; 0 does not, and asks more of V.
- *Rewards of the advantage.* The critic has learnt r_env + r_aux. Inside a failing loop its V is
  negative, and GAE on r_env alone gives the next invalid action a positive advantage: the penalty
  lies behind it. ``env+aux`` puts the labels into the advantage. (A value of r_env alone would be
  consistent too, but the labels would then teach the policy nothing: that is the ablation without
  them.)
- *Normalisation.* `advantage_norm` and `advantage_clip` bound what one step can do.

**Choices that have no field, or are off by default.**

- An update draws its episodes at random. Batches of similar length, which are faster, are batches
  of similar outcome, because failures are long; a critic then swings between them.
- The KL of (7) is exact, over the whole vocabulary at the data's tokens. All probabilities, the
  expert's too, are taken at the temperature of collection.
- A_t stands on every token of the action. V behind the last step is 0, also where the horizon cut
  the episode off.
- d looks at the sum of an episode's rewards.
- V and Q are heads of one backbone, which begins as a copy of the policy's, unless `critic.shared`.
- `policy.anchor` adds cross-entropy on expert tokens, and `policy.negative_weight` scales negative
  advantages: neither is the paper's.
- Health checks (`unhealthy`) stop a round whose critic says something 0.35 away from the data's
  return of the first state, or rewards actions that could not be executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qevolve_baselines import parallel
from qevolve_baselines.collect import CollectConfig, collect_stage
from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.data.step_data import StepData
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.q_evolve.critic import CriticConfig, fit_critic, step_weights
from qevolve_baselines.learners.q_evolve.labels import retrospective_labels
from qevolve_baselines.learners.q_evolve.update import (
    OBJECTIVES,
    RATIOS,
    REFERENCES,
    PolicyConfig,
    improve,
)
from qevolve_baselines.learners.sft import SFTConfig, fit
from qevolve_baselines.losses import (
    Floats,
    discounted_returns,
    explained_variance,
    generalised_advantages,
    standardised,
)
from qevolve_baselines.model.critic import Critic, data_values
from qevolve_baselines.model.forward import data_logprobs, frozen
from qevolve_baselines.model.policy import Policy, weights_digest
from qevolve_baselines.rerank import RerankedPolicy
from qevolve_baselines.run.advantage_log import FOLDER, write_advantage_log
from qevolve_baselines.run.run import Round, Run
from qevolve_envs.core import Feedback
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.play import EnvConfig

ADVANTAGES = ("gae", "td", "q_minus_v")
ADVANTAGE_REWARDS = ("env", "env+aux")
NORMS = ("none", "centre", "standardise", "scale")
DATA = ("hybrid", "self", "expert")


@dataclass(slots=True)
class QEvolveConfig:
    """Q-Evolve.

    Attributes:
        rounds: K.
        bc: Behaviour cloning before the first round; 0 epochs when the policy is warm already.
        collect: Settings of sampling D_self; its `per_task` is the paper's 3.
        data: D: ``hybrid`` (expert and self), ``self`` or ``expert``.
        r_fmt: Label of a malformed action.
        r_inv: Label of one that could not be executed.
        r_repeat: Label of one after which the agent saw what it saw before.
        critic: Settings of the critic, (1), (2), (4) and (5).
        advantage: ``gae`` (the paper's), ``td`` (λ = 0), or ``q_minus_v``.
        advantage_rewards: ``env`` (the paper's), or ``env+aux``.
        gae_lambda: λ.
        advantage_norm: ``none`` (the paper's), ``centre``, ``standardise``, or ``scale`` (divides
            by the standard deviation, so that signs stay).
        advantage_clip: Largest size of an advantage, after that; 0 for no limit.
        policy: Settings of the policy's update, (7).
        rerank: 0 for Q-Evolve. With k > 0, the paper's ablation, the policy stays as it is, and at
            test time the critic chooses among k sampled actions.
        unhealthy: Effect of a failed health check: ``stop`` the run, or ``log`` it.
    """

    rounds: int = 2
    bc: SFTConfig = field(default_factory=lambda: SFTConfig(epochs=0))
    collect: CollectConfig = field(default_factory=CollectConfig)
    data: str = "hybrid"
    r_fmt: float = -0.3
    r_inv: float = -0.2
    r_repeat: float = -0.1
    critic: CriticConfig = field(default_factory=CriticConfig)
    advantage: str = "gae"
    advantage_rewards: str = "env+aux"
    gae_lambda: float = 0.95
    advantage_norm: str = "scale"
    advantage_clip: float = 3.0
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    rerank: int = 0
    unhealthy: str = "stop"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("data", self.data, DATA),
            ("critic.data", self.critic.data, ("hybrid", "self")),
            ("advantage", self.advantage, ADVANTAGES),
            ("advantage_rewards", self.advantage_rewards, ADVANTAGE_REWARDS),
            ("advantage_norm", self.advantage_norm, NORMS),
            ("objective", self.policy.objective, OBJECTIVES),
            ("ratio", self.policy.ratio, RATIOS),
            ("reference", self.policy.reference, REFERENCES),
            ("unhealthy", self.unhealthy, ("stop", "log")),
        ):
            if value not in known:
                raise UnknownName.of(name, value, known)
        if self.rerank < 0 or self.rerank == 1:
            raise BenchError(
                f"rerank is 0, or a number of actions to choose among, 2 or more, not"
                f" {self.rerank}."
            )
        if self.data == "expert" and self.critic.data == "self":
            raise BenchError(
                "With data=expert there are no episodes of the agent's own for its critic"
                " (critic.data=self): set critic.data=hybrid."
            )
        if not self.collect.temperature > 0:
            raise BenchError(
                "Q-Evolve learns from what it samples, which needs a collect.temperature above 0,"
                f" not {self.collect.temperature:g}."
            )


# ── the learner ─────────────────────────────────────────────────────────────


class QEvolve:
    """The learner (see `qevolve_baselines.learners.base.Learner`)."""

    config_class = QEvolveConfig
    parallel = True

    def __init__(self, config: QEvolveConfig) -> None:
        self.config = config

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Behaviour cloning, then K rounds."""
        config = self.config
        expert = [policy.encoder.demonstration(e) for e in demos if e.won and e.steps]
        if not expert and config.data != "self":
            raise BenchError(
                f"None of the {len(demos)} demonstrations is a success: give successful episodes,"
                " or learn from the agent's own alone (data=self)."
            )
        run.ledger.expert_episodes = len(expert)
        reference = frozen(run.reference or policy.model)
        run.track("policy", policy.model)
        if config.bc.epochs and expert:
            fit(run, "bc", policy, TokenizedEpisodes.of(expert), config.bc)
            if run.reference is None:
                # What π_ref is must survive a resume in the middle of a later round.
                reference.load_state_dict(run.once("bc weights", lambda: weights_of(policy.model)))
        trained = policy
        for current in run.rounds(config.rounds, policy):
            self._round(current, env, expert, policy, reference, run)
            trained = current.policy
        run.checkpoint(trained, final=True)
        return trained

    def _round(
        self,
        current: Round,
        env: EnvConfig,
        expert: list[Trajectory],
        policy: Policy,
        reference: Any,
        run: Run,
    ) -> None:
        config = self.config
        number, name = current.number, current.name
        # D; until (7) begins, the policy is π_old.
        own = collect_stage(run, name, policy, env, config.collect, current.remaining)
        chosen = {"hybrid": [*expert, *own], "self": own, "expert": expert}[config.data]
        data = TokenizedEpisodes.of(chosen)
        # (3) and (4)
        step_data = make_step_data(
            chosen, data, config, experts=0 if config.data == "self" else len(expert)
        )
        critic = Critic(
            policy,
            q_heads=config.critic.q_heads,
            shared=config.critic.shared,
            seed=run.torch_seed(name, "critic"),
        )

        def evaluate() -> dict[str, Tensor]:
            fit_critic(run, f"{name}-critic", critic, data, step_data, config.critic)  # (5)
            values = data_values(critic, data, config.critic.optim.pass_tokens)
            advantages = process_rewards(step_data, values.v, values.q, config)  # (6)
            report = health(step_data, values.v, advantages, config)
            run.log(stage=f"{name}-advantages", **report)
            if run.folder is not None and parallel.is_main():
                write_advantage_log(
                    run.folder / FOLDER / f"round-{number}.jsonl.gz",
                    chosen,
                    step_data,
                    values,
                    advantages,
                    number=number,
                    gamma=config.critic.gamma,
                    policy=weights_digest(policy.model),
                    critic=weights_digest(critic),
                )
            check_health(report, config, number)
            budget = config.policy.optim.pass_tokens
            temperature = config.collect.temperature
            if config.rerank:
                return dict(critic.state_dict())
            return {
                "advantages": torch.from_numpy(advantages),
                "old": torch.from_numpy(
                    data_logprobs(policy.model, data, temperature=temperature, token_budget=budget)
                ),
            }

        evaluated = run.once(f"{name}-advantages", evaluate)
        if config.rerank:
            critic.load_state_dict(evaluated)
            current.policy = RerankedPolicy(
                policy,
                critic,
                candidates=config.rerank,
                temperature=config.collect.temperature,
            )
            return
        if config.policy.reference == "old":
            weights = run.once(f"{name}-old", lambda: weights_of(policy.model))
            reference.load_state_dict(weights)
        improve(  # (7)
            run,
            f"{name}-policy",
            policy,
            reference,
            data,
            config.policy,
            advantages=evaluated["advantages"].numpy(),
            old=evaluated["old"],
            expert=step_data.expert,
            temperature=config.collect.temperature,
        )


def weights_of(model: Any) -> dict[str, Tensor]:
    """A copy of a model's weights."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


# ── the stages ──────────────────────────────────────────────────────────────


def make_step_data(
    chosen: Sequence[Trajectory], data: TokenizedEpisodes, config: QEvolveConfig, experts: int
) -> StepData:
    """Collects the data of the steps of D, whose first `experts` trajectories are the expert's."""
    steps = [s for t in chosen for s in t.episode.steps]
    rewarded = np.array([t.episode.total_reward != 0 for t in chosen])
    lengths = np.diff(data.bounds)
    feedback = [s.feedback for s in steps]
    every = round(1 / config.critic.held_out) if config.critic.held_out > 0 else 0
    index = np.arange(len(chosen))
    r_env = np.array([s.reward for s in steps], dtype=np.float64)
    r_aux = retrospective_labels(feedback, config.r_fmt, config.r_inv, config.r_repeat)
    return StepData(
        bounds=data.bounds,
        r_env=r_env,
        r_aux=r_aux,
        weights=step_weights(
            data.bounds,
            rewarded,
            time=config.critic.weight_time,
            success=config.critic.weight_success,
        ),
        feedback=np.array(feedback),
        expert=np.repeat(index < experts, lengths),
        success=np.array([t.episode.won for t in chosen]),
        # The order of the own episodes is a random one already.
        held_out=(index % every == every - 1) if every else np.zeros(len(chosen), dtype=bool),
    )


def process_rewards(step_data: StepData, v: Floats, q: Floats, config: QEvolveConfig) -> Floats:
    """(6): the advantage of every step of D, shape (steps,), normalised and bounded."""
    gamma = config.critic.gamma
    rewards = (
        step_data.r_env + step_data.r_aux
        if config.advantage_rewards == "env+aux"
        else step_data.r_env
    )
    if config.advantage == "q_minus_v":
        raw = q - v
    else:
        lam = config.gae_lambda if config.advantage == "gae" else 0.0
        raw = generalised_advantages(rewards, v, step_data.bounds, gamma, lam)
    normalised = normalise(raw, config.advantage_norm)
    if config.advantage_clip > 0:
        normalised = normalised.clip(-config.advantage_clip, config.advantage_clip)
    return normalised


def normalise(raw: Floats, norm: str) -> Floats:
    """Advantages under one of `NORMS`."""
    if norm == "centre":
        return np.asarray(raw - raw.mean())
    if norm == "standardise":
        return standardised(raw)
    if norm == "scale":
        return raw / max(float(raw.std()), 1e-8)
    return raw


def health(
    step_data: StepData, v: Floats, advantages: Floats, config: QEvolveConfig
) -> dict[str, Any]:
    """Measures a critic before a policy is trained on it.

    Returns:
        Mean V(s_0) and the mean return that it should predict (over all of D, discounted, of the
        rewards that the critic learns, under its weights); explained variance of the return along
        held-out trajectories; the mean advantage by kind of feedback, and for expert steps.
    """
    returns = discounted_returns(step_data.r_critic, step_data.bounds, config.critic.gamma)
    starts = step_data.bounds[:-1]
    own = ~step_data.expert[starts]
    fitted = own if config.critic.data == "self" else np.ones(len(starts), dtype=bool)
    weights = step_data.weights[starts] * fitted
    held = np.repeat(step_data.held_out, np.diff(step_data.bounds))
    report: dict[str, Any] = {
        "v0": float(np.average(v[starts], weights=weights)),
        "return0": float(np.average(returns[starts], weights=weights)),
        "explained_variance": explained_variance(v[~held], returns[~held]),
        "advantage_mean": float(advantages.mean()),
        "advantage_positive": float((advantages > 0).mean()),
    }
    if held.any():
        report["explained_variance_held_out"] = explained_variance(v[held], returns[held])
    won = step_data.success
    if own.any() and (won & own).any() and (~won & own).any():
        report["v0_won"] = float(v[starts][own & won].mean())
        report["v0_lost"] = float(v[starts][own & ~won].mean())
    for kind in Feedback:
        chosen = (step_data.feedback == kind.value) & ~step_data.expert
        if chosen.any():
            report[f"advantage_{kind.value}"] = float(advantages[chosen].mean())
    if step_data.expert.any():
        report["advantage_expert"] = float(advantages[step_data.expert].mean())
    return report


def check_health(report: dict[str, Any], config: QEvolveConfig, number: int) -> None:
    """Stops a run whose critic is far off.

    Raises:
        BenchError: When V(s_0) is far from the data's return, or when invalid actions have a
            positive mean advantage.
    """
    if config.unhealthy == "log":
        return
    gap = report["v0"] - report["return0"]
    # An expectile above one half is an optimist by design; that much is allowed to it.
    if abs(gap) > 0.35:
        raise BenchError(
            f"Round {number}: the critic says {report['v0']:.2f} of the first state, where the"
            f" data's return is {report['return0']:.2f}: train it longer (critic.epochs), with a"
            " higher critic.optim.lr or critic.critic_lambda, or set unhealthy=log to go on all the"
            " same."
        )
    invalid = report.get("advantage_invalid", -1.0)
    if invalid > 0:
        raise BenchError(
            f"Round {number}: actions that could not be executed have a mean advantage of"
            f" {invalid:+.2f}, so the policy would learn them: set"
            " advantage_rewards=env+aux, train the critic longer, or set unhealthy=log to go on all"
            " the same."
        )
