"""`qevolve/WebShop-v0`: the official WebShop products and goals, without Java, Lucene or spaCy."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from qevolve_envs.core import Task
from qevolve_envs.errors import BadFile, MissingData, UnknownName
from qevolve_envs.shop.base import ShopBase
from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.official import (
    human_goals,
    products_of,
    read_items,
    read_object,
    shuffled,
    synthetic_goals,
)
from qevolve_envs.shop.session import Shop
from qevolve_envs.shop.storage import cache_root, file_digest, open_shop, stored, write_shop

#: Official file names: products and their attributes, by size.
FILES = {
    "1000": ("items_shuffle_1000.json", "items_ins_v2_1000.json"),
    "all": ("items_shuffle.json", "items_ins_v2.json"),
}
HUMAN_FILE = "items_human_ins.json"
#: The official split of the shuffled goals: where each begins and ends.
SPLITS = {"train": (1500, None), "dev": (500, 1500), "test": (0, 500)}
GOALS = ("human", "synthetic")
_GOAL_FILE = "goals.jsonl"


@dataclass(frozen=True)
class WebShopFiles:
    """The official files.

    Attributes:
        products: ``items_shuffle*.json``.
        attributes: ``items_ins_v2*.json``.
        human: ``items_human_ins.json``.
        limit: How many items of the first are read; None for all.
    """

    products: Path
    attributes: Path
    human: Path
    limit: int | None


def find_files(data: str | os.PathLike[str] | None, num_products: int | str) -> WebShopFiles:
    """Finds the official files in a folder, or in ``data/`` below it.

    Args:
        data: The folder; by default ``$WEBSHOP_DATA``.
        num_products: 1000 or ``"all"``.

    Raises:
        UnknownName: For another number of products.
        MissingData: Saying what to get and where to put it.
    """
    size = str(num_products)
    if size not in FILES or isinstance(num_products, bool):
        raise UnknownName.of("num_products", num_products, FILES)
    names = (*FILES[size], HUMAN_FILE)
    given = data if data is not None else os.environ.get("WEBSHOP_DATA") or None
    missing: list[str] = list(names)
    for root in [Path(given), Path(given) / "data"] if given is not None else []:
        lacking = [name for name in names if not (root / name).is_file()]
        if not lacking:
            products, attributes, human = (root / name for name in names)
            return WebShopFiles(products, attributes, human, 1000 if size == "1000" else None)
        missing = min(missing, lacking, key=len)
    where = f"no {', '.join(missing)} in {str(given)!r}" if given else "no folder was given"
    raise MissingData(
        f"WebShop's data are missing ({where}): get {', '.join(names)} as setup.sh of "
        "github.com/princeton-nlp/WebShop does, then pass data=FOLDER, or set WEBSHOP_DATA, "
        "to the folder that holds them."
    )


@lru_cache(maxsize=4)
def _open(folder: Path) -> tuple[Shop, tuple[Goal, ...]]:
    """A stored shop and its goals; opened once in a process."""
    return open_shop(folder), tuple(_read_goals(folder / _GOAL_FILE))


def load(
    sources: WebShopFiles, goals: str = "human", cache: str | os.PathLike[str] | None = None
) -> tuple[Shop, tuple[Goal, ...]]:
    """The shop and its goals in the official order, built at the first call and then mapped.

    Raises:
        BadFile: For a broken file, or a cache that cannot be written.
    """
    root = cache_root(cache)
    digest = hashlib.sha256(f"webshop/{goals}/{sources.limit}".encode())
    for path in (sources.products, sources.attributes, sources.human):
        try:
            digest.update(file_digest(path, root).encode())
        except OSError as error:
            raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None

    def build(folder: Path) -> None:
        attributes = read_object(sources.attributes)
        human = read_object(sources.human)
        made: list[Goal] = []

        def watched() -> Iterator[Product]:
            items = read_items(sources.products, sources.limit)
            for product in products_of(items, attributes):
                if goals == "human":
                    made.extend(human_goals(product, human.get(product.ident)))
                else:
                    made.extend(synthetic_goals(product, attributes.get(product.ident)))
                yield product

        # The official index has the first bullet of each product alone.
        write_shop(folder, watched(), bullets=1)
        with (folder / _GOAL_FILE).open("w", encoding="ascii", newline="\n") as stream:
            for goal in shuffled(made):
                stream.write(json.dumps(asdict(goal), separators=(",", ":")) + "\n")

    return _open(stored(root, digest.hexdigest(), build))


def _read_goals(path: Path) -> Iterator[Goal]:
    with path.open(encoding="ascii") as stream:
        for number, line in enumerate(stream, 1):
            try:
                raw = json.loads(line)
                raw["category"] = tuple(raw["category"])
                raw["attributes"] = tuple(raw["attributes"])
                yield Goal(**raw)
            except (ValueError, KeyError, TypeError):
                raise BadFile(f"{path}, line {number} is corrupt: delete {path.parent}.") from None


@lru_cache(maxsize=16)
def _ids(split: str, count: int) -> tuple[str, ...]:
    first, end = SPLITS[split]
    numbers = range(first, count if end is None else min(end, count))
    return tuple(f"webshop/{split}/{number:05d}" for number in numbers)


class WebShopEnv(ShopBase):
    """The official WebShop, played on its own data files.

    ## Description
    A customer's wish ("i need a long clip-in hair extension which is natural looking, and price
    lower than 30.00 dollars") has to be met among real products: search, read, choose options and
    buy. Pages, goals, split and reward follow S. Yao et al., "WebShop: Towards Scalable Real-World
    Web Interaction with Grounded Language Agents", NeurIPS 2022, and its released code. No Java,
    Lucene, spaCy or server is needed: the products are indexed at first use, cached, and then
    mapped into memory, where copies and processes share them.

    It differs from the released code where that cannot be reproduced, or hides what happens:

    - The price of a product with a price range, and the budget of a goal, are a function of the
      product and the goal. Upstream draws them before it seeds its generator, so every run of it
      has others, and other instructions.
    - Search has Lucene's analysis and pyserini's parameters (`search.py`), but is not Lucene:
      orders differ in places.
    - The nouns of titles, which decide whether a purchase is the right kind of thing, come from
      rules (`nouns.py`) instead of a spaCy model.
    - Options that were clicked are named at the head of the item page in all forms of observation
      ("You have clicked red."). Upstream does so in `text_rich` only; in `text` a click on an
      option would change nothing that the agent sees.
    - An action that is not understood, or not possible, says so at the head of the page, which
      upstream shows again without a word.
    - Upstream has no reviews and says "Rating: N.A."; so do we.
    - Synthetic goals are drawn with equal weight, and an option asked for is compared by its value
      (upstream compares the name and value together).

    ## Action space
    `Text`: ``search[words]`` and ``click[button]``, where a button is the code of a product, an
    option's value, ``back to search``, ``< prev``, ``next >``, ``description``, ``features``,
    ``reviews`` or ``buy now``; capitals do not matter. As upstream, a search is possible on every
    page. Plain words are understood too: ``search for red shoes``, ``click on buy now``, ``buy``,
    ``next page``, ``back``. Any other string costs the step.

    ## Observation space
    `Text` (printable ASCII): the page. ``observation="text"`` joins its texts with `` [SEP] ``,
    ``"text_rich"`` gives each a line and marks buttons, ``"html"`` is a small page. Results come
    ten on a page, 50 at most. The admissible commands are all buttons as ``click[…]``, and on the
    search page one ``search[…]`` with the instruction's own words, up to the price.

    ## Rewards
    The score of a purchase is upstream's reward, in [0, 1] (`reward.py`). ``reward="dense"`` pays
    it; ``reward="sparse"`` pays 1 for a purchase that scores 1, which is success (``won``).

    ## Starting state
    The search page with the instruction.

    ## Episode end
    Terminates with a purchase; the registry truncates after 10 steps, with a score of 0 (pass
    ``max_episode_steps=`` to `gym.make` for another horizon).

    ## Information
    ``task_id, goal, feedback, score, won`` and, with ``admissible=True``, ``admissible_commands``.

    ## Arguments
    - ``data``: the folder with the official files; by default ``$WEBSHOP_DATA``.
    - ``num_products``: 1000 (``items_shuffle_1000.json``) or ``"all"`` (``items_shuffle.json``).
    - ``goals``: ``"human"``, those that people wrote, or ``"synthetic"``, those that upstream makes
      of ``items_ins_v2*.json`` (its default for 1,000 products).
    - ``cache``: where the built shop is kept; by default ``$QEVOLVE_BENCH_CACHE``, else the user's
      cache folder. Files larger than 32 MiB are taken to be unchanged while their place, size and
      time of change are.
    - ``split``: ``"train"``, ``"dev"``, ``"test"``: of the goals in upstream's shuffled order the
      first 500 are test, the next 1,000 dev, the rest train. A task is
      ``webshop/<split>/<number>`` with upstream's session number.
    - ``observation``; ``reward``, ``admissible``, ``render_mode``: see `TextEnv`.
    """

    language: ClassVar[str] = "webshop.toml"
    splits: ClassVar[tuple[str, ...]] = tuple(SPLITS)

    def __init__(
        self,
        *,
        data: str | None = None,
        num_products: int | str = 1000,
        goals: str = "human",
        cache: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if goals not in GOALS:
            raise UnknownName.of("goals", goals, GOALS)
        self.goals = goals
        self.cache = cache
        self.sources = find_files(data, num_products)
        self._loaded = load(self.sources, goals, cache)

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of a split, in upstream's order."""
        if split not in SPLITS:
            raise UnknownName.of("split", split, SPLITS)
        return _ids(split, len(self._loaded[1]))

    def task(self, task_id: str) -> Task:
        """A task and the goal behind it."""
        goal = self._goal_of(task_id)
        return Task(task_id, task_id.split("/")[1], goal.instruction, asdict(goal))

    def _shop(self) -> Shop:
        return self._loaded[0]

    def _goal_of(self, task_id: str) -> Goal:
        shop_name, _, rest = task_id.partition("/")
        split, _, digits = rest.partition("/")
        if shop_name == "webshop" and split in SPLITS and len(digits) < 9 and digits.isdecimal():
            ids, place = _ids(split, len(self._loaded[1])), int(digits) - SPLITS[split][0]
            if 0 <= place < len(ids) and ids[place] == task_id:
                return self._loaded[1][int(digits)]
        known = [i for s in SPLITS for i in self.task_ids(s)[:2000]]
        raise UnknownName.of("task id", task_id, known, "no such goal in the data.")

    # The shop is mapped again where the environment is unpickled.
    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_loaded"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._loaded = load(state["sources"], state["goals"], state["cache"])
        super().__setstate__(state)
