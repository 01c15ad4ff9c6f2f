"""Tables are read strictly: what does not fit is refused with the file and the entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qevolve_envs.errors import BadFile
from qevolve_envs.tables import read_table


@dataclass(frozen=True)
class Animal:
    name: str
    legs: int = 4
    tame: bool = False


@dataclass(frozen=True)
class Zoo:
    animals: tuple[Animal, ...]
    size: tuple[float, float]
    prices: Mapping[str, float] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    keeper: Animal | None = None


def read(tmp_path: Path, text: str) -> Zoo:
    path = tmp_path / "zoo.toml"
    path.write_text(text)
    return read_table(path, Zoo)


def test_rows_are_tables_or_arrays_and_whole_numbers_may_be_floats(tmp_path: Path) -> None:
    zoo = read(
        tmp_path,
        'animals = [["emu", 2], {name = "cat", tame = true}]\nsize = [2, 3.5]\n'
        'closed = ["Monday"]\nprices = {child = 3}\nkeeper = ["Ida", 2]',
    )
    assert zoo == Zoo(
        (Animal("emu", 2), Animal("cat", tame=True)),
        (2.0, 3.5),
        {"child": 3.0},
        frozenset({"Monday"}),
        Animal("Ida", 2),
    )
    assert all(type(number) is float for number in (*zoo.size, *zoo.prices.values()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size = [1, 2]", "animals is missing."),
        ("animals = []\nsize = [1]", "size must have 2 items, not 1."),
        ("animals = []\nsize = [1, 'x']", r"size\[2\] must be a number, not 'x'."),
        ("animals = [{}]\nsize = [1, 2]", r"animals\[1\].name is missing."),
        ("animals = [['emu', true]]\nsize = [1, 2]", r"animals\[1\].legs must be a number"),
        ("animals = [['emu', 2, true, 1]]\nsize = [1, 2]", r"animals\[1\] has more than 3 items."),
        ("animals = 'emu'\nsize = [1, 2]", "animals must be an array, not 'emu'."),
        ("animals = []\nsize = [1, 2]\nprices = 3", "prices must be a table, not 3."),
        ("animals = []\nsiz = [1, 2]", "Unknown entry 'siz': did you mean 'size'"),
        ("animals = []\nsize = [1, 2]\nprices = {child = ''}", "prices.child must be a number"),
        ("animals = ", "Cannot read .*zoo.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadFile, match=said) as error:
        read(tmp_path, text)
    assert "zoo.toml" in str(error.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"Cannot read .*absent.toml: No such file"):
        read_table(tmp_path / "absent.toml", Zoo)
