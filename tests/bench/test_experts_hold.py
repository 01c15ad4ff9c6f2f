"""The scripted experts are as good as they were: `qevolve_score` on our own agents.

They have no chance of their own, so any loss fails. After a change that is meant to move them:
``pytest tests/bench/test_experts_hold.py --qevolve-update``, and commit the baselines.
"""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("world", ["Household", "Shop", "Lab"])
def test_expert(qevolve_score, world):
    scores = qevolve_score(
        "expert", env=f"qevolve/{world}-v0", split="unseen", episodes=20, alpha=1
    )
    assert scores.failures == ()
