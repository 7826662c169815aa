"""The price book and the price sheet of a use case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from advisor.assumed import Assumptions, rates
from advisor.case import UseCase
from advisor.economics import PriceSheet
from advisor.money.machines import load_machines
from advisor.money.money import Scenario
from advisor.money.price_book import PriceBook, PriceLayer
from advisor.money.price_file import WrittenPrices, load_price_file, parse_override
from advisor.money.price_sources import load_genai_prices


def open_book(
    as_of: datetime,
    overrides: Sequence[str] = (),
    price_file: Path | None = None,
    case: UseCase | None = None,
) -> PriceBook:
    """Overrides, the price file, the public data set.

    The cross-check is left out here (it reads a large file); `advisor.money.price_sources.load_price_book`
    has it.

    Raises:
        CostError: if an override or the file is wrong, or genai-prices is not installed.
    """
    layers: list[PriceLayer] = []
    if overrides:
        layers.append(WrittenPrices(schedules=tuple(parse_override(text) for text in overrides)))
    if price_file is not None:
        layers.append(load_price_file(price_file, () if case is None else rates(case)))
    return PriceBook(as_of=as_of, layers=(*layers, load_genai_prices()))


def price_sheet(case: UseCase, assumptions: Assumptions, book: PriceBook) -> PriceSheet:
    """Prices of the hosted model of each scenario, of the embedding model, and of machines.

    Raises:
        UnknownPrice: if the model named has no price.
    """
    named = {s: case.api_model or assumptions.models[s] for s in Scenario}
    prices = {name: book.price(name) for name in dict.fromkeys(named.values())}
    return PriceSheet(
        api={s: prices[name] for s, name in named.items()},
        embedding=book.price(assumptions.embedding),
        machines=load_machines(),
    )
