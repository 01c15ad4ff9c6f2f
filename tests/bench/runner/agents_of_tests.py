"""Agents that misbehave; the tests copy this file into the folder that they run in."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from qevolve_envs.agent import Failed, PerEpisode, TaskView


class Walker:
    """Goes right; what it does before its third answer differs."""

    def __init__(self, fault=None, where="0004", seconds=0.0):
        self._fault, self._where, self._seconds = fault, where, seconds

    def reset(self, tasks):
        self._calls = 0
        self._marked = [self._where in task.task_id for task in tasks]

    def act(self, observations):
        self._calls += 1
        time.sleep(self._seconds)
        if self._calls == 3 and self._fault and any(self._marked):
            self._fault()
        return ["right"] * len(observations)

    def describe(self):
        return {"kind": "walker", "seconds": self._seconds}

    def usage(self):
        return [(self._calls, 2)] * len(self._marked)


def good():
    return Walker()


def slow(seconds=0.03):
    with Path("pids").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    return Walker(seconds=seconds)


def hangs():
    return Walker(lambda: time.sleep(1000))


def hangs_without_python():
    """The regular expression engine does not let other threads of Python run."""
    return Walker(lambda: re.match(r"(a+)+$", "a" * 60 + "b"))


def spins(native=False):
    """Busy for ever, in Python or in an engine that lets no other thread of Python run."""
    with Path("pids").open("a") as stream:
        stream.write(f"{os.getpid()}\n")

    def spin():
        Path("spinning").touch()
        while not native:
            pass
        re.match(r"(a+)+$", "a" * 60 + "b")

    return Walker(spin)


def exits():
    return Walker(lambda: os._exit(3))


def is_killed():
    return Walker(lambda: os.kill(os.getpid(), signal.SIGKILL))


def is_aborted():
    return Walker(os.abort)


def eats_memory():
    return Walker(lambda: bytearray(1 << 42))


def drags():
    """Never too slow for a step, but for an episode."""
    return Walker(seconds=0.4)


def talks():
    print("this is not a result")
    return Walker()


def dies_early():
    os._exit(7)


def miscounts():
    walker = Walker()
    walker.usage = lambda: [(1, 2)]
    return walker


def describes_the_clock():
    walker = Walker()
    walker.describe = lambda: {"pid": os.getpid()}
    return walker


def describes_itself_badly():
    walker = Walker()
    walker.describe = lambda: {"self": walker}
    return walker


class _One:
    def __init__(self, task: TaskView):
        self._task, self._calls = task.task_id, 0

    def __call__(self, observation: str):
        self._calls += 1
        if self._calls == 2 and "0004" in self._task:
            raise KeyError("lost")
        if self._calls == 2 and "0005" in self._task:
            return Failed("The server\nsaid 500.")
        return 7 if self._calls == 2 and "0006" in self._task else "right"


def single():
    return PerEpisode(_One)
