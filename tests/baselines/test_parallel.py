"""Two processes on one machine do what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import tiny  # noqa: F401  # registers the hall
import torch

from qevolve_baselines import parallel
from qevolve_baselines.learners.base import LEARNERS, find_learner, trains_in_parallel
from qevolve_baselines.learners.sft import SFTConfig
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.errors import BenchError

PARALLEL = [name for name in LEARNERS if trains_in_parallel(find_learner(name))]

# What two processes trained is made once for all of these tests.
pytestmark = pytest.mark.xdist_group("parallel")


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
                [sys.executable, program, folder, folder.with_name("halted"), *PARALLEL],
                env={**os.environ, **env},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in range(count)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of two processes' runs and one's, and what all three said."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, start(folder / "two", 2), start(folder / "one", 1)


@pytest.mark.parametrize("name", PARALLEL)
def test_two_processes_do_what_one_does(runs, name):
    folder, (first, second), (alone,) = runs
    assert first[name] == second[name], "the same weights, bit for bit, and the same ledger"
    assert apart(folder, name) < 0.01
    for axis in ("env_steps", "generated_tokens", "trained_tokens"):
        assert alone[name][axis] == first[name][axis], axis
    losses = [first_loss(folder / count / name) for count in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_sharded_optimiser_resumes_exactly(runs):
    _, (first, second), _ = runs
    assert 0 < first["halted at"] < first["trained_tokens"]
    assert first["resumed"] == first["whole"] == second["resumed"] == second["whole"]


def test_one_process_resumes_what_two_began(runs):
    folder, (first, _), (alone,) = runs
    assert alone["halted at"] == first["halted at"]
    assert alone["trained_tokens"] == first["trained_tokens"]
    assert apart(folder, "resumed") < 0.02


def apart(folder, name):
    """How far one process and two came apart, as a share of how far they came.

    Not each weight by itself: AdamW makes a step of usual length out of a gradient that is nothing
    but rounding.
    """
    (start, ours), (_, theirs) = (torch.load(folder / n / f"{name}.pt") for n in ("one", "two"))
    moved = torch.cat([(ours[key] - start[key]).flatten().float() for key in start])
    off = torch.cat([(ours[key] - theirs[key]).flatten().float() for key in start])
    assert moved.norm() > 0.1
    return float(off.norm() / moved.norm())


def first_loss(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return next(line["loss"] for line in lines if "loss" in line)


def test_with_one_process_it_is_nothing():
    with parallel.processes("cpu"):
        assert parallel.size() == 1 and parallel.is_main()
        assert parallel.gather(parallel.share([1, 2, 3])) == [1, 2, 3]
        assert parallel.from_main("x") == "x" and parallel.add_figures({"a": 1.0}) == {"a": 1.0}
        assert parallel.deal([3, 1]) == [0, 0] and parallel.from_owner("x", 0) == "x"
        parallel.wait()


def test_parameters_are_dealt_out_evenly(monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 3)
    sizes = [7, 1, 5, 5, 1, 2]
    owners = parallel.deal(sizes)
    owned = [sum(s for s, o in zip(sizes, owners, strict=True) if o == p) for p in range(3)]
    assert sorted(owned) == [7, 7, 7]
    assert parallel.deal([4]) == [0], "some processes own nothing"


def test_learners_that_are_not_known_to_be_right_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 2)
    spec = TrainingSpec(learner="eto", env_id="tiny/Hall-v0")
    with pytest.raises(BenchError, match="eto trains in one process"):
        train(spec, tmp_path / "run")


class Plugin:
    """A learner of somebody else that says nothing of processes."""

    config_class = SFTConfig

    def __init__(self, config):
        self.config = config

    def train(self, world, demos, policy, run):
        return policy


class ParallelPlugin(Plugin):
    parallel = True


def test_a_plug_in_learner_says_itself_that_it_may_use_several_processes(tmp_path, monkeypatch):
    outside = ModuleType("outside_parallel")
    outside.Plugin, outside.ParallelPlugin = Plugin, ParallelPlugin
    monkeypatch.setitem(sys.modules, "outside_parallel", outside)
    monkeypatch.setattr(parallel, "size", lambda: 2)
    spec = TrainingSpec(learner="outside_parallel:Plugin", env_id="tiny/Hall-v0")
    with pytest.raises(BenchError, match=r"Plugin trains in one process.*parallel = True"):
        train(spec, tmp_path / "run")
    spec = replace(spec, learner="outside_parallel:ParallelPlugin", tuning_tasks=1000)
    with pytest.raises(BenchError, match="tuning_tasks 1000"):  # It has come to the next check.
        train(spec, tmp_path / "run")
