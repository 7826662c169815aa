"""Hosted models of a run and of its plan: what 1,000 queries cost now, and what is announced of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time

from advisor.money.errors import CostError, UnknownPrice
from advisor.money.ledger import Covers, Money, per_thousand, query_cost, total_usd
from advisor.money.price import Price
from advisor.money.price_book import PriceBook
from advisor.money.price_sources import LitellmMap
from advisor.money.usage import Usage
from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.prices import by_tokens, prices_for
from harness.bakeoff.results import BakeoffResults
from harness.core.records import ArmId, Outcome, PriceBasis
from harness.money.frontier import counted_usage
from harness.money.records import HostedPrice

Charged = Mapping[ArmId, Sequence[Outcome]]
"""The outcomes whose seconds or tokens each arm pays for."""


def served(
    results: BakeoffResults, primary: Sequence[AnswerSet], charged: Charged, run: StoredRun
) -> tuple[HostedPrice, ...]:
    """Arms behind an API, with what is announced of their model."""
    by_arm = {arm.arm: arm for arm in results.arms}
    found = []
    for answers in primary:
        arm, identity = by_arm[answers.settled.arm], answers.settled.identity
        if identity is None or not by_tokens(identity, run.book):
            continue
        now = arm.cost.usd_per_1k
        outcomes = charged[arm.arm]
        price = _price(identity.id, run.book)
        later = (
            None
            if price is None or price.next_change is None
            else replace(
                prices_for(identity, run.plan, run.book),
                answers=_price(identity.id, run.book, price.next_change.on),
            )
        )
        on, source = _retirement(identity.id, run.book, price)
        found.append(
            HostedPrice(
                model=identity.id,
                arm=arm.arm,
                usd_per_1k=Money(usd=now.usd, basis=now.basis, covers=now.covers, reason=now.reason),
                source=now.source,
                next_on=None if price is None or price.next_change is None else price.next_change.on,
                next_usd_per_1k=None if later is None else total_usd(cost_lines(outcomes, identity, later)),
                retires_on=on,
                retires_source=source,
            )
        )
    return tuple(found)


def not_run(results: BakeoffResults, run: StoredRun) -> tuple[HostedPrice, ...]:
    """The plan's hosted models that were not run, on the tokens of the best counted retrieve arm."""
    counted = counted_usage(results.arms, run.task)
    there = {arm.identity.id for arm in results.arms if arm.identity is not None}
    if counted is None:
        return ()
    return tuple(
        _list_price(model, counted, run.book) for model in run.plan.cost.frontier if model not in there
    )


def _list_price(model: str, counted: Usage, book: PriceBook) -> HostedPrice:
    price = _price(model, book)
    on, source = _retirement(model, book, price)
    if price is None:
        unknown = Money(
            usd=None, basis=PriceBasis.ESTIMATE, covers=Covers.CALLS, reason=f"no price is known for {model}"
        )
        return HostedPrice(
            model=model, arm=None, usd_per_1k=unknown, source="no price", retires_on=on, retires_source=source
        )
    change = price.next_change
    later = None if change is None else _price(model, book, change.on)
    lines = per_thousand(query_cost(counted, price), 1)
    usd = total_usd(lines)
    return HostedPrice(
        model=model,
        arm=None,
        usd_per_1k=Money(
            usd=usd,
            basis=PriceBasis.ESTIMATE,
            covers=Covers.CALLS,
            reason="" if usd is not None else "a price or a count is unknown",
        ),
        source=f"{lines[0].source}; tokens counted with the local model's tokenizer",
        next_on=None if change is None else change.on,
        next_usd_per_1k=None if later is None else total_usd(per_thousand(query_cost(counted, later), 1)),
        retires_on=on,
        retires_source=source,
    )


def _price(model: str, book: PriceBook, day: date | None = None) -> Price | None:
    try:
        return book.price(model, at=None if day is None else datetime.combine(day, time(), tzinfo=UTC))
    except (UnknownPrice, CostError):
        return None


def _retirement(model: str, book: PriceBook, price: Price | None) -> tuple[date | None, str]:
    """When a model is switched off, by litellm's map; else that its end is announced, by the price data."""
    table = book.crosscheck
    if isinstance(table, LitellmMap):
        for name in (model, model.partition("/")[2]):
            text = table.entries.get(name, {}).get("deprecation_date")
            try:
                return date.fromisoformat(str(text)), f"litellm {table.version}, deprecation_date of {name}"
            except ValueError:
                continue
    if price is not None and any("announced the model's end" in note for note in price.notes):
        return None, f"{price.source} {price.source_version}: the provider has announced the model's end"
    return None, ""
