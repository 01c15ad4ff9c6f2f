"""Layout of ``tipping.json``: a result of `analyse`, or several gathered by `gather`.

A figure that is not defined is null as a whole, and the notes say why. `check_document` holds a
document that is read against these types; fields that are not required are missing in results of
earlier releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from qevolve_bench.schema import check_version, convert
from qevolve_envs.errors import BadFile

SCHEMA = 1
MAIN = "main"


class EstimateRecord(TypedDict):
    """A figure with its interval, which is null where there is nothing to resample."""

    value: float
    interval: tuple[float, float] | None


class TimeRecord(TypedDict):
    """A number of rounds; a value or an end beyond the rounds that were played is null."""

    value: float | None
    interval: tuple[float | None, float | None] | None


class RoundFigures(TypedDict):
    """Counts and rates of a round; `p` is the probability of an audit."""

    round: int
    phase: str
    p: float | None
    opportunities: int
    violations: int
    rate: EstimateRecord | None
    shift_rate: NotRequired[EstimateRecord | None]
    unchosen: NotRequired[EstimateRecord | None]
    unparsed: EstimateRecord | None  # of records
    success: EstimateRecord | None
    pay: EstimateRecord | None


class PhaseFigures(TypedDict):
    """Means over the rounds of a phase."""

    phase: str
    rounds: list[int]
    rate: EstimateRecord | None
    success: EstimateRecord | None
    honesty: EstimateRecord | None


class Tipping(TypedDict):
    """The verdict, as `qevolve_bench.tipping.analyse` explains it."""

    verdict: str
    threshold: float
    round: TimeRecord | None  # of all rounds
    share: float | None  # of resamples that cross the threshold


class SurvivalStep(TypedDict):
    """A round at which units tip, and the share that has not tipped by then."""

    round: int
    at_risk: int
    tipped: int
    share: EstimateRecord | None


class UnitFigures(TypedDict):
    """Tipping of single episodes, or of runs, by the end of the temptation.

    `by_step` is the share of the units that tipped that does so by a step; null where none tipped,
    or rounds or opportunities are too few to tell.
    """

    kind: str
    n: int  # units that could be followed: they have rates in two rounds at least
    tipped: int
    began_high: int  # units with a V_0 beyond which there is no threshold; they do not tip
    rate: NotRequired[float]  # V of all units together
    opportunities: NotRequired[float]  # of one unit in a round, on average
    by_chance: NotRequired[float]  # number that would tip if all violated with that V throughout
    median: float | None
    survival: list[SurvivalStep]
    by_step: float | None


class SharpnessFigures(TypedDict):
    """A step against a line, in the rounds up to the end of the temptation."""

    delta_bic: EstimateRecord | None  # of the step less that of the line
    step: float
    line: float
    at: int  # the first round after the step
    before: float
    after: float
    support: float | None  # share of resamples that tip
    rounds: tuple[int, int]  # the first and the last


class Recovery(TypedDict):
    """Rise by the end of the temptation, rounds until half of it is gone, rounds of C after it."""

    rise: EstimateRecord | None
    half_life: TimeRecord | None
    followed: int


class Diffusion(TypedDict):
    """New violators, the violators that they had seen, and the ratio of both."""

    new: int
    earlier: int
    R: EstimateRecord | None


class ConditionalRate(EstimateRecord):
    """A rate of violation in `n` shifts."""

    n: int


class Conditional(TypedDict):
    """Violation after a violation that paid, after one that did not, and before any."""

    after_success: ConditionalRate | None
    after_failure: ConditionalRate | None
    before_any: ConditionalRate | None


class Means(TypedDict):
    """Mean V of all rounds, mean success, and what is compared between arms besides."""

    rate: EstimateRecord | None
    success: EstimateRecord | None
    area: EstimateRecord | None  # mean V over phase B
    hysteresis: EstimateRecord | None  # mean V in C less that in A
    residual: EstimateRecord | None  # mean V in D less that in A


class ArmFigures(Means):
    """The figures of the main arm, or of a control.

    Confederates are left out of all counts but `commands`, which counts records, with those of
    agents that wait for others. `shift_rate` is the mean over rounds of violating shifts over all
    in which anything was understood: V where all shifts count, also those that came to no choice.
    `unchosen` is the share of shifts without any opportunity (they broke no rule and finished no
    work), `idle` that of shifts without violation and without work.
    """

    runs: list[str]
    episodes: int
    agents: int
    commands: int
    rounds: list[RoundFigures]
    phases: list[PhaseFigures]
    tipping: Tipping
    units: UnitFigures
    sharpness: SharpnessFigures | None
    recovery: Recovery | None
    diffusion: Diffusion
    conditional: Conditional
    shift_rate: NotRequired[EstimateRecord | None]
    unchosen: NotRequired[EstimateRecord | None]
    idle: EstimateRecord | None


class Contrast(Means):
    """Paired differences main - control, over the episodes that both played."""

    episodes: int


class TippingResult(TypedDict):
    """The result of one subject, an agent or a learner."""

    schema: int
    subject: str
    world: str
    level: float  # of the intervals
    resamples: int
    seed: int  # of the resamples
    resampled: str  # the sample that is drawn from, in words
    notes: list[str]
    arms: dict[str, ArmFigures]  # main, and each control
    contrasts: dict[str, Contrast]  # with each control
    diffusion_net: EstimateRecord | None  # R of main less that of no_graph under main's graph
    over_compliance: EstimateRecord | None  # idle of the control g0
    session: NotRequired[dict[str, Any]]  # see `qevolve_bench.tipping.session`


class FrontEntry(TypedDict):
    """A subject; on the front no other of its world is better in one and as good in both."""

    subject: str
    world: str
    success: EstimateRecord | None
    honesty: EstimateRecord | None
    front: bool


class TippingResults(TypedDict):
    """Several results, with the front of success against honesty."""

    schema: int
    results: list[TippingResult]
    front: list[FrontEntry]


def check_document(raw: Any, name: object) -> dict[str, Any]:
    """Returns the document, when it holds everything that tables and reports are made of.

    Args:
        raw: Parsed JSON.
        name: Name of the file that it was read from.

    Raises:
        BadFile: In one sentence, with the first mistake and its place.
    """
    kind = "a result of tipping"
    try:
        document = check_version(raw, SCHEMA, kind)
        convert(document, TippingResults if "results" in document else TippingResult, kind)
        _check_members(document)
    except BadFile as error:
        raise BadFile(
            f"{name} holds no results of tipping that this release reads ({error}): the command"
            " that made them makes them anew."
        ) from None
    return document


def _check_members(document: Mapping[str, Any]) -> None:
    """Refuses documents without results, main arms or rounds, or with a front of others."""
    results = document.get("results", [document])
    if not results:
        raise BadFile("its results are empty")
    for result in results:
        if MAIN not in result["arms"]:
            raise BadFile(f"there is no arm {MAIN!r}")
        if not result["arms"][MAIN]["rounds"]:
            raise BadFile(f"the arm {MAIN!r} has no rounds")
    named = {(r["subject"], r["world"]) for r in results}
    if any((e["subject"], e["world"]) not in named for e in document.get("front", ())):
        raise BadFile("its front names a subject that has no result")
