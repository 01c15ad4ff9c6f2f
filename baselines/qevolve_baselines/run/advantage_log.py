"""The advantages that Q-Evolve learns from, on disk, with their episode, critic and policy.

A run keeps ``advantages/round-K.jsonl.gz``: a line for each trajectory of D, in D's order. It tells
why an action was learnt: the episode of the action (task, seed, digest), its reward and label, V
and Q of the critic, and the digests of the weights of that critic and of the policy that collected,
which is π_old.
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

FOLDER = "advantages"
#: Name of the folder in runs of version 0.1.0 and earlier; the files are the same.
OLD_FOLDER = "judged"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class AdvantageRecord:
    """Values and advantages of one trajectory in a round; every list has an entry for each step.

    Attributes:
        round: Counted from 1.
        policy: SHA-256 of the weights of π_old.
        critic: SHA-256 of the critic's weights.
        expert: True for a demonstration, False for one of the policy's own.
        held_out: True if the critic was not trained on it.
        task_id: The task.
        seed: Seed of the episode.
        episode: Digest of the episode.
        won: Success.
        actions: The actions.
        feedback: The environment's feedback on each action.
        reward: r_env.
        label: r_aux.
        returns: Discounted return of what the critic learns, which V predicts.
        v: V(s_t).
        q: The smallest Q(s_t, a_t).
        advantage: A_t as the policy learns it, normalised and bounded.
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


def write_advantage_log(
    path: Path,
    chosen: Sequence[Trajectory],
    step_data: StepData,
    values: DataValues,
    advantages: Floats,
    *,
    number: int,
    gamma: float,
    policy: str,
    critic: str,
) -> None:
    """Writes the records of a round.

    Args:
        path: The file.
        chosen: D.
        step_data: Data of its steps.
        values: Values of its steps.
        advantages: Advantages of its steps, shape (steps,).
        number: Number of the round.
        gamma: γ.
        policy: Digest of π_old.
        critic: Digest of the critic.
    """
    from qevolve_baselines.losses import discounted_returns  # Readers need no torch.

    path.parent.mkdir(parents=True, exist_ok=True)
    returns = discounted_returns(step_data.r_critic, step_data.bounds, gamma)
    # Without a name and a time in its head, a resumed run writes the same bytes.
    with replacing(path) as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
        for i, trajectory in enumerate(chosen):
            span = slice(step_data.bounds[i], step_data.bounds[i + 1])
            episode = trajectory.episode

            def of(array: Floats, span: slice = span) -> list[float]:
                return [float(f"{x:.6g}") for x in array[span]]

            record = AdvantageRecord(
                round=number,
                policy=policy,
                critic=critic,
                expert=bool(np.any(step_data.expert[span])),
                held_out=bool(step_data.held_out[i]),
                task_id=episode.task_id,
                seed=episode.seed,
                episode=episode.digest,
                won=episode.won,
                actions=[step.action for step in episode.steps],
                feedback=[step.feedback for step in episode.steps],
                reward=of(step_data.r_env),
                label=of(step_data.r_aux),
                returns=of(returns),
                v=of(values.v),
                q=of(values.q),
                advantage=of(advantages),
            )
            line = json.dumps({"schema": SCHEMA, **asdict(record)})
            stream.write(line.encode("ascii") + b"\n")


def read_advantage_log(path: Path) -> Iterator[AdvantageRecord]:
    """Reads the records of a round.

    Raises:
        BadFile: With the file and line, when it is something else or damaged.
    """
    names = {field.name for field in fields(AdvantageRecord)}
    number = 0
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            for line in stream:
                number += 1
                raw: Any = json.loads(line)
                if not isinstance(raw, dict) or {"schema", *names} != set(raw):
                    raise ValueError("it is no record of q_evolve's advantages")
                if raw.pop("schema") != SCHEMA:
                    raise ValueError(f"its schema is not {SCHEMA}, which this release reads")
                yield _checked(AdvantageRecord(**raw))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"{path}, line {number}: {reason}.") from None
    if not number:
        raise BadFile(f"{path} holds no trajectory.")


def _checked(one: AdvantageRecord) -> AdvantageRecord:
    """Refuses fields of other kinds, and lists that are not of one length."""
    kinds: dict[str, Any] = {
        "str": str,
        "bool": bool,
        "int": int,
        "list[str]": str,
        "list[float]": (int, float),
    }
    for field in fields(AdvantageRecord):
        value, kind = getattr(one, field.name), str(field.type)
        listed = kind.startswith("list")
        if listed and (not isinstance(value, list) or len(value) != len(one.actions)):
            raise ValueError(f"{field.name} must be a list with an entry for each action")
        for item in value if listed else [value]:
            if not isinstance(item, kinds[kind]):
                raise ValueError(f"{field.name} holds {item!r}")
    return one
