"""Other wordings of what the embedded environments say.

The files beside this one, ``wordings/*.txt``, hold sentences, divided by blank lines: of each the
usual wording, then others, a line for each. Slots in braces are the same in all wordings of a
sentence: ``{n}`` is a number, ``{in}`` is "in" or "on", ``{a}`` has an indefinite article,
``{price}`` is one, ``{list}`` may hold colons, ``{wish}`` anything; all others are names.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import product

from qevolve_envs.shop.wording import LIMITS, REQUESTS

#: Sentences, each as its wordings.
Rules = Sequence[Sequence[str]]

_FILES = {
    "qevolve/Household-v0": "household",
    "qevolve/Lab-v0": "lab",
    "qevolve/Shop-v0": "shop",
}
_SHOP_REQUESTS = (
    "What I want is {wish}, and I have ${n} to spend on it.",
    "Would you pick out {wish}? ${n} is the most that I can pay.",
    "Somebody in the family wishes for {wish}; the budget ends at ${n}.",
)


def goal_wordings(env_id: str) -> Rules:
    """The wordings of an environment's instructions."""
    if env_id == "qevolve/Shop-v0":
        # A request and its limit are worded apart, so that is every request with every limit.
        return [
            (request.replace("{limit}", limit.replace("{sum}", "{n}")), *_SHOP_REQUESTS)
            for request, limit in product(REQUESTS, LIMITS)
        ]
    return _read(f"{_FILES[env_id]}_goals.txt")


def observation_wordings(env_id: str) -> Rules:
    """The wordings of what an environment lets an agent see."""
    return _read(f"{_FILES[env_id]}_observations.txt")


def _read(name: str) -> Rules:
    text = (files("qevolve_envs.perturb") / "wordings" / name).read_text(encoding="utf-8")
    return [block.split("\n") for block in text.strip().split("\n\n")]
