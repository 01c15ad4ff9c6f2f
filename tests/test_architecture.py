"""`docs/architecture.md` against the code: its paths exist, and its names lie where it says."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = {
    "environments' room": ROOT / "envs" / "qevolve_envs",
    "learners' room": ROOT / "baselines" / "qevolve_baselines",
    "harness": ROOT / "qevolve_bench",
}
#: A place of a walk: a file of the repository, and a name that it defines.
STEP = re.compile(r"`([\w/]+\.py)`: `(\w+)`")


@pytest.fixture(scope="module")
def structure():
    """The script that measures the structure of a tree."""
    path = ROOT / "tests" / "benchmarks" / "structure.py"
    spec = importlib.util.spec_from_file_location("structure", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trees(structure):
    return {name: ast.parse(text) for name, text in structure.sources(ROOT).items()}


def test_every_step_of_a_walk_is_where_the_page_says():
    steps = STEP.findall(PAGE)
    assert len(steps) > 20
    for file, name in steps:
        defined = [getattr(node, "name", "") for node in ast.parse((ROOT / file).read_text()).body]
        assert name in defined, f"{file} defines no {name}"


@pytest.mark.parametrize("room", ROOMS)
def test_the_tables_name_what_is_there_and_miss_no_folder(room):
    _, _, section = PAGE.partition(f"## The {room}")
    table = section.partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([\w/.]+)`", cell)}
    for name in named:
        assert (ROOMS[room] / name).exists(), name
    folders = {f"{path.parent.name}/" for path in ROOMS[room].glob("*/__init__.py")}
    assert folders <= named


@pytest.mark.parametrize("package", ["qevolve_envs", "qevolve_baselines", "qevolve_bench"])
def test_no_module_imports_itself_by_a_detour(structure, trees, package):
    own = {module: tree for module, tree in trees.items() if module.startswith(f"{package}.")}
    # The harness, whose commands must answer at once, imports much when it is needed.
    graph = structure.import_graph(own, lazy=package != "qevolve_bench")
    assert len(graph) > 20 and any(graph.values())
    assert structure.cycle(graph) == []
    # The folders and modules right below a package stand in one order, too.
    parts = {}
    for module, targets in graph.items():
        part, others = _part(module), {_part(target) for target in targets}
        parts.setdefault(part, set()).update(others - {part, ""})
    parts.pop("", None)
    assert structure.cycle(parts) == []


def _part(module):
    return module.split(".")[1] if "." in module else ""


def test_a_cycle_is_found(structure):
    assert len(structure.cycle({"a": {"b"}, "b": {"a"}})) == 3


def test_a_class_name_means_one_thing(structure, trees):
    assert structure.shared_class_names(trees) == {}


def test_docstrings_open_with_a_verb_or_a_noun(structure, trees):
    assert structure.questions(trees) == []
