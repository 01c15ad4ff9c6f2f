"""The fixture `qevolve_score`, in test suites of somebody else's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import pytest
    from qevolve_envs.agent import PerEpisode

    LOST = {lost}

    def walker(lost=LOST):
        '''Wins, but stands still in the first `lost` corridors.'''
        return PerEpisode(
            lambda task: lambda o: "look" if int(task.task_id[-4:]) < lost else "right"
        )

    def test_walks(qevolve_score):
        scores = qevolve_score(walker(), env={env!r}, split="train"{more})
        assert scores.mean() <= 1
"""
TOY = "benchtoy/Corridor-v0"
UPDATE = "--qevolve-update"


@pytest.fixture
def project(pytester, pytestconfig):
    """A test suite; called with changes, it is written anew. Then it runs with options."""
    # A checkout that was installed before the entry point was there works too.
    known = pytestconfig.pluginmanager.has_plugin("qevolve")
    always = ["-p", "no:cacheprovider", *([] if known else ["-p", "_qevolve_pytestplugin"])]

    class Project:
        path = pytester.path
        baselines = pytester.path / "qevolve_baselines"

        def write(self, lost=0, env=TOY, more="", text=TESTS):
            pytester.makepyfile(test_mine=text.format(lost=lost, env=env, more=more))
            # The same second and size would let a stale .pyc pass for the new file.
            shutil.rmtree(pytester.path / "__pycache__", ignore_errors=True)
            return self

        def run(self, *options):
            return pytester.runpytest(*always, *options)

    return Project()


def test_make_a_baseline_hold_it_and_lose_it(project):
    first = project.write().run()
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(
        [
            "qevolve_score: There is no baseline qevolve_baselines?test_mine.test_walks.json.",
            "To store the scores of now as the baseline:"
            " pytest test_mine.py::test_walks --qevolve-update",
        ]
    )
    assert not project.baselines.exists()

    made = project.run(UPDATE)
    made.assert_outcomes(passed=1)
    made.stdout.fnmatch_lines(["stored qevolve_baselines?test_mine.test_walks.json: score 1.000"])
    stored = json.loads((project.baselines / "test_mine.test_walks.json").read_text())
    assert stored["suite"]["cells"][0]["env_id"] == TOY

    held = project.run()
    held.assert_outcomes(passed=1)
    held.stdout.no_fnmatch_line("*qevolve_score*")
    project.run("-v").stdout.fnmatch_lines(["held * score 1.000, change +0.000 *, p 1"])

    lost = project.write(lost=8).run()
    lost.assert_outcomes(failed=1)
    lost.stdout.fnmatch_lines(
        [
            "qevolve_score: PerEpisode is worse than the baseline *test_mine.test_walks.json.",
            "corridor-v0-train * 12 * 1.000 * -0.667 * worse",
            "Lost most:",
            "  corridor/train/0000  1.000 -> 0.000",
            "  and 3 more",
            "To store the scores of now as the baseline: pytest test_mine.py::test_walks *",
        ]
    )
    lost.stdout.no_fnmatch_line("*Traceback*")

    project.run(UPDATE).assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("lost", "more", "options", "outcome"),
    [
        (3, "", [], "passed"),  # p = 1/8: it may be chance.
        (3, "", ["--qevolve-alpha=0.2"], "failed"),
        (3, ", alpha=0.2", [], "failed"),
        (3, ", alpha=0.01", ["--qevolve-alpha=0.2"], "passed"),
        (1, ", alpha=1", [], "failed"),
        (0, ", alpha=1", [], "passed"),
        (8, ", min_effect=0.7", [], "passed"),
        (8, ", min_effect=0.6", [], "failed"),
        (8, ", metric='success'", [], "failed"),
        (3, "", ["-o", "qevolve_alpha=0.2"], "failed"),
        (8, "", ["-o", "qevolve_min_effect=0.7"], "passed"),
        (8, ", min_effect=0", ["-o", "qevolve_min_effect=0.7"], "failed"),
    ],
)
def test_level_and_least_effect(project, lost, more, options, outcome):
    project.write().run(UPDATE)
    project.write(lost=lost, more=more).run(*options).assert_outcomes(**{outcome: 1})


def failure(project, *options, advised=True):
    """What the only test of the project fails with, and whether an update is advised."""
    result = project.run(*options)
    result.assert_outcomes(failed=1)
    (line,) = [ln for ln in result.outlines if ln.startswith("qevolve_score: ")]
    advice = "pytest test_mine.py::test_walks --qevolve-update"
    assert (advice in result.stdout.str()) is advised
    return line


def test_another_panel(project, monkeypatch):
    from bench_toy import CorridorEnv

    project.write().run(UPDATE)
    with monkeypatch.context() as changed:
        begin = CorridorEnv.task

        def longer(self, task_id):
            task = begin(self, task_id)
            return type(task)(task.id, task.split, "Another goal.", task.content)

        changed.setattr(CorridorEnv, "task", longer)
        assert "The tasks of corridor-v0-train have changed" in failure(project)
    project.run().assert_outcomes(passed=1)


def test_another_version_of_the_environment(project):
    import gymnasium
    from bench_toy import ENTRY, CorridorEnv

    project.write().run(UPDATE)
    gymnasium.register("benchtoy/Corridor-v1", CorridorEnv, **ENTRY)
    try:
        # The cell is named after the environment, so that another version is another cell.
        assert "has no cell corridor-v0-train" in failure(project.write(env=TOY[:-1] + "1"))
    finally:
        del gymnasium.registry["benchtoy/Corridor-v1"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (", episodes=9", "played with episodes 9, and was with None"),
        (", horizon=7", "played with horizon 7, and was with 10"),
        (", seed=1", "played with seeds [1], and was with [0]"),
        (", env_kwargs={'size': 'large'}", "played with env_kwargs"),
        (", alpha=0", "alpha must be more than 0"),
        (", metric='sucess'", "did you mean 'success'"),
    ],
)
def test_what_cannot_be_compared(project, more, words):
    project.write().run(UPDATE)
    assert words in failure(project.write(more=more))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (", suite='quick'", "Pass either env= and split=, or suite="),
        (", env_kwargs={'sise': 3}", "did you mean 'size'"),
        (", options={'x': 1}", "Options are for agents that are given by name"),
    ],
)
def test_what_cannot_be_played_is_no_matter_of_a_baseline(project, more, words):
    project.write().run(UPDATE)
    assert words in failure(project.write(more=more), advised=False)


def test_an_unknown_agent_is_no_matter_of_a_baseline(project):
    text = TESTS.replace("walker(), env", "'randon', env")
    assert "did you mean 'random'?" in failure(project.write(text=text), advised=False)


def test_errors_are_told_also_where_the_scores_hold(project):
    project.write(lost=3).run(UPDATE)
    text = TESTS.replace('"look" if', "1 / 0 if")
    held = project.write(lost=3, text=text).run()
    held.assert_outcomes(passed=1)
    told = "errors qevolve_baselines?test_mine.test_walks.json: 3 episodes failed by an error,*"
    held.stdout.fnmatch_lines([told])


def test_a_wrong_setting_of_the_project(project):
    project.write().run(UPDATE)
    words = failure(project, "-o", "qevolve_alpha=five")
    assert "qevolve_alpha must be a number, not 'five'" in words


def test_too_few_tasks(project):
    project.write(more=", episodes=3").run(UPDATE)
    assert "With 3 tasks no loss can be significant" in failure(project)


def test_a_damaged_baseline(project):
    project.write().run(UPDATE)
    (path,) = project.baselines.iterdir()
    path.write_text(path.read_text()[:100])
    assert "not JSON" in failure(project)


def test_an_agent_that_crashes_gets_no_baseline_and_loses(project):
    text = TESTS.replace('"right"', "1 / 0")
    assert "No baseline is made of a run in which 12 episodes failed" in failure(
        project.write(text=text), UPDATE, advised=False
    )
    project.write().run(UPDATE)
    result = project.write(text=text).run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["12 episodes failed, the first: *ZeroDivisionError*"])


SEVERAL = """
    import pytest

    class TestHeld:
        def test_it(self, qevolve_score):
            qevolve_score("expert", "{env}", split="train")
            qevolve_score("random", "{env}", split="train", name="by chance")

    def test_it(qevolve_score):
        qevolve_score("expert", suite="own.json")

    @pytest.mark.parametrize("seed", [1, 2])
    @pytest.mark.parametrize("agent", ["random", "expert"])
    def test_all(qevolve_score, agent, seed):
        qevolve_score(agent, "{env}", split="train", seed=seed)

    @pytest.mark.parametrize("text", ["a/b", "a:b", "a b"])
    def test_odd(qevolve_score, text):
        qevolve_score("expert", "{env}", split="train")
"""


def test_every_baseline_has_a_file_of_its_own(project):
    from qevolve_bench.suites import adhoc_suite

    suite = adhoc_suite(TOY, split="train").to_json()
    (project.path / "own.json").write_text(json.dumps(suite))
    project.write(text=SEVERAL).run(UPDATE).assert_outcomes(passed=9)
    names = sorted(path.name for path in project.baselines.iterdir())
    assert len(names) == 10
    assert {
        "test_mine.test_it.json",
        "test_mine.TestHeld.test_it.json",
        "test_mine.test_all-random-1.json",
        "test_mine.test_all-expert-2.json",
    } <= set(names)
    assert all("/" not in n and ":" not in n and " " not in n for n in names)
    project.run().assert_outcomes(passed=9)


def test_two_scores_of_one_name_are_refused(project):
    text = """
    def test_walks(qevolve_score):
        qevolve_score("expert", {env!r}, split="train")
        qevolve_score("random", {env!r}, split="train")
    """
    words = failure(project.write(text=text), UPDATE, advised=False)
    assert "Several scores of a test need names of their own" in words


def test_processes_of_xdist_lose_no_update(project):
    shutil.copy(Path(__file__).with_name("toy.py"), project.path / "toy_of_mine.py")
    env = f"toy_of_mine:{TOY}"
    text = """
    import pytest

    @pytest.mark.parametrize("number", range(8))
    def test_it(qevolve_score, number):
        qevolve_score("random", {env!r}, split="train", seed=number)
        # All write this one, and must not tear it.
        qevolve_score("random", {env!r}, split="train", name="shared")
    """
    project.write(text=text, env=env)
    made = project.run(UPDATE, "-n", "2")
    made.assert_outcomes(passed=8)
    assert len([ln for ln in made.outlines if ln.startswith("stored")]) == 16
    before = {path.name: path.read_bytes() for path in project.baselines.iterdir()}
    assert len(before) == 9
    project.run().assert_outcomes(passed=8)
    project.run(UPDATE).assert_outcomes(passed=8)
    assert {path.name: path.read_bytes() for path in project.baselines.iterdir()} == before
    # And comparing works there as here.
    (project.baselines / "test_mine.test_it-3.json").unlink()
    project.run("-n", "2").assert_outcomes(passed=7, failed=1)


def test_it_costs_nothing_where_it_is_not_used(pytester):
    """Neither the plugin nor its options bring gymnasium, or anything of ours."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            names = ("gymnasium", "numpy", "qevolve_bench", "qevolve_envs")
            assert [n for n in names if n in sys.modules] == []
        """
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "_qevolve_pytestplugin",
            "-p",
            "no:cacheprovider",
        ],
        cwd=pytester.path,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_help_names_the_options(project):
    text = project.run("--help").stdout.str()
    assert "--qevolve-update" in text and "qevolve_min_effect" in text
    assert "qevolve_score" in project.run("--fixtures").stdout.str()
