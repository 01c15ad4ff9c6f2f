from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

# Test modules cannot import their neighbours under --import-mode=importlib.
_spec = importlib.util.spec_from_file_location("forge", Path(__file__).with_name("forge.py"))
assert _spec is not None and _spec.loader is not None
sys.modules["forge"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["forge"])


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """An honest submission of the suite quick; nobody changes it."""
    forge = sys.modules["forge"]
    return forge.make_good(tmp_path_factory.mktemp("submission"), forge.QUICK)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The same with fewer episodes, of the suite `forge.SMALL`."""
    forge = sys.modules["forge"]
    return forge.make_good(tmp_path_factory.mktemp("small"), forge.SMALL)
