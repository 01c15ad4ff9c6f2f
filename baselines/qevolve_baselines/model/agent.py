"""A policy as an agent of the harness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_baselines.data.transcript import Transcript, Writer
from qevolve_baselines.model.decoding import Sampled
from qevolve_baselines.model.policy import Policy
from qevolve_envs.agent import TaskView
from qevolve_envs.errors import BenchError
from qevolve_envs.rng import SeedTree

_SEEDS = SeedTree(entropy=20260607)


def episode_uniforms(seeds: Sequence[int], turn: int, width: int) -> npt.NDArray[np.float64]:
    """The numbers that a turn's tokens are drawn with, shape (episodes, width).

    They depend on the episode's seed and the turn only, not on the batch it is played in.
    """
    return np.stack([_SEEDS.generator("policy", seed, turn).random(width) for seed in seeds])


class PolicyAgent:
    """A policy as an agent of the harness (see `qevolve_envs.agent.Agent`).

    Args:
        policy: Chooses the actions.
        temperature: Temperature of sampling; 0 takes the likeliest token.
        decoder: One of `DECODERS`.
    """

    def __init__(
        self, policy: Policy, *, temperature: float = 0.0, decoder: str = "lockstep"
    ) -> None:
        if temperature < 0:
            raise BenchError(f"A temperature must be 0 or more, not {temperature}.")
        self.policy = policy
        self.temperature = temperature
        self._decoder = policy.decoder(decoder)
        self._writers: list[Writer | None] = []
        self._tasks: list[TaskView] = []
        self._turn = 0
        self._usage: list[tuple[int, int]] = []

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins a batch of episodes."""
        self._tasks = list(tasks)
        self._writers = [None] * len(tasks)
        self._turn = 0
        self.policy.model.eval()
        self._decoder.begin(len(tasks) * self._copies)

    def act(self, observations: Sequence[str | None]) -> list[str]:
        """Samples one action for each episode that is still running."""
        encoder = self.policy.encoder
        for i, observation in enumerate(observations):
            writer = self._writers[i]
            if observation is None:
                continue
            if writer is None:
                self._writers[i] = Writer(encoder, self._tasks[i].goal, observation)
            else:
                writer.read(observation)
        running = [
            writer.current.ids if writer is not None and observation is not None else None
            for writer, observation in zip(self._writers, observations, strict=True)
        ]
        answers = self._answers(running)
        self._turn += 1
        self._usage = [
            (0 if ids is None else len(ids), len(answer.ids))
            for ids, answer in zip(running, answers, strict=True)
        ]
        commands = []
        for writer, ids, answer in zip(self._writers, running, answers, strict=True):
            if writer is not None and ids is not None:
                writer.write(answer.ids, answer.logprobs)
            commands.append(encoder.command(answer.ids))
        return commands

    @property
    def _copies(self) -> int:
        """Rows of the decoder for each episode."""
        return 1

    def _answers(self, running: Sequence[list[int] | None]) -> list[Sampled]:
        """An answer to each transcript."""
        uniforms = None
        if self.temperature > 0:
            seeds = [task.seed for task in self._tasks]
            width = self.policy.encoder.max_action_tokens
            uniforms = episode_uniforms(seeds, self._turn, width)
        return self._turn_of(running, uniforms)

    def _turn_of(
        self, running: Sequence[list[int] | None], uniforms: npt.NDArray[np.float64] | None
    ) -> list[Sampled]:
        encoder = self.policy.encoder
        return self._decoder.turn(
            running,
            uniforms,
            stop=encoder.wording.stop,
            max_new_tokens=encoder.max_action_tokens,
            temperature=self.temperature or 1.0,
        )

    def usage(self) -> list[tuple[int, int]]:
        """Tokens in the prompt, and tokens generated, for each episode's last action."""
        return self._usage

    def finish(self, index: int, observation: str) -> list[Transcript]:
        """Ends an episode of the batch with its last observation, and gives its transcripts."""
        writer = self._writers[index]
        if writer is None:
            return []
        writer.read(observation)
        return writer.transcripts

    def describe(self) -> dict[str, Any]:
        """Describes the agent for the record of a result."""
        return {
            "kind": "policy",
            "parameters": self.policy.parameters(),
            "weights": self.policy.digest(),
            "temperature": self.temperature,
            "transcript_config": asdict(self.policy.transcript_config),
        }
