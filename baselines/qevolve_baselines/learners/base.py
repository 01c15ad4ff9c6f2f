"""Learners: the protocol, and finding one by name.

A learner turns a policy into a better one, by demonstrations, by its own episodes, or both. It gets
everything from outside: the environment, the demonstrations, the policy to start from, and a
`Run` with the seed, the budget, the ledger and the place to save. A name is one of `LEARNERS`, an
entry point of the group ``qevolve_bench.learners``, or ``module:class``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol, runtime_checkable

from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run.config import build, merge, presets, read_preset
from qevolve_baselines.run.run import Run
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.play import EnvConfig

ENTRY_POINTS = "qevolve_bench.learners"
#: The learners that come with this package: name -> (module, class, one line).
LEARNERS: dict[str, tuple[str, str, str]] = {
    "sft": ("sft", "SFT", "behaviour cloning on demonstrations"),
    "rft": ("rft", "RFT", "SFT on demonstrations and the agent's own successes"),
    "eto": ("eto", "ETO", "trajectory preferences, success over failure"),
    "grpo": ("grpo", "GRPO", "groups of episodes against their own mean (RLOO, DAPO, GiGPO …)"),
    "ppo": ("ppo", "PPO", "clipped updates against a token critic"),
    "self_imitation": (
        "self_imitation.learner",
        "SelfImitation",
        "its own successes (SIL, SPEAR)",
    ),
    "q_evolve": ("q_evolve.learner", "QEvolve", "process rewards from an in-distribution critic"),
}


class NothingToLearn(BenchError):
    """No episode gave a learner a reason to change the policy, which it has left as it was."""


@runtime_checkable
class Learner(Protocol):
    """Protocol of a learner class, which is made with its configuration."""

    #: A dataclass with a default for every field.
    config_class: ClassVar[type]
    # A learner that may use several processes (see `qevolve_baselines.parallel`) also says
    # ``parallel: ClassVar[bool] = True``: see `trains_in_parallel`.

    def train(self, env: EnvConfig, demos: Sequence[Episode], policy: Policy, run: Run) -> Policy:
        """Trains a policy.

        Args:
            env: The environment to play in; its split is for training.
            demos: Successful episodes of an expert; may be empty.
            policy: To start from; it is changed.
            run: Seed, budget, ledger, metrics and saves (see `qevolve_baselines.run.run`).

        Returns:
            The trained policy, which may be the one that was given.

        Raises:
            NothingToLearn: When the policy's own episodes hold nothing to learn from.
            BenchError: For what else the user can mend.
        """


def find_learner(name: str) -> type[Any]:
    """The class of a learner.

    Raises:
        UnknownName: For a name that is known nowhere, with close matches.
        BenchError: When a learner cannot be loaded, or is none.
    """
    if name in LEARNERS:
        module, attribute, _ = LEARNERS[name]
        found = getattr(importlib.import_module(f"qevolve_baselines.learners.{module}"), attribute)
    else:
        points = {p.name: p for p in entry_points(group=ENTRY_POINTS)}
        if name in points:
            try:
                found = points[name].load()
            except Exception as error:
                raise BenchError(f"Cannot load learner {name!r}: {error}.") from error
        elif ":" in name:
            module, _, attribute = name.partition(":")
            try:
                found = getattr(importlib.import_module(module), attribute)
            except (ImportError, AttributeError, ValueError) as error:
                raise UnknownName(f"Cannot load learner {name!r}: {error}.") from error
        else:
            raise UnknownName.of(
                "learner", name, [*LEARNERS, *points], "or give module:class of your own."
            )
    if not callable(getattr(found, "train", None)) or not hasattr(found, "config_class"):
        raise BenchError(f"{name!r} is not a learner: it has no train() and config_class.")
    return found  # type: ignore[no-any-return]


def trains_in_parallel(learner: type[Any] | Learner) -> bool:
    """True if a learner's class says ``parallel = True``: several processes do what one does.

    That holds for a learner that draws its batches with `passes_of`, steps with `Trainer`, collects
    with `collect_stage` or `collect_starts`, and decides nothing by what only one process knows.
    """
    return bool(getattr(learner, "parallel", False))


def make_learner(
    name: str, preset: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Learner:
    """A configured learner.

    Args:
        name: See `find_learner`.
        preset: Name of a preset, or a YAML file; the class's defaults when None.
        overrides: Settings laid over the preset, nested by name.

    Raises:
        BenchError: For names and values that do not exist, with close matches.
    """
    made: Learner = find_learner(name)(make_config(name, preset, overrides))
    return made


def make_config(
    name: str, preset: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Any:
    """The configuration that `make_learner` makes a learner with; its arguments are the same."""
    values = read_preset(name, preset) if preset is not None else {}
    return build(find_learner(name).config_class, merge(values, overrides or {}))


__all__ = [
    "LEARNERS",
    "Learner",
    "NothingToLearn",
    "find_learner",
    "make_learner",
    "presets",
    "trains_in_parallel",
]
