"""The generated catalogue: what it holds, and that near-duplicates differ in what is asked for."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from qevolve_envs.core import CHARSET
from qevolve_envs.shop.generate import catalogue, fits
from qevolve_envs.shop.reward import base_colour, count_attributes, same
from qevolve_envs.shop.vocabulary import KINDS
from qevolve_envs.shop.wording import ATTRIBUTES, BRANDS, REQUESTS, RIVALS


@pytest.fixture(scope="module")
def products():
    return catalogue().products


def test_it_is_large_enough(products):
    assert len(products) == 5293, "as the class docstring of ShopEnv says"
    assert len({p.category for p in products}) == len(KINDS) == 74
    assert len({p.department for p in products}) >= 8
    assert all(len(p.category) == 3 and p.category[0] == p.department for p in products)
    assert len({p.ident for p in products}) == len(products)
    assert len(BRANDS) == len(set(BRANDS)) >= 50
    assert len(REQUESTS) >= 12


def test_products_are_complete(products):
    kinds = {kind.category: kind for kind in KINDS}
    for p in products:
        kind = kinds[p.category]
        assert 3 <= len(p.attributes) == len(set(p.attributes)) <= 5
        assert 3 <= len(p.bullets) <= 6
        assert p.options.keys() == kind.options.keys()
        for name, values in p.options.items():
            assert values and set(values) <= set(kind.options[name])
        assert p.price_text == f"${p.price:.2f}" and p.price == round(p.price, 2)
        assert 0.5 * kind.prices[0] < p.price < 1.5 * kind.prices[1] + 2
        texts = [p.title, p.description, *p.bullets]
        assert all(text and CHARSET.issuperset(text) and "{" not in text for text in texts)
        assert len(p.description) > 60


def test_all_attributes_are_said_and_no_others(products):
    """A product that lacks an attribute of its category never mentions it by accident."""
    kinds = {kind.category: kind for kind in KINDS}
    for p in products:
        features = " ".join(p.bullets).lower()
        assert all(attribute in features for attribute in p.attributes), p.title
        for attribute in kinds[p.category].attributes:
            if attribute not in p.attributes:
                assert not count_attributes(p, [attribute]), f"{p.title} says {attribute}"


def test_attributes_agree_with_each_other(products):
    for p in products:
        for place, attribute in enumerate(p.attributes):
            assert fits(attribute, p.attributes[:place] + p.attributes[place + 1 :]), p.title


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.category[2])
def test_the_reward_tells_words_apart(kind):
    """Attributes of a category, and option values, differ for the reward's token-set ratio."""
    assert set(kind.attributes) <= ATTRIBUTES.keys()
    for one, other in itertools.combinations(kind.attributes, 2):
        assert not same(one, other), f"{one} is {other}"
    values = [base_colour(value) for values in kind.options.values() for value in values]
    for one, other in itertools.combinations(values, 2):
        assert not same(one, other), f"{one} is {other}"


def test_the_vocabulary_has_no_loose_ends():
    used = {attribute for kind in KINDS for attribute in kind.attributes}
    assert used == ATTRIBUTES.keys()
    assert set().union(*RIVALS) <= used
    assert sum(kind.held_out for kind in KINDS) == 13 >= 8
    assert len({kind.category[0] for kind in KINDS if kind.held_out}) >= 8
    assert all(kind.number in ("one", "many", "mass") for kind in KINDS)


def test_families_are_near_duplicates(products):
    differences = {"attributes": 0, "options": 0, "price": 0}
    for family in catalogue().families:
        members = [products[number] for number in family.members]
        assert 3 <= len(members) <= 5
        assert len({m.category for m in members}) == 1
        facts = [(m.attributes, tuple(m.options.items()), m.price) for m in members]
        assert len(set(facts)) == len(facts), "no two members are alike"
        for name in differences:
            differences[name] += len({str(getattr(m, name)) for m in members}) > 1
        brands = [brand for brand in BRANDS if all(brand in m.title for m in members)]
        assert brands, "one brand"
    families = len(catalogue().families)
    assert all(count > families / 3 for count in differences.values()), differences


def test_it_is_the_published_one(products):
    """A change of any product shows here: it is a new version of the environment, or a mistake."""
    digest = hashlib.sha256()
    for p in products:
        digest.update(f"{p!r}\n".encode())
    assert digest.hexdigest() == PUBLISHED


PUBLISHED = "46952e944651c0580de40a3ff6182af0e2104da992c7ca8dc5a283fda7920a7a"
