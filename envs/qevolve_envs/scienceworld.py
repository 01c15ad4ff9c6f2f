"""`qevolve/ScienceWorld-v0`: the official simulator behind the suite's contract.

The package `scienceworld` ships a JAR; this module starts a JVM on it and speaks to the simulator
directly, because the package's own `step` also computes every valid action, which takes most of
its time. One JVM serves all environments of a process, unless an environment asks for a fresh one
in every episode.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from qevolve_envs.core import ActionResult, Feedback, Task, TextEnv
from qevolve_envs.errors import BenchError, MissingData, UnknownName

#: Task -> variations in (train, dev, test). The folds are consecutive: variation 0 is the first of
#: train, and test ends with the last. (ScienceWorld 1.2.3; a test compares with the simulator.)
FOLDS: dict[str, tuple[int, int, int]] = {
    "boil": (14, 7, 9),
    "melt": (14, 7, 9),
    "freeze": (14, 7, 9),
    "change-the-state-of-matter-of": (14, 7, 9),
    "use-thermometer": (270, 135, 135),
    "measure-melting-point-known-substance": (218, 109, 109),
    "measure-melting-point-unknown-substance": (150, 75, 75),
    "power-component": (10, 5, 5),
    "power-component-renewable-vs-nonrenewable-energy": (10, 5, 5),
    "test-conductivity": (450, 225, 225),
    "test-conductivity-of-unknown-substances": (300, 150, 150),
    "find-living-thing": (150, 75, 75),
    "find-non-living-thing": (150, 75, 75),
    "find-plant": (150, 75, 75),
    "find-animal": (150, 75, 75),
    "grow-plant": (62, 31, 33),
    "grow-fruit": (62, 31, 33),
    "chemistry-mix": (16, 8, 8),
    "chemistry-mix-paint-secondary-color": (18, 9, 9),
    "chemistry-mix-paint-tertiary-color": (18, 9, 9),
    "lifespan-longest-lived": (62, 31, 32),
    "lifespan-shortest-lived": (62, 31, 32),
    "lifespan-longest-lived-then-shortest-lived": (62, 31, 32),
    "identify-life-stages-1": (6, 3, 5),
    "identify-life-stages-2": (4, 2, 4),
    "inclined-plane-determine-angle": (84, 42, 42),
    "inclined-plane-friction-named-surfaces": (692, 346, 348),
    "inclined-plane-friction-unnamed-surfaces": (80, 40, 42),
    "mendelian-genetics-known-plant": (60, 30, 30),
    "mendelian-genetics-unknown-plant": (240, 120, 120),
}
SPLITS = ("train", "dev", "test")
SIMPLIFY = ("standard", "easy")
#: The JAR is compiled for this release of Java.
OLDEST_JAVA = 8

_UNKNOWN = re.compile(r"No known action matches|Unknown action\.|I'm not sure what that means")
#: How the simulator words what cannot be done; such an answer is a single line.
_REFUSED = re.compile(
    r"is not (?:a container|\w*able|edible|open|something that can)|is already |can't be |"
    r"[Yy]ou (?:can't|must) |[Ii]t'?s not clear how|I'm not sure how|does not (?:contain|appear)|"
    r"already appears to be|is empty, so|There is nothing in|must (?:specify|be disconnected)"
)


class SimulatorError(BenchError):
    """The simulator hung or died; the episode cannot go on, the next `reset` starts a new JVM."""


class Jvm:
    """A Java process with the simulator, started on first use and closed for certain.

    It ends with `close`, at the exit of Python, or when Python dies (its standard input closes).

    Args:
        timeout: Seconds that one call may take before the process is given up.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._gateway: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def interface(self) -> Any:
        """A new simulator object in the running process, which is started if need be."""
        with self._lock:
            if not self.running:
                self._start()
        return self.call(lambda: self._gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface())

    def words(self, function: Callable[[], Any]) -> list[str]:
        """Calls a function that returns a Java list of strings, and lets go of the list."""

        def convert() -> list[str]:
            found = function()
            words = [str(word) for word in found]
            self._gateway.detach(found)
            return words

        strings: list[str] = self.call(convert)
        return strings

    def release(self, server: Any) -> None:
        """Lets Java forget a simulator object, if its process still runs."""
        if self._gateway is not None and server is not None:
            self.call(lambda: self._gateway.detach(server))

    @property
    def running(self) -> bool:
        """Tells whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def call(self, function: Callable[[], Any]) -> Any:
        """Calls into Java.

        Raises:
            SimulatorError: When the call takes longer than the timeout, or the process died.
        """
        from py4j.protocol import Py4JError

        try:
            return function()
        except (Py4JError, OSError) as error:
            self.close()
            raise SimulatorError(
                f"ScienceWorld did not answer within {self.timeout:g} s, or its JVM died"
                f" ({type(error).__name__}); reset the environment to start a new one."
            ) from None

    def close(self) -> None:
        """Ends the process, gently and then for certain."""
        process, self._process = self._process, None
        gateway, self._gateway = self._gateway, None
        atexit.unregister(self.close)
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        if gateway is not None:
            gateway.close()

    def _start(self) -> None:
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

        folder = find_simulator()
        port, process = launch_gateway(
            classpath=str(folder / "scienceworld.jar"),
            die_on_exit=True,
            cwd=str(folder),
            return_proc=True,
        )
        # Without py4j's finalizers, which write to a socket whenever Python collects garbage, also
        # when the process is long gone; what is not needed is released by hand instead.
        parameters = GatewayParameters(
            auto_field=True,
            port=port,
            read_timeout=self.timeout,
            enable_memory_management=False,
        )
        self._gateway = JavaGateway(gateway_parameters=parameters)
        self._process = process
        atexit.register(self.close)


@functools.cache
def process_jvm(pid: int, timeout: float) -> Jvm:
    """The JVM that the environments of a process share (a fork must not use its parent's)."""
    return Jvm(timeout)


def find_simulator() -> Path:
    """The folder of the installed package, once Java was found to be good enough.

    Raises:
        MissingData: When `scienceworld` or Java is missing, or Java is too old.
    """
    spec = importlib.util.find_spec("scienceworld")
    if spec is None or not spec.submodule_search_locations:
        raise MissingData(
            "The simulator is missing: install it with"
            " pip install 'qevolve-bench[scienceworld]' (it also needs Java)."
        )
    java = shutil.which("java")
    if java is None:
        raise MissingData(
            f"ScienceWorld needs Java {OLDEST_JAVA} or newer, and there is no 'java' on the PATH:"
            " install a Java runtime, such as openjdk-17-jre-headless."
        )
    version = java_version(java)
    if version is not None and version < OLDEST_JAVA:
        raise MissingData(
            f"ScienceWorld needs Java {OLDEST_JAVA} or newer, and {java} is Java {version}:"
            " install a newer Java runtime."
        )
    return Path(spec.submodule_search_locations[0])


@functools.cache
def java_version(java: str) -> int | None:
    """The feature release of a Java (1.8 is 8), or None where it does not say."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else None


class ScienceWorldEnv(TextEnv):
    """The official ScienceWorld tasks: 30 kinds, 7,207 variations.

    ## Description
    A house of ten rooms, and elementary science to be done in it: change states of matter, measure,
    build circuits, find living things, grow plants, mix chemicals and paints, order life spans,
    compare inclined planes, breed. This environment adapts the official simulator
    (`pip install 'qevolve-bench[scienceworld]'`, Java 8 or newer).

    ## Action space
    `Text`: the simulator's commands, such as ``open door to kitchen`` or ``focus on thermometer``.
    An ambiguous command is answered by a numbered question; the number is the next command.

    ## Observation space
    `Text` (printable ASCII): the simulator's text; the first observation begins with the task.

    ## Rewards
    ``reward="sparse"``: 1 on success. ``reward="dense"``: the increase of `score`.

    ## Score and episode end
    `score` is the simulator's 0-100 as [0, 1], clipped at 0 (it falls to -100 on failure). ``won``
    is a completed task with full score. An episode terminates when the task is completed or failed;
    the registry truncates after 100 steps, upstream's default (Q-Evolve's paper used 24).

    ## Reproducibility
    A task and its initial state follow from the id. Within one JVM the simulator is *not*
    deterministic: the same commands may heat or grow things differently in a second episode, and
    things are listed in another order. ``fresh_jvm=True`` starts a new JVM for every episode (about
    a second), in which the same commands gave the same answers wherever we looked, except where
    insects pollinate at random (``grow-fruit`` and the two Mendelian tasks). Only episodes in fresh
    JVMs can be verified by replay, and those three tasks not even then.

    Beside the package's own interface (``tests/parity``): the simulator's gold paths end with the
    same score on two variations of each of the 30 tasks, and every step on the way scores the same
    in all but those three and the two ``power-component`` tasks. In the latter the order in which
    things act within a step follows from what the JVM did before: a lamp may light up a step later.

    ## Information
    ``task_id, goal, feedback, score, won``; ``admissible_commands`` (with ``admissible=True``) is a
    list of a thousand that takes the simulator tens of milliseconds. ``feedback`` is read off the
    simulator's wording of refusals.

    ## Arguments
    - ``split``: ``"train"`` (3,592), ``"dev"`` (1,796), ``"test"`` (1,819): the official folds.
    - ``simplify``: ``"standard"``, or ``"easy"`` (all of upstream's simplifications that the task
      allows).
    - ``fresh_jvm``: a new JVM for every episode.
    - ``timeout``: seconds that one call of the simulator may take.
    - ``reward``, ``admissible``, ``render_mode``: see `TextEnv`.
    """

    language: ClassVar[str] = "scienceworld.toml"
    splits: ClassVar[tuple[str, ...]] = SPLITS

    def __init__(
        self,
        *,
        simplify: str = "standard",
        fresh_jvm: bool = False,
        timeout: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if simplify not in SIMPLIFY:
            raise UnknownName.of("simplify", simplify, SIMPLIFY)
        if not timeout > 0:
            raise BenchError(f"timeout must be a positive number of seconds, not {timeout}.")
        find_simulator()
        self.simplify = simplify
        self.fresh_jvm = fresh_jvm
        self.timeout = float(timeout)
        self._own_jvm: Jvm | None = None
        self._server: Any = None
        self._history: list[str] = []
        self._shapes: list[re.Pattern[str]] = []

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of a fold: ``scienceworld/<split>/<task>/<variation>``, in official order."""
        if split not in SPLITS:
            raise UnknownName.of("split", split, SPLITS)
        return _task_ids(split)

    def task(self, task_id: str) -> Task:
        """A task's goal, which only the simulator knows, and its coordinates."""
        split, name, variation = parse_id(task_id)
        jvm = self._jvm()
        server = jvm.interface()
        jvm.call(lambda: server.load(name, variation, self._simplification(), False))
        goal = _goal(str(jvm.call(server.freeActionTaskDesc)))
        jvm.release(server)
        content = {"task": name, "variation": variation, "simplify": self.simplify}
        return Task(task_id, split, goal, content)

    def panel_digest(self, split: str) -> str:
        """SHA-256 over the ids and the simplification; the goals are the simulator's to state."""
        text = "\n".join([self.simplify, *self.task_ids(split)])
        return hashlib.sha256(text.encode()).hexdigest()

    def gold_actions(self, task_id: str) -> list[str]:
        """The simulator's own procedure for a task. It knows hidden state: no agent may see it."""
        _, name, variation = parse_id(task_id)
        jvm = self._jvm()
        server = jvm.interface()
        jvm.call(lambda: server.load(name, variation, self._simplification(), True))
        jvm.call(server.reset)
        actions = jvm.words(server.getGoldActionSequence)
        jvm.release(server)
        return actions

    def close(self) -> None:
        """Ends the JVM of this environment, if it has one of its own; else only its world."""
        if self._own_jvm is not None:
            self._own_jvm.close()
            self._own_jvm = None
        elif self._server is not None:
            self._jvm().release(self._server)
        self._server = None

    def _jvm(self) -> Jvm:
        if not self.fresh_jvm:
            return process_jvm(os.getpid(), self.timeout)
        if self._own_jvm is None:
            self._own_jvm = Jvm(self.timeout)
        return self._own_jvm

    def _simplification(self) -> str:
        return "easy" if self.simplify == "easy" else ""

    def _begin(self, task_id: str) -> tuple[str, str]:
        _, name, variation = parse_id(task_id)
        if self.fresh_jvm:
            self.close()
        jvm = self._jvm()
        if self._server is None or not jvm.running:
            self._server = jvm.interface()
        server = self._server
        jvm.call(lambda: server.load(name, variation, self._simplification(), False))
        jvm.call(server.reset)
        # Upstream's first observation is that of looking around, which costs a move there too.
        first = str(jvm.call(lambda: server.step("look around")))
        goal = _goal(str(jvm.call(server.freeActionTaskDesc)))
        if not self._shapes:
            self._shapes = [_shape(template) for template in jvm.words(server.getPossibleActions)]
        self._history = []
        self._read_outcome()
        return goal, f"{goal}\n\n{first}"

    def _act(self, command: str) -> ActionResult:
        server = self._running()
        text = command.encode("ascii", "replace").decode().replace("\n", " ")
        answer = str(self._jvm().call(lambda: server.step(text)))
        self._history.append(command)
        self._read_outcome()
        if _UNKNOWN.search(answer):
            # The simulator answers alike to what is no command and to one about absent things.
            known = any(shape.fullmatch(text.strip()) for shape in self._shapes)
            return ActionResult(answer, Feedback.INVALID if known else Feedback.MALFORMED)
        if "\n" not in answer.strip() and _REFUSED.search(answer):
            return ActionResult(answer, Feedback.INVALID)
        return ActionResult(answer, Feedback.OK)

    def _read_outcome(self) -> None:
        server = self._running()
        self._raw_score = float(self._jvm().call(server.getScore))
        self._completed = bool(self._jvm().call(server.getCompleted))

    def _progress(self) -> tuple[float, bool]:
        # Upstream rounds to whole points before anything else.
        score = round(100 * self._raw_score) / 100
        return min(max(score, 0.0), 1.0), self._completed and score >= 1.0

    def _over(self) -> bool:
        return self._completed or self._raw_score < 0

    def _commands(self) -> list[str]:
        server = self._running()
        return sorted(set(self._jvm().words(server.getValidActionObjectCombinations)))

    def _running(self) -> Any:
        if self._server is None:
            raise RuntimeError("call reset() before using the environment")
        return self._server

    # A JVM does not pickle; a copy plays the episode again up to where it was.
    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_own_jvm"] = state["_server"] = None
        state["_resume"] = self._server is not None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        resume = state.pop("_resume")
        self.__dict__.update(state)
        if resume:
            history = self._history
            self._begin(self.current_task_id)
            for command in history:
                self._act(command)


@functools.cache
def _task_ids(split: str) -> tuple[str, ...]:
    place = SPLITS.index(split)
    return tuple(
        f"scienceworld/{split}/{name}/{variation}"
        for name, sizes in FOLDS.items()
        for variation in range(sum(sizes[:place]), sum(sizes[: place + 1]))
    )


def parse_id(task_id: str) -> tuple[str, str, int]:
    """(split, task, variation) of a task id.

    Raises:
        UnknownName: For an id of no fold, with close matches.
    """
    parts = task_id.split("/")
    if len(parts) == 4 and parts[1] in SPLITS and task_id in set(_task_ids(parts[1])):
        return parts[1], parts[2], int(parts[3])
    firsts = [f"scienceworld/train/{name}/0" for name in FOLDS]
    raise UnknownName.of(
        "task id", task_id, firsts, "ids look like 'scienceworld/test/find-animal/225'."
    )


def _shape(template: str) -> re.Pattern[str]:
    """Pattern of commands, from ``"pour OBJ in OBJ"``: any words may stand for OBJ."""
    words = [r"\S.{0,200}" if word == "OBJ" else re.escape(word) for word in template.split()]
    return re.compile(" ".join(words), re.IGNORECASE)


def _goal(description: str) -> str:
    return " ".join(re.sub(r"(?i)^\s*task description:", "", description).split())
