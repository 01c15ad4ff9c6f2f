"""pytest-benchmark figures: `pytest tests/benchmarks --benchmark-enable`.

In the ordinary suite they run once each, as a check that they still work; no timing decides a test.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).with_name("shop.py")
_SPEC = importlib.util.spec_from_file_location("shop_benchmark", _PATH)
shop = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(shop)

PRODUCTS = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shop.build(tmp_path_factory.mktemp("cache"), PRODUCTS)[0]


def test_searches(benchmark, folder):
    opened = shop.open_shop(folder)
    asked = shop.queries(opened.products, 50)
    assert benchmark(shop.search_rate, opened, asked) > 0


def test_clicks(benchmark, folder):
    env = shop.BenchmarkShop(folder=str(folder))
    assert benchmark(shop.click_rate, env, 10) > 0


def test_opening(benchmark, folder):
    assert len(benchmark(shop.open_shop, folder).products) == PRODUCTS


def test_a_smaller_catalogue_is_the_beginning_of_a_larger_one():
    few, more = list(shop.make_products(5)), list(shop.make_products(8))
    assert few == more[:5]


def test_all_engines_agree_and_the_script_runs(capsys):
    assert [row[0] for row in shop.compare(200, 5)][:2] == [
        "qevolve_envs.shop.search",
        "scipy.sparse",
    ]
    assert shop.main(["--products", "120", "--searches", "5"]) == 0
    assert "120 products" in capsys.readouterr().out
