"""The example of envs/README.md is run as a contributor would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "envs" / "README.md"
CODE = re.findall(
    r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE
)


def test_the_example_conforms(tmp_path):
    names = [name for name, _ in CODE]
    assert names == ["counter.py", "counter_entry.py", "counter.toml", "test_counter.py"]
    for name, text in CODE:
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_counter.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout


def test_the_language_file_perturbs_the_example(tmp_path):
    for name, text in CODE:
        (tmp_path / name).write_text(text)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import counter_entry\n"
        "from qevolve_envs.language import find_language\n"
        "from qevolve_envs.perturb import applicable, make_perturbed\n"
        "from qevolve_envs.registration import register\n"
        "register(counter_entry.ENTRY)\n"
        "print(*applicable('me/Counter-v0'))\n"
        "print(find_language('me/Counter-v0').prompt)\n"
        "env = make_perturbed('me/Counter-v0', 'paraphrase:2+strict:3')\n"
        "print(env.reset(seed=0)[0], env.step('UP')[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, prompt, texts = done.stdout.splitlines()
    assert names == ("paraphrase rename distractors reorder typos dropout failures strict")
    assert prompt == "The commands are: up; down; look."
    assert re.match(r"Go on until you are at \d\. (The number is|So far you have)", texts)
    assert texts.endswith("Say up, down or look.")


def test_the_plugin_is_found_once_it_is_installed(tmp_path):
    """The entry point of the README, as an installer would write it."""
    for name, text in CODE:
        (tmp_path / name).write_text(text)
    declared = re.search(r"^```toml\n(\[.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert declared
    info = tmp_path / "counter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counter\nVersion: 1.0\n")
    points = declared[1].replace('project.entry-points."qevolve_bench.environments"', "{}")
    points = points.format("qevolve_bench.environments").replace('"', "")
    (info / "entry_points.txt").write_text(points)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import gymnasium, qevolve_bench\n"
        "print(gymnasium.make('me/Counter-v0').reset(seed=0)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Count to")


@pytest.mark.parametrize("command", re.findall(r'^    python -c "(.*)"$', README.read_text(), re.M))
def test_the_commands_run(command, tmp_path):
    short = command.replace("100_000", "50").replace("tests/golden/", f"{tmp_path}/")
    subprocess.run([sys.executable, "-c", short], check=True, capture_output=True)
