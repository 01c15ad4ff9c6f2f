"""The Ray backend, on a cluster of this machine: the same bytes as the processes of the runner."""

from __future__ import annotations

import os
import sys

import pytest

from qevolve_bench.runner.results import load_run
from qevolve_bench.runner.worker import AgentLimits
from qevolve_envs.errors import BenchError, MissingData

ray = pytest.importorskip("ray", reason="the Ray backend needs pip install 'qevolve-bench[ray]'")


@pytest.fixture(scope="module")
def cluster():
    """One for all tests, because starting it takes seconds."""
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    yield
    ray.shutdown()


def test_ray_gives_the_bytes_of_the_local_backend(cluster, play, contents):
    local = play("random", out="local", workers=0)
    assert play("random", out="ray", workers=2, backend="ray") == local
    assert contents("local") == contents("ray")


def test_a_lost_worker_is_the_same_failure_on_ray(cluster, play, folder, contents):
    limits = AgentLimits(step_seconds=20.0)
    play("mine:exits", out="local", workers=1, limits=limits)
    play("mine:exits", out="ray", workers=2, backend="ray", limits=limits)
    assert contents("local") == contents("ray")
    assert sum(e.error is not None for e in load_run(folder / "ray").cells["train"]) == 4


def test_a_mistake_of_the_user_is_a_sentence_on_ray(cluster, play):
    with pytest.raises(BenchError, match="no module named 'nobody'"):
        play("nobody:make", workers=1, backend="ray")


def test_without_ray_it_is_missing(play, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingData, match=r"pip install 'qevolve-bench\[ray\]'"):
        play("random", workers=1, backend="ray")
