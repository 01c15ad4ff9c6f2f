"""docs/lab-and-scienceworld.md speaks of every task of both systems."""

from __future__ import annotations

import re
from pathlib import Path

from qevolve_envs.lab.tasks import KINDS
from qevolve_envs.scienceworld import FOLDS

PAGE = (Path(__file__).parents[2] / "docs/lab-and-scienceworld.md").read_text()
TASKS = PAGE.partition("## Tasks")[2].partition("## Physics")[0]


def test_every_scienceworld_task_has_a_row_and_in_order():
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|", TASKS, re.MULTILINE)
    assert [name for name, _ in rows] == list(FOLDS)


def test_every_kind_of_lab_task_is_named_once():
    rows = re.findall(r"^\| `[\w-]+` \| (.*?) \|", TASKS, re.MULTILINE)
    without = re.findall(r"Kinds of lab tasks without a counterpart: (.*?) \(", TASKS)
    named = re.findall(r"`([\w-]+)`", " ".join(rows + without))
    assert sorted(named) == sorted(kind for _, kind in KINDS)


def test_the_numbers_are_the_systems_own():
    assert f"{sum(map(sum, FOLDS.values())):,} variations" in TASKS
    assert f"{len(KINDS)} kinds" in TASKS
