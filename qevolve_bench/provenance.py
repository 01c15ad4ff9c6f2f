"""Provenance of a result: versions of the code and of its dependencies, and the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

PACKAGE = "qevolve-bench"


def provenance() -> dict[str, Any]:
    """Describes the code, the same for two runs of the same command on the same machine.

    Returns:
        ``python`` (version and implementation), ``packages`` (this one, what it requires, and what
        of its extras is installed), ``git`` (of this package's source, and of the folder in which
        the command was given, where an agent of one's own lies; each ``{"revision", "dirty"}`` or
        None).
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": packages(),
        "git": {
            "package": git_state(Path(__file__).parent),
            "working_directory": git_state(Path.cwd()),
        },
    }


def packages() -> dict[str, str]:
    """Versions of this package and of its dependencies, those of its extras where installed."""
    names = {PACKAGE}
    for requirement in requires(PACKAGE) or []:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match is not None and not re.search(r"extra\s*==\s*['\"](test|dev)['\"]", requirement):
            names.add(match[0].lower())
    found = {}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Revision of the checkout that a folder lies in, and whether tracked files were changed.

    Files that are not tracked do not count, or a run would make its own checkout dirty. None where
    the folder is in no checkout, or is ignored by it, as an installed package is.
    """
    if _git(folder, "check-ignore", "-q", ".") is not None:
        return None
    revision = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if not revision or status is None:
        return None
    return {"revision": revision, "dirty": bool(status)}


def hardware() -> dict[str, Any]:
    """The machine, for `timing.json`."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_mib": _memory_mib(),
        "accelerators": _accelerators(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None where it fails, as without git or outside of a checkout."""
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor()


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (AttributeError, OSError, ValueError):
        return None


def _accelerators() -> list[str]:
    """GPUs, as the driver's own tool lists them: importing torch only to ask costs seconds."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
