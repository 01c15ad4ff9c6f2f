from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Test modules cannot import their neighbours under --import-mode=importlib.
_spec = importlib.util.spec_from_file_location("planted", Path(__file__).with_name("planted.py"))
assert _spec is not None and _spec.loader is not None
sys.modules["planted"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["planted"])
