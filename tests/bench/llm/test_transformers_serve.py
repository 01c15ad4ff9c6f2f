"""The agent `openai` against a server that somebody else wrote: `transformers serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from qevolve_bench.agents import resolve_agent
from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.errors import BenchError

for needed in ("openai", "transformers", "fastapi", "uvicorn", "accelerate"):
    pytest.importorskip(needed)

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
TOY = "benchtoy/Corridor-v0"


@pytest.fixture(scope="module")
def served(tiny_model, tmp_path_factory):
    """(model, base URL) of a running server."""
    model = tiny_model("served", TEMPLATE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    if not program.exists():
        pytest.skip("the command transformers is not installed beside this python")
    command = [program, "serve", model, "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(240):
            try:
                opener.open(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                if process.poll() is not None:
                    pytest.skip(f"transformers serve does not run here: {log.read_text()[-300:]}")
                time.sleep(0.5)
        else:
            pytest.fail(f"transformers serve does not answer: {log.read_text()[-2000:]}")
        yield model, f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_it_plays_against_transformers_serve(served, toy_env):
    model, url = served
    options = {"model": model, "base_url": url, "max_tokens": 8}
    agent = resolve_agent("openai", toy_env, options)
    episodes = evaluate(TOY, agent=agent, split="test", episodes=3, max_episode_steps=2)
    assert all(e.error is None and len(e.steps) == 2 for e in episodes)
    assert all(read > 0 and 0 < written <= 8 for read, written in agent.usage())
    again = evaluate(TOY, agent=agent, split="test", episodes=3, max_episode_steps=2, batch_size=1)
    assert [e.to_json() for e in again] == [e.to_json() for e in episodes]
    with pytest.raises(BenchError, match=r"the endpoint answered 400|does not know the model"):
        resolve_agent("openai", toy_env, {**options, "model": "another"})
    agent._backend.close()
