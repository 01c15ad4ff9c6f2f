"""Section of a report on playing a run again: its command, seeds, digests and versions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qevolve_bench.flags import command_line
from qevolve_bench.folders import current_names
from qevolve_bench.options import EvalOptions, PlayingOptions, RobustnessOptions
from qevolve_bench.report.html import table
from qevolve_bench.runner.results import Manifest
from qevolve_bench.schema import convert
from qevolve_bench.suites import Suite
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.errors import BadFile
from qevolve_envs.factory import PERTURBATION


def command(arguments: list[str]) -> str:
    """Spells a command line for a shell."""
    return shlex.join(["qevolve-bench", *arguments])


def evaluation_command(manifest: Manifest) -> str | None:
    """Spells the command that plays a run again, without the agent's own options.

    Returns:
        The command; None for a suite of one's own, whose file the manifest does not name.
    """
    suite = Suite.from_json(manifest["suite"])
    cell, settings = suite.cells[0], manifest["settings"]
    panel: dict[str, Any] = {
        "env": cell.env_id,
        "split": cell.split,
        "episodes": cell.episodes,
        "seed": cell.seeds[0],
        "horizon": cell.horizon,
        "env_arg": {k: v for k, v in cell.env_kwargs.items() if k != PERTURBATION},
    }
    common: dict[str, Any] = {
        "agent": manifest["agent"]["name"],
        "batch_size": settings.get("batch_size", 16),
        "step_seconds": settings.get("step_seconds") or PlayingOptions.step_seconds,
        "out": Path("RUN"),
    }
    limits: dict[str, Any] = {
        "episode_seconds": settings.get("episode_seconds"),
        "memory": settings.get("memory_mib"),
    }
    if suite.name == "adhoc" and len(suite.cells) == 1:
        return command(["eval", *command_line(EvalOptions(**panel, **common, **limits))])
    if suite.name == "robustness" and len(suite.cells) > 1:
        played = [cell.perturbation for cell in suite.cells if cell.perturbation is not None]
        options = RobustnessOptions(**panel, **common, perturbations=played)
        return command(["robustness", *command_line(options)])
    if suite.name in ("adhoc", "robustness"):
        return None
    return command(["eval", *command_line(EvalOptions(suite=suite.name, **common, **limits))])


def training_command(record: dict[str, Any]) -> str:
    """Spells the command that trains a run again.

    Args:
        record: Content of its ``spec.json``.

    Raises:
        BadFile: When that is no specification of this release.
    """
    spec = convert(current_names(record), TrainingSpec, "spec.json")
    return command(["train", *command_line(spec), "--out", "RUN"])


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """Content of a manifest, for the page.

    Attributes:
        suite: The suite that was played.
        command: The command that plays it again; None where it is not known.
        described: The agent's description of itself.
        cells: Table of cells, seeds and panels.
        skipped: Cells that were not played, with the reasons.
        versions: A sentence on the versions of packages and code.
    """

    suite: Suite
    command: str | None
    described: str
    cells: Markup
    skipped: str
    versions: str


def evaluation(manifest: Manifest) -> EvaluationRecord:
    """Gathers what a manifest says of its run."""
    suite = Suite.from_json(manifest["suite"])
    rows = [
        (
            cell.name,
            cell.horizon,
            ", ".join(map(str, cell.seeds)),
            "–" if cell.tasks is None else cell.tasks,
            "not recorded"
            if cell.panel is None
            else Markup("<code>{}</code>").format(cell.panel[:16]),
        )
        for cell in suite.cells
    ]
    caption = "What was played; panels by the first digits of their SHA-256"
    cells = table(caption, ("cell", "horizon", "seeds", "tasks", "panel"), rows, numeric=(1, 3))
    described = manifest["agent"].get("description") or {}
    return EvaluationRecord(
        suite,
        evaluation_command(manifest),
        ", ".join(f"{key} = {value}" for key, value in described.items()),
        cells,
        "; ".join(f"{cell}: {why}" for cell, why in manifest["skipped"].items()),
        _versions(manifest["provenance"]),
    )


def training(record: dict[str, Any]) -> tuple[str, str]:
    """Spells the command that trains a run again, or says why it is not known.

    Returns:
        The command and the problem, one of which is empty.
    """
    try:
        return training_command(record), ""
    except BadFile as error:
        return "", str(error)


def _versions(provenance: dict[str, Any]) -> str:
    packages = provenance.get("packages")
    said = []
    if isinstance(provenance.get("python"), str):
        said.append(provenance["python"])
    if isinstance(packages, dict):
        said += [f"{name} {version}" for name, version in packages.items()]
    git = provenance.get("git")
    state = git.get("package") if isinstance(git, dict) else None
    if isinstance(state, dict) and isinstance(state.get("revision"), str):
        changed = " with changes that were not committed" if state.get("dirty") else ""
        said.append(f"revision {state['revision'][:12]}{changed}")
    return f"Versions: {', '.join(said)}." if said else "The manifest names no versions."
