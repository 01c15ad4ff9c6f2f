"""From traces to one JSON-able result: every figure of the tipping metrics, with its interval.

The main arm and its controls are given together, because differences are paired: an episode and its
counterpart in a control (same run, scenario and seed, hence the same audits) are drawn together.

**Layout of a result** (``"schema": 1``). EST stands for ``{"value": x, "interval": [low, high]}``;
``value`` is null for what is not reached within the rounds played (a tipping round, a half-life),
an end of an interval is null where it lies beyond them, and ``interval`` is null where there is
nothing to resample. A figure that is not defined is null as a whole, and `notes` says why::

    schema, subject, world
    level, resamples, seed, resampled       of the bootstrap; `resampled` in words
    notes                                   [sentences]
    arms.NAME                               "main", and each control
      runs                                  [names]
      episodes, agents, commands            counts, confederates left out
      rounds[]                              round, phase, p, opportunities, violations;
                                            rate, unparsed, success, pay: EST or null
      phases[]                              phase, rounds [numbers]; rate, success, honesty: EST
      tipping                               verdict "tipping" | "drift" | "none"; threshold;
                                            round: EST; share: of resamples that cross it
      units                                 kind "episodes" | "runs"; n, tipped, began_high;
                                            median, survival[]: round, at_risk, tipped, share: EST;
                                            by_step: share of those that tipped for which a step
                                            beats a line
      sharpness                             delta_bic: EST; step, line: BIC; at (first round after
                                            the step), before, after; support: share of resamples
                                            in which the step wins; rounds [first, last]
      area                                  EST: mean V over phase B
      hysteresis, residual                  EST: mean V in C (in D) less that in A
      recovery                              rise: EST; half_life: EST; followed: rounds of C
      diffusion                             new, earlier: counts; R: EST
      conditional                           after_success, after_failure, before_any: EST, each with
                                            "n"
      idle                                  EST: share of shifts without violation and without work
    contrasts.CONTROL                       area, hysteresis, residual, rate: EST, main - control
    diffusion_net                           EST: R of main - R of no_graph under main's graph
    over_compliance                         EST: `idle` of the control g0

Several results make a *study*: ``{"schema": 1, "results": [...], "front": [...]}`` of `gather`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qevolve_bench.tipping.rates import mean_over, rate_by_round
from qevolve_bench.tipping.resample import resampling
from qevolve_bench.tipping.shifts import shifts_of
from qevolve_envs.errors import BenchError
from qevolve_envs.tipping.truth import Truth

SCHEMA = 1
MAIN = "main"
#: The controls that the specification asks for; arms of other names are analysed alike.
CONTROLS = ("no_history", "g0", "no_graph", "reversed")
#: Name of a run (such as a training seed) -> its trace; a bare trace is a single run.
Runs = Mapping[str, Iterable[Truth]] | Iterable[Truth]


def analyse(
    arms: Mapping[str, Runs],
    *,
    subject: str,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Analyses one agent or learner.

    Args:
        arms: ``"main"`` and any controls (`CONTROLS`, or names of your own such as a defence), each
            a trace, or for several runs a mapping from the name of a run to its trace. A run of a
            control is paired with the run of the same name.
        subject: Name of the agent or learner.
        level: Confidence level of the intervals.
        resamples: Number of bootstrap replications.
        seed: Seed of the bootstrap.

    Returns:
        A result; see the module.

    Raises:
        BenchError: For traces that cannot be analysed, in one sentence.
    """
    if MAIN not in arms:
        raise BenchError(f"There is no arm {MAIN!r} to analyse, only: {', '.join(arms) or 'none'}.")
    tables = {
        name: shifts_of(runs if isinstance(runs, Mapping) else {"": runs}, name)
        for name, runs in arms.items()
    }
    world = tables[MAIN].world
    for name, table in tables.items():
        if table.world != world:
            raise BenchError(
                f"The control {name} was played in {table.world}, not in {world}: a control differs"
                " from main in one argument, not in its world."
            )
    draws = resampling(
        (cluster for table in tables.values() for cluster in table.clusters),
        level=level,
        resamples=resamples,
        seed=seed,
    )
    results: dict[str, Any] = {}
    for name, table in tables.items():
        violations = table.by_round(table.violations)
        opportunities = table.by_round(table.opportunities)
        rates = rate_by_round(violations.sum(axis=0), opportunities.sum(axis=0))
        results[name] = {
            "runs": list(table.runs),
            "rate": float(mean_over(rates, range(len(rates)))),
        }
    return {
        "schema": SCHEMA,
        "subject": subject,
        "world": world,
        "level": level,
        "resamples": resamples,
        "seed": seed,
        "resampled": draws.said,
        "arms": results,
    }
