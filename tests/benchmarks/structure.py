"""The structure of the code, side by side: a revision of the repository and the working tree.

    python tests/benchmarks/structure.py bbfc375

Prints source lines and files of each room, class names that stand for several classes, a
cycle of imports, docstrings that open with a question word, and lines of runs of six that stand
elsewhere too.
"""

from __future__ import annotations

import argparse
import ast
import collections
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "qevolve_envs": Path("envs/qevolve_envs"),
    "qevolve_baselines": Path("baselines/qevolve_baselines"),
    "qevolve_bench": Path("qevolve_bench"),
}
#: Lines of a run that counts as a duplicate.
RUN = 6
QUESTION = re.compile(r"(What|Whether|How|Where|Who|Whoever|Everybody)\b")

Trees = Mapping[str, ast.Module]


def sources(root: Path) -> dict[str, str]:
    """Python sources of the three rooms, by dotted module name."""
    return {
        ".".join(
            [package, *file.relative_to(root / folder).with_suffix("").parts]
        ): file.read_text()
        for package, folder in ROOMS.items()
        for file in sorted((root / folder).rglob("*.py"))
    }


def shared_class_names(trees: Trees) -> dict[str, list[str]]:
    """Public class names that several modules define, with the modules."""
    homes = collections.defaultdict(list)
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    return {name: modules for name, modules in sorted(homes.items()) if len(modules) > 1}


def _imports(module: str, tree: ast.Module, known: set[str], lazy: bool) -> set[str]:
    """Modules of the rooms that a module imports when it is imported itself, or ever."""
    found: set[str] = set()
    for node in _executed(tree, lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return (found & known) - {module}


def _executed(tree: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """Nodes that run: those of ``if TYPE_CHECKING`` never do, those of functions only lazily."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _executed(node, lazy)


def import_graph(trees: Trees, *, lazy: bool) -> dict[str, set[str]]:
    """The modules that each module imports.

    Args:
        trees: The modules.
        lazy: Count imports inside of functions too.
    """
    named = {module.removesuffix(".__init__"): tree for module, tree in trees.items()}
    return {m: _imports(m, tree, set(named), lazy) for m, tree in named.items()}


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """One cycle of a graph, its first node again at the end; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def questions(trees: Trees) -> list[str]:
    """Docstrings that open with a question word, as ``module:line: first line``."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        f"{module}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}"
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, documented)
        and (text := ast.get_docstring(node))
        and QUESTION.match(text)
    ]


def duplicated_lines(texts: Mapping[str, str]) -> int:
    """Number of lines in a run of `RUN` code lines that stands elsewhere too; imports excluded."""
    lines = [
        (module, number, line.strip())
        for module, text in texts.items()
        for number, line in enumerate(text.splitlines())
        if line.strip() and not re.match(r"\s*(#|from |import |\"\"\"|[\])}]+,?$)", line)
    ]
    places = collections.defaultdict(list)
    for start in range(len(lines) - RUN + 1):
        window = lines[start : start + RUN]
        if window[0][0] == window[-1][0]:
            places[tuple(line for _, _, line in window)].append(start)
    covered = {
        lines[start + offset][:2]
        for starts in places.values()
        if len(starts) > 1
        for start in starts
        for offset in range(RUN)
    }
    return len(covered)


def measure(root: Path) -> dict[str, int]:
    """The figures of one tree, by name."""
    texts = sources(root)
    trees = {module: ast.parse(text) for module, text in texts.items()}
    figures = {}
    for package in ROOMS:
        own = [text for module, text in texts.items() if module.startswith(f"{package}.")]
        figures[f"{package}: lines"] = sum(len(text.splitlines()) for text in own)
        figures[f"{package}: files"] = len(own)
    figures["class names that mean several classes"] = len(shared_class_names(trees))
    for package in ROOMS:
        own = {module: tree for module, tree in trees.items() if module.startswith(f"{package}.")}
        for lazy in (False, True):
            name = f"{package}: modules of a cycle of imports" + (", lazy ones too" if lazy else "")
            figures[name] = max(0, len(cycle(import_graph(own, lazy=lazy))) - 1)
    figures["docstrings that open with a question word"] = len(questions(trees))
    figures[f"lines in a run of {RUN} that stands elsewhere too"] = duplicated_lines(texts)
    return figures


def checkout(revision: str, folder: Path) -> None:
    """Writes the rooms of a revision into a folder."""
    archive = subprocess.run(
        ["git", "archive", revision, *map(str, ROOMS.values())],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="what the working tree is compared with")
    revision = parser.parse_args().revision
    with tempfile.TemporaryDirectory() as folder:
        checkout(revision, Path(folder))
        before = measure(Path(folder))
    after = measure(ROOT)
    print(tabulate([[n, before[n], after[n]] for n in after], ["", revision, "now"]))


if __name__ == "__main__":
    main()
