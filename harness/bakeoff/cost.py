"""What 1,000 queries cost an arm: counted tokens at dated prices, or busy machine seconds.

A model behind an API is priced by its tokens. Whatever runs here is priced by the machine time its
queries keep busy; a machine is paid while idle too, so busy hours are divided by the utilisation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from advisor.money.ledger import (
    Covers,
    LedgerLine,
    Money,
    PriceBasis,
    line,
    per_thousand,
    query_cost,
    search_cost,
    total_usd,
)
from advisor.money.machines import Machine
from advisor.money.price_book import Price
from advisor.money.usage import CountedBy, Usage
from harness.bakeoff.results import Cost
from harness.core.records import Completion, Estimate, Failure, ModelIdentity, Outcome
from harness.core.wording import percent
from harness.tasks.scored import Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRate:
    """The machine whose time is paid, and how busy it is kept.

    Attributes:
        stated: somebody named it, or the price of its hour.
    """

    machine: Machine
    utilisation: float
    stated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPrices:
    """Who bills for finding what is shown, and at which price; None there is one that is not known.

    Attributes:
        embeds, ranks: whether anybody bills for it; a model in this process or one's own server does not.
    """

    embedding: Price | None = None
    ranking: Price | None = None
    embeds: bool = False
    ranks: bool = False

    def lines(self, usages: Sequence[Usage]) -> tuple[LedgerLine, ...]:
        """What finding cost in these calls."""
        billed = [
            dataclasses.replace(
                usage,
                embedding_tokens=usage.embedding_tokens if self.embeds else 0,
                ranking_tokens=usage.ranking_tokens if self.ranks else 0,
                rankings=usage.rankings if self.ranks else 0,
            )
            for usage in usages
        ]
        return search_cost(billed, self.embedding, self.ranking)


NOBODY = SearchPrices()
"""Finding is done in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPrices:
    """What an arm is priced with.

    Attributes:
        answers: the machine for what runs here, the token price of a served model; None if unknown.
    """

    answers: MachineRate | Price | None
    search: SearchPrices = NOBODY


def measure_cost(
    test: Scored,
    outcomes: Sequence[Outcome],
    identity: ModelIdentity | None,
    accuracy: Estimate,
    prices: ArmPrices,
) -> Cost:
    """The ledger of one arm per 1,000 queries.

    Args:
        outcomes: all outcomes on test, failures included: what they spent is paid for.
    """
    found = ledger_cost(cost_lines(outcomes, identity, prices), accuracy, _mean_tokens(test))
    return dataclasses.replace(found, uncached_usd_per_1k=_uncached(outcomes, prices))


def _uncached(outcomes: Sequence[Outcome], prices: ArmPrices) -> Money | None:
    """What 1,000 queries cost if all that was read from a cache were read anew; None where nothing was."""
    usages = _usages(outcomes)
    if not isinstance(prices.answers, Price) or not any(usage.cached_tokens for usage in usages):
        return None
    anew = query_cost([_read_anew(usage) for usage in usages], prices.answers)
    lines = per_thousand((*anew, *prices.search.lines(usages)), len(outcomes))
    return _money(total_usd(lines), lines)


def _read_anew(usage: Usage) -> Usage:
    parts = (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens)
    known = [part for part in parts if part is not None]
    read = sum(known) if len(known) == len(parts) else None
    return dataclasses.replace(usage, input_tokens=read, cached_tokens=0, cache_write_tokens=0)


def cost_lines(
    outcomes: Sequence[Outcome], identity: ModelIdentity | None, prices: ArmPrices
) -> tuple[LedgerLine, ...]:
    """The lines of the ledger per 1,000 queries like these outcomes."""
    usages = _usages(outcomes)
    search = per_thousand(prices.search.lines(usages), len(outcomes)) if outcomes else ()
    match prices.answers:
        case MachineRate() as rate:
            return (_machine_line(outcomes, rate), *search)
        case Price() as price:
            if not usages:
                return (_unknown_line("no call reported tokens"),)
            return (*per_thousand(query_cost(usages, price), len(outcomes)), *search)
        case None:
            return (_unknown_line(f"no price is known for {identity.id if identity else 'this arm'}"),)


def ledger_cost(
    lines: tuple[LedgerLine, ...], accuracy: Estimate, mean_tokens: dict[str, float | None]
) -> Cost:
    """The cost that a ledger of 1,000 queries amounts to, per query and per correct answer."""
    per_1k = total_usd(lines)
    return Cost(
        lines=lines,
        usd_per_1k=_money(per_1k, lines),
        usd_per_1k_correct=per_correct(per_1k, lines, accuracy),
        mean_tokens=mean_tokens,
    )


def per_correct(per_1k: Decimal | None, lines: Sequence[LedgerLine], accuracy: Estimate) -> Money:
    """Dollars per 1,000 correct answers; the interval is that of the accuracy."""
    base = _money(per_1k, lines)
    if per_1k is None:
        return base
    if not accuracy.value:
        return Money(
            usd=None, basis=base.basis, covers=base.covers, source=base.source, reason="no correct answer"
        )
    return Money(
        usd=per_1k / Decimal(str(accuracy.value)),
        low_usd=None if not accuracy.high else per_1k / Decimal(str(accuracy.high)),
        high_usd=None if not accuracy.low else per_1k / Decimal(str(accuracy.low)),
        basis=base.basis,
        covers=base.covers,
        source=base.source,
    )


def busy_seconds(outcomes: Sequence[Outcome]) -> tuple[float, int]:
    """Seconds of retrieval and model over all outcomes with a timing, and how many those are."""
    timings = (outcome.timing for outcome in outcomes)
    seconds = [timing.retrieval_s + timing.model_s for timing in timings if timing is not None]
    return sum(seconds), len(seconds)


def _machine_line(outcomes: Sequence[Outcome], rate: MachineRate) -> LedgerLine:
    seconds, n = busy_seconds(outcomes)
    hours = None
    if n:
        hours = Decimal(str(seconds)) * 1000 / n / 3600 / Decimal(str(rate.utilisation))
    name = f"machine time at {percent(rate.utilisation, 0)} utilisation"
    machine = rate.machine
    return line(name, hours, "hours", machine.usd_per_hour, machine.basis, machine.said)


def _unknown_line(why: str) -> LedgerLine:
    return line("tokens", None, "tokens", None, PriceBasis.LIST_PRICE, why)


def _usages(outcomes: Sequence[Outcome]) -> list[Usage]:
    """One usage a call. A prediction without one spent an unknown amount, a failure maybe nothing."""
    found = []
    for outcome in outcomes:
        match outcome:
            case Completion(usage=Usage() as usage) | Failure(usage=Usage() as usage):
                found.append(usage)
            case Completion():
                found.append(Usage(input_tokens=None, output_tokens=None, counted_by=CountedBy.PROVIDER))
            case Failure():
                continue
    return found


def _money(usd: Decimal | None, lines: Sequence[LedgerLine]) -> Money:
    order = (PriceBasis.ILLUSTRATIVE, PriceBasis.ESTIMATE, PriceBasis.LIST_PRICE, PriceBasis.MEASURED)
    basis = min((entry.basis for entry in lines), key=order.index)  # the weakest line decides
    sources = "; ".join(dict.fromkeys(entry.source for entry in lines))
    return Money(
        usd=usd,
        basis=basis,
        covers=Covers.CALLS,
        source=sources,
        reason="; ".join(dict.fromkeys(entry.source for entry in lines if entry.amount_usd is None)),
    )


def _mean_tokens(test: Scored) -> dict[str, float | None]:
    usages = [one.usage for one in test.outcomes if isinstance(one, Completion) and one.usage is not None]
    found: dict[str, float | None] = {}
    for bucket in (field.name for field in fields(Usage) if field.name.endswith("_tokens")):
        counts = [getattr(usage, bucket) for usage in usages]
        known = [count for count in counts if count is not None]
        if bucket == "ranking_tokens" and not any(counts):
            continue
        found[bucket] = sum(known) / len(known) if counts and len(known) == len(counts) else None
    return found
