"""The perturbations by name, and how an environment is given some of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, cast

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from qevolve_envs.core import TextEnv
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.language import Language, find_class, language_of
from qevolve_envs.perturb.env import PerturbedEnv
from qevolve_envs.perturb.layer import Layer
from qevolve_envs.perturb.noise import MOST_FAILURES
from qevolve_envs.registration import all_entries, find_spec

SEVERITIES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way in which a world can be a little different.

    Attributes:
        name: As it is asked for, in ``"name:severity"``.
        summary: One line for lists and tables.
        severities: What 1, 2 and 3 mean, in numbers.
        layer: ``"module:Class"`` of the layer, within this package; made with a severity and the
            language of the world.
        needs: Name of the field of `Language` that a world must have for it; ``""`` for none.
        method: Name of a method of the world that serves as well.
    """

    name: str
    summary: str
    severities: tuple[str, str, str]
    layer: str
    needs: str = ""
    method: str = ""

    def applies(self, env: type[TextEnv]) -> bool:
        """Tells whether it can be used on environments of a class."""
        given = not self.needs or bool(getattr(language_of(env), self.needs))
        return given or bool(self.method and hasattr(env, self.method))

    def make(self, severity: int, language: Language) -> Layer:
        """A new layer, for a world of this language."""
        module, name = self.layer.split(":")
        loaded = getattr(importlib.import_module(f"qevolve_envs.perturb.{module}"), name)
        return cast("Layer", loaded(severity, language))


#: By name, in the order in which tables show them.
PERTURBATIONS: dict[str, Perturbation] = {
    p.name: p
    for p in (
        Perturbation(
            "paraphrase",
            "the same in other words",
            (
                "the instruction",
                "the instruction, and observations in one of 2 other sets of wordings",
                "the instruction, and every sentence anew in one of 3 wordings",
            ),
            "paraphrase:Paraphrase",
            needs="goals",
        ),
        Perturbation(
            "rename",
            "entities have other names",
            (
                "synonyms for a quarter of the names",
                "synonyms for all names that have one",
                "invented words for all names",
            ),
            "rename:Rename",
            needs="names",
        ),
        Perturbation(
            "distractors",
            "irrelevant things and sentences",
            (
                "1 sentence in 1/3 of the observations, and as many things as the world says",
                "2 sentences in 2/3, and twice as many things",
                "3 sentences in all, and four times as many things",
            ),
            "distractors:Distractors",
        ),
        Perturbation(
            "reorder",
            "lists in another order",
            ("a third of the lists", "two thirds", "all lists"),
            "reorder:Reorder",
            needs="lists",
            method="shuffle",
        ),
        Perturbation(
            "typos",
            "slips of the finger in observations",
            ("5 % of words", "10 % of words", "20 % of words, names included"),
            "noise:Typos",
        ),
        Perturbation(
            "dropout",
            "observations are lost",
            ("10 % of observations", "20 %", "40 %; never two in a row"),
            "noise:Dropout",
        ),
        Perturbation(
            "failures",
            "actions fail silently",
            ("5 % of actions", "15 %", "30 %; never three in a row"),
            "noise:Failures",
        ),
        Perturbation(
            "strict",
            "only documented commands are understood",
            (
                "no other words for a command",
                "nor articles, full stops, other words for a button",
                "nor capitals and blank space: to the letter",
            ),
            "strict:Strict",
            needs="commands",
        ),
        Perturbation(
            "horizon",
            "fewer steps, but never fewer than the expert needs",
            ("80 % of the horizon", "60 %", "40 %"),
            "horizon:Horizon",
            needs="shorter_horizon",
        ),
    )
}
#: Layers from the world to the agent, whatever the order in which they are asked for.
_ORDER = (
    "horizon", "reorder", "strict", "distractors", "paraphrase", "rename", "typos", "failures",
    "dropout",
)  # fmt: skip


def parse(perturbation: str) -> list[tuple[Perturbation, int]]:
    """Reads ``"typos:2"``, or several joined by ``+``, in the order of the layers.

    Raises:
        UnknownName: For a name that does not exist, with close matches.
        BenchError: For anything else that is not of this form.
    """
    parts: dict[str, int] = {}
    for part in perturbation.split("+"):
        name, colon, severity = (piece.strip() for piece in part.partition(":"))
        if name not in PERTURBATIONS:
            raise UnknownName.of("perturbation", name, PERTURBATIONS)
        if not colon or severity not in map(str, SEVERITIES):
            raise BenchError(
                f"A perturbation is written name:severity with a severity of 1, 2 or 3, such as"
                f" '{name}:2', not {part!r}."
            )
        if name in parts:
            raise BenchError(f"The perturbation {name!r} is given twice in {perturbation!r}.")
        parts[name] = int(severity)
    return [(PERTURBATIONS[name], parts[name]) for name in sorted(parts, key=_ORDER.index)]


def perturb(env: gymnasium.Env[str, str], perturbation: str) -> gymnasium.Env[str, str]:
    """Puts perturbations before an environment.

    The same tasks and seeds give the same perturbations. ``perturb(gym.make(id), "typos:2")`` has
    the horizon of `env`; further wrappers belong around the result.

    Args:
        env: As `gymnasium.make` returns it, or a bare `TextEnv`. It is taken over: use and close
            the result only.
        perturbation: Such as ``"typos:2"`` or ``"typos:1+reorder:2"``; see `PERTURBATIONS`.

    Raises:
        UnknownName: For a perturbation that does not exist, with close matches.
        BenchError: For one that does not apply to the environment, or for an environment that is
            no text environment, or is wrapped or perturbed already.
    """
    chosen = parse(perturbation)
    world, horizon = _unwrap(env)
    language = language_of(type(world))
    layers = []
    for one, severity in chosen:
        if not one.applies(type(world)):
            name = world.spec.id if world.spec is not None else type(world).__name__
            raise BenchError(
                f"The perturbation {one.name!r} does not apply to {name}: its language file says"
                f" nothing of {one.needs}; it is for {', '.join(environments(one.name))}."
            )
        layers.append(one.make(severity, language))
    perturbed = PerturbedEnv(world, layers, perturbation, horizon)
    perturbed.spec = _spec(world.spec, perturbation, horizon)
    return OrderEnforcing(perturbed)


def make_perturbed(env_id: str, perturbation: str, **kwargs: Any) -> gymnasium.Env[str, str]:
    """``perturb(gymnasium.make(env_id, **kwargs), perturbation)``, in any process.

    Args:
        env_id: Gymnasium id, or ``"module:id"``; ours need not have been registered before.
        perturbation: See `perturb`.
        **kwargs: Arguments of `gymnasium.make`.
    """
    return perturb(gymnasium.make(find_spec(env_id), **kwargs), perturbation)


def perturbed_env(
    *, world: str, perturbation: str, horizon: int | None, **kwargs: Any
) -> gymnasium.Env[str, str]:
    """The entry point of a perturbed environment's `EnvSpec`."""
    limit = -1 if horizon is None else horizon
    return make_perturbed(world, perturbation, max_episode_steps=limit, **kwargs).unwrapped


def applicable(env_id: str) -> list[str]:
    """Names of the perturbations that can be used on an environment, by its Gymnasium id."""
    env = find_class(env_id) or TextEnv
    return [name for name, one in PERTURBATIONS.items() if one.applies(env)]


def environments(name: str) -> list[str]:
    """Gymnasium ids of the environments, plug-ins included, that a perturbation can be used on."""
    return [entry.id for entry in all_entries() if name in applicable(entry.id)]


def most_steps(perturbation: str, horizon: int) -> int:
    """Most steps that an episode can have: more than the horizon only where actions may fail."""
    fails = any(one.name == "failures" for one, _ in parse(perturbation))
    return horizon * (1 + MOST_FAILURES) if fails else horizon


def _spec(spec: EnvSpec | None, perturbation: str, horizon: int | None) -> EnvSpec | None:
    """Specification that makes the perturbed environment again.

    Gymnasium puts a time limit around what it makes, and that one counts failed actions too.
    """
    if spec is None:
        return None
    more = {"world": spec.id, "perturbation": perturbation, "horizon": horizon}
    return EnvSpec(
        spec.id,
        entry_point="qevolve_envs.perturb.registry:perturbed_env",
        max_episode_steps=horizon,
        nondeterministic=spec.nondeterministic,
        kwargs={**spec.kwargs, **more},
    )


def _unwrap(env: gymnasium.Env[str, str]) -> tuple[TextEnv, int | None]:
    """The world, and its horizon; the wrappers of `gymnasium.make` are rebuilt or not needed."""
    horizon: int | None = None
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            limit = env._max_episode_steps
            horizon = limit if horizon is None else min(horizon, limit)
        elif not isinstance(env, OrderEnforcing | PassiveEnvChecker):
            raise BenchError(f"Perturb the environment first, then put {type(env).__name__} on it.")
        env = env.env
    if isinstance(env, PerturbedEnv):
        raise BenchError(
            f"The environment is perturbed already, by {env.perturbation!r}: join perturbations"
            " with +, as in 'typos:1+reorder:2'."
        )
    if not isinstance(env, TextEnv):
        raise BenchError(f"{type(env).__name__} is no text environment (a TextEnv).")
    return env, horizon
