"""The environment contract: what every text environment of the suite promises.

A subclass supplies a panel of tasks for each split and four hooks (`_begin`, `_act`, `_progress`,
`_commands`); this class turns them into a `gymnasium.Env[str, str]` with seeded task draws, the
shared `info` keys, sparse or dense reward and the text spaces.
"""

from __future__ import annotations

import hashlib
import json
import string
import unicodedata
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import gymnasium
from gymnasium import spaces

from qevolve_envs.agent import Agent
from qevolve_envs.errors import BenchError, UnknownName

#: Printable ASCII and the newline: what an observation may contain.
CHARSET = frozenset(string.ascii_letters + string.digits + string.punctuation + " \n")
MAX_OBSERVATION = 20_000
MAX_ACTION = 2_000
REWARDS = ("sparse", "dense")
#: What a subclass of `TextEnv` may replace; the other names of that class and of `gymnasium.Env`
#: are theirs.
HOOKS = frozenset(
    {"metadata", "splits", "rewards", "language", "task_ids", "task", "expert", "panel_digest"}
    | {"reset", "step", "render", "close"}
    | {"_begin", "_act", "_progress", "_over", "_commands"}
)


class Feedback(StrEnum):
    """Kind of answer to the last action; learners read this instead of parsing English.

    It feeds Q-Evolve's retrospective labels: MALFORMED is ``r_fmt``, INVALID is ``r_inv``,
    UNCHANGED is ``r_repeat``, OK is 0.
    """

    OK = "ok"
    """Executed, and the observation is a new one. Also what `reset` reports."""
    UNCHANGED = "unchanged"
    """Executed, but the agent sees exactly what it saw before."""
    INVALID = "invalid"
    """A well-formed command that cannot be executed here and now."""
    MALFORMED = "malformed"
    """Not a command of this environment's language."""


class ActionResult(NamedTuple):
    """Answer to one command: the text, and its kind."""

    observation: str
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class Task:
    """A playable task: a pure function of its id.

    Attributes:
        id: For example ``"household/unseen/0013"``.
        split: The panel it belongs to.
        goal: The instruction, as the agent reads it.
        content: Everything that defines the task, JSON-serialisable; the panel digest covers it.
    """

    id: str
    split: str
    goal: str
    content: Mapping[str, Any]


def to_text(text: str) -> str:
    """Normalises any text into the observation space.

    Accents are dropped, what is not printable ASCII becomes ``?``, and what is longer than
    `MAX_OBSERVATION` ends in ``...``.
    """
    if not (text.isascii() and CHARSET.issuperset(text)):
        plain = unicodedata.normalize("NFKD", text.replace("\t", " ").replace("\r\n", "\n"))
        text = "".join(c if c in CHARSET else "?" for c in plain if not unicodedata.combining(c))
    return text if len(text) <= MAX_OBSERVATION else text[: MAX_OBSERVATION - 3] + "..."


@dataclass(slots=True)
class _EpisodeState:
    """Running episode of a `TextEnv`, in one record so that no attribute of a subclass hits it."""

    task_id: str = ""
    goal: str = ""
    observation: str = ""
    score: float = 0.0
    won: bool = False


class TextEnv(gymnasium.Env[str, str]):
    """Base class of the single-agent text environments.

    A subclass may use any attribute name that this class does not have; `testing.check_names`
    reports a clash. It may replace the names in `HOOKS`, and reads the running episode through
    `current_task_id` and `last_observation`.

    Args:
        split: Panel from which `reset` draws tasks.
        reward: ``"sparse"`` pays 1 on success; ``"dense"`` pays the increase of `score`.
        admissible: Put ``admissible_commands`` (sorted, unique) into `info`.
        render_mode: ``"ansi"`` makes `render` return the last observation.

    Raises:
        UnknownName: For a split or reward that does not exist, with close matches.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 4}  # type: ignore[misc]
    #: Names of the panels, in the order in which they are documented.
    splits: ClassVar[tuple[str, ...]] = ()
    #: Forms of the reward. An environment may offer more than these two, and pay them in `step`.
    rewards: ClassVar[tuple[str, ...]] = REWARDS
    #: The TOML file beside the class's module that gives it prompts and perturbations
    #: (`qevolve_envs.language`), if there is one.
    language: ClassVar[str] = ""

    def __init__(
        self,
        *,
        split: str = "train",
        reward: str = "sparse",
        admissible: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if split not in self.splits:
            raise UnknownName.of("split", split, self.splits)
        if reward not in self.rewards:
            raise UnknownName.of("reward", reward, self.rewards)
        if not isinstance(admissible, bool):
            raise BenchError(f"admissible must be true or false, not {admissible!r}.")
        if render_mode not in (None, "ansi"):
            raise UnknownName.of("render_mode", render_mode, ["ansi"])
        self.split = split
        self.reward = reward
        self.admissible = admissible
        self.render_mode = render_mode
        self.observation_space = spaces.Text(MAX_OBSERVATION, min_length=0, charset=CHARSET)
        self.action_space = spaces.Text(MAX_ACTION, min_length=0, charset=CHARSET)
        # The two underscores make Python mangle the name: only this class can reach it.
        self.__running_episode = _EpisodeState()

    # ── what a subclass supplies ────────────────────────────────────────────

    @abstractmethod
    def task_ids(self, split: str) -> Sequence[str]:
        """All task ids of a split, in panel order."""

    @abstractmethod
    def task(self, task_id: str) -> Task:
        """The full description of a task. Raises `UnknownName` for an id of no panel."""

    @abstractmethod
    def _begin(self, task_id: str) -> tuple[str, str]:
        """Puts the world into the task's initial state; returns (goal, first observation)."""

    @abstractmethod
    def _act(self, command: str) -> ActionResult:
        """Executes one command. Must accept any string, and never raise."""

    @abstractmethod
    def _progress(self) -> tuple[float, bool]:
        """(score in [0, 1], won) of the current state; ``won`` implies a score of 1."""

    def _over(self) -> bool:
        """True once the episode has ended without success, such as by a wrong purchase."""
        return False

    @abstractmethod
    def _commands(self) -> list[str]:
        """Commands that would be executed in the current state, sorted and unique."""

    def expert(self) -> Agent:
        """A scripted expert that acts on what an agent can see.

        Raises:
            BenchError: If this environment has none.
        """
        raise BenchError(f"{type(self).__name__} has no scripted expert.")

    # ── the contract ────────────────────────────────────────────────────────

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Seeds the draw of tasks (this one and the following).
            options: ``{"task": id}`` plays that task, of any split of this environment.

        Returns:
            The first observation, and `info` with ``task_id, goal, feedback, score, won``
            (and ``admissible_commands`` when asked for).

        Raises:
            UnknownName: For an unknown option or task id.
        """
        options = options or {}
        for key in options:
            if key != "task":
                raise UnknownName.of("reset option", key, ["task"])
        super().reset(seed=seed)
        task_id = options.get("task")
        if task_id is None:
            ids = self.task_ids(self.split)
            if not ids:
                raise BenchError(f"Split {self.split!r} has no tasks.")
            task_id = ids[int(self.np_random.integers(len(ids)))]
        elif not isinstance(task_id, str):
            raise UnknownName.of("task id", task_id, [])
        goal, observation = self._begin(task_id)
        self.__running_episode = state = _EpisodeState(task_id, to_text(goal), to_text(observation))
        state.score, state.won = self._progress()
        return state.observation, self._info(Feedback.OK)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Executes one command. Any string is accepted; what cannot be done costs the step.

        Returns:
            Observation, reward, terminated (the task is won, or `_over`), truncated (always False
            here; the horizon belongs to the registry's time limit), `info`.
        """
        observation, feedback = self._act(action if isinstance(action, str) else str(action))
        observation = to_text(observation)
        state = self.__running_episode
        if feedback is Feedback.OK and observation == state.observation:
            feedback = Feedback.UNCHANGED
        score, won = self._progress()
        if self.reward == "sparse":
            reward = 1.0 if won and not state.won else 0.0
        else:
            reward = score - state.score
        state.observation, state.score, state.won = observation, score, won
        terminated = won or self._over()
        return observation, reward, terminated, False, self._info(feedback)

    def render(self) -> str | None:
        """The last observation, when ``render_mode="ansi"``."""
        return self.last_observation if self.render_mode == "ansi" else None

    @property
    def current_task_id(self) -> str:
        """Id of the task that was reset last; empty before the first reset, and in its `_begin`."""
        return self.__running_episode.task_id

    @property
    def last_observation(self) -> str:
        """Text that the last `reset` or `step` returned; empty before the first reset."""
        return self.__running_episode.observation

    def admissible_commands(self) -> list[str]:
        """Commands that would be executed now, sorted and unique (also when not in `info`)."""
        return self._commands()

    def panel_digest(self, split: str) -> str:
        """SHA-256 over all tasks of a split; the same on every machine and in every process."""
        digest = hashlib.sha256()
        for task_id in self.task_ids(split):
            task = self.task(task_id)
            record: dict[str, Any] = {"id": task.id, "split": task.split, "goal": task.goal}
            record["content"] = task.content
            digest.update(json.dumps(record, sort_keys=True, separators=(",", ":")).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def _info(self, feedback: Feedback) -> dict[str, Any]:
        state = self.__running_episode
        info: dict[str, Any] = {
            "task_id": state.task_id,
            "goal": state.goal,
            "feedback": feedback,
            "score": state.score,
            "won": state.won,
        }
        if self.admissible:
            info["admissible_commands"] = self._commands()
        return info
