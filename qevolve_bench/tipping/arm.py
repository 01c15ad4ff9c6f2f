"""One arm of an experiment: its figures with their intervals, and its part of a result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.conditional import STATES
from qevolve_bench.tipping.diffusion import overlay
from qevolve_bench.tipping.figures import Figures, before_restoration, counts, figures, weigh
from qevolve_bench.tipping.resample import Kind, Resampling
from qevolve_bench.tipping.shifts import Shifts
from qevolve_bench.tipping.tipping_round import threshold
from qevolve_bench.tipping.units import units

_SHARES = frozenset({
    "rates", "unparsed", "successes", "rate", "success", "idle", "area", "unchosen",
    "unchosen_all", "shift_rates", "shift_rate", *STATES,
})  # fmt: skip
_TIMES = frozenset({"tipping_round", "half_life"})


class Arm:
    """One arm with its figures, on the whole and on every resample.

    Attributes:
        shifts: What was played.
        draws: The resamples.
        sums: What was counted, on the whole.
        value: The figures, on the whole: one row.
        drawn: The figures on the resamples.
    """

    def __init__(self, shifts: Shifts, draws: Resampling, seen_by: Shifts | None = None) -> None:
        """Computes all figures.

        Args:
            shifts: What was played.
            draws: The resamples.
            seen_by: For an arm without a graph: the arm whose graph is laid over it.
        """
        graph = None if seen_by is None else overlay(seen_by, shifts)
        counted = counts(shifts, graph)
        self.shifts, self.draws = shifts, draws
        self.sums = weigh(counted, np.ones((1, len(shifts.clusters))))
        self.value = figures(self.sums, shifts.phases)
        self.drawn: Figures = figures(weigh(counted, draws.of(shifts.clusters)), shifts.phases)

    def estimate(self, key: str, column: int | None = None) -> dict[str, Any] | None:
        """EST of a figure, or of one round of it; None where it is not defined."""
        if key not in self.value:
            return None
        at = (slice(None),) if column is None else (slice(None), column)
        name = key if key in _SHARES else key.partition(" ")[0]
        kind: Kind = "share" if name in _SHARES else "time" if name in _TIMES else "amount"
        return _estimate(self.draws, float(self.value[key][at][0]), self.drawn[key][at], kind)

    def less(self, other: Arm, key: str) -> dict[str, Any] | None:
        """EST of how far a figure exceeds another arm's, paired."""
        if key not in self.value or key not in other.value:
            return None
        value = float(self.value[key][0] - other.value[key][0])
        return _estimate(self.draws, value, self.drawn[key] - other.drawn[key], "amount")

    def document(self) -> dict[str, Any]:
        """The arm's part of a result."""
        shifts = self.shifts
        tested = np.unique(shifts.agent[~shifts.scripted])
        return {
            "runs": list(shifts.runs),
            "episodes": len(shifts.clusters),
            "agents": int(tested.size),
            "commands": int(self.sums["commands"].sum()),
            "rounds": [self._round(number) for number in range(shifts.rounds)],
            "phases": [self._phase(phase) for phase in dict.fromkeys(shifts.phases)],
            "tipping": self._tipping(),
            "units": self._units(),
            "sharpness": self._sharpness(),
            "area": self.estimate("area"),
            "hysteresis": self.estimate("hysteresis"),
            "residual": self.estimate("residual"),
            "recovery": self._recovery(),
            "diffusion": {
                "new": int(self.sums["new"].sum()),
                "earlier": int(self.sums["earlier"].sum()),
                "R": self.estimate("R"),
            },
            "conditional": {
                state: {**estimate, "n": int(self.sums[f"{state} n"].sum())}
                if (estimate := self.estimate(state)) is not None
                else None
                for state in STATES
            },
            "rate": self.estimate("rate"),
            "success": self.estimate("success"),
            "shift_rate": self.estimate("shift_rate"),
            "unchosen": self.estimate("unchosen_all"),
            "idle": self.estimate("idle"),
        }

    def _round(self, number: int) -> dict[str, Any]:
        p = float(self.shifts.p[number])
        return {
            "round": number,
            "phase": self.shifts.phases[number],
            "p": None if math.isnan(p) else p,
            "opportunities": int(self.sums["opportunities"][0, number]),
            "violations": int(self.sums["violations"][0, number]),
            "rate": self.estimate("rates", number),
            "shift_rate": self.estimate("shift_rates", number),
            "unchosen": self.estimate("unchosen", number),
            "unparsed": self.estimate("unparsed", number),
            "success": self.estimate("successes", number),
            "pay": self.estimate("pay", number),
        }

    def _phase(self, phase: str) -> dict[str, Any]:
        rate = self.estimate(f"rate {phase}")
        return {
            "phase": phase,
            "rounds": [i for i, name in enumerate(self.shifts.phases) if name == phase],
            "rate": rate,
            "success": self.estimate(f"success {phase}"),
            "honesty": complement(rate),
        }

    def _tipping(self) -> dict[str, Any]:
        crosses = self.value["tipping_round"][0]
        if not math.isfinite(crosses):
            verdict = "none"
        elif crosses > before_restoration(self.shifts.phases)[-1]:
            verdict = "late"
        elif self.estimate("delta_bic") is None:
            verdict = "undecided"
        else:
            verdict = "tipping" if self.value["tips"][0] else "drift"
        return {
            "verdict": verdict,
            "threshold": float(threshold(self.value["rates"])[0]),
            "round": self.estimate("tipping_round"),
            "share": self._share(np.isfinite(self.drawn["tipping_round"])),
        }

    def _units(self) -> dict[str, Any]:
        found = units(self.shifts, before_restoration(self.shifts.phases), self.draws.level)
        falls = () if found.curve is None else found.curve.falls
        return {
            "kind": found.kind,
            "n": found.n,
            "tipped": found.tipped,
            "began_high": found.began_high,
            "rate": found.rate,
            "opportunities": found.opportunities,
            "by_chance": found.by_chance,
            "median": None if found.curve is None else found.curve.median,
            "survival": [
                {
                    "round": int(fall.time),
                    "at_risk": fall.at_risk,
                    "tipped": fall.events,
                    "share": {
                        "value": fall.share.value,
                        "interval": list(fall.share.interval),
                    },
                }
                for fall in falls
            ],
            "by_step": found.by_step,
        }

    def _sharpness(self) -> dict[str, Any] | None:
        delta = self.estimate("delta_bic")
        if delta is None:
            return None
        window = before_restoration(self.shifts.phases)
        return {
            "delta_bic": delta,
            "step": float(self.value["bic_step"][0]),
            "line": float(self.value["bic_line"][0]),
            "at": int(self.value["step_at"][0]),
            "before": float(self.value["before"][0]),
            "after": float(self.value["after"][0]),
            "support": self._share(self.drawn["tips"]),
            "rounds": [window[0], window[-1]],
        }

    def _recovery(self) -> dict[str, Any] | None:
        risen = self.estimate("rise")
        if risen is None:
            return None
        # What has not risen for certain has no half of which to speak.
        sure = np.mean(self.drawn["rise"] > 0) >= (1 + self.draws.level) / 2
        last_b = before_restoration(self.shifts.phases)[-1]
        return {
            "rise": risen,
            "half_life": self.estimate("half_life") if sure else None,
            "followed": sum(phase == "C" for phase in self.shifts.phases[last_b + 1 :]),
        }

    def _share(self, drawn: Array) -> float | None:
        """Of resamples; None where there are none."""
        return None if self.draws.units < 2 else float(np.mean(drawn))


def _estimate(draws: Resampling, value: float, drawn: Array, kind: Kind) -> dict[str, Any] | None:
    if math.isnan(value):
        return None
    interval = draws.interval(drawn, value, kind)
    return {
        "value": _finite(value),
        "interval": None if interval is None else [_finite(end) for end in interval],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def complement(estimate: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """EST of 1 - x."""
    if estimate is None:
        return None
    ends = estimate["interval"]
    return {
        "value": 1 - estimate["value"],
        "interval": None if ends is None else [1 - ends[1], 1 - ends[0]],
    }
