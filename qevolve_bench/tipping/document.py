"""Whether a document is a result of `analyse`, or a study of `gather`, before anybody shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qevolve_bench.tipping.analyse import MAIN, SCHEMA
from qevolve_bench.tipping.rates import STATES
from qevolve_envs.errors import BadFile


@dataclass(frozen=True, slots=True)
class _Or:
    """What may be null."""

    what: Any


@dataclass(frozen=True, slots=True)
class _Each:
    """An object of which every member is alike."""

    what: Any


@dataclass(frozen=True, slots=True)
class _New:
    """What results of earlier releases lack."""

    what: Any


_NUMBER = (int, float)
_KNOWN = {"value": _NUMBER, "interval": _Or([_NUMBER, _NUMBER])}
_EST = _Or(_KNOWN)
#: A number of rounds, which may lie beyond those played.
_TIME = _Or({"value": _Or(_NUMBER), "interval": _Or([_Or(_NUMBER), _Or(_NUMBER)])})
_ARM = {
    "runs": [str],
    "episodes": int,
    "agents": int,
    "commands": int,
    "rounds": [
        {
            "round": int,
            "phase": str,
            "p": _Or(_NUMBER),
            "opportunities": int,
            **dict.fromkeys(("rate", "unparsed", "success", "pay"), _EST),
            **dict.fromkeys(("shift_rate", "unchosen"), _New(_EST)),
        }
    ],
    "phases": [{"phase": str, **dict.fromkeys(("rate", "success", "honesty"), _EST)}],
    "tipping": {"verdict": str, "threshold": _NUMBER, "round": _TIME},
    "units": {
        "kind": str,
        "n": int,
        "tipped": int,
        "began_high": int,
        **dict.fromkeys(("rate", "opportunities", "by_chance"), _New(_NUMBER)),
        "median": _Or(_NUMBER),
        "survival": [{"round": int, "at_risk": int, "tipped": int, "share": _EST}],
        "by_step": _Or(_NUMBER),
    },
    "sharpness": _Or(
        {"delta_bic": _EST, "at": int, "before": _NUMBER, "after": _NUMBER, "support": _Or(_NUMBER)}
    ),
    "recovery": _Or({"rise": _EST, "half_life": _TIME, "followed": int}),
    "diffusion": {"new": int, "earlier": int, "R": _EST},
    "conditional": dict.fromkeys(STATES, _Or({**_KNOWN, "n": int})),
    **dict.fromkeys(("area", "hysteresis", "residual", "rate", "success", "idle"), _EST),
    **dict.fromkeys(("shift_rate", "unchosen"), _New(_EST)),
}
_CONTRAST = {
    "episodes": int,
    **dict.fromkeys(("rate", "success", "area", "hysteresis", "residual"), _EST),
}
_RESULT = {
    "schema": int,
    "subject": str,
    "world": str,
    "level": _NUMBER,
    "resamples": int,
    "seed": int,
    "resampled": str,
    "notes": [str],
    "arms": _Each(_ARM),
    "contrasts": _Each(_CONTRAST),
    "diffusion_net": _EST,
    "over_compliance": _EST,
}
_FRONT = {"subject": str, "world": str, "success": _EST, "honesty": _EST, "front": bool}
_STUDY = {"schema": int, "results": [_RESULT], "front": [_FRONT]}
_WORDS = {
    str: "a text", int: "a whole number", bool: "true or false", _NUMBER: "a number",
}  # fmt: skip


def check_document(raw: Any, name: object) -> dict[str, Any]:
    """Returns the document, when it holds all that tables and reports are made of.

    Args:
        raw: Parsed JSON.
        name: Of the file that it was read from.

    Raises:
        BadFile: In one sentence, with the first thing that is wrong and where it stands.
    """
    if not isinstance(raw, dict) or "schema" not in raw:
        raise BadFile(f"{name} holds no results of tipping: it is not an object with a schema.")
    if raw["schema"] != SCHEMA:
        raise BadFile(
            f"{name} holds results of tipping of schema {raw['schema']!r}, and this release reads"
            f" schema {SCHEMA}: make them anew with the command that made them."
        )
    wrong = _wrong(raw, _STUDY if "results" in raw else _RESULT, "") or _missing(raw)
    if wrong:
        raise BadFile(
            f"{name} holds no results of tipping, or those of another release: {wrong}; the command"
            " that made them makes them anew."
        )
    return raw


def _missing(document: Mapping[str, Any]) -> str:
    """What every document has beyond its form."""
    results = document.get("results", [document])
    if not results:
        return "its results are empty"
    for result in results:
        if MAIN not in result["arms"]:
            return f"there is no arm {MAIN!r}"
        arm = result["arms"][MAIN]
        if not arm["rounds"]:
            return f"the arm {MAIN!r} has no rounds"
    named = {(r["subject"], r["world"]) for r in results}
    if any((e["subject"], e["world"]) not in named for e in document.get("front", ())):
        return "its front names what has no result"
    return ""


def _wrong(value: Any, wanted: Any, where: str) -> str:
    """What is wrong about a value, in words; nothing when it is as wanted."""
    if isinstance(wanted, _New):
        return _wrong(value, wanted.what, where)
    if isinstance(wanted, _Or):
        return "" if value is None else _wrong(value, wanted.what, where)
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return f"{where} must be a list"
        if len(wanted) > 1 and len(value) != len(wanted):
            return f"{where} must have {len(wanted)} members"
        alike = wanted if len(wanted) > 1 else wanted * len(value)
        found = [_wrong(value[i], part, f"{where}[{i}]") for i, part in enumerate(alike)]
        return next(filter(None, found), "")
    if isinstance(wanted, dict | _Each):
        if not isinstance(value, dict):
            return f"{where} must be an object"
        within = f"{where}." if where else ""
        members = wanted if isinstance(wanted, dict) else dict.fromkeys(value, wanted.what)
        for key in [key for key in members if key not in value]:
            if not isinstance(members[key], _New):
                return f"it lacks {within}{key}"
        found = [_wrong(value[key], part, f"{within}{key}") for key, part in members.items()
                 if key in value]  # fmt: skip
        return next(filter(None, found), "")
    # Of JSON's values, only true and false are numbers by accident.
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    return "" if fits else f"{where} must be {_WORDS[wanted]}"
