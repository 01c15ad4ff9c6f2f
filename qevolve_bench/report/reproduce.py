"""How a run can be played again: its command, seeds, digests and versions, as its manifest says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from qevolve_bench.report.html import Content, Markup, join, table, tag
from qevolve_bench.report.inputs import Method
from qevolve_bench.runner.results import Manifest
from qevolve_bench.suites import Cell, Suite
from qevolve_envs.factory import PERTURBATION

_LIMITS = {
    "step_seconds": "--step-seconds",
    "episode_seconds": "--episode-seconds",
    "memory_mib": "--memory",
}


def command(arguments: list[str]) -> str:
    """A command line for a shell."""
    return shlex.join(["qevolve-bench", *arguments])


def evaluation_command(manifest: Manifest) -> str | None:
    """The command that plays a run again, without the agent's own options.

    None for a suite of one's own, whose file the manifest does not name.
    """
    suite = Suite.from_json(manifest["suite"])
    agent = ["--agent", manifest["agent"]["name"]]
    if suite.name == "adhoc" and len(suite.cells) == 1:
        arguments = ["eval", *_panel(suite.cells[0]), *agent, *_settings(manifest)]
    elif suite.name == "robustness" and len(suite.cells) > 1:
        played = [cell.perturbation for cell in suite.cells if cell.perturbation is not None]
        arguments = ["robustness", *_panel(suite.cells[0]), *agent, *_settings(manifest)]
        arguments += ["--perturbations", *played]
    elif suite.name not in ("adhoc", "robustness"):
        arguments = ["eval", "--suite", suite.name, *agent, *_settings(manifest)]
    else:
        return None
    return command([*arguments, "--out", "RUN"])


def training_command(spec: dict[str, Any]) -> str:
    """The command that trains a run again."""
    arguments = ["train", str(spec.get("learner")), "--env", str(spec.get("env_id"))]
    for flag, name in _NESTED.items():
        for key, value in _flat(spec.get(name)):
            arguments += [flag, f"{key}={value}"]
    for flag, name in _PLAIN.items():
        value = spec.get(name)
        if isinstance(value, list):
            value = ",".join(map(str, value))
        if value not in (None, ""):
            arguments += [flag, str(value)]
    return command([*arguments, "--out", "RUN"])


#: Options of `qevolve-bench train` by the field of its ``spec.json``.
_NESTED = {
    "--env-arg": "env_kwargs",
    "--set": "settings",
    "--budget": "budget",
    "--scratch": "scratch",
    "--form": "form",
}
_PLAIN = {
    "--split": "split",
    "--horizon": "horizon",
    "--preset": "preset",
    "--demos": "demos",
    "--init": "init",
    "--model": "model",
    "--seed": "seed",
    "--device": "device",
    "--dtype": "dtype",
    "--evaluate": "evaluate",
    "--eval-episodes": "episodes",
    "--checkpoints": "checkpoints",
}


def _flat(settings: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as ``optim.lr``, value."""
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def runs_of(method: Method) -> Markup:
    """Everything that is known of how a method's runs came about."""
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
    parts = [
        tag("summary", f"{name}: how it was trained"),
        tag("pre", training_command(spec), class_="command"),
    ]
    beyond = {key: spec[key] for key in ("warm", "tuning_tasks") if spec.get(key)}
    if beyond:
        said = ", ".join(f"{key} = {value}" for key, value in beyond.items())
        parts.append(tag("p", f"And, which only a study can set: {said}.", class_="note"))
    return tag("details", parts)


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


def _panel(cell: Cell) -> list[str]:
    arguments = ["--env", cell.env_id, "--split", cell.split]
    for name, value in cell.env_kwargs.items():
        if name != PERTURBATION:
            arguments += ["--env-arg", f"{name}={value}"]
    if cell.episodes is not None:
        arguments += ["--episodes", str(cell.episodes)]
    return [*arguments, "--seed", str(cell.seeds[0]), "--horizon", str(cell.horizon)]


def _settings(manifest: Manifest) -> list[str]:
    settings = dict(manifest["settings"])
    arguments = ["--batch-size", str(settings.get("batch_size", 16))]
    for name, flag in _LIMITS.items():
        value = settings.get(name)
        # The limit of a step that both commands have by default.
        if value is not None and (name, value) != ("step_seconds", 600.0):
            arguments += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return arguments
