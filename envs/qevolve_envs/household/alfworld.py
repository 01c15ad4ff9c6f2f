"""`qevolve/ALFWorld-v0`: the official ALFWorld games, played natively from their own files."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from qevolve_envs.agent import Agent
from qevolve_envs.core import Feedback, Task
from qevolve_envs.errors import MissingData, UnknownName
from qevolve_envs.household.engine import Game, Play, load_game
from qevolve_envs.household.env import GameEnv
from qevolve_envs.household.expert import ALFWORLD, make_expert

#: Our split names -> the folders of ALFWorld's data.
FOLDERS = {"train": "train", "seen": "valid_seen", "unseen": "valid_unseen"}
#: Games that the official loader keeps of the official data (release json_2.1.1).
OFFICIAL_COUNTS = {"train": 3553, "seen": 140, "unseen": 134}
DATA_FOLDER = "json_2.1.1"
GAME_FILE = "game.tw-pddl"
_JOBS = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*true\b')
_TASK_MARK = "Your task is to: "


def alfred_names(ids: Iterable[str]) -> dict[str, str]:
    """Names of ALFRED's objects, as ALFWorld derives them from their ids.

    Ids are sorted; of n things of a kind the first is given the number n and the last 1. The kind
    is what stands before the first ``_bar_``, with "basin" appended where the id has it anywhere.
    An id without ``_bar_`` is its own name, followed by a space.
    """
    kinds = {ident: _kind_of(ident) for ident in sorted(ids)}
    left = Counter(kinds.values())
    names: dict[str, str] = {}
    for ident, kind in kinds.items():
        if kind is None:
            names[ident] = f"{ident} "
        else:
            names[ident] = f"{kind} {left[kind]}"
            left[kind] -= 1
    return names


def _kind_of(ident: str) -> str | None:
    head, bar, _ = ident.partition("_bar_")
    if not bar:
        return None
    return head + "basin" if "basin" in ident else head


def find_data(data: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds the splits.

    Args:
        data: The folder that holds ``json_2.1.1/``, or that folder itself; by default
            ``$ALFWORLD_DATA``.

    Raises:
        MissingData: Saying what to download and where to put it.
    """
    given = data if data is not None else os.environ.get("ALFWORLD_DATA")
    for root in [Path(given) / DATA_FOLDER, Path(given)] if given else []:
        if any((root / folder).is_dir() for folder in FOLDERS.values()):
            return root
    where = f"no {DATA_FOLDER}/ in {str(given)!r}" if given else "no folder was given"
    raise MissingData(
        f"ALFWorld's games are missing ({where}): run 'pip install alfworld && alfworld-download', "
        f"then pass data=FOLDER, or set ALFWORLD_DATA, to the folder that holds {DATA_FOLDER}/."
    )


@lru_cache(maxsize=16)
def list_games(root: Path, split: str) -> tuple[str, ...]:
    """Relative paths of a split's games, in sorted order, filtered as the official loader does.

    It leaves out tasks with movable receptacles or sliced things, other task types, and games that
    are not marked solvable. (It takes the rest in the order of the file system; we sort.)
    """
    folder = root / FOLDERS[split]
    kept = []
    for path in sorted(folder.glob(f"*/*/{GAME_FILE}")):
        trial = path.parent
        name = f"{trial.parent.name}/{trial.name}"
        if "movable" in name or "Sliced" in name or not name.startswith(_JOBS):
            continue
        if (trial / "traj_data.json").is_file() and _SOLVABLE.search(path.read_bytes()):
            kept.append(name)
    return tuple(kept)


class ALFWorldEnv(GameEnv):
    """The official ALFWorld text games, without TextWorld, planner or compiler.

    ## Description
    Plays ALFWorld's own ``game.tw-pddl`` files on this package's engine, with the domain and the
    grammar that each file carries. Observations, admissible commands and success equal those of
    the official engine (``tox -e parity`` compares them byte for byte).

    ## Action space
    `Text`: the commands of the game file, such as ``go to fridge 1`` or ``move mug 1 to desk 1``
    (older releases: ``put mug 1 in/on desk 1``). They are taken literally, as upstream does:
    anything else is answered by "Nothing happens." and costs the step.

    ## Observation space
    `Text` (printable ASCII): exactly the official text.

    ## Rewards
    As in `qevolve/Household-v0`; ``won`` is success, and success ends the episode.

    ## Starting state
    That of the game file.

    ## Episode end
    Terminates on success; the registry truncates after 30 steps (upstream's default is 50; pass
    ``max_episode_steps=50`` to `gym.make` for it).

    ## Information
    ``task_id, goal, feedback, score, won`` and, with ``admissible=True``, ``admissible_commands``.

    ## Arguments
    - ``data``: the folder that holds ``json_2.1.1/``; by default ``$ALFWORLD_DATA``.
    - ``split``: ``"train"``, ``"seen"``, ``"unseen"``: 3,553 / 140 / 134 games in the official
      data, in sorted order. (The 3,321 training games of ETO, QLASS and Q-Evolve are those of
      the 3,553 that have a demonstration in ETO's data; that list is not part of ALFWorld.)
    - ``reward``, ``admissible``, ``render_mode``: see `TextEnv`.
    """

    language: ClassVar[str] = "alfworld.toml"
    splits: ClassVar[tuple[str, ...]] = tuple(FOLDERS)
    placed: ClassVar[str] = "inreceptacle"
    held: ClassVar[str] = "holds"

    def __init__(self, *, data: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data = find_data(data)

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of a split: ``alfworld/<split>/<task>/<trial>``, sorted."""
        if split not in FOLDERS:
            raise UnknownName.of("split", split, FOLDERS)
        return tuple(f"alfworld/{split}/{name}" for name in list_games(self.data, split))

    def task(self, task_id: str) -> Task:
        """A task's goal, and the digest of its game file."""
        path = self._path(task_id)
        _, goal = self._load(task_id)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Task(task_id, task_id.split("/")[1], goal, {"game": digest})

    def expert(self) -> Agent:
        """The household's expert, with ALFWorld's words."""
        return make_expert(ALFWORLD)

    def _path(self, task_id: str) -> Path:
        family, _, rest = task_id.partition("/")
        split, _, name = rest.partition("/")
        if family != "alfworld" or split not in FOLDERS or name not in list_games(self.data, split):
            known = [i for s in FOLDERS for i in self.task_ids(s)]
            raise UnknownName.of("task id", task_id, known, "no such game in the data.")
        return self.data / FOLDERS[split] / name / GAME_FILE

    def _load(self, task_id: str) -> tuple[Game, str]:
        game = load_game(self._path(task_id), alfred_names)
        # The goal stands in the grammar's first text and nowhere else in the file.
        return game, Play(game).intro().rpartition(_TASK_MARK)[2].strip()

    def _first_observation(self, play: Play, goal: str) -> str:
        return play.intro()

    def _refuse(self, command: str, feedback: Feedback) -> str:
        return "Nothing happens."
