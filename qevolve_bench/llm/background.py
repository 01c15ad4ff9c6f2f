"""An event loop in a thread of its own, for synchronous callers inside any kind of program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines for callers that are not asynchronous.

    `asyncio.run` would not do: connections belong to the loop that opened them, and a notebook
    already runs a loop in the caller's thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon, so that an agent that nobody closes does not keep the process alive.
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="llm")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for a coroutine; whatever interrupts the waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
