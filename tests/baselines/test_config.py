from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from qevolve_baselines.learners.base import LEARNERS, find_learner, make_config, make_learner
from qevolve_baselines.learners.sft import SFTConfig
from qevolve_baselines.run.config import (
    build,
    flat_settings,
    merge,
    parse_overrides,
    presets,
    read_preset,
)
from qevolve_envs.errors import BadFile, BenchError, UnknownName


@dataclass
class Inner:
    lr: float = 1e-3
    steps: int = 10


@dataclass
class Outer:
    inner: Inner = field(default_factory=lambda: Inner(lr=5.0))
    name: str = "x"
    on: bool = False
    limit: int | None = None


def test_what_is_left_out_keeps_the_default_of_the_field():
    made = build(Outer, {"inner": {"steps": 3}, "limit": 2})
    assert made == Outer(Inner(5.0, 3), "x", False, 2)
    assert build(Outer, {}) == Outer()


def test_numbers_are_read_as_people_write_them():
    read = parse_overrides(["inner.lr=1e-3", "inner.steps=2e1", "limit=null", "on=true"])
    made = build(Outer, {**read, "inner": {**read["inner"], "steps": 20.0}})
    assert made == Outer(Inner(1e-3, 20), "x", True, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"inner": {"lrr": 1}}, r"inner\.lrr.*inner\.lr"),
        ({"nam": "x"}, "nam.*name"),
        ({"inner": {"lr": "fast"}}, r"inner\.lr must be a number, not 'fast'"),
        ({"inner": {"steps": 1.5}}, r"inner\.steps must be a whole number"),
        ({"inner": {"steps": True}}, r"inner\.steps must be a whole number"),
        ({"on": 1}, "on must be true or false"),
        ({"name": 3}, "name must be text"),
        ({"inner": 3}, "inner holds settings of its own"),
        ({"limit": "x"}, "limit must be a whole number"),
    ],
)
def test_wrong_names_and_kinds_are_told(values, said):
    with pytest.raises(BenchError, match=said):
        build(Outer, values)


@pytest.mark.parametrize("item", ["lr", "=3", ""])
def test_overrides_need_a_name_and_a_value(item):
    with pytest.raises(BenchError, match="name=value"):
        parse_overrides([item])


def test_later_overrides_win_and_nest():
    assert parse_overrides(["a.b=1", "a.c=x", "a.b=2"]) == {"a": {"b": 2, "c": "x"}}
    assert merge({"a": {"b": 1}, "c": 1}, {"a": {"d": 2}}) == {"a": {"b": 1, "d": 2}, "c": 1}


def test_every_preset_of_every_learner_can_be_built():
    for name in LEARNERS:
        for preset in presets(name):
            assert make_learner(name, preset).config.__class__ is find_learner(name).config_class


def test_published_variants_are_presets():
    variants = {"dapo", "deepseek", "dr_grpo", "gigpo", "loop", "rloo", "verl_agent"}
    assert set(presets("grpo")) == variants | {"probe"}
    loop = make_config("grpo", "loop")
    assert (loop.baseline, loop.std, loop.kl, loop.epochs) == ("leave_one_out", False, 0.0, 2)
    spear = make_config("self_imitation", "spear")
    assert (spear.method, spear.spear.warmup, spear.on_policy.clip_high) == ("spear", 200, 0.28)
    assert spear.on_policy.collect == make_config("self_imitation").on_policy.collect


def test_presets_by_name_and_by_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 7\noptim: {lr: 1e-4}\n")
    config = make_learner("sft", str(file), {"optim": {"schedule": "cosine"}}).config
    assert (config.epochs, config.optim.lr, config.optim.schedule) == (7, 1e-4, "cosine")
    with pytest.raises(UnknownName, match=r"worm.*warm"):
        read_preset("sft", "worm")
    with pytest.raises(BadFile, match="No such file"):
        read_preset("sft", "nowhere.yaml")
    file.write_text("epochs: [1\nlr: 2\n")
    with pytest.raises(BadFile, match=r"mine\.yaml, line \d"):
        read_preset("sft", str(file))
    file.write_text("- a\n")
    with pytest.raises(BadFile, match="does not hold settings"):
        read_preset("sft", str(file))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"epochs": -1}, "epochs and reading must be 0 or more"),
        ({"optim": {"lr": -1}}, r"optim\.lr must be more than 0, not -1"),
        ({"optim": {"warmup": 2}}, r"optim\.warmup must lie between 0 and 1"),
        ({"optim": {"schedule": "cosin"}}, "did you mean 'cosine'"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(BenchError, match=reason):
        build(SFTConfig, settings)


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_every_setting_is_listed_with_what_it_is(learner):
    config = make_config(learner)
    rows = flat_settings(config)
    assert all(said for _, _, said in rows), [path for path, _, said in rows if not said]
    for path, value, _ in rows:
        found = config
        for name in path.split("."):
            found = getattr(found, name)
        assert str(found) == value
