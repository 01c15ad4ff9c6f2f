"""What the environments on a shop share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qevolve_envs.core import Outcome, TextEnv
from qevolve_envs.errors import UnknownName
from qevolve_envs.shop.catalogue import Goal
from qevolve_envs.shop.pages import WRITERS
from qevolve_envs.shop.session import Shop, Visit


class ShopBase(TextEnv):
    """An episode is a visit to a shop, and ends with a purchase.

    A subclass says which shop it is and what a task wants (`_shop`, `_goal_of`), and lists its
    tasks. The score is the reward of the purchase, and 0 before it; a purchase with a score of 1
    is a success.

    Args:
        observation: ``"text"``, ``"text_rich"`` or ``"html"`` (`pages.py`).
        **kwargs: See `TextEnv`.

    Raises:
        UnknownName: For a form of observation that does not exist.
    """

    def __init__(self, *, observation: str = "text", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if observation not in WRITERS:
            raise UnknownName.of("observation", observation, WRITERS)
        self.observation = observation
        self._write = WRITERS[observation]
        self._visit: Visit | None = None

    @abstractmethod
    def _shop(self) -> Shop:
        """The shop; asked for at every reset, so a subclass keeps it (shared, not pickled)."""

    @abstractmethod
    def _goal_of(self, task_id: str) -> Goal:
        """What the customer of a task wants. Raises `UnknownName` for an id of no panel."""

    def _begin(self, task_id: str) -> tuple[str, str]:
        goal = self._goal_of(task_id)
        self._visit = Visit(self._shop(), goal)
        return goal.instruction, self._write(self._visit.page())

    def _act(self, command: str) -> Outcome:
        feedback, page = self._running().act(command)
        return Outcome(self._write(page), feedback)

    def _progress(self) -> tuple[float, bool]:
        result = self._running().result
        score = result.total if result is not None else 0.0
        return score, score == 1.0

    def _over(self) -> bool:
        return self._running().over

    def _commands(self) -> list[str]:
        return self._running().commands()

    def _running(self) -> Visit:
        if self._visit is None:
            raise RuntimeError("call reset() before using the environment")
        return self._visit

    # The shop is shared by everything in a process; what is pickled is the place within it.
    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        visit = state.pop("_visit")
        state["_place"] = visit.place if visit is not None else None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        place = state.pop("_place")
        self.__dict__.update(state)
        self._visit = None
        if place is not None:
            self._visit = Visit(self._shop(), self._goal_of(self._task_id), place)
