"""What of the ScienceWorld adapter can be tested without the simulator."""

from __future__ import annotations

import gymnasium
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs import scienceworld
from qevolve_envs.errors import MissingData, UnknownName
from qevolve_envs.scienceworld import FOLDS, SPLITS, java_version, parse_id


def script(path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_folds_have_the_official_sizes():
    assert len(FOLDS) == 30
    assert [sum(sizes[place] for sizes in FOLDS.values()) for place in range(3)] == [
        3592,
        1796,
        1819,
    ]
    ids = [task_id for split in SPLITS for task_id in scienceworld._task_ids(split)]
    assert len(set(ids)) == len(ids) == 7207
    variations = sorted(parse_id(i)[2] for i in ids if parse_id(i)[1] == "boil")
    assert variations == list(range(30)), "the folds of a task share no variation and miss none"


@pytest.mark.parametrize(
    "task_id",
    [
        "scienceworld/train/boil/14",
        "scienceworld/train/boyl/0",
        "boil",
        "",
        "scienceworld/x/boil/0",
    ],
)
def test_unknown_ids_are_refused(task_id):
    with pytest.raises(UnknownName, match="Unknown task id"):
        parse_id(task_id)


def test_a_missing_package_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingData, match=r"pip install 'qevolve-bench\[scienceworld\]'"):
        gymnasium.make("qevolve/ScienceWorld-v0")


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Pretends that the package is installed."""

    class Spec:
        submodule_search_locations = [str(tmp_path)]  # noqa: RUF012

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Spec)
    return tmp_path


def test_missing_java_is_said_in_a_sentence(package, monkeypatch):
    monkeypatch.setenv("PATH", str(package))
    with pytest.raises(MissingData, match="needs Java 8 or newer, and there is no 'java'"):
        scienceworld.find_simulator()


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('java version "1.7.0_80"', 7),
        ('openjdk version "1.8.0_402"', 8),
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ("something else", None),
    ],
)
def test_java_versions_are_read(tmp_path, says, version):
    java = script(tmp_path / "java", f"echo '{says}' >&2")
    assert java_version(java) == version


def test_old_java_is_said_in_a_sentence(package, monkeypatch):
    script(package / "java", "echo 'java version \"1.7.0_80\"' >&2")
    monkeypatch.setenv("PATH", f"{package}:/bin:/usr/bin")
    with pytest.raises(MissingData, match="is Java 7: install a newer"):
        scienceworld.find_simulator()
