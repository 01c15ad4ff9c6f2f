"""What a user gets: the wheel's contents, and what importing the package costs."""

import configparser
import email
import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "qevolve_bench": ROOT / "qevolve_bench",
    "qevolve_envs": ROOT / "envs" / "qevolve_envs",
    "qevolve_baselines": ROOT / "baselines" / "qevolve_baselines",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed, so that the wheel cannot be built offline")
    out = tmp_path_factory.mktemp("wheel")
    if importlib.util.find_spec("build") is not None:
        command = ["build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    else:
        command = ["pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(out), str(ROOT)]
    built = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=out, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds the wheel's contents and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def isolated(code, *paths):
    """Runs code with these paths and the standard library only: no site, no working directory."""
    lines = [f"import sys; sys.path += {[str(path) for path in paths]!r}", code]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def metadata(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def test_nothing_but_the_three_packages_and_the_pytest_plugin(names):
    tops = {name.split("/", 1)[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        *PACKAGES,
        "_qevolve_pytestplugin.py",
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_the_wheel(names, package):
    """Data files too: games and grammars are no use at home."""
    folder = PACKAGES[package]
    here = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", "pytest_entry"} & set(path.parts)
    }
    assert {name for name in names if name.startswith(f"{package}/")} == here
    assert f"{package}/py.typed" in here


def test_licence_and_entry_points(wheel, names):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    points = configparser.ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    assert points["console_scripts"]["qevolve-bench"] == "qevolve_bench.cli:main"
    assert points["pytest11"]["qevolve"] == "_qevolve_pytestplugin"


def test_base_install_is_small(wheel):
    message = email.message_from_string(metadata(wheel, "METADATA"))
    base = [need for need in message.get_all("Requires-Dist") if "extra ==" not in need]
    heavy = ("torch", "transformers", "alfworld", "textworld", "openai")
    assert not [need for need in base if need.startswith(heavy)]
    assert message["Requires-Python"] == ">=3.11"
    assert message["License-Expression"] == "MIT"


def test_no_generic_module_reaches_a_users_path(installed):
    code = (
        "from importlib.util import find_spec\n"
        "print(*[n for n in ('envs', 'baselines', 'tests', 'leaderboards') if find_spec(n)])\n"
        f"print(*[n for n in {list(PACKAGES)!r} if find_spec(n)])"
    )
    assert isolated(code, installed) == list(PACKAGES)


def test_the_wheel_plays(installed):
    """From the unpacked wheel, with the dependencies but without this checkout."""
    code = (
        "import gymnasium, qevolve_bench\n"
        "env = gymnasium.make('qevolve/Household-v0')\n"
        "observation, info = env.reset(seed=0)\n"
        "assert observation and env.step('look')[4]['feedback'] in ('ok', 'unchanged')\n"
        "print(qevolve_bench.__file__)"
    )
    site = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (file,) = isolated(code, installed, *sorted(site))
    assert Path(file).is_relative_to(installed)


@pytest.mark.parametrize("module", ["qevolve_bench", "qevolve_envs.testing", "qevolve_envs.vector"])
def test_importing_brings_no_heavy_module(module):
    heavy = ["torch", "transformers", "alfworld", "textworld", "pytest", "scipy", "matplotlib"]
    heavy.append("jinja2")  # Only pages need it.
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_files_for_people_name_no_machine():
    """Nobody else has our paths."""
    for path in (ROOT / ".ci" / "run", ROOT / "tox.ini", ROOT / "pyproject.toml"):
        text = path.read_text()
        assert "/home/" not in text and "/tmp/" not in text and "://" not in text, path


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_ci_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
