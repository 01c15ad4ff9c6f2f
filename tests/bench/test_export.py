"""`qevolve-bench export-alfworld`: what it writes, `qevolve/ALFWorld-v0` plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from qevolve_bench.cli import main

MINI = Path(__file__).parents[1] / "envs/household"
LOGIC = ["--domain", str(MINI / "mini.pddl"), "--grammar", str(MINI / "mini.twl2")]


def test_exported_tasks_are_played_by_alfworld(tmp_path, capsys):
    tasks = ["household-small/seen/0000", "household-small/seen/0001", "household-small/train/0002"]
    assert main(["export-alfworld", *tasks, "--out", str(tmp_path), *LOGIC]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.split()]
    assert len(paths) == 3 and all(path.is_file() for path in paths)
    assert not list(tmp_path.rglob("*.part"))
    data = ["--env-arg", f"data={tmp_path}"]
    arguments = ["eval", "--env", "qevolve/ALFWorld-v0", "--agent", "random", "--horizon", "3"]
    out = tmp_path / "run"
    assert main([*arguments, "--split", "seen", *data, "--out", str(out)]) == 0
    (episodes,) = (out / "episodes").iterdir()
    assert episodes.read_text().count("\n") == 2
    for record in (episodes, out / "manifest.json"):
        where = "where the data lies does not belong into a record"
        assert str(tmp_path) not in record.read_text(), where
    assert main([*arguments, "--split", "unseen", *data]) == 2
    assert "has no tasks in its split 'unseen'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["household/seen/9999"], "Unknown task id"),
        (["shop/train/0001"], "ids look like"),
        (["household/seen/0000", "--domain", "x"], "belong together"),
        (["household/seen/0000", "--domain", "x", "--grammar", "y"], "Cannot read x"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_written(tmp_path, capsys, arguments, sentence):
    out = tmp_path / "games"
    assert main(["export-alfworld", *arguments, "--out", str(out)]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()
