"""Implementation of the fixture `qevolve_score`, which `_qevolve_pytestplugin` registers.

    def test_my_agent_is_as_good_as_it_was(qevolve_score):
        qevolve_score("mine:make_agent", env="qevolve/Household-v0", split="unseen", episodes=40)

The baseline is a JSON file in ``qevolve_baselines/`` beside the test module, to be committed.
``pytest --qevolve-update`` writes it. The test fails when the agent is worse by a paired test (see
`qevolve_bench.analysis.regression`), when there is no baseline, and when the baseline is of
something else.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from _qevolve_pytestplugin import PROPERTY
from qevolve_bench.analysis.regression import (
    Scores,
    compare_with_baseline,
    play,
    read_baseline,
    write_baseline,
)
from qevolve_bench.analysis.render import regression_text
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.suites import Suite, adhoc_suite, load_suite
from qevolve_envs.agent import Agent
from qevolve_envs.errors import BenchError

FOLDER = "qevolve_baselines"


class QevolveScore:
    """Value of the fixture: called with an agent, it evaluates and compares.

    Args:
        request: Of the test.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._used: set[Path] = set()

    def __call__(
        self,
        agent: str | Agent,
        env: str | None = None,
        *,
        split: str | None = None,
        suite: str | Suite | None = None,
        episodes: int | None = None,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        horizon: int | None = None,
        options: Mapping[str, Any] | None = None,
        batch_size: int = 16,
        name: str | None = None,
        metric: Outcome = "score",
        alpha: float | None = None,
        min_effect: float | None = None,
    ) -> Scores:
        """Evaluates an agent, and fails the test when it is worse than its baseline.

        Args:
            agent: An agent, or its name (see `qevolve_bench.agents`).
            env: An environment, with `split`; or else a suite.
            split: The panel.
            suite: A suite, its name or its file.
            episodes: How many; None plays each task once. As the next four, with `env` only.
            seed: Seed of the draw of tasks and of the episodes.
            env_kwargs: Further arguments of the environment.
            horizon: Most steps of an episode; the registered number when None.
            options: Options of an agent that is given by name.
            batch_size: Episodes that the agent plays in lockstep.
            name: Of the baseline; by default the test's. Several calls in a test need one each.
            metric: ``"score"``, or ``"success"``.
            alpha: Level of the test; that of ``--qevolve-alpha`` or of the configuration when None.
            min_effect: Least mean loss that fails; that of the configuration when None.

        Returns:
            The scores, for whatever else the test wants to assert.
        """
        __tracebackhide__ = True
        mend = ""  # Nothing was played yet that a baseline could be made of.
        try:
            played = _suite(env, split, suite, episodes, seed, env_kwargs, horizon)
            path = self._path(name)
            scores = play(agent, played, options=options, batch_size=batch_size)
            if scores.failures:
                self._note(
                    f"errors {self._shown(path)}: {len(scores.failures)} episodes failed by an"
                    f" error, the first: {scores.failures[0]}"
                )
            if self._request.config.getoption("--qevolve-update"):
                write_baseline(path, scores)
                self._note(f"stored {self._shown(path)}: {metric} {scores.mean(metric=metric):.3f}")
                return scores
            mend = f"\n\n{self._mend()}"
            failure = self._failure_of(path, scores, metric, alpha, min_effect)
        except BenchError as error:
            failure = str(error)
        if failure is not None:
            pytest.fail(f"qevolve_score: {failure}{mend}", pytrace=False)
        return scores

    def _failure_of(
        self,
        path: Path,
        scores: Scores,
        metric: Outcome,
        alpha: float | None,
        min_effect: float | None,
    ) -> str | None:
        """Returns the reason why the test fails, or None."""
        if not path.exists():
            raise BenchError(f"There is no baseline {self._shown(path)}.")
        comparison = compare_with_baseline(
            read_baseline(path),
            scores,
            metric=metric,
            alpha=self._setting("alpha", alpha),
            min_effect=self._setting("min_effect", min_effect),
        )
        whole = comparison.rows[-1]
        self._note(
            f"{'worse' if comparison.worse else 'held'} {self._shown(path)}: {metric}"
            f" {scores.mean(metric=metric):.3f}, change {whole.change:+.3f}, p {whole.p_value:.2g}"
        )
        if not comparison.worse:
            return None
        shown = self._shown(path)
        return (
            f"{scores.agent} is worse than the baseline {shown}.\n\n{regression_text(comparison)}"
        )

    def _path(self, name: str | None) -> Path:
        """A file for each baseline, so that concurrent tests never write the same one."""
        item = self._request.node
        text = item.getmodpath() if name is None else name
        # A parameter's brackets are no letters for a file: test_it[a] becomes test_it-a.
        plain = re.sub(r"\[(.*)\]$", r"-\1", text, flags=re.DOTALL)
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")[:80]
        if slug != plain:  # Two names may look alike once they are fit for a file.
            slug = f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        module: Path = item.path
        path = module.parent / FOLDER / f"{module.stem}.{slug}.json"
        if path in self._used:
            raise BenchError("Several scores of a test need names of their own: pass name=.")
        self._used.add(path)
        return path

    def _shown(self, path: Path) -> str:
        root = self._request.config.rootpath
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def _mend(self) -> str:
        test = shlex.quote(self._request.node.nodeid)
        return f"To store the scores of now as the baseline: pytest {test} --qevolve-update"

    def _setting(self, name: str, given: float | None) -> float:
        if given is not None:
            return given
        config = self._request.config
        chosen = config.getoption("--qevolve-alpha") if name == "alpha" else None
        if chosen is not None:
            return float(chosen)
        text = config.getini(f"qevolve_{name}")
        try:
            return float(text)
        except ValueError:
            raise BenchError(f"qevolve_{name} must be a number, not {text!r}.") from None

    def _note(self, line: str) -> None:
        self._request.node.user_properties.append((PROPERTY, line))


def _suite(
    env: str | None,
    split: str | None,
    suite: str | Suite | None,
    episodes: int | None,
    seed: int,
    env_kwargs: Mapping[str, Any] | None,
    horizon: int | None,
) -> Suite:
    if (env is None) == (suite is None):
        raise BenchError("Pass either env= and split=, or suite=.")
    if suite is not None:
        if (split, episodes, seed, env_kwargs, horizon) != (None, None, 0, None, None):
            raise BenchError("A suite says itself what is played: pass no more than suite=.")
        return load_suite(suite) if isinstance(suite, str) else suite
    if split is None:
        raise BenchError(f"Pass split=, the panel of {env} that is played.")
    assert env is not None
    return adhoc_suite(
        env,
        split=split,
        episodes=episodes,
        seed=seed,
        env_kwargs=env_kwargs,
        max_episode_steps=horizon,
    )
