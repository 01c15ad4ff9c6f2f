"""A budget of environment steps is kept, whatever the batch size: comparisons rest on it."""

from __future__ import annotations

import pytest
import tiny

from qevolve_baselines.collect import CollectConfig, collect_stage
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run


@pytest.mark.parametrize("limit", [1, 20, 43])
def test_steps_go_past_a_limit_by_less_than_an_episode(limit: int) -> None:
    run = Run(seed=0, budget=Budget(env_steps=limit))
    config = CollectConfig(per_task=20, batch_size=64)
    played = collect_stage(run, "a", tiny.policy(), tiny.world(), config)
    assert limit <= run.ledger.env_steps < limit + tiny.HORIZON
    assert run.ledger.env_steps == sum(len(t.episode.steps) for t in played)


def test_collections_share_what_is_left() -> None:
    run = Run(seed=0, budget=Budget(env_steps=120))
    config = CollectConfig(per_task=20, batch_size=64)
    collect_stage(run, "a", tiny.policy(), tiny.world(), config, 2)
    assert 60 <= run.ledger.env_steps < 60 + tiny.HORIZON
    collect_stage(run, "b", tiny.policy(), tiny.world(), config, 1)
    assert 120 <= run.ledger.env_steps < 120 + tiny.HORIZON


def test_without_a_limit_all_is_played() -> None:
    run = Run(seed=0)
    played = collect_stage(run, "a", tiny.policy(), tiny.world(), CollectConfig(per_task=2))
    assert len(played) == run.ledger.episodes == 2 * len(tiny.world().task_ids())
