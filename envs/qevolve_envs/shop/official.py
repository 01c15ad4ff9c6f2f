"""Reads the official WebShop files: products, attributes, and what people asked for.

The rules by which fields become products and goals are those of the official loader
(princeton-nlp/WebShop, `web_agent_site/engine`), except that

- the price of a product with a price range, and the budget of a goal, are a function of the
  product and the goal (upstream draws them from the global generator before it seeds it, so that
  no two of its runs agree);
- what makes the official loader raise is read as missing: a price that says no number, an option
  without a value, a list where a text should be.

The product file may hold 1.18 million items: it is read as a stream.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qevolve_envs.errors import BadFile
from qevolve_envs.rng import SeedTree
from qevolve_envs.shop.catalogue import Goal, Product

#: Seed of the official shuffle of the goals.
SHUFFLE_SEED = 233
#: What a product without a price costs.
NO_PRICE = 100.0
#: From here on a price is a mistake.
_DEAREST = 1e12
#: Budgets are multiples of 10 below 1,000.
BUDGETS = tuple(10.0 * tens for tens in range(1, 100))
_SEEDS = SeedTree(entropy=20221128)
_BLOCK = 4 * 2**20
#: One item of the product file is never larger.
_LARGEST_ITEM = 64 * 2**20
_MISSING = frozenset({"", "na", "n/a", "nan", "none", "null"})
_SPACE = re.compile(r"[\s,]*")


def share(*names: str | int) -> float:
    """A fixed number in [0, 1) for what `names` say."""
    # Codes of products are any text, lone surrogates included.
    return _SEEDS.fraction("webshop", *map(ascii, names))


# ── files ───────────────────────────────────────────────────────────────────


def read_items(path: Path, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The items of a JSON array of objects, one at a time.

    Raises:
        BadFile: With the number of the item that is broken.
    """
    decoder = json.JSONDecoder()
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as stream:
            text, place = stream.read(_BLOCK), 0
            start = _SPACE.match(text)
            place = start.end() if start else 0
            if text[place : place + 1] != "[":
                raise BadFile(f"{path} is not a JSON array.")
            place += 1
            while limit is None or number < limit:
                place = _end(_SPACE, text, place)
                if text[place : place + 1] == "]":
                    return
                try:
                    item, end = decoder.raw_decode(text, place)
                    # A number at the end of the text may go on in the next block.
                    complete = end < len(text) or isinstance(item, dict)
                except ValueError:
                    complete = False
                if not complete:
                    more = stream.read(max(_BLOCK, len(text) - place))
                    if not more or len(text) - place > _LARGEST_ITEM:
                        raise BadFile(f"{path}, item {number + 1}: broken or cut off.")
                    text, place = text[place:] + more, 0
                    continue
                number += 1
                if not isinstance(item, dict):
                    raise BadFile(f"{path}, item {number}: not a JSON object.")
                place = end
                yield item
    except UnicodeDecodeError:
        raise BadFile(f"{path}, after item {number}: not UTF-8 text.") from None
    except RecursionError:
        raise BadFile(f"{path}, item {number + 1}: nested too deeply.") from None
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        BadFile: With the line that is broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise BadFile(f"{path}, line {error.lineno}: {error.msg}.") from None
    except (UnicodeDecodeError, RecursionError):
        raise BadFile(f"{path} is not UTF-8 JSON.") from None
    except OSError as error:
        raise BadFile(f"Cannot read {path}: {error.strerror or error}.") from None
    if not isinstance(content, dict):
        raise BadFile(f"{path} is not a JSON object.")
    return content


# ── fields ──────────────────────────────────────────────────────────────────


def text_of(value: object) -> str:
    """A text; empty for what is missing, in all the ways in which it may be."""
    if isinstance(value, list | tuple):
        return " ".join(filter(None, map(text_of, value)))
    if value is None or isinstance(value, bool | dict):
        return ""
    text = str(value).strip()
    return "" if text.lower() in _MISSING else text


def texts_of(value: object) -> tuple[str, ...]:
    """A list of texts, from a list or a single text."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(filter(None, map(text_of, values)))


def prices_of(pricing: object) -> tuple[float, ...]:
    """No price, one, or the two ends of a range.

    The official files have texts such as ``"$1,234.00"`` and ``"$5.00 to $9.00"``; numbers, texts
    without a dollar sign and lists of any of these are read too.
    """
    if isinstance(pricing, bool) or pricing is None:
        return ()
    if isinstance(pricing, int | float):
        return (float(pricing),) if 0 <= pricing < _DEAREST else ()
    if isinstance(pricing, list | tuple):
        return tuple(price for entry in pricing for price in prices_of(entry))[:2]
    if not isinstance(pricing, str):
        return ()
    _, *parts = pricing.split("$") if "$" in pricing else ("", pricing)
    found = []
    for part in parts:
        try:
            price = float(re.sub(r"[^\d.]", "", part))
        except ValueError:
            continue
        if price < _DEAREST:
            found.append(price)
    return tuple(found[:2])


def price_of(ident: str, prices: tuple[float, ...]) -> tuple[float, str]:
    """The price of a product, and the text of it on its page."""
    if not prices:
        return NO_PRICE, f"${NO_PRICE}"
    if len(prices) == 1:
        return prices[0], f"${prices[0]}"
    low, high = prices
    return low + (high - low) * share("price", ident), f"${low} to ${high}"


def options_of(raw: object) -> dict[str, tuple[str, ...]]:
    """Options in lower case; a slash in a value becomes `` | ``, as upstream."""
    options: dict[str, tuple[str, ...]] = {}
    if not isinstance(raw, dict):
        return options
    for name, contents in raw.items():
        if not isinstance(contents, list):
            continue
        values = [c.get("value") if isinstance(c, dict) else c for c in contents]
        kept = [
            str(v).strip().replace("/", " | ").lower()
            for v in values
            if isinstance(v, str | int | float) and str(v).strip()
        ]
        options[str(name).lower()] = tuple(dict.fromkeys(kept))
    return options


def product_of(item: Mapping[str, Any], attributes: tuple[str, ...]) -> Product:
    """A product of the official file."""
    ident = item["asin"]
    price, price_text = price_of(ident, prices_of(item.get("pricing")))
    category = text_of(item.get("product_category")).split("\u203a")
    return Product(
        ident=ident,
        title=text_of(item.get("name")),
        department=text_of(item.get("query")).lower(),
        category=tuple(filter(None, map(str.strip, category))),
        description=text_of(item.get("full_description")),
        bullets=texts_of(item.get("small_description")),
        attributes=attributes,
        options=options_of(item.get("customization_options")),
        price=price,
        price_text=price_text,
    )


def products_of(
    items: Iterable[Mapping[str, Any]], attributes: Mapping[str, Any]
) -> Iterator[Product]:
    """Products in the order of the file; of items with the same code the first is kept."""
    seen: set[str] = set()
    for item in items:
        ident = item.get("asin")
        if not isinstance(ident, str) or not 0 < len(ident) <= 10 or ident == "nan":
            continue
        if ident not in seen:
            seen.add(ident)
            entry = attributes.get(ident)
            own = entry.get("attributes") if isinstance(entry, dict) else None
            yield product_of(item, texts_of(own) if own else ())


# ── goals ───────────────────────────────────────────────────────────────────


def budget_of(price: float, *names: str | int) -> float | None:
    """The larger of two of the next four budgets above a price; None where there are not two."""
    above = [budget for budget in BUDGETS if budget > price][:4]
    pairs = list(itertools.combinations(above, 2))
    return pairs[int(share("budget", *names) * len(pairs))][1] if pairs else None


def _goal(
    product: Product,
    instruction: str,
    attributes: tuple[str, ...],
    options: Mapping[str, str],
    budget: float | None,
) -> Goal:
    clause = f", and price lower than {budget:.2f} dollars" if budget is not None else ""
    return Goal(
        ident=product.ident,
        instruction=instruction + clause,
        title=product.title,
        department=product.department,
        category=product.category,
        attributes=attributes,
        options=dict(options),
        budget=budget,
    )


def human_goals(product: Product, instructions: object) -> Iterator[Goal]:
    """The goals that people wrote for a product; those without attributes are left out."""
    for number, entry in enumerate(instructions if isinstance(instructions, list) else []):
        if not isinstance(entry, dict):
            continue
        attributes = texts_of(entry.get("instruction_attributes"))
        if attributes:
            instruction = text_of(entry.get("instruction")).strip(".")
            options = _asked(product, entry.get("instruction_options"))
            budget = budget_of(product.price, product.ident, number)
            yield _goal(product, instruction, attributes, options, budget)


def synthetic_goals(product: Product, entry: object) -> Iterator[Goal]:
    """The goals that upstream makes: one for each combination of the product's options."""
    if not isinstance(entry, dict):
        return
    instruction = text_of(entry.get("instruction"))
    attributes = texts_of(entry.get("instruction_attributes"))
    if not instruction or not attributes:
        return
    budget = budget_of(product.price, product.ident, "synthetic")
    names = sorted(product.options)
    for values in itertools.product(*(product.options[name] for name in names)):
        options = dict(zip(names, values, strict=True))
        said = ", and ".join(f"{name}: {value}" for name, value in options.items())
        clause = f" with {said}" if said else ""
        yield _goal(product, instruction + clause, attributes, options, budget)


def _asked(product: Product, raw: object) -> dict[str, str]:
    """Options asked for. The official list has no names; they are found in the product."""
    if isinstance(raw, dict):
        return {str(name).lower(): text_of(value) for name, value in raw.items() if text_of(value)}
    options: dict[str, str] = {}
    for number, value in enumerate(texts_of(raw), 1):
        names = [name for name, values in product.options.items() if value.lower() in values]
        free = [name for name in names if name not in options]
        options[free[0] if free else f"option {number}"] = value
    return options


def shuffled(goals: Iterable[Goal]) -> list[Goal]:
    """Goals in the official order: Python's own shuffle with the official seed."""
    ordered = list(goals)
    random.Random(SHUFFLE_SEED).shuffle(ordered)
    return ordered
