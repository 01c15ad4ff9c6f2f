"""Re-ranking: of several sampled actions, the one that a critic thinks best is played.

It is what Q-Evolve is compared with when the question is whether its critic has to train the policy
at all (an ablation of its paper): the policy stays as it is, and the critic chooses at test time.

    a = argmax over k samples a_i ~ π of min over the Q heads of Q(s, a_i)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from qevolve_baselines.data.batches import bucketed
from qevolve_baselines.model.agent import PolicyAgent, episode_uniforms
from qevolve_baselines.model.critic import Critic
from qevolve_baselines.model.decoding import Sampled
from qevolve_baselines.model.policy import CRITIC_FILE, Policy
from qevolve_envs.errors import BadFile

#: Padded tokens of a forward pass of the critic.
PASS_TOKENS = 16_384


@dataclass(slots=True)
class Reranker:
    """Chooses among a policy's actions.

    Attributes:
        critic: Judges them.
        candidates: k.
        temperature: Of the sampling.
    """

    critic: Critic
    candidates: int
    temperature: float

    def save(self, folder: Path) -> None:
        """Writes the critic beside a policy."""
        torch.save(
            {
                "candidates": self.candidates,
                "temperature": self.temperature,
                "q_heads": len(self.critic.q_heads),
                "shared": self.critic.shared,
                "weights": self.critic.state_dict(),
            },
            folder / CRITIC_FILE,
        )

    @classmethod
    def load(cls, folder: Path, policy: Policy) -> Reranker:
        """Reads what `save` wrote.

        Raises:
            BadFile: When it is something else.
        """
        try:
            saved = torch.load(folder / CRITIC_FILE, weights_only=True, map_location="cpu")
            critic = Critic(policy, q_heads=saved["q_heads"], shared=saved["shared"], seed=0)
            critic.load_state_dict(saved["weights"])
            return cls(critic.eval(), saved["candidates"], saved["temperature"])
        except (OSError, KeyError, TypeError, RuntimeError, ValueError, UnpicklingError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BadFile(
                f"{folder / CRITIC_FILE} is not a critic of this policy: {reason}."
            ) from None


@torch.no_grad()
def judge(
    critic: Critic, transcripts: Sequence[Sequence[int]], token_budget: int = PASS_TOKENS
) -> list[float]:
    """The smallest Q of the action that each transcript ends with.

    Args:
        critic: The critic.
        transcripts: Tokens up to and with the action's last one.
        token_budget: Padded tokens of a forward pass.
    """
    critic.eval()
    device = next(critic.parameters()).device
    found = np.zeros(len(transcripts))
    for indices in bucketed([len(ids) for ids in transcripts], token_budget):
        width = max(len(transcripts[i]) for i in indices)
        ids = np.zeros((len(indices), width), dtype=np.int64)
        for row, i in enumerate(indices):
            ids[row, : len(transcripts[i])] = transcripts[i]
        ends = torch.tensor([len(transcripts[i]) - 1 for i in indices], device=device)
        rows = torch.arange(len(indices), device=device)
        values = critic.at(torch.from_numpy(ids).to(device), (rows, ends), (rows, ends))
        found[indices] = values.q.min(dim=0).values.double().cpu().numpy()
    return [float(value) for value in found]


class RerankAgent(PolicyAgent):
    """A policy whose actions are chosen by a critic (see `PolicyAgent`).

    Args:
        policy: Its `reranker` chooses.
        decoder: One of `decoding.DECODERS`.
    """

    def __init__(self, policy: Policy, *, decoder: str = "lockstep") -> None:
        assert policy.reranker is not None
        self._reranker: Reranker = policy.reranker
        super().__init__(policy, temperature=self._reranker.temperature, decoder=decoder)

    @property
    def _copies(self) -> int:
        return self._reranker.candidates

    def _answers(self, running: Sequence[list[int] | None]) -> list[Sampled]:
        """The favourite of each episode's candidates; every candidate is a row of the decoder."""
        k, width = self._reranker.candidates, self.policy.encoder.max_action_tokens
        seeds = [task.seed for task in self._tasks]
        uniforms = episode_uniforms(seeds, self._turn, k * width).reshape(-1, width)
        sampled = self._turn_of([ids for ids in running for _ in range(k)], uniforms)
        chosen: list[Sampled] = []
        asked: list[tuple[int, Sampled]] = []
        for episode, ids in enumerate(running):
            distinct = {tuple(s.ids): s for s in sampled[k * episode : k * (episode + 1)]}
            chosen.append(next(iter(distinct.values())))
            if ids is not None and len(distinct) > 1:
                asked += [(episode, candidate) for candidate in distinct.values()]
        transcripts = [[*(running[e] or []), *candidate.ids] for e, candidate in asked]
        best: dict[int, float] = {}
        for (episode, candidate), q in zip(
            asked, judge(self._reranker.critic, transcripts), strict=True
        ):
            if q > best.get(episode, -np.inf):
                best[episode], chosen[episode] = q, candidate
        return chosen

    def describe(self) -> dict[str, Any]:
        """What a result records about the agent."""
        k = self._reranker.candidates
        return {**super().describe(), "kind": "reranked policy", "candidates": k}
