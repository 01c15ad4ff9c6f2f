"""The evaluation harness of qevolve-bench. Importing it registers the environments.

It must stay cheap to import: no torch, and scipy, tabulate and tqdm only where they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qevolve_envs.registration import register_all

if TYPE_CHECKING:
    __version__: str

register_all()


def __getattr__(name: str) -> str:
    # Reading the installed metadata costs a directory scan, and few ever ask for it.
    if name == "__version__":
        from importlib.metadata import version

        return version("qevolve-bench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
