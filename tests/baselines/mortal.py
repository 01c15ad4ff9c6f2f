"""Runs learners in processes that are killed, for `test_run`; a program of its own.

Each attempt is a forked child that kills itself with SIGKILL at a point that is drawn: behind a
line of metrics, or in the middle of a save, before the file is renamed. The next attempt resumes.
What is printed is JSON: for each learner the digest of the weights of an undisturbed run, that of
the killed one, and how often it was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tiny
import torch

from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import TrainingSpec

OPTIM = {"batch_tokens": 150, "lr": 1e-2}
SETTINGS = {
    "sft": {"epochs": 2, "optim": OPTIM},
    "rft": {
        "rounds": 2,
        "collect": {"per_task": 1, "batch_size": 8},
        "fit": {"epochs": 1, "optim": OPTIM},
    },
    "q_evolve": {
        "rounds": 2,
        "bc": {"epochs": 1, "optim": OPTIM},
        "collect": {"per_task": 1, "batch_size": 8},
        "critic": {"epochs": 1, "optim": {"batch_tokens": 400}},
        "policy": {"epochs": 1, "optim": {"batch_tokens": 400}},
        "unhealthy": "log",
    },
}
#: A whole training run, warm start and learning curve included.
COMMAND = "train"
SPEC = TrainingSpec(
    learner="rft",
    env_id=tiny.ENV_ID,
    demos=12,
    settings=SETTINGS["rft"],
    budget={"env_steps": 200.0},
    scratch={"hidden_size": 32, "layers": 1, "vocabulary": 360},
    warm={"epochs": 2, "optim": OPTIM},
    transcript_config={"context": 256, "max_action_tokens": 8, "max_observation_tokens": 48},
    evaluate=("train", "unseen"),
)


class Fate:
    """Counts what may be the last thing that a process does."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self.kill_at = kill_at

    def tick(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def learn(name: str, folder: Path, fate: Fate) -> str:
    """One attempt; a digest of the weights and metrics that came of it."""
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        fate.tick()  # A file is written, and not renamed yet.
        real_fsync(descriptor)

    os.fsync = fsync
    digest = hashlib.sha256()
    if name == COMMAND:
        train(SPEC, folder, on_log=lambda line: fate.tick())
        points = (folder / "curve.jsonl").read_text().splitlines()
        digest.update((folder / "policy" / "model.safetensors").read_bytes())
        digest.update(json.dumps([json.loads(p)["results"] for p in points]).encode())
        assert not (folder / "state.pt").exists() and not list(folder.rglob("*.part"))
    else:
        policy = tiny.policy()
        for layer in policy.model.model.layers:  # Dropout must be resumed as well.
            layer.self_attn.attention_dropout = 0.1
        run = Run(
            seed=1,
            budget=Budget(env_steps=10_000),
            folder=folder,
            save_every=0.0,
            on_log=lambda line: fate.tick(),
        )
        learner = make_learner(name, None, SETTINGS[name])
        trained = learner.train(tiny.world(), tiny.demos(), policy, run)
        digest.update(trained.digest().encode())
    for text in (folder / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        ledger = {k: v for k, v in line.pop("ledger").items() if "seconds" not in k}
        digest.update(json.dumps([line, ledger]).encode())
    return digest.hexdigest()


def attempt(name: str, folder: Path, kill_at: int | None) -> tuple[str, int] | None:
    """What an attempt came to, and how many times it might have been killed; None if it was."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            fate = Fate(kill_at)
            said = json.dumps([learn(name, folder, fate), fate.count])
            os.write(write, said.encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status != 0:
        raise SystemExit(f"{name}: a child ended with status {status}")
    digest, count = json.loads(said)
    return digest, count


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    # The forks share what is imported and made up to here.
    tiny.policy()
    for name in SETTINGS:
        make_learner(name)
    rng = random.Random(3)
    report = {}
    for name in (*SETTINGS, COMMAND):
        undisturbed = attempt(name, folder / f"{name}-whole", None)
        assert undisturbed is not None
        expected, points = undisturbed
        kills, found = 0, None
        while found is None:
            # Spread over what is left, so that late points are reached as well.
            kill_at = rng.randint(1, max(2, points // 3)) if kills < 4 else None
            found = attempt(name, folder / f"{name}-killed", kill_at)
            kills += found is None
        report[name] = {"whole": expected, "killed": found[0], "kills": kills, "points": points}
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
