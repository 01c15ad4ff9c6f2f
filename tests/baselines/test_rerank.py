"""Re-ranking: the action that the critic thinks best, of those that the policy would take."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from qevolve_baselines.collect import Collector
from qevolve_baselines.data.batches import TokenizedEpisodes
from qevolve_baselines.learners.q_evolve.learner import QEvolve, QEvolveConfig
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.critic import Critic, data_values
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.rerank import (
    RerankAgent,
    RerankedPolicy,
    action_values,
    agent_of,
    load_agent,
)
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.play import draw_tasks


def critic_of(policy: Policy, shared: bool = False) -> Critic:
    """A critic with opinions: its heads do not end in zeros."""
    critic = Critic(policy, q_heads=2, shared=shared, seed=3)
    generator = torch.Generator().manual_seed(5)
    for head in critic.q_heads:
        torch.nn.init.normal_(head[-1].weight, generator=generator)
    return critic.eval()


def reranked(candidates: int = 4, shared: bool = False) -> RerankedPolicy:
    policy = tiny.policy()
    critic = critic_of(policy, shared)
    return RerankedPolicy(policy, critic, candidates=candidates, temperature=1.0)


def played(policy: Policy, count: int = 6, decoder: str = "lockstep"):
    world = tiny.world()
    collector = Collector(world, count)
    try:
        agent = agent_of(policy, temperature=1.0, decoder=decoder)
        return collector.play(agent, draw_tasks(world.task_ids(), count, 0), name="x")
    finally:
        collector.close()


def test_action_values_are_those_of_whole_transcripts():
    trajectories = tiny.own_episodes(tiny.policy(), 5)
    critic = critic_of(tiny.policy())
    data = TokenizedEpisodes.of(trajectories)
    expected = data_values(critic, data, 4096).q
    transcripts = [
        t.ids[:end] for path in trajectories for t in path.transcripts for _, _, end in t.spans
    ]
    np.testing.assert_allclose(action_values(critic, transcripts, 256), expected, atol=1e-5)


def test_the_favourite_of_the_candidates_is_played(monkeypatch):
    policy = reranked()
    seen = []
    turn_of = PolicyAgent._turn_of

    def noted(self, running, uniforms):
        answers = turn_of(self, running, uniforms)
        seen.append(([ids and list(ids) for ids in running], answers))
        return answers

    monkeypatch.setattr(PolicyAgent, "_turn_of", noted)
    paths = played(policy)
    choices = 0
    for episode, path in enumerate(paths):
        (transcript,) = path.transcripts
        for turn, (_, start, end) in enumerate(transcript.spans):
            running, answers = seen[turn]
            rows = slice(4 * episode, 4 * episode + 4)
            assert running[4 * episode] == transcript.ids[:start]
            options = {tuple(a.ids) for a in answers[rows]}
            values = {o: action_values(policy.critic, [[*transcript.ids[:start], *o]])[0]
                      for o in options}  # fmt: skip
            taken = tuple(transcript.ids[start:end])
            assert values[taken] == pytest.approx(max(values.values()), abs=1e-5)
            choices += len(options) > 1
    assert choices > 10


def test_decoders_agree_on_what_is_played():
    lockstep, generate = (played(reranked(), decoder=d) for d in ("lockstep", "generate"))
    for ours, theirs in zip(lockstep, generate, strict=True):
        assert [s.action for s in ours.episode.steps] == [s.action for s in theirs.episode.steps]


@pytest.mark.parametrize("shared", [False, True])
def test_a_policy_is_saved_with_its_critic(shared, tmp_path):
    policy = reranked(shared=shared)
    policy.save(tmp_path / "policy")
    assert isinstance(load_agent(tmp_path / "policy"), RerankAgent)
    loaded = RerankedPolicy.load(tmp_path / "policy")
    assert type(Policy.load(tmp_path / "policy")) is Policy, "what is trained further is no agent"
    for ours, theirs in zip(played(policy), played(loaded), strict=True):
        assert [s.action for s in ours.episode.steps] == [s.action for s in theirs.episode.steps]
    (tmp_path / "policy" / "critic.pt").write_bytes(b"no critic")
    with pytest.raises(BadFile, match="not a critic of this policy"):
        load_agent(tmp_path / "policy")


def test_q_evolve_can_leave_the_policy_as_it_is(tmp_path):
    config = QEvolveConfig(rounds=1, rerank=3, unhealthy="log")
    config.collect.tasks, config.collect.per_task, config.critic.epochs = 8, 1, 3

    def trained(folder):
        before = tiny.warm_policy()
        start = [w.clone() for w in tiny.weights(before)]
        run = Run(seed=0, folder=folder, budget=Budget(env_steps=400))
        policy = QEvolve(config).train(tiny.world(), tiny.demos(), before, run)
        assert tiny.same(tiny.weights(policy), start)
        assert isinstance(policy, RerankedPolicy) and policy.candidates == 3
        return policy.critic

    first = trained(tmp_path / "run")
    assert any(p.abs().max() > 0 for p in first.v_head[-1].parameters())
    # A resumed run has the critic that was trained before it was killed.
    again = trained(tmp_path / "run")
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("k", [-1, 1])
def test_one_candidate_is_no_choice(k):
    with pytest.raises(BenchError, match="2 or more"):
        QEvolveConfig(rerank=k)
