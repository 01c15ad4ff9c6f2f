"""Results and tables of a study: success by arm and split, paired differences, with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qevolve_bench.analysis.render import table
from qevolve_bench.schema import write_json
from qevolve_bench.statistics import crossed_difference, crossed_mean, holm
from qevolve_bench.study import tipping_table
from qevolve_bench.study.diagnostics import (
    critic_rounds,
    critics_table,
    refusals,
    refusals_table,
)
from qevolve_bench.study.engine import choose, done_runs, run_folder
from qevolve_bench.study.plan import SCHEMA, Study, extends
from qevolve_bench.training.evaluation import read_curve
from qevolve_bench.training.specification import TrainingResult, read_result
from qevolve_envs.errors import BenchError
from qevolve_envs.files import replacing, write_file

WARM = "warm start"


#: Arm -> seed -> result, of the runs that are done.
Done = Mapping[str, Mapping[int, TrainingResult]]


def scores(results: Sequence[TrainingResult], split: str) -> npt.NDArray[np.float64]:
    """Successes as 0 or 1, shape (seeds, tasks).

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
    warm = {s: read_result(run_folder(folder, s, "warm")) for s in study.seeds}
    done: Done = {
        WARM: {seed: result for seed, result in warm.items() if result is not None},
        **done_runs(study, folder, read_result),
    }
    learners = [WARM, *(arm.name for arm in study.arms if not arm.extends)]
    variants = [arm.name for arm in study.arms if arm.extends]
    common = [seed for seed in study.seeds if all(seed in done[name] for name in learners)]
    if len(common) < 2:
        raise BenchError(
            f"{len(common)} seeds are finished on every learner; a table with intervals needs two."
        )
    seeds = dict.fromkeys(learners, common)
    of_variants = [seed for seed in common if all(seed in done[name] for name in variants)]
    if len(of_variants) >= 2:
        seeds |= dict.fromkeys(variants, of_variants)
    results = {name: [done[name][seed] for seed in chosen] for name, chosen in seeds.items()}
    folders = {name: [r.folder for r in picked] for name, picked in results.items()}
    refused = {name: refusals(places, study.evaluate) for name, places in folders.items()}
    critics = {name: critic_rounds(places) for name, places in folders.items()}
    return {
        "schema": SCHEMA,
        "study": asdict(study),
        "digest": study.digest(),
        "seeds": common,
        "seeds_of_variants": of_variants if variants else [],
        "tuned": choose(study, folder),
        "arms": {name: _arm_record(picked, study.evaluate) for name, picked in results.items()},
        "differences": _differences(study, done, seeds),
        "refusals": {name: counts for name, counts in refused.items() if counts},
        "critics": {name: rounds for name, rounds in critics.items() if rounds},
    }


def _arm_record(results: Sequence[TrainingResult], splits: Sequence[str]) -> dict[str, Any]:
    """Success on each split, and the mean ledger."""
    cells: dict[str, Any] = {}
    for split in splits:
        won = scores(results, split)
        mean = crossed_mean(won)
        cells[split] = {
            "success": mean.estimate.value,
            "interval": list(mean.estimate.interval),
            "by_seed": won.mean(axis=1).tolist(),
            "episodes": int(won.size),
        }
    axes = results[0].ledger
    ledger = {axis: float(np.mean([r.ledger[axis] for r in results])) for axis in axes}
    return {"cells": cells, "ledger": ledger}


def _families(study: Study) -> dict[str, list[tuple[str, str]]]:
    """Pairs of arms that are compared, by the family that they are tested in."""
    learners = [arm.name for arm in study.arms if not arm.extends]
    base, focus = study.baseline, study.focus
    families = {f"against {base}": [(name, base) for name in learners if name != base]}
    if focus:
        others = [(focus, name) for name in learners if name != focus]
        families[f"{focus} against each other learner"] = others
    for arm in study.arms:
        if arm.extends:
            families.setdefault(f"variants of {arm.extends}", []).append((arm.name, arm.extends))
    return families


def _differences(
    study: Study, done: Done, seeds: Mapping[str, Sequence[int]]
) -> dict[str, list[dict[str, Any]]]:
    """Paired differences over seeds and tasks, with Holm's correction within each family."""
    differences: dict[str, list[dict[str, Any]]] = {}
    for family, pairs in _families(study).items():
        lines = []
        for arm, other in pairs:
            mine, theirs = ([done[name][s] for s in seeds.get(arm, ())] for name in (arm, other))
            for split in study.evaluate if mine else ():
                names = {"arm": arm, "other": other, "split": split}
                lines.append(names | _difference(mine, theirs, split))
        tested = [line for line in lines if line["p"] is not None]
        if tested:
            for line, p in zip(tested, holm([t["p"] for t in tested]), strict=True):
                line["p_holm"] = float(p)
        if lines:
            differences[family] = lines
    return differences


def _difference(
    mine: Sequence[TrainingResult], theirs: Sequence[TrainingResult], split: str
) -> dict[str, Any]:
    first, second = scores(mine, split), scores(theirs, split)
    difference = crossed_difference(first, second)
    return {
        "difference": difference.estimate.value,
        "interval": list(difference.estimate.interval),
        "p": difference.p_value,
        "by_seed": (first - second).mean(axis=1).tolist(),
    }


def markdown(record: dict[str, Any]) -> str:
    """Makes the tables of a study as Markdown.

    Args:
        record: The content of ``results.json``.
    """
    if record["study"].get("phases"):
        return tipping_table.markdown(record)
    splits, names = record["study"]["evaluate"], set(record["arms"])
    variants = {arm["name"] for arm in record["study"]["arms"] if extends(arm)}
    parts = [
        "Success, greedy, each task once for each seed; in brackets 95 % intervals over seeds and"
        f" tasks; seeds {_listed(record['seeds'])}. The ledger leaves the shared warm start out.\n",
        _arms(record["arms"], names - variants, splits),
    ]
    seeds = record["seeds_of_variants"]
    if names & variants:
        parts.append(f"\n**Variants**, seeds {_listed(seeds)}:\n")
        parts.append(_arms(record["arms"], names & variants, splits))
    elif variants:
        parts.append(f"\nVariants are left out: {len(seeds)} seeds are finished on all of them.")
    for family, lines in record["differences"].items():
        title = family[0].upper() + family[1:]
        parts.append(f"\n**{title}**, paired by seed and task:\n")
        headers = ["arm", "against", "panel", "difference", "95 %", "p (Holm)", "by seed"]
        parts.append(table(headers, map(_difference_row, lines)))
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
        parts.append(table(["arm", "setting", "trials", "chosen"], rows))
    return "\n".join(parts) + "\n"


def _arms(arms: Mapping[str, Any], shown: Set[str], splits: Sequence[str]) -> str:
    rows = []
    for name, arm in arms.items():
        if name not in shown:
            continue
        cells = [
            (arm["cells"][split]["success"], *arm["cells"][split]["interval"]) for split in splits
        ]
        ledger = arm["ledger"]
        rows.append([
            name,
            *(f"{success:.3f} [{low:.3f}, {high:.3f}]" for success, low, high in cells),
            f"{ledger['env_steps']:,.0f}",
            f"{ledger['episodes']:,.0f}",
            f"{ledger['generated_tokens'] / 1e3:,.0f}K",
            f"{ledger['trained_tokens'] / 1e6:,.1f}M",
            f"{ledger['wall_seconds'] / 60:.1f}",
        ])  # fmt: skip
    spent = ["env steps", "episodes", "generated", "trained", "minutes"]
    return table(["arm", *splits, *spent], rows)


def _difference_row(line: Mapping[str, Any]) -> list[str]:
    low, high = line["interval"]
    p = line.get("p_holm")
    return [
        line["arm"],
        line["other"],
        line["split"],
        f"{100 * line['difference']:+.1f} points",
        f"[{100 * low:+.1f}, {100 * high:+.1f}]",
        "-" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001",
        " ".join(f"{100 * d:+.1f}" for d in line["by_seed"]),
    ]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


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
