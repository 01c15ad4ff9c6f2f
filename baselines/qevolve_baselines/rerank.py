"""Re-ranking: of several sampled actions, the one that a critic thinks best is played.

It is what Q-Evolve is compared with when the question is whether its critic has to train the policy
at all (an ablation of its paper): the policy stays as it is, and the critic chooses at test time.

    a = argmax over k samples a_i ~ π of min over the Q heads of Q(s, a_i)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from qevolve_baselines.data.batches import bucketed
from qevolve_baselines.model.agent import PolicyAgent, episode_uniforms
from qevolve_baselines.model.critic import Critic
from qevolve_baselines.model.decoding import Sampled
from qevolve_baselines.model.policy import Policy
from qevolve_envs.errors import BadFile

#: The critic beside a saved policy.
CRITIC_FILE = "critic.pt"
#: Padded tokens of a forward pass of the critic.
PASS_TOKENS = 16_384


class RerankedPolicy(Policy):
    """A policy whose actions a critic chooses at test time.

    Args:
        policy: The policy; its model and tokenizer are shared with this one.
        critic: Gives the values of actions.
        candidates: k.
        temperature: Temperature of sampling.
    """

    def __init__(
        self, policy: Policy, critic: Critic, *, candidates: int, temperature: float
    ) -> None:
        super().__init__(policy.model, policy.tokenizer, policy.transcript_config)
        self.critic = critic.eval()
        self.candidates = candidates
        self.temperature = temperature

    @classmethod
    def load(cls, path: str | Path, **loading: Any) -> RerankedPolicy:
        """Loads what `save` wrote; the arguments are those of `Policy.load`.

        Raises:
            BadFile: When the critic is missing, or is none of this policy.
        """
        policy = Policy.load(path, **loading)
        file = Path(path) / CRITIC_FILE
        try:
            saved = torch.load(file, weights_only=True, map_location="cpu")
            critic = Critic(policy, q_heads=saved["q_heads"], shared=saved["shared"], seed=0)
            critic.load_state_dict(saved["weights"])
            return cls(
                policy,
                critic,
                candidates=saved["candidates"],
                temperature=saved["temperature"],
            )
        except (OSError, KeyError, TypeError, RuntimeError, ValueError, UnpicklingError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BadFile(f"{file} is not a critic of this policy: {reason}.") from None

    def _write(self, folder: Path) -> None:
        super()._write(folder)
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


def load_agent(
    path: str | Path, *, temperature: float = 0.0, decoder: str = "lockstep", **loading: Any
) -> PolicyAgent:
    """Loads a saved policy as the agent that it is at test time.

    Args:
        path: See `Policy.load`.
        temperature: See `agent_of`, as for the next one.
        decoder: One of `DECODERS`.
        **loading: Further arguments of `Policy.load`.
    """
    kind = RerankedPolicy if (Path(path) / CRITIC_FILE).is_file() else Policy
    return agent_of(kind.load(path, **loading), temperature=temperature, decoder=decoder)


def agent_of(policy: Policy, *, temperature: float = 0.0, decoder: str = "lockstep") -> PolicyAgent:
    """Makes a policy the agent that it is at test time.

    Args:
        policy: The policy; the critic of a `RerankedPolicy` chooses, whatever the temperature.
        temperature: Temperature of sampling; 0 takes the likeliest token.
        decoder: One of `DECODERS`.
    """
    if isinstance(policy, RerankedPolicy):
        return RerankAgent(policy, decoder=decoder)
    return PolicyAgent(policy, temperature=temperature, decoder=decoder)


@torch.no_grad()
def action_values(
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
        policy: Policy and critic.
        decoder: One of `decoding.DECODERS`.
    """

    def __init__(self, policy: RerankedPolicy, *, decoder: str = "lockstep") -> None:
        self._reranked = policy
        super().__init__(policy, temperature=policy.temperature, decoder=decoder)

    @property
    def _copies(self) -> int:
        return self._reranked.candidates

    def _answers(self, running: Sequence[list[int] | None]) -> list[Sampled]:
        """The favourite of each episode's candidates; every candidate is a row of the decoder."""
        k, width = self._reranked.candidates, self.policy.encoder.max_action_tokens
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
            asked, action_values(self._reranked.critic, transcripts), strict=True
        ):
            if q > best.get(episode, -np.inf):
                best[episode], chosen[episode] = q, candidate
        return chosen

    def describe(self) -> dict[str, Any]:
        """Describes the agent for the record of a result."""
        k = self._reranked.candidates
        return {**super().describe(), "kind": "reranked policy", "candidates": k}
