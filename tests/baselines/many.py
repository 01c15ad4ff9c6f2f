"""One of several processes that train together, for `test_parallel`; a program of its own.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=… python many.py FOLDER LEARNER …

Each process writes the digest of its weights, and the first one the runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tiny
import torch

from qevolve_baselines import parallel
from qevolve_baselines.learner import make_learner
from qevolve_baselines.run import Run

OPTIM = {"batch_tokens": 300, "lr": 3e-3}
SETTINGS = {
    "sft": {"epochs": 2, "optim": OPTIM},
    "rft": {
        "rounds": 1,
        "collect": {"per_task": 2, "batch_size": 7},
        "fit": {"epochs": 1, "optim": OPTIM},
    },
    "q_evolve": {
        "rounds": 1,
        "bc": {"epochs": 1, "optim": OPTIM},
        "collect": {"per_task": 2, "batch_size": 7},
        "critic": {"epochs": 1, "optim": {"batch_tokens": 1500}},
        "policy": {"epochs": 1, "optim": {"batch_tokens": 1500}},
        "unhealthy": "log",
    },
}


def main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    said = {}
    with parallel.processes("cpu"):
        for name in names:
            policy = tiny.policy()
            run = Run(seed=1, folder=folder / name)
            make_learner(name, None, SETTINGS[name]).train(tiny.world(), tiny.demos(), policy, run)
            state = policy.model.state_dict()
            ledger = run.ledger
            said[name] = {
                "digest": policy.digest(),
                "env_steps": ledger.env_steps,
                "trained_tokens": ledger.trained_tokens,
                "generated_tokens": ledger.generated_tokens,
            }
            if parallel.is_main():
                torch.save(state, folder / f"{name}.pt")
        rank = parallel.rank()
    (folder / f"said-{rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
