"""Calls a function in a fresh interpreter, under another hash seed.

The new process finds modules where this one did, also those that a test runner loaded from files
outside of `sys.path`, and imports them anew: nothing computed at import time is carried over.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import cloudpickle  # type: ignore[import-untyped]  # a dependency of gymnasium

_BOOT = """
import json, sys
place = json.loads(sys.stdin.buffer.readline())
sys.path[:] = place["path"]
from qevolve_envs.fresh_process import serve
serve(place["modules"], sys.stdin.buffer)
"""


def call_fresh(function: Callable[..., Any], *args: Any, hash_seed: int) -> Any:
    """Returns ``function(*args)``, which must be JSON, as another process computes it.

    Raises:
        RuntimeError: With the other process's traceback, when the call fails there.
    """
    place = {"path": [p or str(Path.cwd()) for p in sys.path], "modules": _module_files()}
    done = subprocess.run(
        [sys.executable, "-c", _BOOT],
        input=json.dumps(place).encode() + b"\n" + cloudpickle.dumps((function, args)),
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"A fresh process failed:\n{done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


def serve(modules: dict[str, str | None], stream: BinaryIO) -> None:
    """The other side: reads the call, answers on standard output, which nobody else may use."""
    sys.meta_path.append(_Elsewhere(modules))
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    function, args = cloudpickle.load(stream)
    with answer:
        json.dump(function(*args), answer)


def _module_files() -> dict[str, str | None]:
    files: dict[str, str | None] = {}
    for name, module in sorted(sys.modules.items()):
        if isinstance(module, ModuleType) and name != "__main__":
            file = getattr(module, "__file__", None)
            if file is None or file.endswith(".py"):
                files[name] = file
    return files


class _Elsewhere(importlib.abc.MetaPathFinder):
    """Asked last: loads what the caller had loaded from a file that `sys.path` does not reach."""

    def __init__(self, files: dict[str, str | None]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._files:
            return None
        file = self._files[fullname]
        if file is None:
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        return importlib.util.spec_from_file_location(fullname, file)
