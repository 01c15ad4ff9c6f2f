"""What is read of a folder is bounded, whatever lies in it."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_bench.submissions import files as submission_files
from qevolve_bench.submissions.files import Folder, packed, unpacked_lines
from qevolve_envs.errors import BadFile

LINES = st.lists(st.binary(max_size=200).filter(lambda line: b"\n" not in line), max_size=30)


@given(lines=LINES, block=st.integers(1, 40))
def test_lines_come_out_as_they_went_in(lines, block):
    data = packed(b"".join(line + b"\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission_files, "_BLOCK", block)
        assert list(unpacked_lines(data, "x")) == lines


@given(lines=LINES, data=st.data())
def test_no_damage_passes(lines, data):
    """Every cut is noticed, and every changed byte, unless it means nothing (padding, hints)."""
    whole = packed(b"".join(line + b"\n" for line in lines))
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans(), label="cut"):
        damaged = whole[:place]
    else:
        byte = data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))
        damaged = whole[:place] + bytes([byte]) + whole[place + 1 :]
    try:
        read = list(unpacked_lines(damaged, "x"))
    except BadFile:
        return
    assert read == lines
    assert len(damaged) == len(whole)


def test_unpacking_is_bounded_and_lazy(monkeypatch):
    monkeypatch.setattr(submission_files, "MAX_UNPACKED_BYTES", 1_000_000)
    lines = unpacked_lines(packed(b"x" * 99 + b"\n" * 50_000_000), "x")
    assert next(lines) == b"x" * 99
    with pytest.raises(BadFile, match="unpacks to more than 1,000,000 bytes"):
        list(lines)


def test_memory_stays_small_whatever_is_unpacked():
    import tracemalloc

    data = packed(b" " * 100_000_000)
    tracemalloc.start()
    with pytest.raises(BadFile, match="has a line of more than"):
        list(unpacked_lines(data, "x"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * submission_files.MAX_LINE_BYTES


def test_packing_says_nothing_of_when_and_where():
    data = packed(b"text\n")
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    assert gzip.decompress(data) == b"text\n"


def test_file_that_grows_is_not_read_whole(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 11)
    with Folder(tmp_path) as folder:
        assert folder.read("file", 11) == b"x" * 11
        with pytest.raises(BadFile, match="larger than 10 bytes"):
            folder.read("file", 10)
        with pytest.raises(BadFile, match="There is no other"):
            folder.read("other", 10)
        with pytest.raises(BadFile, match="There is no folder sub"):
            folder.read("sub/file", 10)
