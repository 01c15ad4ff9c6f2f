"""`qevolve/Probe-v0`: worlds of a few rooms, each with one dial, for testing learners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from qevolve_envs.agent import Agent, PerEpisode, TaskView
from qevolve_envs.core import ActionResult, Feedback, Task, TextEnv
from qevolve_envs.errors import UnknownName
from qevolve_envs.probe.theory import best_policy
from qevolve_envs.probe.worlds import LOST, WON, Policy, Probe, make_probe
from qevolve_envs.rng import SeedTree

#: Tasks of each panel; they differ in the room that an episode begins in, and in its distractions.
PANELS = {"train": 64, "unseen": 32}
GOAL = "Win."
_SEEDS = SeedTree(entropy=20261201)
_SUBJECTS = ("A clock", "The lamp", "Some dust", "A fly", "The wind", "Your shadow")
_VERBS = ("ticks", "hums", "settles", "moves", "turns", "waits")


class ProbeEnv(TextEnv):
    """A few rooms whose best policy is known in closed form: does a learner find it?

    ## Description
    Nine kinds of probe, each with one dial, ask one question each: ``bandit`` (which of n levers
    wins), ``delay`` (a choice decides the end n steps later), ``trap`` (one step ruins everything),
    ``refusal`` (a command that is never executed, and that won episodes hold too), ``recovery`` (a
    refusal that n searches lead out of), ``stitch`` (no episode shows the whole way), ``explore``
    (a win that chance rarely finds), ``distract`` (n sentences that mean nothing) and ``noise``
    (two levers that differ by 10 n points). `qevolve_envs.probe.theory` computes what a policy
    reaches.

    ## Actions
    The commands that an observation names, such as ``pull brass``.

    ## Observations
    The answer to the last command, and a description of the room with its commands. The first one
    begins with the goal.

    ## Rewards
    1 on a win (sparse and dense alike).

    ## Starting state
    The task says in which room; all tasks of a kind obey the same rules.

    ## Episode end
    On a win, a loss, or the probe's own horizon, which all terminate the episode.

    ## Arguments
    ``kind``: see above. ``level``: the dial, from 1 (``bandit`` from 2) to 8.
    """

    splits: ClassVar[tuple[str, ...]] = tuple(PANELS)

    def __init__(self, *, kind: str = "bandit", level: int = 4, **kwargs: Any) -> None:
        self.probe = make_probe(kind, level)
        super().__init__(**kwargs)
        self.kind = kind
        self.level = level
        self._room = self.probe.starts[0]
        self._steps_left = 0
        self._noise = ""

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of a panel."""
        if split not in PANELS:
            raise UnknownName.of("split", split, PANELS)
        return [f"probe/{split}/{number:02}" for number in range(PANELS[split])]

    def task(self, task_id: str) -> Task:
        """The full description of a task of any split."""
        for split in PANELS:
            ids = self.task_ids(split)
            if task_id in ids:
                number = ids.index(task_id)
                start = self.probe.starts[number % len(self.probe.starts)]
                rng = _SEEDS.stream(task_id)
                noise = " ".join(
                    f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)}."
                    for _ in range(self.probe.distractions)
                )
                return Task(task_id, split, GOAL, {"start": start, "noise": noise})
        raise UnknownName.of("task", task_id, [i for s in PANELS for i in self.task_ids(s)])

    def expert(self) -> Agent:
        """An expert that follows the best policy."""
        return scripted(self.probe, best_policy(self.probe))

    def behaviour(self) -> Agent:
        """An agent that plays the policy of stated quality, which learners begin with."""
        return scripted(self.probe, self.probe.behaviour)

    def _begin(self, task_id: str) -> tuple[str, str]:
        task = self.task(task_id)
        self._room = task.content["start"]
        self._noise = task.content["noise"]
        self._steps_left = self.probe.horizon
        return task.goal, f"{task.goal} {self._view()}"

    def _view(self) -> str:
        return describe(self.probe, self._room) + (f" {self._noise}" if self._noise else "")

    def _act(self, command: str) -> ActionResult:
        if self._room in (WON, LOST) or self._steps_left == 0:
            return ActionResult("The episode is over.", Feedback.INVALID)
        self._steps_left -= 1
        move = self.probe.rooms[self._room].moves.get(command)
        if move is None:
            known = command in self.probe.commands
            kind = Feedback.INVALID if known else Feedback.MALFORMED
            return ActionResult("You cannot do that here." if known else "What do you mean?", kind)
        if move.feedback is not Feedback.OK:
            return ActionResult(f"{move.text} {self._view()}", move.feedback)
        draw = float(self.np_random.random())
        for room, probability in move.outcomes.items():
            self._room = room
            draw -= probability
            if draw < 0:
                break
        if self._room == WON:
            return ActionResult(f"{move.text} You win.", Feedback.OK)
        if self._room == LOST:
            return ActionResult(f"{move.text} You lose.", Feedback.OK)
        return ActionResult(f"{move.text} {self._view()}", Feedback.OK)

    def _progress(self) -> tuple[float, bool]:
        won = self._room == WON
        return float(won), won

    def _over(self) -> bool:
        return self._room == LOST or self._steps_left == 0

    def _commands(self) -> list[str]:
        if self._room in (WON, LOST):
            return []
        moves = self.probe.rooms[self._room].moves
        return sorted(c for c, move in moves.items() if move.feedback is Feedback.OK)


def describe(probe: Probe, room: str) -> str:
    """The text of a room, with its commands."""
    moves = probe.rooms[room].moves
    return f"{probe.rooms[room].text} Commands: {', '.join(moves)}."


def scripted(probe: Probe, policy: Policy) -> Agent:
    """An agent that plays a policy of a probe; it knows the rooms, and tells them by their texts.

    Args:
        probe: The probe.
        policy: Probability of each command in each room.
    """

    class Player:
        def __init__(self, task: TaskView) -> None:
            self._rng = _SEEDS.stream("scripted", task.seed)
            self._candidates: Sequence[str] = probe.starts

        def __call__(self, observation: str) -> str:
            room = next(r for r in self._candidates if describe(probe, r) in observation)
            commands, chances = zip(*policy[room].items(), strict=True)
            sums = [sum(chances[: i + 1]) for i in range(len(chances))]
            command: str = commands[self._rng.weighted(sums)]
            outcomes = probe.rooms[room].moves[command].outcomes
            self._candidates = [r for r in outcomes if r in probe.rooms]
            return command

    return PerEpisode(Player)
