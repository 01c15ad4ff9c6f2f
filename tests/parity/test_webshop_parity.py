"""Pages, goals and rewards against the official WebShop's own source.

    (get a clone of princeton-nlp/WebShop)
    pip install jinja2 beautifulsoup4 thefuzz==0.19.0
    WEBSHOP_SOURCE=WebShop pytest -m parity tests/parity/test_webshop_parity.py

Its page templates are rendered and turned into text by the rules of its text environment; its
reward runs with a stand-in for spaCy that knows our nouns, and its goals with fixed chance. Search
is not compared: it is Lucene there.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qevolve_envs.core import Feedback
from qevolve_envs.shop.catalogue import Goal
from qevolve_envs.shop.nouns import nouns_of
from qevolve_envs.shop.official import human_goals, products_of, shuffled
from qevolve_envs.shop.pages import write_rich, write_text
from qevolve_envs.shop.reward import reward_of
from qevolve_envs.shop.session import Shop, Visit

pytestmark = pytest.mark.parity
SITE = Path(os.environ.get("WEBSHOP_SOURCE", "")) / "web_agent_site"
if "WEBSHOP_SOURCE" not in os.environ or not SITE.is_dir():
    pytest.skip("needs $WEBSHOP_SOURCE, a clone of WebShop", allow_module_level=True)
jinja2 = pytest.importorskip("jinja2")
bs4 = pytest.importorskip("bs4")
pytest.importorskip("thefuzz")

ITEMS = [
    {
        "asin": f"B{n:09}",
        "name": f"Acme <b> {('Shirt', 'Wool Scarf', 'desk Lamp')[n % 3]} & Co No {n}",
        "category": "x",
        "query": ("Shirts", "scarves ", "lamps")[n % 3],
        "product_category": ("a › b › c", "a › d", "a › b")[n % 3],
        "full_description": 'A "soft" thing.' if n % 4 else "",
        "small_description": ["Soft touch", "Wash & wear"] if n % 2 else "Easy clean",
        "pricing": (None, "$5.00", "$5.00 to $7.00", "$1,234.50")[n % 4],
        "customization_options": {
            "Color": [{"value": "Red/Blue", "image": None}, {"value": "dark green"}],
            "Size": [{"value": "L"}, {"value": "X-Large"}],
            "Style": None,
        }
        if n % 5
        else None,
    }
    for n in range(35)
]
ATTRIBUTES = {
    item["asin"]: {"attributes": ["machine wash", "easy clean", "long lasting"][: n % 4]}
    for n, item in enumerate(ITEMS)
    if n % 6
}
PRODUCTS = list(products_of(ITEMS, ATTRIBUTES))
GOAL = Goal("B", "i want a <nice> shirt & more", "t", "d", (), ("x",))
BUTTON, CLICKED = "[button] {} [button_]", "[clicked button] {} [clicked button_]"


class Upstream:
    """The official pages of a visit, as text."""

    def __init__(self) -> None:
        loader = jinja2.FileSystemLoader(SITE / "templates")
        self.templates = jinja2.Environment(autoescape=True, loader=loader)

    def nodes(self, visit: Visit) -> list:
        place, shop = visit.place, visit.shop
        name = {"Reviews": "review"}.get(place.page, place.page.lower())
        start = (place.number - 1) * 10
        html = self.templates.get_template(f"{name}_page.html").render(
            url_for=lambda *_, **__: "/",
            instruction_text=visit.goal.instruction,
            session_id="s",
            keywords=["a"],
            page=place.number,
            total=len(place.found),
            products=[self.fields(shop.products[i]) for i in place.found[start : start + 10]],
            product_info=self.fields(shop.products[max(0, place.item)]),
            asin="a",
            options=dict(place.chosen),
            show_attrs=False,
        )
        hidden = {"style", "script", "head", "title", "meta", "[document]"}
        return [
            node
            for node in bs4.BeautifulSoup(html, "html.parser").find_all(string=True)
            if node.parent.name not in hidden
            and not isinstance(node, bs4.element.Comment)
            and node != "\n"
        ]

    @staticmethod
    def fields(product) -> dict:
        return {
            "asin": product.ident,
            "Title": product.title,
            "Price": product.price_text,
            "Rating": "N.A.",
            "Description": product.description,
            "BulletPoints": product.bullets,
            "Reviews": [],
            "MainImage": "m",
            "options": {name: list(values) for name, values in product.options.items()},
            "option_to_image": {},
        }

    def text(self, visit: Visit) -> str:
        return " [SEP] ".join(node.strip() for node in self.nodes(visit))

    def rich(self, visit: Visit) -> list[str]:
        lines, notices = [], []
        seen = {visit.shop.products[i].ident for i in visit.place.visited}
        for node in self.nodes(visit):
            chosen = node in visit.place.chosen.values()
            if node.parent.name == "button":
                lines.append(BUTTON.format(node))
            elif node.parent.name == "label":
                lines.append("  " + (CLICKED if chosen else BUTTON).format(node))
                if chosen:
                    notices.insert(0, f"You have clicked {node}.")
            elif node.parent.get("class") == ["product-link"]:
                lines += ["", (CLICKED if node in seen else BUTTON).format(node)]
            else:
                lines.append(node.strip())
        return notices + lines


def test_pages():
    rng = random.Random(0)
    upstream, visit = Upstream(), Visit(Shop.build(PRODUCTS), GOAL)
    kinds = set()
    for _ in range(1500):
        commands = [c for c in visit.commands() if c != "click[buy now]"]
        command = rng.choice(commands) if rng.random() > 0.05 else "search[acme]"
        feedback, page = visit.act(command)
        assert feedback is Feedback.OK
        kinds.add(visit.place.page)
        assert write_text(page._replace(notices=[])) == upstream.text(visit)
        assert write_rich(page).split("\n") == upstream.rich(visit)
    assert kinds == {"search", "results", "item", "Description", "Features", "Reviews"}


@pytest.fixture
def official(monkeypatch):
    """The official module of goals and rewards."""

    class Token(str):
        pos_ = "NOUN"

        @property
        def text(self):
            return str(self)

    spacy, rich = types.ModuleType("spacy"), types.ModuleType("rich")
    spacy.load = lambda name: lambda title: [Token(noun) for noun in nouns_of(title)]
    rich.print = lambda *_: None
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    monkeypatch.setitem(sys.modules, "rich", rich)
    monkeypatch.syspath_prepend(str(SITE.parent))
    spec = importlib.util.spec_from_file_location("official_goal", SITE / "engine/goal.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_official(item: dict, product) -> dict:
    return {
        **item,
        "query": item["query"].lower().strip(),
        "Title": item["name"],
        "Description": item["full_description"],
        "BulletPoints": list(product.bullets),
        "Attributes": list(product.attributes) or ["DUMMY_ATTR"],
    }


def test_rewards(official):
    rng = np.random.default_rng(0)
    wishes = ["machine wash", "easy cleaning", "soft", "wool", "lasting", "gluten free"]
    values = ["red | blue", "dark green", "l", "x-large", "navy blue", "2 pack", "green"]
    titles = [item["name"] for item in ITEMS] + [
        "Zebra", "the 12 of", "Acme Alpha Beta Gamma Delta Eps Zeta Eta Theta Iota Kappa Lambda",
    ]  # fmt: skip
    rewards = set()
    for _ in range(4000):
        bought, wanted = int(rng.integers(len(ITEMS))), int(rng.integers(len(ITEMS)))
        product, like = PRODUCTS[bought], PRODUCTS[wanted]
        goal = Goal(
            ident="B",
            instruction="",
            title=str(rng.choice(titles)),
            department=like.department,
            category=like.category,
            attributes=tuple(map(str, rng.choice(wishes, int(rng.integers(1, 4)), replace=False))),
            options=dict(enumerate(map(str, rng.choice(values, int(rng.integers(0, 3)))))),
            budget=float(rng.integers(1, 20) * 10),
        )
        chosen = list(map(str, rng.choice(values, int(rng.integers(0, 3)))))
        theirs = official.get_reward(
            as_official(ITEMS[bought], product),
            {
                "query": goal.department,
                "product_category": ITEMS[wanted]["product_category"],
                "name": goal.title,
                "attributes": list(goal.attributes),
                "goal_options": list(goal.options.values()),
                "price_upper": goal.budget,
            },
            price=product.price,
            options=dict(enumerate(chosen)),
        )
        assert reward_of(product, chosen, goal).total == theirs
        rewards.add(theirs)
    assert {0.0, 1.0} < rewards
    assert len(rewards) > 15


def test_goals_and_their_order(official):
    human = {
        item["asin"]: [
            {
                "instruction": f"wish {number} of {item['asin']}.",
                "instruction_attributes": ["soft"] if number else [],
                "instruction_options": ["l"],
            }
            for number in range(4)
        ]
        for item in ITEMS[::2]
    }
    products = [
        {**item, "instructions": human[item["asin"]]} if item["asin"] in human else item
        for item in ITEMS
    ]
    theirs = official.get_goals(products, {p.ident: p.price for p in PRODUCTS})
    random.seed(233)
    random.shuffle(theirs)
    ours = shuffled(goal for p in PRODUCTS for goal in human_goals(p, human.get(p.ident)))
    clause = ", and price lower than "
    assert len(ours) == 54
    for our, their in zip(ours, theirs, strict=True):
        assert our.ident == their["asin"]
        words = their["instruction_text"].partition(clause)
        assert our.instruction.partition(clause)[:2] == words[:2]
        assert our.instruction.endswith(f"{our.budget:.2f} dollars" if our.budget else "")
        assert replace(our, budget=their["price_upper"]).attributes == tuple(their["attributes"])
        assert (our.budget is None) == (their["price_upper"] == 1000000)
