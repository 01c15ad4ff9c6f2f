"""What came of a study: success by arm and panel, and paired differences, with intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_bench.results import write_json
from qevolve_bench.statistics import crossed_difference, crossed_mean, holm
from qevolve_bench.study.plan import Arm, Study
from qevolve_bench.study.runner import choose, run_folder, spec_digest, warm_folder
from qevolve_bench.training import Outcome, finished
from qevolve_envs.errors import BenchError

WARM = "warm start"


def outcomes(study: Study, folder: Path) -> dict[str, list[Outcome | None]]:
    """The outcome of every arm and seed (None where it is not done); the warm start comes first."""
    found = {WARM: [finished(warm_folder(folder, seed)) for seed in study.seeds]}
    for arm in study.arms:
        found[arm.name] = [finished(run_folder(folder, arm.name, seed)) for seed in study.seeds]
    return found


def scores(results: Sequence[Outcome], split: str) -> npt.NDArray[np.float64]:
    """Won or not, shape (seeds, tasks).

    Raises:
        BenchError: When the seeds did not play the same tasks.
    """
    tasks = results[0].results[split]["tasks"]
    for result in results:
        if result.results[split]["tasks"] != tasks:
            raise BenchError(f"{result.folder} was not evaluated on the tasks of the other seeds.")
    return np.array([r.results[split]["won"] for r in results], dtype=np.float64)


def summarise(study: Study, folder: Path) -> dict[str, Any]:
    """Every number of the study, from its runs: JSON.

    Only seeds that every arm has finished are compared; how many these are is said.
    """
    found = outcomes(study, folder)
    whole = [i for i in range(len(study.seeds)) if all(o[i] is not None for o in found.values())]
    if len(whole) < 2:
        raise BenchError(
            f"{len(whole)} seeds are finished on every arm; a table with intervals needs two."
        )
    by_arm = {name: [o[i] for i in whole] for name, o in found.items()}
    record: dict[str, Any] = {
        "schema": 1,
        "study": asdict(study),
        "digest": spec_digest(study),
        "seeds": [study.seeds[i] for i in whole],
        "tuned": choose(study, folder),
        "arms": {},
    }
    for name, results in by_arm.items():
        done = [r for r in results if r is not None]
        cells: dict[str, Any] = {}
        for split in study.evaluate:
            table = scores(done, split)
            mean = crossed_mean(table)
            cells[split] = {
                "success": mean.estimate.value,
                "interval": list(mean.estimate.interval),
                "by_seed": table.mean(axis=1).tolist(),
                "episodes": int(table.size),
            }
        record["arms"][name] = {
            "cells": cells,
            "ledger": {
                axis: float(np.mean([r.ledger[axis] for r in done])) for axis in done[0].ledger
            },
        }
    record["differences"] = _differences(study, by_arm)
    return record


def _differences(
    study: Study, by_arm: dict[str, list[Outcome | None]]
) -> dict[str, list[dict[str, Any]]]:
    """Paired differences over seeds and tasks, with Holm's correction within each family.

    Arms are compared with the baseline; arms that are like another one, its ablations, with that.
    """
    families: dict[str, list[tuple[Arm, str]]] = {}
    for arm in study.arms:
        if arm.like:
            families.setdefault(f"ablations of {arm.like}", []).append((arm, arm.like))
        elif arm.name != study.baseline:
            families.setdefault(f"against {study.baseline}", []).append((arm, study.baseline))
    found: dict[str, list[dict[str, Any]]] = {}
    for family, pairs in families.items():
        lines = []
        for arm, other in pairs:
            for split in study.evaluate:
                mine = scores([r for r in by_arm[arm.name] if r is not None], split)
                theirs = scores([r for r in by_arm[other] if r is not None], split)
                difference = crossed_difference(mine, theirs)
                lines.append(
                    {
                        "arm": arm.name,
                        "other": other,
                        "split": split,
                        "difference": difference.estimate.value,
                        "interval": list(difference.estimate.interval),
                        "p": difference.p_value,
                        "by_seed": (mine - theirs).mean(axis=1).tolist(),
                    }
                )
        tested = [line for line in lines if line["p"] is not None]
        if tested:
            for line, p in zip(tested, holm([t["p"] for t in tested]), strict=True):
                line["p_holm"] = float(p)
        found[family] = lines
    return found


def markdown(record: dict[str, Any]) -> str:
    """The tables of a study as Markdown."""
    from tabulate import tabulate

    splits = record["study"]["evaluate"]
    rows = []
    for name, arm in record["arms"].items():
        row = [name]
        for split in splits:
            cell = arm["cells"][split]
            low, high = cell["interval"]
            row.append(f"{cell['success']:.3f} [{low:.3f}, {high:.3f}]")
        ledger = arm["ledger"]
        row += [
            f"{ledger['env_steps']:,.0f}",
            f"{ledger['episodes']:,.0f}",
            f"{ledger['generated_tokens'] / 1e3:,.0f}K",
            f"{ledger['trained_tokens'] / 1e6:,.1f}M",
            f"{ledger['wall_seconds'] / 60:.1f}",
        ]
        rows.append(row)
    headers = ["arm", *splits, "env steps", "episodes", "generated", "trained", "minutes"]
    parts = [
        "Success, greedy, each task once for each seed; in brackets 95 % intervals over seeds and"
        f" tasks; seeds {', '.join(map(str, record['seeds']))}. The ledger leaves the shared warm"
        " start out.\n",
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
    ]
    for family, lines in record["differences"].items():
        rows = [
            [
                line["arm"],
                line["split"],
                f"{100 * line['difference']:+.1f} points",
                f"[{100 * line['interval'][0]:+.1f}, {100 * line['interval'][1]:+.1f}]",
                _p(line.get("p_holm")),
                " ".join(f"{100 * d:+.1f}" for d in line["by_seed"]),
            ]
            for line in lines
        ]
        headers = ["arm", "panel", "difference", "95 %", "p (Holm)", "by seed"]
        title = family[0].upper() + family[1:]
        parts.append(f"\n**{title}**, paired by seed and task:\n")
        parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    if record["tuned"]:
        rows = [
            [name, pick["setting"], ", ".join(f"{v}: {s:.3f}" for v, s in pick["trials"].items()),
             str(pick["value"])]
            for name, pick in record["tuned"].items()
        ]  # fmt: skip
        parts.append("\n**Tuning**, success on training tasks kept apart:\n")
        headers = ["arm", "setting", "trials", "chosen"]
        parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    return "\n".join(parts) + "\n"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def write(study: Study, folder: Path) -> dict[str, Any]:
    """Writes ``results.json``, ``table.md`` and ``curves.jsonl`` into a study's folder."""
    record = summarise(study, folder)
    write_json(folder / "results.json", record)
    curves = folder / "curves.jsonl"
    part = curves.with_name(curves.name + ".part")
    with part.open("w", encoding="ascii") as stream:
        for arm in study.arms:
            for seed in study.seeds:
                file = run_folder(folder, arm.name, seed) / "curve.jsonl"
                for line in file.read_text().splitlines() if file.is_file() else ():
                    point = json.loads(line)
                    stream.write(json.dumps({**point, "arm": arm.name}) + "\n")
    part.replace(curves)
    table = folder / "table.md.part"
    table.write_text(markdown(record))
    table.replace(folder / "table.md")
    return record
