"""`qevolve/Lab-v0`: experiments in a simulated house of laboratory rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from qevolve_envs.agent import Agent
from qevolve_envs.core import ActionResult, Task, TextEnv
from qevolve_envs.errors import UnknownName
from qevolve_envs.lab import wording
from qevolve_envs.lab.commands import Interpreter
from qevolve_envs.lab.expert import make_expert
from qevolve_envs.lab.goals import Meter
from qevolve_envs.lab.spec import Item, build_world
from qevolve_envs.lab.tasks import PANELS, make_task, more_clutter, task_ids
from qevolve_envs.rng import RandomStream

SIMPLIFY = ("easy", "standard")


class LabEnv(TextEnv):
    """Do an experiment, step by step, in a house of laboratory rooms.

    ## Description
    The agent stands in one of ten rooms (kitchen, foundry, chemistry lab, greenhouse …) with a
    house plan in its hands and is given one of 29 kinds of tasks in eight families: change the
    state of a substance; measure and decide; find a melting or boiling point; build circuits and
    test conductivity; tell living from non-living; make substances and colours; grow plants and
    follow life cycles; compare friction and steepness. The world is a small honest model: heat
    flows by Newton's law between sources of fixed temperature and substances with real heat
    capacities, latent heats, melting and boiling points; circuits obey Ohm's law; reactions
    conserve mass; blocks slide as the formula says; plants need soil, water, daylight and time.
    A command takes a minute, ``wait`` as long as it is told to. Melting is done once nothing solid
    is left, also if a long wait has gone on to boil the rest.

    What the model leaves out: vessels have no heat capacity, do not melt, and keep vapour under a
    loose lid; batteries always sit the right way round; reactions keep their temperature; animals
    find their own food; the agent carries any number of things, hot or cold.

    ## Action space
    `Text`: ``look around``, ``inventory``, ``examine X``, ``look in X``, ``go to ROOM``,
    ``open X``, ``close X``, ``open door to ROOM``, ``pick up X``, ``drop X``, ``put X in Y``,
    ``put X on Y``, ``pour X into Y``, ``mix X``, ``activate X``, ``deactivate X``,
    ``connect X to Y``, ``disconnect X``, ``use TOOL on X``, ``focus on X``, ``read X``, ``wait``
    and ``wait 10 minutes`` (hours, days). Common synonyms, articles and capitals are understood. A
    name that fits several things is answered by a numbered question; a bare number answers it.
    Other strings cost the step.

    ## Observation space
    `Text` (printable ASCII): what the agent sees; the first observation also states the task.

    ## Rewards
    ``reward="sparse"``: 1 on success. ``reward="dense"``: the increase of `score`, the points (of
    100) of the sub-goals reached in their order, divided by 100.

    ## Starting state
    A random room, the house plan in the hands; some doors, and all cupboards, are closed.

    ## Episode end
    Terminates on success, and without success where the task has been spoilt: focusing on the
    wrong thing, or putting something into the wrong box. The registry truncates after 24 steps,
    which every gold procedure fits into; ``wait`` covers hours and days in one step.

    ## Information
    ``task_id, goal, feedback, score, won`` and, with ``admissible=True``, ``admissible_commands``.

    ## Arguments
    - ``split``: ``"train"`` (1,483 tasks), ``"seen"`` (194 new combinations of kind, matter and
      house), ``"unseen"`` (241 tasks with held-out substances, materials, surfaces, species and
      reactions, in houses whose rooms and devices training never shows).
    - ``simplify``: ``"standard"``, or ``"easy"``: doors are open, ``go to`` reaches any room at
      once, waiting shows the room, and the first observation includes the house plan.
    - ``reward``, ``admissible``, ``render_mode``: see `TextEnv`.
    """

    language: ClassVar[str] = "language.toml"
    splits: ClassVar[tuple[str, ...]] = tuple(PANELS)

    def __init__(self, *, simplify: str = "standard", **kwargs: Any) -> None:
        if simplify not in SIMPLIFY:
            raise UnknownName.of("simplify", simplify, SIMPLIFY)
        super().__init__(**kwargs)
        self.simplify = simplify
        self._interpreter: Interpreter | None = None
        self._meter: Meter | None = None
        #: A task, and what lies around in it besides; see `distract`.
        self._more: tuple[str, tuple[Item, ...]] = ("", ())

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of a panel."""
        if split not in PANELS:
            raise UnknownName.of("split", split, PANELS)
        return task_ids(split)

    def task(self, task_id: str) -> Task:
        """The full description of a task of any split."""
        spec = make_task(task_id)
        content = {
            "family": spec.family,
            "kind": spec.kind,
            "variant": spec.variant,
            "house": spec.house,
            "start": spec.start,
            "closed": spec.closed,
            "items": spec.items,
            "subgoals": spec.subgoals,
            "wrong": spec.wrong,
        }
        return Task(task_id, spec.split, spec.goal, content)

    def expert(self) -> Agent:
        """An expert that experiments: it reads the plan and its instruments, nothing hidden."""
        return make_expert()

    def distract(self, task_id: str, count: int, rng: RandomStream) -> None:
        """Adds things to a task, in rooms that it is not about, until it is called again."""
        self._more = (task_id, more_clutter(make_task(task_id), count, rng))

    def _begin(self, task_id: str) -> tuple[str, str]:
        spec = make_task(task_id)
        if self._more[0] == task_id:
            spec = replace(spec, items=spec.items + self._more[1])
        world = build_world(spec, easy=self.simplify == "easy")
        self._interpreter = Interpreter(world)
        self._meter = Meter(spec)
        self._meter.update(world)
        lines = [wording.room(world), "You carry: house plan."]
        if world.easy:
            lines.append(world.keys["house plan"].text)
        return spec.goal, "\n".join([*lines, "", f"Your task: {spec.goal}"])

    def _act(self, command: str) -> ActionResult:
        interpreter, meter = self._running()
        outcome = interpreter.run(command)
        meter.update(interpreter.world)
        return outcome

    def _progress(self) -> tuple[float, bool]:
        _, meter = self._running()
        return meter.points / 100, meter.won

    def _over(self) -> bool:
        _, meter = self._running()
        return meter.failed

    def _commands(self) -> list[str]:
        interpreter, _ = self._running()
        return interpreter.commands()

    def _running(self) -> tuple[Interpreter, Meter]:
        if self._interpreter is None or self._meter is None:
            raise RuntimeError("call reset() before using the environment")
        return self._interpreter, self._meter
