from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the learners need the extra train")


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device here"))


if "tiny" not in sys.modules:
    _file = Path(__file__).parents[1] / "baselines" / "tiny.py"
    _spec = importlib.util.spec_from_file_location("tiny", _file)
    assert _spec is not None and _spec.loader is not None
    sys.modules["tiny"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["tiny"])
