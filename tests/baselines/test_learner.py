from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from qevolve_baselines.learners import base as module
from qevolve_baselines.learners.base import LEARNERS, Learner, find_learner, make_learner
from qevolve_baselines.learners.sft import SFT, SFTConfig
from qevolve_envs.errors import BenchError, UnknownName


class Mine:
    config_class = SFTConfig

    def __init__(self, config):
        self.config = config

    def train(self, world, demos, policy, run):
        return policy


@pytest.fixture
def outside(monkeypatch):
    """A module of somebody else, and its entry points."""
    made = ModuleType("outside_learners")
    made.Mine, made.number = Mine, 3
    monkeypatch.setitem(sys.modules, "outside_learners", made)
    points = [
        EntryPoint("mine", "outside_learners:Mine", module.ENTRY_POINTS),
        EntryPoint("lost", "outside_learners:Lost", module.ENTRY_POINTS),
        EntryPoint("number", "outside_learners:number", module.ENTRY_POINTS),
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_that_comes_along_is_one(name):
    made = make_learner(name)
    assert isinstance(made, Learner) and made.config == type(made).config_class()
    assert LEARNERS[name][2]


def test_by_name_entry_point_and_module(outside):
    assert find_learner("sft") is SFT
    assert find_learner("mine") is find_learner("outside_learners:Mine") is Mine
    assert make_learner("mine", None, {"epochs": 2}).config.epochs == 2


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("stf", UnknownName, "stf.*did you mean .sft"),
        ("lost", BenchError, "Cannot load learner 'lost'"),
        ("number", BenchError, "is not a learner: it has no train"),
        ("outside_learners:Other", UnknownName, "Cannot load learner"),
        ("no_such_module_at_all:X", UnknownName, "Cannot load learner"),
        (":", UnknownName, "Cannot load learner"),
    ],
)
def test_what_is_no_learner_is_told(outside, name, kind, said):
    with pytest.raises(kind, match=said):
        find_learner(name)
