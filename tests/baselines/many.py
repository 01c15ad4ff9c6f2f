"""One of several processes that train together, for `test_parallel`; a program of its own.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=… python many.py FOLDER HALTED LEARNER …

Each process writes what it made, and the first one the runs. A run that is stopped halfway is left
in the folder HALTED; where there is one, it is resumed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import tiny
import torch

from qevolve_baselines import parallel
from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run.run import Run

# Updates of few transcripts: also of fewer than there are processes.
OPTIM = {"batch_tokens": 300, "lr": 3e-3}
GENTLE = {"batch_tokens": 300, "lr": 3e-4}
ONLINE = {
    "iterations": 2,
    "collect": {"tasks": 4, "per_task": 4, "batch_size": 7},
    "dense": 1.0,
    "optim": GENTLE,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "sft": {"epochs": 2, "optim": OPTIM},
    "rft": {
        "rounds": 1,
        "collect": {"per_task": 2, "batch_size": 7},
        "fit": {"epochs": 1, "optim": OPTIM},
    },
    "grpo": ONLINE,
    "ppo": {**ONLINE, "critic_optim": GENTLE, "critic_warmup": 1},
    "q_evolve": {
        "rounds": 1,
        "bc": {"epochs": 1, "optim": OPTIM},
        "collect": {"per_task": 2, "batch_size": 7},
        "critic": {"epochs": 1, "optim": {"batch_tokens": 1500}},
        "policy": {"epochs": 1, "optim": {"batch_tokens": 1500}},
        "unhealthy": "log",
    },
}
ONLINE_LEARNERS = ("grpo", "ppo")


class Halted(Exception):
    """What stands for processes that are all told to stop."""


class Short(Run):
    """A run that is halted in its second update."""

    def updates(self, name: str, total: int) -> Iterator[int]:
        for index in super().updates(name, total):
            if index == 1:
                raise Halted
            yield index


def start_of(name: str, dtype: torch.dtype = torch.float32) -> Policy:
    """What a learner starts from: one that knows nothing finds out nothing by itself."""
    return tiny.warm_policy() if name in ONLINE_LEARNERS else tiny.policy(dtype=dtype)


def learn(name: str, run: Run, dtype: torch.dtype = torch.float32) -> Policy:
    """A run, from where it was left."""
    learner = make_learner(name, None, SETTINGS[name])
    return learner.train(tiny.world(), tiny.demos(), start_of(name, dtype), run)


def keep(file: Path, *policies: Policy) -> None:
    """Writes the weights of policies."""
    if parallel.is_main():
        torch.save([policy.model.state_dict() for policy in policies], file)


def main(folder: Path, halted: Path, names: list[str]) -> None:
    """Makes the runs of a process."""
    torch.set_num_threads(1)
    said: dict[str, Any] = {}
    with parallel.processes("cpu"):
        for name in names:
            run = Run(seed=1, folder=folder / name)
            policy = learn(name, run)
            ledger = run.ledger
            said[name] = {
                "digest": policy.digest(),
                "env_steps": ledger.env_steps,
                "trained_tokens": ledger.trained_tokens,
                "generated_tokens": ledger.generated_tokens,
            }
            keep(folder / f"{name}.pt", start_of(name), policy)
        said["whole"] = learn("sft", Run(seed=1), torch.bfloat16).digest()
        half = folder / "half"
        if halted.exists():
            shutil.copytree(halted, half)
        else:
            with suppress(Halted):
                learn("sft", Short(seed=1, folder=half, save_every=0.0), torch.bfloat16)
            if parallel.is_main():
                shutil.copytree(half, halted)
            parallel.wait()
        run = Run(seed=1, folder=half)
        said["halted at"] = run.ledger.trained_tokens
        policy = learn("sft", run, torch.bfloat16)
        said["resumed"], said["trained_tokens"] = policy.digest(), run.ledger.trained_tokens
        keep(folder / "resumed.pt", start_of("sft", torch.bfloat16), policy)
        rank = parallel.rank()
    (folder / f"said-{rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
