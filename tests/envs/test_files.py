import stat
from pathlib import Path

import pytest

from qevolve_envs.errors import BadFile
from qevolve_envs.files import replacing, write_file


@pytest.mark.parametrize("shared", [False, True])
def test_takes_its_name_when_it_is_whole(tmp_path, shared):
    path = tmp_path / "a.json"
    write_file(path, "old")
    with replacing(path, shared=shared) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, ValueError])
def test_a_failure_leaves_what_was_there(tmp_path, shared, error):
    path = tmp_path / "a.json"
    write_file(path, "old")
    with pytest.raises(error), replacing(path, shared=shared) as stream:
        stream.write(b"half")
        raise error
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_text_is_utf8_and_everybody_may_read(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, "π\n", shared=True)
    assert path.read_bytes() == b"\xcf\x80\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_that_is_written_anew_keeps_its_mode(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, "old")
    path.chmod(0o600)
    for shared in (False, True):
        write_file(path, "new", shared=shared)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["/", "."])
def test_a_folder_is_no_place_for_a_file(name):
    with pytest.raises(BadFile, match="Cannot write"):
        write_file(Path(name), b"x")


def test_two_writers_of_a_shared_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path, shared=True) as one, replacing(path, shared=True) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_text() == "one"  # The outer block was left last.


@pytest.mark.parametrize("name", ["no-folder/a", "taken", "a\0b"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name, shared):
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadFile, match="Cannot write"):
        write_file(tmp_path / name, b"x", shared=shared)
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
