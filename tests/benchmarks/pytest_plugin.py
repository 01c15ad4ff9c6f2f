"""What the pytest plugin costs those who do not use it: `python tests/benchmarks/pytest_plugin.py`.

Processor time of a pytest run of one empty test, with the plugin, without it, and with the harness
imported at start, in turn. Every row is the median of its runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[2]
CASES = {
    "without the plugin": [],
    "with the plugin": ["-p", "_qevolve_pytestplugin"],
    "with qevolve_bench imported": ["-p", "qevolve_bench"],
}


def seconds(folder: Path, options: list[str]) -> float:
    """Processor time of one run, in a process of its own, with no other plugins installed."""
    before = os.times()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *options,
            "test_nothing.py",
        ],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": _path()},
        check=True,
        capture_output=True,
    )
    after = os.times()
    spent = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    return spent


def _path() -> str:
    roots = (ROOT, ROOT / "envs", ROOT / "baselines", ROOT / "qevolve_bench" / "pytest_entry")
    return os.pathsep.join(map(str, roots))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        times: dict[str, list[float]] = {case: [] for case in CASES}
        for number in range(runs + 1):
            for case, options in CASES.items():
                spent = seconds(folder, options)
                if number:  # The first round fills the caches.
                    times[case].append(spent)
    base = statistics.median(times["without the plugin"])
    rows = [
        (case, f"{statistics.median(t):.3f}", f"{min(t):.3f}", f"{statistics.median(t) / base:.2f}")
        for case, t in times.items()
    ]
    print(tabulate(rows, ("one empty test", "CPU s", "least", "ratio"), disable_numparse=True))


if __name__ == "__main__":
    main()
