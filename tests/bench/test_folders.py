"""An output folder is claimed once: continued by the same command, replaced only when asked."""

from __future__ import annotations

import json

import pytest

from qevolve_bench.folders import claim_folder, new_folder
from qevolve_envs.errors import BadFile, BenchError

SPEC = {"schema": 1, "learner": "rft", "seed": 0}


def claim(folder, *, force=False, **changes):
    return claim_folder({**SPEC, **changes}, folder, force=force, marks=("learner",))


def test_a_folder_is_made_continued_or_refused(tmp_path):
    folder = tmp_path / "deep" / "run"
    assert claim(folder) is True
    assert json.loads((folder / "spec.json").read_text()) == SPEC
    assert claim(folder) is False
    with pytest.raises(BenchError, match=r"differs in its seed: 0 there, 1 here; .*--force"):
        claim(folder, seed=1)
    (folder / "state.pt").write_text("old")
    assert claim(folder, seed=1, force=True) is True
    assert [path.name for path in folder.iterdir()] == ["spec.json"]
    (tmp_path / "empty").mkdir()
    assert claim(tmp_path / "empty") is True


@pytest.mark.parametrize("force", [False, True])
def test_nothing_foreign_is_ever_overwritten(tmp_path, force):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("precious")
    with pytest.raises(BadFile, match="is not empty and holds no training run"):
        claim(thesis, force=force)
    (thesis / "spec.json").write_text('{"openapi": "3.0"}')
    with pytest.raises(BadFile, match=r"spec\.json is not of a training run"):
        claim(thesis, force=force)
    (thesis / "spec.json").write_text("{")
    with pytest.raises(BadFile, match=r"spec\.json is not JSON"):
        claim(thesis, force=force)
    assert (thesis / "chapter.txt").read_text() == "precious"
    (tmp_path / "file").write_text("precious")
    with pytest.raises(BadFile, match="it is a file, and a training run is a folder"):
        claim(tmp_path / "file", force=force)
    with pytest.raises(BadFile, match="cannot hold a training run"):
        claim(tmp_path / "file" / "below", force=force)


def test_a_new_folder_is_whole_or_not_there(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a" / "b") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list((tmp_path / "a").iterdir()) == []
    with new_folder(tmp_path / "a" / "b") as folder:
        (folder / "whole").write_text("x")
    assert (tmp_path / "a" / "b" / "whole").read_text() == "x"
    with pytest.raises(BadFile, match="exists: choose another folder"), new_folder(tmp_path / "a"):
        pass
