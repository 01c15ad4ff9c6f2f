"""Results and tables of a study: success by arm and split, paired differences, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_bench.schema import write_json
from qevolve_bench.statistics import crossed_difference, crossed_mean, holm
from qevolve_bench.study import tipping_table
from qevolve_bench.study.diagnostics import (
    critic_rounds,
    critics_table,
    refusals,
    refusals_table,
)
from qevolve_bench.study.engine import choose, run_folder
from qevolve_bench.study.plan import SCHEMA, Study, extends
from qevolve_bench.training.evaluation import read_curve
from qevolve_bench.training.specification import TrainingResult, read_result
from qevolve_envs.errors import BenchError
from qevolve_envs.files import replacing, write_file

WARM = "warm start"


def results_of(study: Study, folder: Path) -> dict[str, list[TrainingResult | None]]:
    """The result of every arm and seed (None where it is not done); the warm start comes first."""
    found = {WARM: [read_result(run_folder(folder, seed, "warm")) for seed in study.seeds]}
    for arm in study.arms:
        found[arm.name] = [
            read_result(run_folder(folder, seed, "runs", arm.name)) for seed in study.seeds
        ]
    return found


def scores(results: Sequence[TrainingResult], split: str) -> npt.NDArray[np.float64]:
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
    """Computes every number of a study from its runs: JSON.

    Learners are compared on the seeds that all of them have finished, and variants on those that
    all variants have finished as well, so that a table holds the same seeds in every row.
    """
    found = results_of(study, folder)
    learners = [WARM, *(arm.name for arm in study.arms if not arm.extends)]
    variants = [arm.name for arm in study.arms if arm.extends]
    whole = _finished_by(learners, found)
    if len(whole) < 2:
        raise BenchError(
            f"{len(whole)} seeds are finished on every learner; a table with intervals needs two."
        )
    seeds = dict.fromkeys(learners, whole)
    both = _finished_by(found, found)
    if len(both) >= 2:
        seeds |= dict.fromkeys(variants, both)
    results = {name: _picked(found[name], places) for name, places in seeds.items()}
    folders = {name: [r.folder for r in picked] for name, picked in results.items()}
    refused = {name: refusals(places, study.evaluate) for name, places in folders.items()}
    critics = {name: critic_rounds(places) for name, places in folders.items()}
    return {
        "schema": SCHEMA,
        "study": asdict(study),
        "digest": study.digest(),
        "seeds": [study.seeds[i] for i in whole],
        "seeds_of_variants": [study.seeds[i] for i in both] if variants else [],
        "tuned": choose(study, folder),
        "arms": {name: _arm_record(picked, study.evaluate) for name, picked in results.items()},
        "differences": _differences(study, found, seeds),
        "refusals": {name: counts for name, counts in refused.items() if counts},
        "critics": {name: rounds for name, rounds in critics.items() if rounds},
    }


def _finished_by(
    names: Iterable[str], found: Mapping[str, list[TrainingResult | None]]
) -> list[int]:
    """Indices of the seeds that all these arms have finished."""
    columns = zip(*(found[name] for name in names), strict=True)
    return [i for i, column in enumerate(columns) if None not in column]


def _picked(
    results: Sequence[TrainingResult | None], places: Sequence[int]
) -> list[TrainingResult]:
    return [result for i in places if (result := results[i]) is not None]


def _arm_record(results: Sequence[TrainingResult], splits: Sequence[str]) -> dict[str, Any]:
    """Success on each split, and the mean ledger."""
    cells: dict[str, Any] = {}
    for split in splits:
        table = scores(results, split)
        mean = crossed_mean(table)
        cells[split] = {
            "success": mean.estimate.value,
            "interval": list(mean.estimate.interval),
            "by_seed": table.mean(axis=1).tolist(),
            "episodes": int(table.size),
        }
    axes = results[0].ledger
    ledger = {axis: float(np.mean([r.ledger[axis] for r in results])) for axis in axes}
    return {"cells": cells, "ledger": ledger}


def _families(study: Study) -> dict[str, list[tuple[str, str]]]:
    """Pairs of arms that are compared, by the family that they are tested in."""
    learners = [arm.name for arm in study.arms if not arm.extends]
    families = {
        f"against {study.baseline}": [(n, study.baseline) for n in learners if n != study.baseline]
    }
    if study.focus:
        families[f"{study.focus} against each other learner"] = [
            (study.focus, name) for name in learners if name != study.focus
        ]
    for arm in study.arms:
        if arm.extends:
            families.setdefault(f"variants of {arm.extends}", []).append((arm.name, arm.extends))
    return families


def _differences(
    study: Study, found: Mapping[str, list[TrainingResult | None]], seeds: Mapping[str, list[int]]
) -> dict[str, list[dict[str, Any]]]:
    """Paired differences over seeds and tasks, with Holm's correction within each family."""
    differences: dict[str, list[dict[str, Any]]] = {}
    for family, pairs in _families(study).items():
        lines = []
        for arm, other in pairs:
            if arm not in seeds:
                continue
            for split in study.evaluate:
                mine = scores(_picked(found[arm], seeds[arm]), split)
                theirs = scores(_picked(found[other], seeds[arm]), split)
                difference = crossed_difference(mine, theirs)
                lines.append(
                    {
                        "arm": arm,
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
        if lines:
            differences[family] = lines
    return differences


def markdown(record: dict[str, Any]) -> str:
    """Makes the tables of a study as Markdown.

    Args:
        record: The content of ``results.json``.
    """
    if record["study"].get("phases"):
        return tipping_table.markdown(record)
    from tabulate import tabulate

    variants = {arm["name"] for arm in record["study"]["arms"] if extends(arm)}
    shown = {name: arm for name, arm in record["arms"].items() if name not in variants}
    parts = [
        "Success, greedy, each task once for each seed; in brackets 95 % intervals over seeds and"
        f" tasks; seeds {_listed(record['seeds'])}. The ledger leaves the shared warm start out.\n",
        _arms(shown, record["study"]["evaluate"]),
    ]
    if variants:
        seeds = record["seeds_of_variants"]
        shown = {name: arm for name, arm in record["arms"].items() if name in variants}
        if shown:
            parts.append(f"\n**Variants**, seeds {_listed(seeds)}:\n")
            parts.append(_arms(shown, record["study"]["evaluate"]))
        else:
            parts.append(
                f"\nVariants are left out: {len(seeds)} seeds are finished on all of them."
            )
    for family, lines in record["differences"].items():
        rows = [
            [
                line["arm"],
                line["other"],
                line["split"],
                f"{100 * line['difference']:+.1f} points",
                f"[{100 * line['interval'][0]:+.1f}, {100 * line['interval'][1]:+.1f}]",
                _p(line.get("p_holm")),
                " ".join(f"{100 * d:+.1f}" for d in line["by_seed"]),
            ]
            for line in lines
        ]
        headers = ["arm", "against", "panel", "difference", "95 %", "p (Holm)", "by seed"]
        title = family[0].upper() + family[1:]
        parts.append(f"\n**{title}**, paired by seed and task:\n")
        parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    if record["refusals"]:
        parts.append(
            "\n**Refusals**, in % over all of these episodes: actions that the environment did not"
            " take, episodes that hold one, and success in episodes without and with one:\n"
        )
        parts.append(refusals_table(record["refusals"]))
    if record["critics"]:
        parts.append(
            "\n**Critics**, means over the seeds: success of the policy's own episodes, sampled;"
            " the weighted return from the first state and V there; explained variance of the"
            " return on held-out episodes; share of positive advantages; mean advantage of own"
            " actions by how the environment took them, and of the expert's:\n"
        )
        parts.append(critics_table(record["critics"]))
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


def _arms(arms: Mapping[str, dict[str, Any]], splits: Sequence[str]) -> str:
    from tabulate import tabulate

    rows = []
    for name, arm in arms.items():
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
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def write_results(study: Study, folder: Path) -> dict[str, Any]:
    """Writes the results of a study into its folder: ``results.json``, ``table.md`` and others.

    Of a study without phases, ``curves.jsonl`` holds all learning curves; for one of rounds see
    `tipping_table.write_results`.

    Returns:
        The content of ``results.json``.
    """
    if study.phases:
        return tipping_table.write_results(study, folder)
    record = summarise(study, folder)
    write_json(folder / "results.json", record)
    with replacing(folder / "curves.jsonl") as stream:
        for arm in study.arms:
            for seed in study.seeds:
                for point in read_curve(run_folder(folder, seed, "runs", arm.name)):
                    stream.write(json.dumps({**point, "arm": arm.name}).encode() + b"\n")
    write_file(folder / "table.md", markdown(record))
    return record
