"""Learners on probes: a policy of stated quality, a learner, and what became of it.

A run clones episodes of a probe's `behaviour`, lets a learner train within a budget of environment
steps, and measures the policy before and after, beside the closed forms of
`qevolve_envs.probe.theory`. Each learner's settings for models of this size are its preset
``probe``, chosen by hand in one to three trials: a probe shows what a learner can do, and is no
comparison of tuned learners.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from qevolve_baselines.collect import Collector
from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.learners.sft import SFTConfig, fit
from qevolve_baselines.model.policy import Policy, ScratchConfig, TranscriptConfig
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.rerank import agent_of
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.agent import Agent
from qevolve_envs.core import Feedback
from qevolve_envs.episode import Episode
from qevolve_envs.play import EnvConfig, draw_tasks
from qevolve_envs.probe import theory
from qevolve_envs.probe.worlds import make_probe

ENV_ID = "qevolve/Probe-v0"
#: Episodes of the behaviour that are cloned.
CLONED = 512
#: Tokens that cloning reads, however long the episodes are.
CLONING_TOKENS = 200_000
#: Environment steps that a learner may spend.
ENV_STEPS = 4_000
#: Episodes of each measurement.
MEASURED = 256


@dataclass(frozen=True, slots=True)
class Measurement:
    """A policy on a probe, sampled at temperature 1.

    Attributes:
        episodes: How many were played.
        won: How many were won.
        refused: Share of commands that were refused.
        malformed: Share of commands that are none.
    """

    episodes: int
    won: int
    refused: float
    malformed: float

    @property
    def success(self) -> float:
        """Share of episodes that were won."""
        return self.won / self.episodes


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One learner on one probe.

    Attributes:
        learner: Its name.
        kind: Of the probe.
        level: The dial.
        seed: Of everything that was drawn.
        before: The cloned policy.
        after: The trained policy.
        behaviour: Success of the behaviour, exactly.
        cloned_successes: Success of what one round of rejection sampling converges to, exactly.
        best: Success of the best policy, exactly.
        env_steps: Environment steps that the learner took.
        trained_tokens: Tokens that it trained on.
    """

    learner: str
    kind: str
    level: int
    seed: int
    before: Measurement
    after: Measurement
    behaviour: float
    cloned_successes: float
    best: float
    env_steps: int
    trained_tokens: int

    @property
    def regained(self) -> float:
        """Share of the way from the behaviour to the best policy; negative for a loss."""
        return (self.after.success - self.behaviour) / (self.best - self.behaviour)


def probe_env(kind: str, level: int) -> EnvConfig:
    """Returns the environment of a probe."""
    return EnvConfig(ENV_ID, kwargs={"kind": kind, "level": level})


def clone_behaviour(env: EnvConfig, seed: int) -> Policy:
    """Clones episodes of a probe's behaviour, won and lost, into a policy made from scratch."""
    with closing(env.make()) as made:
        behaviour: Agent = made.unwrapped.behaviour()  # type: ignore[attr-defined]
    episodes = _play(env, behaviour, CLONED, seed, "behaviour")
    policy = Policy.scratch(
        list(_texts(episodes)),
        ScratchConfig(hidden_size=32, layers=2, vocabulary=400),
        TranscriptConfig(context=512, max_action_tokens=8, max_observation_tokens=96),
        seed,
    )
    data = TokenizedEpisodes.of([policy.encoder.demonstration(episode) for episode in episodes])
    tokens = sum(len(sequence.ids) for sequence in data.sequences)
    optim = OptimConfig(lr=5e-3, batch_tokens=1024, schedule="linear")
    config = SFTConfig(epochs=max(2, round(CLONING_TOKENS / tokens)), optim=optim)
    fit(Run(seed=seed), "behaviour", policy, data, config)
    return policy


def play_probe(
    learner: str,
    kind: str,
    level: int,
    seed: int = 0,
    *,
    start: Policy | None = None,
    preset: str | None = "probe",
    settings: dict[str, object] | None = None,
    env_steps: int = ENV_STEPS,
) -> ProbeResult:
    """Trains a learner on a probe, without demonstrations of an expert.

    Args:
        learner: Its name.
        kind: Of the probe.
        level: The dial.
        seed: Of everything that is drawn.
        start: The policy to start from, which stays as it is; by default one of `clone_behaviour`.
        preset: Preset of the learner.
        settings: Settings over the preset.
        env_steps: Budget.

    Raises:
        BenchError: For an unknown name, or when the learner stops by itself as unhealthy.
    """
    env = probe_env(kind, level)
    probe = make_probe(kind, level)
    trainer = make_learner(learner, preset, settings)
    policy = copy.deepcopy(start) if start is not None else clone_behaviour(env, seed)
    before = measure(env, policy, seed)
    run = Run(seed=seed, budget=Budget(env_steps=env_steps))
    policy = trainer.train(env, [], policy, run)
    return ProbeResult(
        learner=learner,
        kind=kind,
        level=level,
        seed=seed,
        before=before,
        after=measure(env, policy, seed),
        behaviour=theory.success(probe, probe.behaviour),
        cloned_successes=theory.success(probe, theory.cloned_successes(probe, probe.behaviour)),
        best=theory.best_success(probe),
        env_steps=run.ledger.env_steps,
        trained_tokens=run.ledger.trained_tokens,
    )


def measure(env: EnvConfig, policy: Policy, seed: int, episodes: int = MEASURED) -> Measurement:
    """Plays episodes with a policy, by other seeds than those of training."""
    played = _play(env, agent_of(policy, temperature=1.0), episodes, seed, "measure")
    feedback = [step.feedback for episode in played for step in episode.steps]
    return Measurement(
        episodes=episodes,
        won=sum(episode.won for episode in played),
        refused=feedback.count(Feedback.INVALID) / len(feedback),
        malformed=feedback.count(Feedback.MALFORMED) / len(feedback),
    )


def _play(env: EnvConfig, agent: Agent, count: int, seed: int, name: str) -> list[Episode]:
    assignments = draw_tasks(env.task_ids(), count, seed, "probe", name)
    with closing(Collector(env, 128)) as collector:
        return [t.episode for t in collector.play(agent, assignments, name=name)]


def _texts(episodes: Iterable[Episode]) -> Iterable[str]:
    for episode in episodes:
        yield episode.goal
        yield episode.first_observation
        for step in episode.steps:
            yield step.action
            yield step.observation
