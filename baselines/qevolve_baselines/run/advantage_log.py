"""What Q-Evolve thought of every action: advantages with their episode, critic and policy.

A run keeps ``judged/round-K.jsonl.gz``: a line for each trajectory of D, in D's order. Whoever asks
why an action was learnt finds the episode that it stands in (task, seed, digest), its reward and
label, V and Q of the critic, and the digests of the weights of that critic and of the policy that
collected, which is π_old.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing

if TYPE_CHECKING:
    from qevolve_baselines.data.step_data import StepData
    from qevolve_baselines.data.transcript import Trajectory
    from qevolve_baselines.losses import Floats
    from qevolve_baselines.model.critic import DataValues

FOLDER = "judged"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Judged:
    """One trajectory as a round of Q-Evolve judged it; every list has an entry for each step.

    Attributes:
        round: Counted from 1.
        policy: SHA-256 of the weights of π_old.
        critic: SHA-256 of the critic's weights.
        expert: Whether it is a demonstration, and not one of the policy's own.
        held_out: Whether the critic was not trained on it.
        task_id: The task.
        seed: Seed of the episode.
        episode: Digest of the episode.
        won: Success.
        actions: What was sent.
        feedback: How the environment took it.
        reward: r_env.
        label: r_aux.
        returns: Discounted return of what the critic learns, which V predicts.
        v: V(s_t).
        q: The smallest Q(s_t, a_t).
        advantage: As the policy learns it: normalised and bounded.
    """

    round: int
    policy: str
    critic: str
    expert: bool
    held_out: bool
    task_id: str
    seed: int
    episode: str
    won: bool
    actions: list[str]
    feedback: list[str]
    reward: list[float]
    label: list[float]
    returns: list[float]
    v: list[float]
    q: list[float]
    advantage: list[float]


def write_judged(
    path: Path,
    chosen: Sequence[Trajectory],
    facts: StepData,
    values: DataValues,
    advantages: Floats,
    *,
    number: int,
    gamma: float,
    policy: str,
    critic: str,
) -> None:
    """Writes a round.

    Args:
        path: The file.
        chosen: D.
        facts: What is known of its steps.
        values: What the critic says of them.
        advantages: What came of it, shape (steps,).
        number: The round.
        gamma: γ.
        policy: Digest of π_old.
        critic: Digest of the critic.
    """
    from qevolve_baselines.losses import discounted_returns  # Readers need no torch.

    path.parent.mkdir(parents=True, exist_ok=True)
    returns = discounted_returns(facts.r_critic, facts.bounds, gamma)
    # Without a name and a time in its head, a resumed run writes the same bytes.
    with replacing(path) as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
        for i, trajectory in enumerate(chosen):
            span = slice(facts.bounds[i], facts.bounds[i + 1])
            episode = trajectory.episode

            def of(array: Floats, span: slice = span) -> list[float]:
                return [float(f"{x:.6g}") for x in array[span]]

            record = Judged(
                round=number,
                policy=policy,
                critic=critic,
                expert=bool(np.any(facts.expert[span])),
                held_out=bool(facts.held_out[i]),
                task_id=episode.task_id,
                seed=episode.seed,
                episode=episode.digest,
                won=episode.won,
                actions=[step.action for step in episode.steps],
                feedback=[step.feedback for step in episode.steps],
                reward=of(facts.r_env),
                label=of(facts.r_aux),
                returns=of(returns),
                v=of(values.v),
                q=of(values.q),
                advantage=of(advantages),
            )
            line = json.dumps({"schema": SCHEMA, **asdict(record)})
            stream.write(line.encode("ascii") + b"\n")


def read_judged(path: Path) -> Iterator[Judged]:
    """Reads what `write_judged` wrote.

    Raises:
        BadFile: With the file and line, when it is something else or damaged.
    """
    names = {field.name for field in fields(Judged)}
    number = 0
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            for line in stream:
                number += 1
                raw: Any = json.loads(line)
                if not isinstance(raw, dict) or {"schema", *names} != set(raw):
                    raise ValueError("it is no trajectory that q_evolve has judged")
                if raw.pop("schema") != SCHEMA:
                    raise ValueError(f"its schema is not {SCHEMA}, which this release reads")
                yield _checked(Judged(**raw))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"{path}, line {number}: {reason}.") from None
    if not number:
        raise BadFile(f"{path} holds no trajectory.")


def _checked(one: Judged) -> Judged:
    """Refuses fields of other kinds, and lists that are not of one length."""
    kinds: dict[str, Any] = {
        "str": str,
        "bool": bool,
        "int": int,
        "list[str]": str,
        "list[float]": (int, float),
    }
    for field in fields(Judged):
        value, kind = getattr(one, field.name), str(field.type)
        listed = kind.startswith("list")
        if listed and (not isinstance(value, list) or len(value) != len(one.actions)):
            raise ValueError(f"{field.name} must be a list with an entry for each action")
        for item in value if listed else [value]:
            if not isinstance(item, kinds[kind]):
                raise ValueError(f"{field.name} holds {item!r}")
    return one
