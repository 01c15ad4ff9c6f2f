"""No module imports itself by a detour, and no subpackage does."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "qevolve_bench": ROOT / "qevolve_bench",
    "qevolve_envs": ROOT / "envs" / "qevolve_envs",
    "qevolve_baselines": ROOT / "baselines" / "qevolve_baselines",
}


def type_checking_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imported(tree, lazy):
    """Every dotted name that a module imports when it runs; with `lazy`, inside functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not type_checking_only(node) and (lazy or not isinstance(node, ast.FunctionDef)):
            yield from imported(node, lazy)


def modules(package):
    folder = PACKAGES[package]
    for file in sorted(folder.rglob("*.py")):
        parts = [package, *file.relative_to(folder).with_suffix("").parts]
        yield ".".join(parts).removesuffix(".__init__"), ast.parse(file.read_text())


@cache
def graph(package):
    """Module -> the modules of the package that it imports."""
    # The harness, whose commands must answer at once, imports much when it is needed.
    lazy = package != "qevolve_bench"
    trees = dict(modules(package))
    found = {}
    for name, tree in trees.items():
        wanted = {target for target in imported(tree, lazy) if target.startswith(package)}
        owners = {target if target in trees else target.rpartition(".")[0] for target in wanted}
        found[name] = (owners & set(trees)) - {name}
    return found


def check(found):
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_cycles(package):
    found = graph(package)
    assert len(found) > 20 and any(found.values())
    check(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_cycles_among_the_parts_of_a_package(package):
    """The folders and modules right below a package stand in one order."""
    parts = {}
    for name, targets in graph(package).items():
        mine, theirs = (set(map(part_of, names)) - {""} for names in ([name], targets))
        for part in mine:
            parts.setdefault(part, set()).update(theirs - {part})
    check(parts)


def part_of(module):
    return module.split(".")[1] if "." in module else ""


def test_a_cycle_is_found():
    with pytest.raises(pytest.fail.Exception, match=r"a -> b -> a|b -> a -> b"):
        check({"a": {"b"}, "b": {"a"}})
