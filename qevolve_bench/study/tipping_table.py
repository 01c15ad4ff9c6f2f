"""Results and tables of a study of rounds: figures of every arm, and differences between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qevolve_bench.analysis.render import table
from qevolve_bench.schema import write_json
from qevolve_bench.study.engine import done_runs, run_folder
from qevolve_bench.study.plan import NONE, SCHEMA, Arm, Study, extends
from qevolve_bench.study.rounds import read_rounds
from qevolve_bench.tipping.analyse import analyse, gather
from qevolve_bench.tipping.document import MAIN
from qevolve_bench.tipping.text import VERDICTS, compared, percent
from qevolve_envs.errors import BenchError
from qevolve_envs.files import write_file
from qevolve_envs.tipping.truth import Truth, read_trace

#: Figures in which an arm is compared with the one that it extends, and with no training.
CONTRASTS = ("rate", "area", "hysteresis", "success")


def write_results(study: Study, folder: Path) -> dict[str, Any]:
    """Writes the results of a study of rounds into its folder.

    ``tipping.json`` holds all results (`gather`), ``runs/ARM/tipping.json`` that of an arm,
    ``results.json`` the study and its runs besides, and ``table.md`` the tables.

    Only arms and seeds that are finished count; of the seeds, those that all arms have finished.

    Returns:
        The content of ``results.json``.

    Raises:
        BenchError: When no seed is finished on any arm.
    """
    done = done_runs(study, folder, read_rounds)
    seeds = [seed for seed in study.seeds if all(seed in runs for runs in done.values())]
    if not seeds:
        raise BenchError(f"{folder} has no seed yet that all arms have finished.")
    traces = {arm.name: _traces(folder, arm, seeds) for arm in study.arms}
    results = [
        analyse({MAIN: traces[arm.name], **_beside(study, arm, traces)}, subject=arm.name)
        for arm in study.arms
        if not arm.control
    ]
    for result in results:
        write_json(folder / "runs" / result["subject"] / "tipping.json", result)
    tipping = gather(results)
    write_json(folder / "tipping.json", tipping)
    record = {
        "schema": SCHEMA,
        "study": asdict(study),
        "digest": study.digest(),
        "seeds": seeds,
        "runs": {name: {str(s): runs[s] for s in seeds} for name, runs in done.items()},
        "tipping": tipping,
    }
    write_json(folder / "results.json", record)
    write_file(folder / "table.md", markdown(record))
    return record


def _traces(folder: Path, arm: Arm, seeds: Sequence[int]) -> dict[str, list[Truth]]:
    return {
        f"seed {seed}": list(read_trace(run_folder(folder, seed, "runs", arm.name) / "trace.jsonl"))
        for seed in seeds
    }


def _beside(
    study: Study, arm: Arm, traces: Mapping[str, dict[str, list[Truth]]]
) -> dict[str, dict[str, list[Truth]]]:
    """Arms that an arm is compared with: its controls, the arm that it extends, and no training."""
    beside = {other.control: traces[other.name] for other in study.arms
              if other.control and other.extends == arm.name}  # fmt: skip
    for other in study.arms:
        if other.name == arm.extends or (other.learner == NONE and other.name != arm.name):
            beside[other.name] = traces[other.name]
    return beside


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of a study."""
    study = record["study"]
    results = record["tipping"]["results"]
    phases = ", ".join(
        f"{p['name']} ({p['rounds']} rounds, {_assigned(p['env_kwargs'])})" for p in study["phases"]
    )
    measure = study["measure"]
    seeds = ", ".join(map(str, record["seeds"]))
    parts = [
        f"{study['env']}: {phases}. Round 0 is the warm start, cloned from scripts of which"
        f" {100 * study['mixture']['violate']:g} % violate. V: violations over opportunities, of"
        f" {measure['episodes']} episodes a round on the held-out panel {measure['split']},"
        f" sampled at temperature {measure['temperature']:g}. Seeds {seeds}.",
        "**Arms**",
        compared(results, record["tipping"]["front"], "md"),
        "**Violation rate by round**, in %",
        _by_round(results),
    ]
    extended = {arm["name"]: extends(arm) for arm in study["arms"]}
    changed = [
        (f"{r['subject']} - {extended[r['subject']]}", r["contrasts"][extended[r["subject"]]])
        for r in results
        if extended[r["subject"]]
    ]
    if changed:
        parts += [
            "**What a part changes**, paired by seed and scenario, in points",
            _points(changed),
        ]
    untrained = [arm["name"] for arm in study["arms"] if arm["learner"] == NONE]
    controls = [
        (f"{r['subject']} - {name}", contrast)
        for r in results
        for name, contrast in r["contrasts"].items()
        if name != extended[r["subject"]]
    ]
    if controls:
        parts += [
            "**Against the controls**, paired by seed and scenario, in points"
            + (f"; {', '.join(untrained)}: no training" if untrained else ""),
            _points(controls),
        ]
    parts += ["**Runs**, by seed", _runs(record), _caption(results[0])]
    return "\n\n".join(parts) + "\n"


def _assigned(kwargs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in kwargs.items()) or "as it is"


def _by_round(results: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for number, first in enumerate(results[0]["arms"][MAIN]["rounds"]):
        cells = [r["arms"][MAIN]["rounds"][number]["rate"] for r in results]
        rows.append([number, first["phase"], *(percent(cell) for cell in cells)])
    return table(["round", "phase", *(r["subject"] for r in results)], rows)


def _points(lines: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    rows = [[name, *(percent(contrast[key]) for key in CONTRASTS)] for name, contrast in lines]
    return table(["difference", "V", "area in B", "hysteresis", "success"], rows)


def _runs(record: Mapping[str, Any]) -> str:
    """The violation rate at the end of each phase, seed by seed, and the mean ledger of an arm."""
    rows = []
    phases = [phase["name"] for phase in record["study"]["phases"]]
    for name, runs in record["runs"].items():
        ends: dict[str, list[str]] = {phase: [] for phase in phases}
        used: dict[str, float] = {}
        idle = 0
        for run in runs.values():
            last = {r["phase"]: r for r in run["rounds"]}
            for phase in phases:
                rate = last[phase]["violations"] / max(1, last[phase]["opportunities"])
                ends[phase].append(f"{100 * rate:.0f}")
            for fact in run["rounds"]:
                idle += bool(fact["reason"])
                for axis, count in fact["ledger"].items():
                    used[axis] = used.get(axis, 0) + count / len(runs)
        rows.append([
            name, *(" ".join(ends[phase]) for phase in phases), idle,
            *(f"{used.get(axis, 0):,.0f}" for axis in ("env_steps", "episodes", "trained_tokens")),
        ])  # fmt: skip
    headers = ["arm", *(f"V at the end of {p}" for p in phases), "rounds without news"]
    return table([*headers, "env steps", "episodes", "trained tokens"], rows)


def _caption(result: Mapping[str, Any]) -> str:
    return (
        f"{VERDICTS} Success is accepted work, fined or not; the front is of success against"
        " 1 - V. A round without news is one whose episodes gave no reason to learn, mostly because"
        " all paid alike: the policy stays as it was."
        f" [ ] hold {result['level']:.0%} intervals over {result['resampled']},"
        f" {result['resamples']:,} resamples."
    )
