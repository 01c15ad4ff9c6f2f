"""The script still works; no timing decides a test."""

from __future__ import annotations

from pathlib import Path


def test_everything_is_measured(monkeypatch):
    # By its name, because the processes that it starts have to find it again.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import runner

    bare, recorded, _, scaling = runner.measure("lab", 24 * 80)
    assert bare > 0 and recorded > 0 and scaling > 0
