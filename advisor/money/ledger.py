"""Ledgers: what is paid for, line by line, in Decimal, with the basis of each price.

An unknown count or price gives an unknown amount, and an unknown amount an unknown total. Buckets are
exclusive, so no token is charged twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from advisor.money import money
from advisor.money.price_book import Price, Rates, rates_for
from advisor.money.usage import CountedBy, Usage

MTOK = Decimal(1_000_000)


class PriceBasis(StrEnum):
    """What a money figure rests on; printed beside it."""

    MEASURED = "measured"  # counted tokens or seconds at a price the user set
    LIST_PRICE = "list price"  # counted tokens at a dated public price
    ILLUSTRATIVE = "illustrative"  # a price shipped as an example
    ESTIMATE = "estimate"  # tokens counted with another model's tokenizer


class Covers(StrEnum):
    """What a sum counts; printed beside it, so that no two sums of one thing can be mixed up."""

    CALLS = "calls alone"  # tokens, or the seconds that calls keep a machine busy
    ALL_IN = "all in"  # calls, machines, retrieval, changes and people; wrong answers where they have a price


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A money figure with its range, what it rests on and what it counts; unknown stays None.

    Attributes:
        usd: the likely figure; None where a part of it is unknown, and then `reason` says which.
        low_usd, high_usd: its range; None without one.
        covers: what is counted in it; None for one part of a sum.
        busy: why seconds in it were timed on a machine too busy to be believed; '' where they were not.
    """

    usd: Decimal | None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    basis: PriceBasis
    covers: Covers | None = None
    source: str = ""
    reason: str = ""
    busy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of a ledger.

    Attributes:
        name: what is paid for, such as 'input tokens'.
        quantity, unit: how much of it ('tokens', 'hours'), of the calls or per 1,000 queries.
        unit_price_usd: None when the price is unknown; the amount is then unknown too.
        basis, source: what the price rests on and where it comes from, with its date.
    """

    name: str
    quantity: Decimal | None
    unit: str
    unit_price_usd: Decimal | None
    amount_usd: Decimal | None
    basis: PriceBasis
    source: str


def line(
    name: str,
    quantity: Decimal | None,
    unit: str,
    unit_price_usd: Decimal | None,
    basis: PriceBasis,
    source: str,
) -> LedgerLine:
    """A line whose amount is quantity times price; unknown if either is, but nothing of anything is 0."""
    if quantity == 0:
        amount: Decimal | None = Decimal(0)
    else:
        amount = None if quantity is None or unit_price_usd is None else quantity * unit_price_usd
    return LedgerLine(
        name=name,
        quantity=quantity,
        unit=unit,
        unit_price_usd=unit_price_usd,
        amount_usd=amount,
        basis=basis,
        source=source,
    )


def total_usd(lines: Iterable[LedgerLine]) -> Decimal | None:
    """The sum of the lines' amounts; None as soon as one is unknown."""
    return money.total(entry.amount_usd for entry in lines)


def scaled(lines: Iterable[LedgerLine], factor: Decimal) -> tuple[LedgerLine, ...]:
    """The same ledger for `factor` times as many queries."""
    if factor == 1:
        return tuple(lines)

    def times(value: Decimal | None) -> Decimal | None:
        return None if value is None else value * factor

    return tuple(
        replace(entry, quantity=times(entry.quantity), amount_usd=times(entry.amount_usd)) for entry in lines
    )


def repeated(lines: Iterable[LedgerLine], count: Decimal | float | None) -> tuple[LedgerLine, ...]:
    """The same ledger so many times; an unknown number of times is an unknown amount, unless it is free."""
    if count == 0:
        return tuple(replace(entry, quantity=Decimal(0), amount_usd=Decimal(0)) for entry in lines)
    if count is not None:
        return scaled(lines, Decimal(str(count)))
    return tuple(
        entry if entry.amount_usd == 0 else replace(entry, quantity=None, amount_usd=None) for entry in lines
    )


def per_thousand(lines: Iterable[LedgerLine], queries: int) -> tuple[LedgerLine, ...]:
    """A ledger of `queries` queries as one of 1,000.

    Raises:
        ValueError: if there was no query.
    """
    if queries < 1:
        raise ValueError(f"a cost per query needs at least one query, got {queries}")
    return scaled(lines, Decimal(1000) / queries)


_TOKEN_LINES = (
    ("input_tokens", "input", "input tokens"),
    ("cached_tokens", "cached", "cached input tokens"),
    ("cache_write_tokens", "cache_write", "cache-write tokens"),
    ("output_tokens", "output", "output tokens"),
    ("reasoning_tokens", "reasoning", "reasoning tokens"),
)


def query_cost(usage: Usage | Sequence[Usage], price: Price) -> tuple[LedgerLine, ...]:
    """What calls cost, bucket by bucket; every attempt is a call and is charged.

    Each call is priced at its own long-context tier. Lines without a token are left out, but for input
    and output. What finding cost is in `search_cost`. Amounts are those of the calls given: see
    `per_thousand`.
    """
    calls = (usage,) if isinstance(usage, Usage) else tuple(usage)
    grouped: dict[Rates, list[Usage]] = {}
    for call in calls:
        grouped.setdefault(rates_for(price, _whole_input(call)), []).append(call)
    lines: list[LedgerLine] = []
    for rates, group in grouped.items():
        suffix = "" if rates == price.usd_per_mtok else _tier_suffix(price, rates)
        lines += _token_lines(group, rates, price, suffix)
    return tuple(lines)


def search_cost(
    calls: Sequence[Usage], embedding: Price | None, ranking: Price | None
) -> tuple[LedgerLine, ...]:
    """What embedding and ranking cost; nothing of what was not used, unknown where there is no price."""
    found = (
        ("embedding tokens", "embedding_tokens", "tokens", "input", embedding),
        ("reranking tokens", "ranking_tokens", "tokens", "input", ranking),
        ("reranking searches", "rankings", "searches", "ranking", ranking),
    )
    lines = []
    for name, bucket, unit, rate_name, price in found:
        quantity = _sum(calls, bucket)
        if quantity == 0:
            continue
        rate: Decimal | None = None if price is None else getattr(price.usd_per_mtok, rate_name)
        basis = PriceBasis.LIST_PRICE if price is None else _basis(calls, price)
        source = f"no price is known for {name}" if price is None else source_of(price)
        lines.append(line(name, quantity, unit, None if rate is None else rate / MTOK, basis, source))
    return tuple(lines)


def _whole_input(call: Usage) -> int | None:
    parts = (call.input_tokens, call.cached_tokens, call.cache_write_tokens)
    return None if None in parts else sum(part for part in parts if part is not None)


def _tier_suffix(price: Price, rates: Rates) -> str:
    for tier in price.long_context:
        if tier.usd_per_mtok == rates:
            return f" (above {tier.above_input_tokens:,} input tokens)"
    return " (size unknown)"


def _token_lines(calls: Sequence[Usage], rates: Rates, price: Price, suffix: str) -> list[LedgerLine]:
    lines = []
    for field, rate_name, label in _TOKEN_LINES:
        quantity = _sum(calls, field)
        if quantity == 0 and rate_name not in ("input", "output"):
            continue
        rate: Decimal | None = getattr(rates, rate_name)
        lines.append(
            line(
                label + suffix,
                quantity,
                "tokens",
                None if rate is None else rate / MTOK,
                _basis(calls, price),
                source_of(price),
            )
        )
    return lines


def _sum(calls: Sequence[Usage], field: str) -> Decimal | None:
    counts = [getattr(call, field) for call in calls]
    return None if None in counts else Decimal(sum(counts))


def _basis(calls: Sequence[Usage], price: Price) -> PriceBasis:
    if any(call.counted_by is CountedBy.ESTIMATE for call in calls):
        return PriceBasis.ESTIMATE
    return PriceBasis.MEASURED if price.stated else PriceBasis.LIST_PRICE


def source_of(price: Price) -> str:
    """Source, version, resolved model, context, the day the price is for, and what is to be known of it."""
    version = f" {price.source_version}" if price.source_version else ""
    context = ", batch" if price.context == "batch" else ""
    named = f"{price.source}{version}: {price.provider}/{price.resolved}{context} on {price.as_of:%Y-%m-%d}"
    return "; ".join([named, *price.notes])
