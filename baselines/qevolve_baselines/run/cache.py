"""Cache on disk for results that several runs share.

The variants of a learner begin alike: from one policy and one seed, the first collection is the
same for all of them, and so is the critic of those that differ only in what follows. All of it is a
function of its inputs, bit for bit, so the second run may take what the first one has made. The
ledger counts it in both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from qevolve_envs.files import replacing

T = TypeVar("T")


def fingerprint(*inputs: Any) -> str:
    """SHA-256 of arrays, and of whatever JSON can say; a function of values and their order."""
    found = hashlib.sha256()
    for item in inputs:
        if isinstance(item, np.ndarray):
            found.update(f"{item.dtype} {item.shape}".encode())
            found.update(np.ascontiguousarray(item).tobytes())
        else:
            found.update(json.dumps(item, sort_keys=True).encode())
        found.update(b"\0")
    return found.hexdigest()


def take(folder: Path, what: str, key: str, make: Callable[[], T]) -> T:
    """Reads what another run has made, or makes it and leaves it for others.

    Args:
        folder: Folder of the cache; several processes may use it at once.
        what: Names the file, together with the key.
        key: The fingerprint of everything that it depends on.
        make: Makes it: tensors, numbers, text, and lists and dictionaries of them.
    """
    file = folder / f"{what}-{key}.pt"
    if file.is_file():
        # What is damaged is made anew: torch has no exception of its own for that.
        with suppress(Exception):
            found: T = torch.load(file, weights_only=True)
            return found
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(file, shared=True) as stream:
        torch.save(made, stream)
    return made
