"""The official data format: every variation of a field, the goals, the split, the environment.

The files are written here, in the format of the official ones; none of their content is copied.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import ClassVar

import gymnasium
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.core import Feedback
from qevolve_envs.errors import BadFile, BenchError, MissingData, UnknownName
from qevolve_envs.shop import official
from qevolve_envs.shop.official import (
    budget_of,
    options_of,
    price_of,
    prices_of,
    products_of,
    read_items,
    share,
    shuffled,
    text_of,
    texts_of,
)
from qevolve_envs.shop.webshop import HUMAN_FILE, WebShopEnv
from qevolve_envs.testing import TextEnvConformance

ENV = "qevolve/WebShop-v0"
NAMES = ("items_shuffle_1000.json", "items_ins_v2_1000.json", HUMAN_FILE)
COLOURS = ("Red", "Blue/White", "Dark Green")
KINDS = ("Kettle", "Lamp", "Chair", "Scarf")
#: Pricing, as the official file has it and as it need not.
PRICING = ("$12.00", "$5.00 to $9.00", "", None, "$1,234.00", "$995.00", ["$4.00", "$6.50"], "NA")


def make_item(number: int) -> dict:
    kind = KINDS[number % 4]
    bullets = [f"{kind} for every day", "Easy clean", "Light weight"]
    item = {
        "asin": f"B0{number:08}",
        "name": f"Acme {kind} Model {number}",
        "category": "home",
        "query": f" {kind}S ",
        "product_category": f"Home › {kind}s › Model {number % 3}",
        "full_description": f"A {kind.lower()} of solid oak.",
        "small_description": bullets if number % 3 else bullets[0],
        "pricing": PRICING[number % len(PRICING)],
        "images": ["https://example.org/1.jpg"],
        "customization_options": {
            "Color": [{"value": c, "image": None, "is_selected": False} for c in COLOURS],
            "Size": None,
        },
        "brand": "Acme",
    }
    if number % 5 == 0:
        item["customization_options"] = None
    if number % 7 == 0:
        del item["full_description"], item["product_category"]
    return item


def write_data(folder: Path, products: int = 42, wishes: int = 40) -> Path:
    """Official files with `products` products and `wishes` instructions for each."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [make_item(number) for number in range(products)]
    attributes, human = {}, {}
    for item in items:
        ident, kind = item["asin"], item["name"].split()[1].lower()
        attributes[ident] = {
            "attributes": ["easy clean", "light weight", "solid oak"],
            "instruction": f"Find me easy clean {kind}s",
            "instruction_attributes": ["easy clean"],
        }
        coloured = item["customization_options"] is not None
        human[ident] = [
            {
                "asin": ident,
                "instruction": f"i need a {kind} that is easy to clean, wish {wish}.",
                "instruction_attributes": ["easy clean"],
                "instruction_options": [COLOURS[wish % 3].lower()] if coloured else [],
            }
            for wish in range(wishes)
        ]
    human[items[0]["asin"]].append({"instruction": "no attributes", "instruction_attributes": []})
    human[items[0]["asin"]][-1]["instruction_options"] = []
    for name, content in zip(NAMES, (items, attributes, human), strict=True):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """(folder of the data, folder of the cache)."""
    root = tmp_path_factory.mktemp("webshop")
    return write_data(root / "data"), root / "cache"


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """The same with enough products for all splits of the synthetic goals."""
    root = tmp_path_factory.mktemp("synthetic")
    return write_data(root / "data", products=900, wishes=1), root / "cache"


@pytest.fixture
def env(home):
    return WebShopEnv(data=str(home[0]), cache=str(home[1]), admissible=True)


class TestWebShop(TextEnvConformance):
    env_id = ENV
    kwargs: ClassVar = {}

    @pytest.fixture(autouse=True)
    def _data(self, home):
        self.kwargs = {"data": str(home[0]), "cache": str(home[1])}


class TestRichSynthetic(TestWebShop):
    @pytest.fixture(autouse=True)
    def _data(self, many):
        data, cache = map(str, many)
        self.kwargs = {"data": data, "cache": cache, "goals": "synthetic"}
        self.kwargs["observation"] = "text_rich"


# ── fields ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("NA", ()),
        ("$", ()),
        ("call us", ()),
        (float("nan"), ()),
        (True, ()),
        (10**400, ()),
        (-1, ()),
        ("$" + "9" * 400, ()),
        ({}, ()),
        ("$1.2.3", ()),
        ("$10.99", (10.99,)),
        ("$1,234.00", (1234.0,)),
        ("$5.00 to $9.00", (5.0, 9.0)),
        ("$5.00 - $9.00 - $12.00", (5.0, 9.0)),
        ("$12.50 ($0.50 / Ounce)", (12.5, 0.5)),
        ("12.50", (12.5,)),
        (7, (7.0,)),
        (["$5.00", "$9.00", "$12.00"], (5.0, 9.0)),
        ([5, None, "NA", "9.5"], (5.0, 9.5)),
    ],
)
def test_prices(pricing, prices):
    assert prices_of(pricing) == prices


def test_price_and_what_the_page_says():
    assert price_of("B1", ()) == (100.0, "$100.0")
    assert price_of("B1", (10.99,)) == (10.99, "$10.99")
    price, text = price_of("B1", (5.0, 9.0))
    assert 5 <= price < 9
    assert text == "$5.0 to $9.0"
    assert price_of("B1", (5.0, 9.0))[0] == price != price_of("B2", (5.0, 9.0))[0]
    assert 0.5 < price_of("B1", (12.5, 0.5))[0] <= 12.5
    # A change of these changes prices and budgets: a new version of the environment.
    assert share("price", "B1") == 0.5809065439943168
    assert [budget_of(12.0, "B1", n) for n in range(4)] == [50.0, 30.0, 40.0, 40.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("NA", ""),
        ("nan", ""),
        (float("nan"), ""),
        ({}, ""),
        (" a ", "a"),
        (3, "3"),
        (["a", None, "b"], "a b"),
        ("Nancy", "Nancy"),
    ],
)
def test_texts(value, text):
    assert text_of(value) == text


def test_lists_and_single_texts():
    assert texts_of("one") == ("one",)
    assert texts_of(["one", "", None, "two"]) == ("one", "two")
    assert texts_of(None) == texts_of([]) == texts_of("NA") == ()


def test_options():
    raw = {
        "Color": [{"value": " Red/Blue ", "image": "x"}, {"value": "GREEN"}, {"image": "x"}],
        "Size": None,
        "Style": [],
        "Plain": ["A", 3, None, {"value": None}, {"value": ""}],
        "Odd": "text",
        "Twice": [{"value": "a"}, {"value": "A"}],
    }
    assert options_of(raw) == {
        "color": ("red | blue", "green"),
        "style": (),
        "plain": ("a", "3"),
        "twice": ("a",),
    }
    for nothing in (None, {}, [], "", "NA", float("nan")):
        assert options_of(nothing) == {}


def test_items_that_are_no_products():
    items = [
        {"asin": "B1", "name": "first"},
        {"asin": "B1", "name": "again"},
        {"asin": "nan"},
        {"asin": "TOO-LONG-A-CODE"},
        {"asin": None},
        {"asin": ""},
        {"asin": 5},
        {},
        {"asin": "B2"},
    ]
    attributes = {"B1": {"attributes": ["soft"]}, "B2": {"attributes": None}, "B3": 5}
    products = list(products_of(items, attributes))
    assert [(p.ident, p.title, p.attributes) for p in products] == [
        ("B1", "first", ("soft",)),
        ("B2", "", ()),
    ]
    bare = products[1]
    assert (bare.category, bare.bullets, bare.options, bare.price) == ((), (), {}, 100.0)


@pytest.mark.parametrize(
    ("price", "allowed"),
    [
        (12.0, (30.0, 40.0, 50.0)),
        (20.0, (40.0, 50.0, 60.0)),  # above the price, so from 30
        (0.0, (20.0, 30.0, 40.0)),
        (965.0, (980.0, 990.0)),  # two of 970, 980, 990
        (975.0, (990.0,)),
        (985.0, (None,)),  # one is left, not two
        (5000.0, (None,)),
    ],
)
def test_budgets(price, allowed):
    drawn = {budget_of(price, "B1", number) for number in range(200)}
    assert drawn == set(allowed)


def test_the_official_shuffle():
    numbers = list(range(2000))
    random.Random(233).shuffle(numbers)
    assert shuffled(range(2000)) == numbers


# ── files ───────────────────────────────────────────────────────────────────


def test_a_stream_is_read_in_blocks(tmp_path, monkeypatch):
    items = [{"asin": f"B{n}", "name": "caf\u00e9 \u2603 " * (n % 9), "n": [n, {"x": 1.5}]}
             for n in range(200)]  # fmt: skip
    path = tmp_path / "items.json"
    for text in (
        json.dumps(items),
        json.dumps(items, indent=2, ensure_ascii=False),
        "\ufeff \n" + json.dumps(items),
    ):
        path.write_text(text, "utf-8")
        for block in (7, 64, 10**6):
            monkeypatch.setattr(official, "_BLOCK", block)
            assert list(read_items(path)) == items
            assert list(read_items(path, 3)) == items[:3]
    path.write_text("[]")
    assert list(read_items(path)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JSON array"),
        (b"{}", "not a JSON array"),
        (b'[{"asin": "B1"}, {"asin"', "item 2: broken or cut off"),
        (b'[{"asin": "B1"}', "item 2: broken or cut off"),
        (b'[{"asin": "B1"}, {bad}, {}]', "item 2: broken or cut off"),
        (b'[{"asin": "B1"}, 5, {}]', "item 2: not a JSON object"),
        (b'[{"asin": "\xff"}]', "not UTF-8"),
        (b"[" * 100_000, "item 1: "),
    ],
)
def test_broken_product_files(tmp_path, content, message):
    path = tmp_path / "items.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=message) as caught:
        list(read_items(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b'{"a": \n 5', b'"text"', b"\xff", b"\x00"])
def test_broken_files_are_named(tmp_path, name, content):
    folder = write_data(tmp_path / "data", 3, 1)
    (folder / name).write_bytes(content)
    with pytest.raises(BadFile, match=name):
        WebShopEnv(data=str(folder), cache=str(tmp_path / "cache"))
    assert list((tmp_path / "cache").glob("*")) == []


def test_missing_data(tmp_path, monkeypatch):
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    with pytest.raises(MissingData, match=r"no folder was given.*items_shuffle_1000\.json"):
        WebShopEnv()
    folder = write_data(tmp_path / "up" / "data", 3, 1)
    (folder / HUMAN_FILE).unlink()
    with pytest.raises(MissingData, match=r"\(no items_human_ins\.json in "):
        WebShopEnv(data=str(tmp_path / "up"))
    with pytest.raises(MissingData, match=r"no items_shuffle\.json, items_ins_v2\.json"):
        WebShopEnv(data=str(tmp_path), num_products="all")
    with pytest.raises(UnknownName, match="num_products 'al'"):
        WebShopEnv(data=str(tmp_path), num_products="al")
    with pytest.raises(UnknownName, match="did you mean 'human'"):
        WebShopEnv(data=str(tmp_path), goals="humans")


def test_where_the_data_are_found(tmp_path, monkeypatch):
    write_data(tmp_path / "data", 3, 1)
    monkeypatch.setenv("WEBSHOP_DATA", str(tmp_path))
    monkeypatch.setenv("QEVOLVE_BENCH_CACHE", str(tmp_path / "cache"))
    assert len(WebShopEnv(split="test").task_ids("test")) == 3
    (tmp_path / "data" / NAMES[0]).rename(tmp_path / "data" / "items_shuffle.json")
    (tmp_path / "data" / NAMES[1]).rename(tmp_path / "data" / "items_ins_v2.json")
    env = gymnasium.make(ENV, num_products="all", split="test").unwrapped
    assert len(env.task_ids("test")) == 3


# ── goals and tasks ─────────────────────────────────────────────────────────


def test_splits_are_those_of_the_shuffled_goals(env, home):
    human = json.loads((home[0] / HUMAN_FILE).read_text("utf-8"))
    wishes = [
        (ident, entry["instruction"].strip("."))
        for ident, entries in human.items()
        for entry in entries
        if entry["instruction_attributes"]
    ]
    random.Random(233).shuffle(wishes)
    ids = [*env.task_ids("test"), *env.task_ids("dev"), *env.task_ids("train")]
    assert [len(env.task_ids(s)) for s in ("test", "dev", "train")] == [500, 1000, 180]
    assert (ids[0], ids[500], ids[1500]) == (
        "webshop/test/00000",
        "webshop/dev/00500",
        "webshop/train/01500",
    )
    for task_id, (ident, instruction) in zip(ids, wishes, strict=True):
        task = env.task(task_id)
        assert task.content["ident"] == ident
        assert task.goal.startswith(instruction)
        assert task.split == task_id.split("/")[1]


def test_instructions_and_budgets(env):
    shop = env._shop()
    price = {product.ident: product.price for product in shop.products}
    for task_id in env.task_ids("test"):
        task = env.task(task_id)
        budget = task.content["budget"]
        if budget is None:
            assert price[task.content["ident"]] >= 980
            assert "price lower" not in task.goal
        else:
            assert task.goal.endswith(f", and price lower than {budget:.2f} dollars")
            assert 10 < budget - price[task.content["ident"]] + 10 <= 50


def test_options_asked_for_get_the_name_of_the_product(env):
    contents = [env.task(task_id).content for task_id in env.task_ids("test")]
    assert {json.dumps(c["options"]) for c in contents} == {
        "{}",
        '{"color": "red"}',
        '{"option 1": "blue/white"}',  # the product says "blue | white"
        '{"color": "dark green"}',
    }


def test_synthetic_goals(home):
    env = WebShopEnv(data=str(home[0]), cache=str(home[1]), goals="synthetic", split="test")
    tasks = [env.task(task_id) for task_id in env.task_ids("test")]
    # One for each colour, or one for a product without options.
    assert len(tasks) == sum(1 if number % 5 == 0 else 3 for number in range(42))
    goals = {task.goal.partition(", and price")[0] for task in tasks}
    assert "Find me easy clean lamps with color: blue | white" in goals
    assert "Find me easy clean kettles" in goals
    with pytest.raises(BenchError, match="Split 'train' has no tasks"):
        WebShopEnv(data=str(home[0]), cache=str(home[1]), goals="synthetic").reset(seed=0)


@pytest.mark.parametrize(
    "task_id",
    [
        "webshop/test/00500",
        "webshop/test/0",
        "webshop/dev/00000",
        "webshop/test/\u0663",
        "",
        "x/y/z",
    ],
)
def test_unknown_tasks(env, task_id):
    with pytest.raises(UnknownName):
        env.reset(options={"task": task_id})


def test_every_goal_can_be_met(env):
    for task_id in [*env.task_ids("test")[:150], *env.task_ids("train")[-20:]]:
        _, info = env.reset(options={"task": task_id})
        content = env.task(task_id).content
        env.step(f"search[{content['title']}]")
        env.step(f"click[{content['ident']}]")
        for value in content["options"].values():
            answer = env.step(f"click[{value.replace('/', ' | ')}]")
            assert answer[4]["feedback"] is Feedback.OK
        _, reward, terminated, _, info = env.step("buy now")
        assert (info["score"], info["won"], reward, terminated) == (1.0, True, 1.0, True), task_id


def test_copies_share_the_shop(env, home):
    other = WebShopEnv(data=str(home[0]), cache=str(home[1]), observation="html")
    assert other._shop() is env._shop()


def test_a_change_of_the_data_is_seen(tmp_path):
    folder = write_data(tmp_path / "data", 4, 1)
    arguments = {"data": str(folder), "cache": str(tmp_path / "cache"), "split": "test"}
    assert len(WebShopEnv(**arguments).task_ids("test")) == 4
    write_data(folder, 5, 1)
    assert len(WebShopEnv(**arguments).task_ids("test")) == 5
