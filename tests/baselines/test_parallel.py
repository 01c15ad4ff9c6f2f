"""Two processes on one machine do what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qevolve_baselines import parallel
from qevolve_bench import training
from qevolve_envs.errors import BenchError

NAMES = ("sft", "rft", "q_evolve")


def start(folder, count):
    """Runs the program in `count` processes; what each of them said."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = Path(__file__).with_name("many.py")
    running = []
    for rank in range(count):
        env = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        running.append(
            subprocess.Popen(
                [sys.executable, program, folder, *NAMES],
                env={**os.environ, **env},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in range(count)]


def test_two_processes_do_what_one_does(tmp_path):
    (alone,) = start(tmp_path / "one", 1)
    first, second = start(tmp_path / "two", 2)
    assert first == second, "both have the same weights, bit for bit, and the same ledger"
    for name in NAMES:
        ours = torch.load(tmp_path / "one" / f"{name}.pt")
        theirs = torch.load(tmp_path / "two" / f"{name}.pt")
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], atol=2e-4, rtol=1e-3, msg=key)
        for axis in ("env_steps", "generated_tokens", "trained_tokens"):
            assert alone[name][axis] == first[name][axis], (name, axis)
        losses = [first_loss(tmp_path / folder / name) for folder in ("one", "two")]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def first_loss(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return next(line["loss"] for line in lines if "loss" in line)


def test_with_one_process_it_is_nothing():
    with parallel.processes("cpu"):
        assert parallel.size() == 1 and parallel.is_main()
        assert parallel.gather(parallel.share([1, 2, 3])) == [1, 2, 3]
        assert parallel.from_main("x") == "x" and parallel.add_figures({"a": 1.0}) == {"a": 1.0}
        parallel.wait()


def test_learners_that_are_not_known_to_be_right_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 2)
    spec = training.Training(learner="grpo", env_id="tiny/Hall-v0")
    with pytest.raises(BenchError, match="grpo trains in one process"):
        training.train(spec, tmp_path / "run")
