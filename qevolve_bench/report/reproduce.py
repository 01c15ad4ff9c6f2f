"""Section of a report on playing a run again: its command, seeds, digests and versions."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from qevolve_bench.commands.eval import EvalOptions
from qevolve_bench.commands.robustness import RobustnessOptions
from qevolve_bench.commands.shared import PlayingOptions
from qevolve_bench.flags import command_line
from qevolve_bench.folders import current_names
from qevolve_bench.report.html import Content, Markup, join, table, tag
from qevolve_bench.report.inputs import Method
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


def runs_of(method: Method) -> Markup:
    """Shows everything that is known of the origin of a method's runs."""
    parts: list[Content] = [tag("h3", method.name)]
    for name, manifest in method.manifests.items():
        if manifest is None:
            parts.append(
                tag(
                    "p",
                    tag("strong", name),
                    " is a bare file of episodes without a manifest: its command, panels and"
                    " versions are not known. Its tasks, seeds and digests are in the episode"
                    " browser.",
                )
            )
        else:
            parts.append(_evaluation(name, manifest))
    for name, spec in method.specs.items():
        parts.append(_training(name, spec))
    if method.curves and not method.specs:
        parts.append(
            tag("p", "Known from its learning curve alone, which names no command or version.")
        )
    if method.curves:
        seeds = ", ".join(str(curve.seed) for curve in method.curves)
        parts.append(tag("p", f"Training seeds: {seeds}.", class_="note"))
    return tag("div", parts)


def _evaluation(name: str, manifest: Manifest) -> Markup:
    suite = Suite.from_json(manifest["suite"])
    said = evaluation_command(manifest)
    parts: list[Content] = [
        tag(
            "p",
            tag("strong", name),
            f": suite {suite.name}, digest ",
            tag("code", suite.digest[:16]),
            "." if manifest["complete"] else ". This run is unfinished.",
        )
    ]
    if said is None:
        parts.append(tag("p", "Its suite was given as a file, which the manifest does not name."))
    else:
        parts.append(tag("pre", said, class_="command"))
    options = manifest["agent"].get("description")
    if isinstance(options, dict) and options:
        described = ", ".join(f"{key} = {value}" for key, value in options.items())
        parts.append(tag("p", f"The agent describes itself: {described}.", class_="note"))
    parts.append(_cells(suite))
    if manifest["skipped"]:
        skipped = "; ".join(f"{cell}: {why}" for cell, why in manifest["skipped"].items())
        parts.append(tag("p", f"Not played: {skipped}"))
    parts.append(tag("p", _versions(manifest["provenance"]), class_="note"))
    return join(parts)


def _cells(suite: Suite) -> Markup:
    rows = [
        (
            cell.name,
            cell.horizon,
            ", ".join(map(str, cell.seeds)),
            "–" if cell.tasks is None else cell.tasks,
            "not recorded" if cell.panel is None else tag("code", cell.panel[:16]),
        )
        for cell in suite.cells
    ]
    return tag(
        "details",
        tag("summary", "Cells, seeds and panels"),
        table(
            ("cell", "horizon", "seeds", "tasks", "panel"),
            rows,
            caption="What was played; panels by the first digits of their SHA-256",
            numeric=(1, 3),
        ),
    )


def _training(name: str, spec: dict[str, Any] | None) -> Markup:
    if not isinstance(spec, dict):
        return tag("p", tag("strong", name), " has no spec.json: how it was trained is not known.")
    try:
        shown = tag("pre", training_command(spec), class_="command")
    except BadFile as error:
        shown = tag("p", f"Its command is not known: {error}.")
    return tag("details", [tag("summary", f"{name}: how it was trained"), shown])


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
