"""Speed and size of the shop: both sides of every ratio, from one run.

    python tests/benchmarks/shop.py                            5,000 and 1,180,000 products
    python tests/benchmarks/shop.py --products 5000            a quick look
    python tests/benchmarks/shop.py --cache FOLDER             keeps the built shops there

The catalogue is synthetic: words of a Zipf distribution, about as many of them in a product as in
the official data, and cheap to make, so that what is measured is the engine. A shop that was built
with --cache is found again, so an interrupted run goes on where it was. Start, memory and rates are
measured in fresh processes.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from tabulate import tabulate

from qevolve_envs.core import Task
from qevolve_envs.shop.base import ShopBase
from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.session import Shop, document
from qevolve_envs.shop.storage import open_shop, stored, write_shop

#: Size of the official data.
OFFICIAL = 1_180_000
VOCABULARY = 400_000
TITLE, DESCRIPTION, BULLET, BULLETS = 14, 50, 16, 4
_SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "ar", "en")]
COLOURS = ("red", "dark blue", "green", "black | white")
SIZES = ("small", "medium", "large", "x-large", "xx-large")


def vocabulary() -> list[str]:
    """Distinct words, the first of them the shortest."""
    base = len(_SYLLABLES)
    words = []
    for number in range(VOCABULARY):
        word, rest = "", number
        for _ in range(2 if number < base * base else 3):
            rest, part = divmod(rest, base)
            word += _SYLLABLES[part]
        words.append(word)
    return words


def make_products(count: int) -> Iterator[Product]:
    """Synthetic products; the first of a larger catalogue are those of a smaller one."""
    words = vocabulary()
    weights = 1.0 / (np.arange(VOCABULARY) + 20.0)
    sums = np.cumsum(weights) / weights.sum()
    length = TITLE + DESCRIPTION + BULLET * BULLETS
    ends = list(accumulate([TITLE, DESCRIPTION, *[BULLET] * BULLETS]))
    for block in range(0, count, 10_000):
        rng = np.random.default_rng([7, block])
        numbers = np.searchsorted(sums, rng.random((10_000, length))).tolist()
        prices = rng.integers(300, 20_000, 10_000).tolist()
        for i in range(min(10_000, count - block)):
            drawn = list(map(words.__getitem__, numbers[i]))
            texts = [" ".join(drawn[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
            department = f"department {numbers[i][0] % 300}"
            yield Product(
                ident=f"B{block + i:09d}",
                title=texts[0].title(),
                department=department,
                category=("Shop", department, drawn[0]),
                description=texts[1],
                bullets=tuple(texts[2:]),
                attributes=(" ".join(drawn[TITLE : TITLE + 2]),),
                options={"color": COLOURS, "size": SIZES},
                price=prices[i] / 100,
                price_text=f"${prices[i] / 100}",
            )


def queries(products: Sequence[Product], count: int) -> list[str]:
    """Two to six words of titles, and now and then a whole instruction."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(count):
        title = products[int(rng.integers(len(products)))].title.lower().split()
        size = 12 if number % 10 == 0 else int(rng.integers(2, 7))
        found.append(" ".join(title[:size]) + (" in red and medium" if number % 10 == 0 else ""))
    return found


def build(cache: Path, count: int) -> tuple[Path, float]:
    """(folder of a stored shop, seconds to build it; 0 if it was there)."""
    start = time.perf_counter()
    built = []

    def make(folder: Path) -> None:
        write_shop(folder, make_products(count))
        built.append(True)

    folder = stored(cache, f"benchmark-{count}", make)
    return folder, time.perf_counter() - start if built else 0.0


class BenchmarkShop(ShopBase):
    """An environment on a stored synthetic shop."""

    splits = ("train",)

    def __init__(self, *, folder: str, **kwargs):
        super().__init__(**kwargs)
        self._folder = folder

    def task_ids(self, split):
        return [f"benchmark/{number}" for number in range(100)]

    def task(self, task_id):
        return Task(task_id, "train", self._goal_of(task_id).instruction, {})

    def _shop(self):
        return shared_shop(self._folder)

    def _goal_of(self, task_id):
        product = self._shop().products[int(task_id.split("/")[1])]
        words = f"i want a {product.title.lower()} in red, and price lower than 300.00 dollars"
        title, department, category = product.title, product.department, product.category
        options = {"color": "red"}
        return Goal(product.ident, words, title, department, category, (), options, 300.0)


@functools.lru_cache(maxsize=2)
def shared_shop(folder: str) -> Shop:
    """One shop for all environments of the process."""
    return open_shop(Path(folder))


def search_rate(shop: Shop, asked: Sequence[str]) -> float:
    """Searches per second."""
    start = time.perf_counter()
    for query in asked:
        shop.search(query)
    return len(asked) / (time.perf_counter() - start)


#: None is the product.
CLICKS = (
    *("next >", "< prev", None, "red", "large", "description", "< prev", "features", "< prev"),
    *("dark blue", "reviews", "< prev", "< prev", "next >"),
)


def click_rate(env: ShopBase, rounds: int) -> float:
    """Clicks per second through `step`: results, items, options and sub-pages; no searches."""
    seconds, count = 0.0, 0
    for number in range(rounds):
        task = f"benchmark/{number % 100}"
        env.reset(options={"task": task})
        observation, *_ = env.step(env.admissible_commands()[0])
        product = observation.split("Next > [SEP] ")[1].split(" [SEP] ")[number % 10 * 3]
        actions = [f"click[{click or product}]" for click in CLICKS]
        start = time.perf_counter()
        for action in actions:
            env.step(action)
        seconds += time.perf_counter() - start
        count += len(actions)
    return count / seconds


def memory() -> dict[str, float]:
    """MiB of this process: all resident pages, and those of its own."""
    with open("/proc/self/status") as stream:  # noqa: PTH123
        status = dict(line.split(":", 1) for line in stream)
    return {k: int(status[k].split()[0]) / 1024 for k in ("VmRSS", "RssAnon", "VmHWM")}


def measure(folder: str, searches: int) -> dict[str, float]:
    """Everything that is measured in a fresh process."""
    before = memory()
    start = time.perf_counter()
    env = BenchmarkShop(folder=folder)
    env.reset(seed=0)
    first = env.step("search[red medium]")
    result = {"start": time.perf_counter() - start, "opened": memory()["VmRSS"]}
    assert "Page 1" in first[0]
    shop = shared_shop(folder)
    asked = queries(shop.products, searches)
    rates = [search_rate(shop, asked) for _ in range(2)]
    result |= {"first searches": rates[0], "searches": rates[1]}
    click_rate(env, 20)
    result["clicks"] = click_rate(env, 100)
    after = memory()
    result |= {"rss": after["VmRSS"], "anonymous": after["RssAnon"], "before": before["VmRSS"]}
    held = memory()["VmRSS"]
    others = [BenchmarkShop(folder=folder) for _ in range(10)]
    for other in others:
        other.reset(seed=0)
        other.step("search[red medium]")
    result["second"] = (memory()["VmRSS"] - held) / len(others)
    return result


_EMBEDDED = """
import json, time
start = time.perf_counter()
import gymnasium, qevolve_bench
def memory(key):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status[key].split()[0]) / 1024
def play(env, seeds):
    steps, seconds = 0, 0.0
    for seed in seeds:
        env.reset(seed=seed)
        for number in range(9):
            possible = [c for c in env.unwrapped.admissible_commands() if c != "click[buy now]"]
            began = time.perf_counter()
            env.step(possible[(seed * 7 + number) % len(possible)])
            seconds += time.perf_counter() - began
            steps += 1
    return steps / seconds
env = gymnasium.make("qevolve/Shop-v0", disable_env_checker=True)
env.reset(seed=0)
first = time.perf_counter() - start
play(env, range(100))
rate = play(env, range(300))
held = memory("VmRSS")
others = [gymnasium.make("qevolve/Shop-v0", disable_env_checker=True) for _ in range(10)]
for other in others:
    play(other, range(2))
second = (memory("VmRSS") - held) / 10
print(json.dumps({"first": first, "rate": rate, "peak": memory("VmHWM"), "second": second}))
"""


def embedded() -> list[tuple[str, str, str]]:
    """Rows of `qevolve/Shop-v0`, measured in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _EMBEDDED], capture_output=True, check=True, text=True
    )
    found = json.loads(done.stdout)
    return [
        ("import and first reset, s", f"{found['first']:.2f}", ""),
        ("steps/s, searches among them", f"{found['rate']:,.0f}", ">= 5,000"),
        ("peak memory, MiB", f"{found['peak']:.0f}", "< 150"),
        ("each further environment, MiB", f"{found['second']:.3f}", "< 1"),
    ]


def fresh(folder: Path, searches: int) -> dict[str, float]:
    """`measure`, in another process."""
    command = [sys.executable, __file__, "--measure", str(folder), "--searches", str(searches)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(count: int, searches: int) -> list[tuple[str, float, float]]:
    """(engine, seconds to build, searches per second) of this and other BM25s on one catalogue."""
    import scipy.sparse

    from qevolve_envs.shop.search import Index, terms_of

    products = list(make_products(count))
    texts = [document(product) for product in products]
    asked = queries(products, searches)
    rows = []

    start = time.perf_counter()
    index = Index.build(texts)
    seconds = time.perf_counter() - start
    rate = max(search_rate(Shop(products, index), asked) for _ in range(3))
    rows.append(("qevolve_envs.shop.search", seconds, rate))

    # The matrix is made of our arrays: what is compared is the search.
    matrix = scipy.sparse.csc_matrix((index.impacts, index.docs, index.starts))
    ones = np.ones(64, np.int32)

    def sparse(query: str) -> list[int]:
        columns = [n for n in map(index._number, terms_of(query)) if n >= 0]
        scores = matrix[:, columns] @ ones[: len(columns)]
        keys = scores.astype(np.int64) * count - np.arange(count)
        best = np.argpartition(keys, -50)[-50:]
        order = best[np.argsort(-keys[best])]
        return order[scores[order] > 0].tolist()

    assert all(sparse(query) == index.search(query) for query in asked[:50])
    rows.append(("scipy.sparse", seconds, max(_rate(sparse, asked) for _ in range(3))))

    try:
        import bm25s
    except ImportError:
        return rows
    start = time.perf_counter()
    terms = [terms_of(text) for text in texts]
    retriever = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    retriever.index(terms, show_progress=False)
    seconds = time.perf_counter() - start

    def other(query: str) -> object:
        return retriever.retrieve([terms_of(query)], k=50, show_progress=False, n_threads=0)

    rows.append(("bm25s (numpy)", seconds, max(_rate(other, asked) for _ in range(3))))
    return rows


def _rate(search, asked: Sequence[str]) -> float:
    start = time.perf_counter()
    for query in asked:
        search(query)
    return len(asked) / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--products", type=int, nargs="+", default=[5_000, OFFICIAL])
    parser.add_argument("--searches", type=int, default=300, help="queries of each round")
    parser.add_argument("--cache", type=Path, help="keeps the built shops (default: nowhere)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        print(json.dumps(measure(args.measure, args.searches)))
        return 0
    aligned = ("left", "right", "right")
    print(tabulate(embedded(), headers=("qevolve/Shop-v0", "measured", "aim"), colalign=aligned))
    print(flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        cache = args.cache or Path(temporary)
        for count in args.products:
            folder, seconds = build(cache, count)
            found = fresh(folder, args.searches)
            size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
            aim = ">= 1,500" if count <= 5_000 else ">= 50"
            rows = [
                ("build, s", f"{seconds:,.1f}" if seconds else "cached", ""),
                ("on disk, MiB", f"{size:,.0f}", ""),
                ("start and first search once cached, s", f"{found['start']:.2f}", "seconds"),
                ("resident before, MiB", f"{found['before']:,.0f}", ""),
                ("resident after the start, MiB", f"{found['opened']:,.0f}", ""),
                ("resident after all searches, MiB", f"{found['rss']:,.0f}", "< 24,576"),
                ("... of which not shared, MiB", f"{found['anonymous']:,.0f}", ""),
                ("each further environment, MiB", f"{found['second']:.3f}", "< 1"),
                ("searches/s, first round", f"{found['first searches']:,.0f}", ""),
                ("searches/s, second round", f"{found['searches']:,.0f}", aim),
                ("clicks/s", f"{found['clicks']:,.0f}", ">= 5,000"),
            ]
            headers = (f"{count:,} products", "measured", "aim")
            print(tabulate(rows, headers=headers, colalign=aligned))
            print(flush=True)
        few = min(args.products)
        if few <= 100_000:
            table = [(n, f"{s:.2f}", f"{r:,.0f}") for n, s, r in compare(few, args.searches)]
            print(tabulate(table, headers=(f"BM25, {few:,} products", "build, s", "searches/s")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
