"""Base class of the environments on a shop."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qevolve_envs.core import ActionResult, TextEnv, to_text
from qevolve_envs.errors import UnknownName
from qevolve_envs.rng import RandomStream
from qevolve_envs.shop.catalogue import Goal
from qevolve_envs.shop.pages import WRITERS, Page, shuffle_page
from qevolve_envs.shop.session import Shop, Visit, VisitState


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
        self._page = Page((), ())
        #: A task, and the products that stand before all results in it; see `distract`.
        self._sponsored: tuple[str, tuple[int, ...]] = ("", ())

    @abstractmethod
    def _shop(self) -> Shop:
        """The shop; asked for at every reset, so a subclass keeps it (shared, not pickled)."""

    @abstractmethod
    def _goal_of(self, task_id: str) -> Goal:
        """The wish of a task's customer. Raises `UnknownName` for an id of no panel."""

    def distract(self, task_id: str, count: int, rng: RandomStream) -> None:
        """Puts unrelated products before the results of every search, until it is called again.

        Where hardly any product is unrelated, there are fewer.
        """
        goal, products = self._goal_of(task_id), self._shop().products
        chosen: list[int] = []
        for _ in range(100 * count):
            number = rng.below(len(products))
            product = products[number]
            # As the reward tells what is another kind of thing.
            related = (
                product.department == goal.department
                or len(set(product.category) & set(goal.category)) >= 2
            )
            if not related and number not in chosen:
                chosen.append(number)
        self._sponsored = (task_id, tuple(chosen[:count]))

    def shuffle(self, probability: float, rng: RandomStream) -> str:
        """Shuffles the results and options of the page that is shown; what can be clicked stays."""
        self._page = shuffle_page(self._page, probability, rng)
        return to_text(self._write(self._page))

    def _begin(self, task_id: str) -> tuple[str, str]:
        goal = self._goal_of(task_id)
        self._visit = self._visit_of(task_id, None)
        return goal.instruction, self._shown(self._visit.page())

    def _act(self, command: str) -> ActionResult:
        feedback, page = self._running().act(command)
        return ActionResult(self._shown(page), feedback)

    def _shown(self, page: Page) -> str:
        self._page = page
        return self._write(page)

    def _visit_of(self, task_id: str, place: VisitState | None) -> Visit:
        sponsored = self._sponsored[1] if self._sponsored[0] == task_id else ()
        return Visit(self._shop(), self._goal_of(task_id), place, sponsored)

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
            self._visit = self._visit_of(self.current_task_id, place)
