from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the learners need the extra train")
pytest.importorskip("transformers", reason="the learners need the extra train")

import torch

# Test modules cannot import their neighbours under --import-mode=importlib.
_spec = importlib.util.spec_from_file_location("till", Path(__file__).with_name("till.py"))
assert _spec is not None and _spec.loader is not None
sys.modules["till"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["till"])


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors are quicker on one, and the same sums come out on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
