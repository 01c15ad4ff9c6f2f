"""The example of baselines/README.md is run as a contributor would run it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import tiny

from qevolve_baselines.learners.base import Learner, find_learner, trains_in_parallel
from qevolve_bench.cli import main
from qevolve_bench.training.specification import read_result

README = (Path(__file__).parents[2] / "baselines" / "README.md").read_text()
((NAME, CODE),) = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
(COMMAND,) = re.findall(r"^    qevolve-bench (train .*)$", README, re.MULTILINE)
SMALL = {"qevolve/Household-v0": tiny.ENV_ID, "fit.epochs=3": "fit.epochs=1", "200": "12"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the README's file, in which Python looks for modules."""
    (tmp_path / NAME).write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, Path(NAME).stem, raising=False)
    yield tmp_path
    sys.modules.pop(Path(NAME).stem, None)


def test_the_command_of_the_example_trains(here):
    arguments = [SMALL.get(word, word) for word in shlex.split(COMMAND)]
    assert set(SMALL.values()) <= set(arguments)
    small = ["collect.per_task=1", "collect.tasks=4", "fit.optim.batch_tokens=400"]
    arguments += [word for setting in small for word in ("--set", setting)]
    size = ["hidden_size=32", "layers=1", "vocabulary=360"]
    arguments += [word for setting in size for word in ("--scratch", setting)]
    assert main([*arguments, "--evaluate", "unseen", "--checkpoints", "1"]) == 0
    result = read_result(here / "runs" / "mine")
    assert result is not None
    assert result.ledger["episodes"] == 4 and result.ledger["expert_episodes"] == 12
    assert result.ledger["trained_tokens"] > 0 and result.results["unseen"]["n"] == 4
    lines = (here / "runs" / "mine" / "metrics.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert stages[0] == "first-collect" and set(stages[1:]) == {"fit"}


def test_the_example_is_a_learner_with_documented_settings(here, capsys):
    found = find_learner("my_learner:MyLearner")
    assert isinstance(found(found.config_class()), Learner) and trains_in_parallel(found)
    assert main(["train", "my_learner:MyLearner", "--list-settings"]) == 0
    assert "fit.optim.lr" in capsys.readouterr().out
