"""What a model costs a million tokens, dated and with its origin: the records of the price book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

Context = Literal["standard", "batch"]
"""How requests are sent: one by one, or through a provider's discounted batch interface."""


class PriceStatus(StrEnum):
    """How far a price was confirmed."""

    OVERRIDE = "override"  # set by the user: command line or price file
    AGREE = "agree"  # a second source says the same
    DIFFERS = "differs"  # a second source says something else, by more than 1 %
    SINGLE_SOURCE = "single-source"  # no second source has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars per million tokens of each exclusive bucket; None where the price is not known.

    `reasoning` is the price of hidden reasoning tokens, which most providers bill as output; `training` that
    of tokens a model is tuned on, each epoch counted; `ranking` that of a million searches of a reranker.
    """

    input: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal | None = None
    reasoning: Decimal | None = None
    training: Decimal | None = None
    ranking: Decimal | None = None

    @property
    def known(self) -> bool:
        """Whether any bucket has a price."""
        return any(getattr(self, field.name) is not None for field in fields(self))


RATE_NAMES = tuple(field.name for field in fields(Rates))


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """Rates for a call whose whole input passes a size: all of its tokens cost that much."""

    above_input_tokens: int
    usd_per_mtok: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRates:
    """What holds from a day on (None: since ever, or the start is not known).

    Attributes:
        batch: rates of the batch interface; a bucket the source does not state is None.
        source: where this entry comes from, '' when the schedule's source says it.
    """

    effective_from: date | None = None
    standard: Rates
    long_context: tuple[LongContext, ...] = ()
    batch: Rates = Rates()
    batch_long_context: tuple[LongContext, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All a source says of one model, oldest first, announced prices included.

    Attributes:
        known_from, known_to: the first and last day the source says anything about; None where it holds for
            any day, as a price that the user wrote without dates does.
    """

    provider: str
    resolved: str
    entries: tuple[DatedRates, ...]
    source: str
    source_version: str
    source_sha256: str
    notes: tuple[str, ...] = ()
    known_from: date | None = None
    known_to: date | None = None

    def knows(self, day: date) -> bool:
        """Whether the source says anything about a day."""
        return (self.known_from or day) <= day <= (self.known_to or day)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """An announced price."""

    on: date
    usd_per_mtok: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Crosscheck:
    """What a second source says of the same model.

    Attributes:
        entry: the name under which it lists the model.
        usd_per_mtok: its rates, without dates.
        differences: bucket -> (theirs - ours) / ours, for buckets both know that differ by over 1 %.
    """

    source: str
    source_version: str
    source_sha256: str
    entry: str
    usd_per_mtok: Rates
    differences: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one model at one moment, with everything needed to check it later.

    Attributes:
        requested, resolved: the model as named by the user and as found in the source.
        usd_per_mtok: rates below any long-context tier.
        long_context: dearer tiers, smallest first.
        as_of: the moment the price is for, not the date of the data.
        effective_from: when these rates began, None when the source does not say.
        next_change: the next announced price, None when none is known.
        notes: sentences the report shows with the price.
    """

    provider: str
    requested: str
    resolved: str
    context: Context
    usd_per_mtok: Rates
    long_context: tuple[LongContext, ...] = ()
    source: str
    source_version: str
    source_sha256: str
    as_of: datetime
    effective_from: date | None = None
    next_change: PriceChange | None = None
    crosscheck: Crosscheck | None = None
    status: PriceStatus
    notes: tuple[str, ...] = ()


def rates_for(price: Price, total_input_tokens: int | None) -> Rates:
    """The rates of one call, given its whole input (cached tokens included).

    A call of unknown size at a price with tiers has unknown rates.
    """
    if not price.long_context:
        return price.usd_per_mtok
    if total_input_tokens is None:
        return Rates()
    passed = [tier for tier in price.long_context if total_input_tokens > tier.above_input_tokens]
    return max(passed, key=lambda t: t.above_input_tokens).usd_per_mtok if passed else price.usd_per_mtok
