"""Makes a good small submission, and bad ones of it: what a forger with this package would do."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.runner.journal import tally
from qevolve_bench.runner.results import ledger_of, summary_of
from qevolve_bench.schema import write_json
from qevolve_bench.submissions.submission import pack
from qevolve_bench.suites import Suite, load_suite
from qevolve_envs.agent import Failed, PerEpisode, TaskView
from qevolve_envs.episode import Episode

#: What leads to a purchase.
BUY, ITEM = ("click[buy now]",), "click[q0"


class Halting(PerEpisode):
    """Plays this and that, buys soon, and fails some episodes after three steps."""

    def __init__(self) -> None:
        super().__init__(self._start)

    @staticmethod
    def _start(task: TaskView) -> Callable[[str], str | Failed]:
        steps = 0

        def policy(observation: str) -> str | Failed:
            nonlocal steps
            steps += 1
            commands = task.commands()
            if steps > 3 and task.seed % 5 == 0:
                return Failed("the model had enough")
            if task.seed % 2 and (buy := [c for c in commands if c in BUY or c.startswith(ITEM)]):
                return buy[0]
            return commands[(task.seed + steps) % len(commands)]

        return policy


def write_run(dest: Path, suite: Suite) -> Path:
    """A run folder, with failed episodes, and with tokens."""
    (dest / "episodes").mkdir(parents=True)
    played: list[Episode] = []
    manifest: dict[str, Any] = {"files": {}, "summary": {}}
    for cell in suite.cells:
        episodes = evaluate(
            cell.env_id,
            agent=Halting(),
            agent_name="halting",
            split=cell.split,
            env_kwargs=cell.env_kwargs,
            episodes=cell.episodes,
            max_episode_steps=cell.horizon,
        )
        for episode in episodes:
            for step in episode.steps:
                step.prompt_tokens, step.generated_tokens = len(step.observation), len(step.action)
        data = "".join(episode.to_json() + "\n" for episode in episodes).encode()
        (dest / "episodes" / f"{cell.name}.jsonl").write_bytes(data)
        manifest["files"][cell.name] = hashlib.sha256(data).hexdigest()
        manifest["summary"][cell.name] = summary_of([tally(episodes)])
        played += episodes
    write_json(
        dest / "manifest.json",
        {
            "schema": 1,
            "complete": True,
            "suite": suite.to_json(),
            "agent": {"name": "halting", "description": {}},
            "settings": {},
            "provenance": {},
            "ledger": ledger_of([tally(played)]),
            "skipped": {},
            **manifest,
        },
    )
    return dest


class Forge:
    """A copy of a submission, to be tampered with.

    Args:
        good: An honest submission.
        path: Where the copy goes.
    """

    def __init__(self, good: Path, path: Path) -> None:
        shutil.copytree(good, path)
        self.path = path

    def file(self, cell: str) -> Path:
        return self.path / "episodes" / f"{cell}.jsonl.gz"

    def manifest(self, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edits the manifest as an object."""
        path = self.path / "manifest.json"
        raw = json.loads(path.read_bytes())
        edit(raw)
        path.write_text(json.dumps(raw), encoding="utf-8")

    def text(self, old: str, new: str) -> None:
        """Edits the manifest as text."""
        path = self.path / "manifest.json"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def lines(self, cell: str) -> list[bytes]:
        return gzip.decompress(self.file(cell).read_bytes()).splitlines()

    def write(self, cell: str, lines: Sequence[bytes], *, seal: bool = True) -> None:
        """Replaces a cell's episodes; sealed, the manifest says what they amount to."""
        data = b"".join(line + b"\n" for line in lines)
        self.file(cell).write_bytes(gzip.compress(data, mtime=0))
        if seal:
            self.seal()

    def episodes(self, cell: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(cell)]

    def edit(self, cell: str, edit: Callable[[list[dict[str, Any]]], object]) -> None:
        """Edits the episodes of a cell as objects, then seals."""
        episodes = self.episodes(cell)
        edit(episodes)
        self.write(cell, [dump(episode) for episode in episodes])

    def seal(self) -> None:
        """Makes digests, summaries and ledger agree with the episodes, where these can be read."""

        def reseal(manifest: dict[str, Any]) -> None:
            played = []
            for cell in manifest["files"]:
                lines = self.lines(cell)
                data = b"".join(line + b"\n" for line in lines)
                manifest["files"][cell] = hashlib.sha256(data).hexdigest()
                try:
                    episodes = [Episode.from_json(line.decode()) for line in lines]
                except ValueError:
                    return
                if episodes:
                    manifest["summary"][cell] = summary_of([tally(episodes)])
                played += episodes
            manifest["ledger"] = ledger_of([tally(played)])

        self.manifest(reseal)


def dump(episode: dict[str, Any]) -> bytes:
    """As this package writes it."""
    return json.dumps(episode, separators=(",", ":")).encode()


def smaller(suite: Suite, episodes: int) -> Suite:
    """The suite with fewer episodes in each cell, for tests that verify hundreds of times."""
    cells = tuple(dataclasses.replace(cell, episodes=episodes) for cell in suite.cells)
    return dataclasses.replace(suite, cells=cells)


def make_good(folder: Path, suite: Suite) -> Path:
    """An honest submission."""
    return pack(write_run(folder / "run", suite), folder / "good")


QUICK = load_suite("quick")
SMALL = smaller(QUICK, 12)
