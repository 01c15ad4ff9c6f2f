"""The shop and a visit to it: the page machine of an episode.

A `Shop` never changes and may be shared by threads and episodes; a `Visit` is one customer's walk
through its pages, with the behaviour of the official WebShop (`webshop.py` says where it differs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from qevolve_envs.core import MAX_ACTION, Feedback
from qevolve_envs.shop.actions import ShopCommand, button_of, parse
from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.pages import Element, ElementKind, Page, label_of, texts
from qevolve_envs.shop.reward import Reward, reward_of
from qevolve_envs.shop.search import Index

#: A search finds at most this many products, and shows this many on a page.
MOST_RESULTS = 50
PAGE_SIZE = 10

BACK, PREVIOUS, NEXT, BUY = "Back to Search", "< Prev", "Next >", "Buy Now"
SUB_PAGES = ("Description", "Features", "Reviews")
BUDGET_CLAUSE = ", and price lower than "


def document(product: Product, bullets: int | None = None) -> str:
    """The text under which a product is found: title, description, bullets, options.

    Args:
        product: The product.
        bullets: Only so many bullets (the official index takes the first alone); None for all.
    """
    options = (f"{name} {' '.join(values)}" for name, values in product.options.items())
    parts = (product.title, product.description, *product.bullets[:bullets], *options)
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Shop:
    """Products and the index over them; immutable and shared.

    Attributes:
        products: In the order that decides between equally good results.
        index: Finds them.
        name: What the search page is headed with.
    """

    products: Sequence[Product]
    index: Index
    name: str = "WebShop"

    @classmethod
    def build(
        cls, products: Iterable[Product], *, name: str = "WebShop", bullets: int | None = None
    ) -> Shop:
        """A shop in memory.

        Args:
            products: What it sells.
            name: Heading of the search page.
            bullets: How many bullets of each are searched; None for all.
        """
        kept = tuple(products)
        return cls(kept, Index.build(document(product, bullets) for product in kept), name)

    def search(self, words: str) -> tuple[int, ...]:
        """Numbers of the best products, best first, at most `MOST_RESULTS`."""
        return tuple(self.index.search(words, MOST_RESULTS))


@dataclass(frozen=True, slots=True)
class VisitState:
    """State of a visit: all that changes in an episode.

    Attributes:
        page: ``"search"``, ``"results"``, ``"item"``, the name of a sub-page, or ``"done"``.
        found: Products of the last search.
        number: Which page of them.
        item: The product looked at, or -1.
        chosen: Its options that were clicked: name -> value.
        visited: Products that were looked at since the search page.
    """

    page: str = "search"
    found: tuple[int, ...] = ()
    number: int = 1
    item: int = -1
    chosen: dict[str, str] = field(default_factory=dict)
    visited: frozenset[int] = frozenset()


class _Click(NamedTuple):
    """Target of a click: the kind of element, and which one."""

    kind: ElementKind
    name: str
    value: str = ""
    item: int = -1


class Visit:
    """One episode.

    Args:
        shop: Where.
        goal: What the customer wants.
        place: Where he is, for a visit that is taken up again.
        sponsored: Products that stand before the others on every page of results.
    """

    def __init__(
        self,
        shop: Shop,
        goal: Goal,
        place: VisitState | None = None,
        sponsored: Sequence[int] = (),
    ) -> None:
        self.shop = shop
        self.goal = goal
        self.sponsored = tuple(sponsored)
        self._move(place or VisitState())

    @property
    def place(self) -> VisitState:
        """The state: with it and the same arguments another `Visit` goes on from here."""
        return self._place

    @property
    def over(self) -> bool:
        """Tells whether something was bought."""
        return self._place.page == "done"

    @property
    def result(self) -> Reward | None:
        """The reward of the purchase, with its parts; None before it."""
        return self._result

    def act(self, command: str) -> tuple[Feedback, Page]:
        """Executes a command; any string is accepted."""
        action = parse(command)
        if action is None:
            return Feedback.MALFORMED, self.page("Say search[words] or click[button].")
        if not self._do(action):
            return Feedback.INVALID, self.page("That is not possible here.")
        return Feedback.OK, self.page()

    def page(self, *notices: str) -> Page:
        """The page that the customer sees now."""
        place = self._place
        said = list(notices)
        if place.page == "item":
            # The last on the page comes first, as upstream.
            names = [*self.shop.products[place.item].options][::-1]
            said += [f"You have clicked {place.chosen[n]}." for n in names if n in place.chosen]
        return Page(said, self._elements)

    def commands(self) -> list[str]:
        """Commands that are possible here, sorted: all buttons, or one suggested search."""
        if self._place.page == "search":
            return [self._suggestion]
        return sorted(
            command
            for command in (f"click[{label}]" for label in self._targets)
            if len(command) <= MAX_ACTION
        )

    @cached_property
    def _suggestion(self) -> str:
        words = label_of(self.goal.instruction.partition(BUDGET_CLAUSE)[0])
        return f"search[{words[: MAX_ACTION // 2].strip() or 'anything'}]"

    # ── what actions do ─────────────────────────────────────────────────────

    def _do(self, action: ShopCommand) -> bool:
        place = self._place
        if action.search:
            # As upstream, whose search works wherever the customer is.
            if self.over:
                return False
            found = self.shop.search(action.words)
            self._move(VisitState("results", found, visited=place.visited))
            return True
        label = button_of(action.words, self._targets)
        if label is None:
            return False
        target = self._targets[label]
        if target.kind is ElementKind.OPTION:
            self._move(replace(place, chosen={**place.chosen, target.name: target.value}))
        elif target.kind is ElementKind.PRODUCT:
            visited = place.visited | {target.item}
            self._move(replace(place, page="item", item=target.item, chosen={}, visited=visited))
        else:
            self._press(target.name)
        return True

    def _press(self, button: str) -> None:
        place = self._place
        if button == BUY:
            self._move(replace(place, page="done"))
        elif button == BACK:
            self._move(VisitState())
        elif button in SUB_PAGES:
            self._move(replace(place, page=button))
        elif place.page in SUB_PAGES:
            self._move(replace(place, page="item"))
        elif place.page == "item":
            self._move(replace(place, page="results", item=-1, chosen={}))
        else:
            step = 1 if button == NEXT else -1
            self._move(replace(place, number=place.number + step))

    def _move(self, place: VisitState) -> None:
        self._place = place
        self._result: Reward | None = None
        if place.page == "done":
            product = self.shop.products[place.item]
            self._result = reward_of(product, place.chosen.values(), self.goal)
        self._targets: dict[str, _Click] = {}
        self._elements = list(self._draw())

    # ── what pages show ─────────────────────────────────────────────────────

    def _draw(self) -> Iterator[Element]:
        page = self._place.page
        if page == "done":
            assert self._result is not None
            yield from texts(["Thank you for shopping with us!", "Your score (min 0.0, max 1.0)"])
            yield Element(ElementKind.TEXT, str(self._result.total))
            return
        if page == "search":
            yield Element(ElementKind.TEXT, self.shop.name)
        yield from texts(["Instruction:", self.goal.instruction])
        if page == "search":
            yield Element(ElementKind.FIELD, "Search")
            # Not a target: pressing it without words does nothing.
            yield Element(ElementKind.BUTTON, "Search")
            return
        yield self._button(BACK)
        if page == "results":
            yield from self._results()
        elif page == "item":
            yield from self._item()
        else:
            yield self._button(PREVIOUS)
            product = self.shop.products[self._place.item]
            if page == "Description":
                yield Element(ElementKind.TEXT, product.description)
            elif page == "Features":
                yield from texts(product.bullets)

    def _button(self, name: str) -> Element:
        self._targets[name.lower()] = _Click(ElementKind.BUTTON, name)
        return Element(ElementKind.BUTTON, name)

    def _results(self) -> Iterator[Element]:
        place = self._place
        yield Element(ElementKind.TEXT, f"Page {place.number} (Total results: {len(place.found)})")
        if place.number > 1:
            yield self._button(PREVIOUS)
        yield self._button(NEXT)
        first = (place.number - 1) * PAGE_SIZE
        for item in (*self.sponsored, *place.found[first : first + PAGE_SIZE]):
            product = self.shop.products[item]
            label = label_of(product.ident)
            if label and label not in self._targets:
                self._targets[label] = _Click(ElementKind.PRODUCT, product.ident, item=item)
            yield Element(ElementKind.PRODUCT, product.ident, marked=item in place.visited)
            yield from texts([product.title, product.price_text])

    def _item(self) -> Iterator[Element]:
        place = self._place
        product = self.shop.products[place.item]
        yield self._button(PREVIOUS)
        options: dict[str, _Click] = {}
        for name, values in product.options.items():
            yield Element(ElementKind.TEXT, name)
            for value in values:
                # Of equal values of two options the last is clicked, as upstream.
                options[label_of(value)] = _Click(ElementKind.OPTION, name, value)
                yield Element(ElementKind.OPTION, value, place.chosen.get(name) == value, name)
        yield from texts([product.title, f"Price: {product.price_text}", "Rating: N.A."])
        for sub_page in SUB_PAGES:
            yield self._button(sub_page)
        yield self._button(BUY)
        options.pop("", None)
        # A button wins over an option of the same name.
        self._targets = {**options, **self._targets}
