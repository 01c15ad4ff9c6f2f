"""Episodes: the one record that demonstrations, rollouts, results and submissions share.

An episode is one JSON line. Its digest is a hash chain over everything that the environment
returned, so that a replay can say at which step two runs part.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quote
from pathlib import Path
from typing import Any

from qevolve_envs.core import Feedback
from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing

SCHEMA = 1


@dataclass(slots=True)
class Step:
    """One action and what the environment answered to it.

    Attributes:
        action: The text that the agent sent.
        observation: The text that came back.
        reward: The reward for this action.
        feedback: How the world took it (`Feedback`).
        score: Progress in [0, 1] after the action.
        prompt_tokens: Tokens read by the agent for this action; 0 where unknown.
        generated_tokens: Tokens written by the agent for this action; 0 where unknown.
    """

    action: str
    observation: str
    reward: float
    feedback: str
    score: float
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def to_json(self, observation: str | None = None) -> str:
        """The step as it stands in the line of its episode; refuses non-finite numbers.

        Args:
            observation: What `Episode.record` returned, where the caller still has it.
        """
        # By hand, because a runner writes every step while the environments are waiting; json
        # would take several times as long for the same text.
        if observation is None:
            observation = _quote(self.observation)
        return (
            f'{{"action":{_quote(self.action)},"observation":{observation},'
            f'"reward":{_number(self.reward)},"feedback":{_quote(self.feedback)},'
            f'"score":{_number(self.score)},"prompt_tokens":{self.prompt_tokens},'
            f'"generated_tokens":{self.generated_tokens}}}'
        )


@dataclass(slots=True)
class Episode:
    """One played task, complete enough to be replayed and re-scored.

    Attributes:
        env_id: Gymnasium id, with version.
        env_kwargs: Arguments of `gym.make` that change the task's world (JSON scalars); not those
            that only say where this machine keeps its data.
        task_id: The task, a pure function of which the initial state is.
        split: The panel it was drawn from.
        seed: Seed of the episode: of `env.reset`, and of the agent's own random draws.
        agent: Name of the agent.
        goal: The instruction.
        first_observation: What `reset` returned.
        steps: The actions and answers, in order.
        score: Final progress in [0, 1].
        won: Success.
        terminated: The environment ended the episode.
        truncated: The horizon ended the episode.
        error: Why the episode failed outside of the world (crash, hang …), or None.
        digest: SHA-256 chain over what the environment returned.
        schema: Version of this record.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    task_id: str
    split: str
    seed: int
    agent: str
    goal: str = ""
    first_observation: str = ""
    steps: list[Step] = field(default_factory=list)
    score: float = 0.0
    won: bool = False
    terminated: bool = False
    truncated: bool = False
    error: str | None = None
    digest: str = ""
    schema: int = SCHEMA

    def begin(self, observation: str, info: dict[str, Any]) -> None:
        """Records what `reset` returned."""
        self.goal = info["goal"]
        self.first_observation = observation
        self.score, self.won = float(info["score"]), bool(info["won"])
        # The text that `json.dumps` would make of ["", task, goal, observation, score, won].
        task = f"{_quote(self.task_id)},{_quote(self.goal)},{_quote(observation)}"
        self.digest = _sha256(f'["",{task},{self.score!r},{_BOOL[self.won]}]')

    def record(
        self,
        action: str,
        observation: str,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
        *,
        prompt_tokens: int = 0,
        generated_tokens: int = 0,
    ) -> str:
        """Records one step, as returned by `env.step`.

        Returns:
            The observation as JSON text, which the digest needs anyway: `Step.to_json` takes it.
        """
        feedback = _FEEDBACK.get(info["feedback"]) or Feedback(info["feedback"]).value
        self.score = score = float(info["score"])
        self.won, self.terminated, self.truncated = flags = (
            bool(info["won"]),
            bool(terminated),
            bool(truncated),
        )
        reward = float(reward)
        self.steps.append(
            Step(action, observation, reward, feedback, score, prompt_tokens, generated_tokens)
        )
        quoted = _quote(observation)
        # The text that `json.dumps` would make of [digest, observation, reward, feedback, score,
        # won, terminated, truncated], in a third of the time.
        self.digest = _sha256(
            f'["{self.digest}",{quoted},{reward!r},"{feedback}",{score!r},{_FLAGS[flags]}]'
        )
        return quoted

    @property
    def total_reward(self) -> float:
        """Sum of the rewards."""
        return math.fsum(step.reward for step in self.steps)

    def to_json(self, steps: Sequence[str] | None = None) -> str:
        """One line of JSON; refuses non-finite numbers.

        Args:
            steps: `Step.to_json` of each step, where the caller has them already.
        """
        if steps is None:
            steps = [step.to_json() for step in self.steps]
        error = "null" if self.error is None else _quote(self.error)
        return (
            f'{{"env_id":{_quote(self.env_id)},"env_kwargs":{_encode(self.env_kwargs)},'
            f'"task_id":{_quote(self.task_id)},"split":{_quote(self.split)},'
            f'"seed":{_number(self.seed)},"agent":{_quote(self.agent)},'
            f'"goal":{_quote(self.goal)},"first_observation":{_quote(self.first_observation)},'
            f'"steps":[{",".join(steps)}],"score":{_number(self.score)},'
            f'"won":{_BOOL[self.won]},"terminated":{_BOOL[self.terminated]},'
            f'"truncated":{_BOOL[self.truncated]},"error":{error},'
            f'"digest":{_quote(self.digest)},"schema":{_number(self.schema)}}}'
        )

    @classmethod
    def from_json(cls, line: str) -> Episode:
        """Parses one line, strictly.

        Raises:
            BadFile: For anything that is not exactly one episode of this schema.
        """
        try:
            raw = json.loads(
                line, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
            )
        except BadFile:
            raise
        except (ValueError, RecursionError) as error:
            raise BadFile(f"not a complete JSON line ({error})") from None
        if not isinstance(raw, dict):
            raise BadFile("not a JSON object")
        if "schema" not in raw:
            raise BadFile("not an episode, because it names no schema version")
        if raw["schema"] != SCHEMA:
            raise BadFile(f"schema version {raw['schema']!r}, this release reads {SCHEMA}")
        _check_fields("episode", raw, _EPISODE_FIELDS)
        for name, value in raw["env_kwargs"].items():
            if not (value is None or isinstance(value, str | int | float)):
                raise BadFile(f"env_kwargs has a {type(value).__name__} as {name!r}")
            _check_number("env_kwargs", name, value)
        steps = []
        for number, step in enumerate(raw["steps"], 1):
            if not isinstance(step, dict):
                raise BadFile(f"step {number} is not a JSON object")
            _check_fields(f"step {number}", step, _STEP_FIELDS)
            if step["feedback"] not in {f.value for f in Feedback}:
                raise BadFile(f"step {number} has unknown feedback {step['feedback']!r}")
            steps.append(Step(**step))
        return cls(**{**raw, "steps": steps})


_EPISODE_FIELDS: dict[str, tuple[type, ...]] = {
    "env_id": (str,),
    "env_kwargs": (dict,),
    "task_id": (str,),
    "split": (str,),
    "seed": (int,),
    "agent": (str,),
    "goal": (str,),
    "first_observation": (str,),
    "steps": (list,),
    "score": (int, float),
    "won": (bool,),
    "terminated": (bool,),
    "truncated": (bool,),
    "error": (str, type(None)),
    "digest": (str,),
    "schema": (int,),
}
_STEP_FIELDS: dict[str, tuple[type, ...]] = {
    "action": (str,),
    "observation": (str,),
    "reward": (int, float),
    "feedback": (str,),
    "score": (int, float),
    "prompt_tokens": (int,),
    "generated_tokens": (int,),
}


def _refuse_constant(name: str) -> float:
    raise BadFile(f"non-finite number {name}")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    raw = dict(pairs)
    if len(raw) != len(pairs):
        raise BadFile("a JSON object names a field twice")
    return raw


def _check_fields(what: str, raw: dict[str, Any], fields: dict[str, tuple[type, ...]]) -> None:
    for name in sorted(fields.keys() - raw.keys()):
        raise BadFile(f"{what} lacks the field {name!r}")
    for name in sorted(raw.keys() - fields.keys()):
        raise BadFile(f"{what} has an unknown field {name!r}")
    for name, types in fields.items():
        value = raw[name]
        # bool is an int in Python; a number must not be a truth value here.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise BadFile(f"{what} has a {type(value).__name__} as {name!r}")
        _check_number(what, name, value)


def _check_number(what: str, name: str, value: Any) -> None:
    # An overflowing literal such as 1e999 parses to infinity without any constant, and an integer
    # of hundreds of digits overflows in later computations.
    if isinstance(value, float) and not math.isfinite(value):
        raise BadFile(f"{what} has a non-finite number as {name!r}")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise BadFile(f"{what} has a number out of range as {name!r}")


def _number(value: float) -> str:
    """A number as `json.dumps` writes it."""
    if type(value) is int or (type(value) is float and _isfinite(value)):
        return repr(value)
    return _encode(value)


def _sha256(text: str) -> str:
    return _new_sha256(text.encode()).hexdigest()


# Looked up once: `record` runs for every step of every environment.
_isfinite, _new_sha256 = math.isfinite, hashlib.sha256
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_FEEDBACK = {feedback.value: feedback.value for feedback in Feedback}
_BOOL = ("false", "true")
_FLAGS = {
    flags: ",".join(_BOOL[flag] for flag in flags)
    for flags in itertools.product((False, True), repeat=3)
}


def write_episodes(path: Path | str, episodes: Iterable[Episode]) -> int:
    """Writes episodes as JSON lines, under a temporary name that is renamed when complete.

    Returns:
        The number of episodes written.

    Raises:
        BadFile: When the place cannot be written; nothing is left behind then.
    """
    count = 0
    with replacing(Path(path)) as stream:
        for episode in episodes:
            try:
                line = episode.to_json()
            except ValueError as error:  # A number that JSON cannot hold.
                raise BadFile(f"Cannot write {path}: {error}.") from None
            stream.write(line.encode("ascii") + b"\n")
            count += 1
    return count


def read_episodes(path: Path | str) -> Iterator[Episode]:
    """Reads JSON lines of episodes.

    Raises:
        BadFile: With the file's name and the line number of what is wrong.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                if not raw.endswith(b"\n"):
                    raise BadFile(f"{path}, line {number}: truncated (no newline at its end).")
                try:
                    yield Episode.from_json(raw.decode("utf-8"))
                except UnicodeDecodeError:
                    raise BadFile(f"{path}, line {number}: not UTF-8 text.") from None
                except BadFile as error:
                    raise BadFile(f"{path}, line {number}: {error}.") from None
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
