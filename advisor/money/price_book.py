"""What a model costs a million tokens, dated and with its origin, and which of several prices holds.

An override, then the price file, then the public data set at a date, else an error. Pure: layers are built
by `price_sources`. Never a fallback to 0. The second source only checks; it has no dates, so it is compared
only where our own price is the one of the book's own date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from advisor.money.money import CostError, UnknownPrice

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


TOLERANCE = Decimal("0.01")
"""Relative difference between two sources above which they are said to differ."""


class PriceLayer(Protocol):
    """A source of prices.

    `overrides` tells a layer the user wrote from a public data set.
    """

    @property
    def overrides(self) -> bool:
        """Whether the user wrote this layer."""

    def find(self, provider: str, model: str, at: datetime) -> Schedule | None:
        """What the layer says of a model ('' as provider: not named), or None."""

    def close_names(self, provider: str, model: str) -> tuple[str, ...]:
        """A few names the user may have meant."""


class CrosscheckSource(Protocol):
    """A second source of prices."""

    def find(self, provider: str, names: Sequence[str], context: Context) -> Crosscheck | None:
        """Its entry for the first of `names` it knows; differences are left empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Layers of prices, first come first served.

    Attributes:
        as_of: the moment prices are for unless another is asked for; with a time zone.
    """

    as_of: datetime
    layers: tuple[PriceLayer, ...]
    crosscheck: CrosscheckSource | None = None

    def __post_init__(self) -> None:
        """Refuse a moment without time zone: a price changes at a UTC date.

        Raises:
            CostError: if `as_of` has no time zone.
        """
        _aware(self.as_of)

    def price(self, model: str, *, at: datetime | None = None, context: Context = "standard") -> Price:
        """The price of `model` ('provider/model' or a bare name) at a moment.

        Raises:
            UnknownPrice: if no layer has a price for it, or none for that day; `allowed` lists close names,
                or the first and the last day for which a price is known.
            CostError: if `at` has no time zone.
        """
        moment = _aware(at or self.as_of)
        provider, name = split_model(model)
        for layer in self.layers:
            schedule = layer.find(provider, name, moment)
            if schedule is not None and not schedule.knows(moment.date()):
                raise _other_day(model, schedule, moment.date())
            entry = current_entry(schedule, moment) if schedule else None
            if schedule is None or entry is None or not entry.standard.known:
                continue
            price = _as_price(model, schedule, entry, moment, context)
            if layer.overrides:
                return replace(price, status=PriceStatus.OVERRIDE)
            return self._checked(price, schedule)
        raise self._unknown(model, provider, name)

    def _unknown(self, model: str, provider: str, name: str) -> UnknownPrice:
        close = dict.fromkeys(n for layer in self.layers for n in layer.close_names(provider, name))
        return UnknownPrice(
            f"No price is known for the model '{model}'.",
            got=model,
            allowed=", ".join(list(close)[:6]) or "a model of the price file or of the public data set",
            run=f"add '{model}' to prices.yaml, or pass its price",
        )

    def _checked(self, price: Price, schedule: Schedule) -> Price:
        """Compare with the second source where that is fair."""
        today = current_entry(schedule, self.as_of)
        if self.crosscheck is None or today is None:
            return price
        if _pick(today, price.context)[0] != price.usd_per_mtok:
            note = "the cross-check has no dates, so it says nothing about that day"
            return replace(price, notes=(*price.notes, note))
        names = [price.requested, price.resolved, split_model(price.requested)[1]]
        found = self.crosscheck.find(price.provider, names, price.context)
        return price if found is None else _cross_checked(price, found)


def _other_day(model: str, schedule: Schedule, day: date) -> UnknownPrice:
    return UnknownPrice(
        f"No price of '{model}' is known for {day:%Y-%m-%d}.",
        got=f"{day:%Y-%m-%d}",
        allowed=f"a day from {schedule.known_from:%Y-%m-%d} to {schedule.known_to:%Y-%m-%d}"
        f" ({schedule.source} {schedule.source_version})",
        run=f"name another day, or pass the price: --price {model}=INPUT/OUTPUT",
    )


def split_model(model: str) -> tuple[str, str]:
    """('provider', 'model') of a name such as 'openai/gpt-6-luna'; the provider is '' when not named.

    'openai/responses/NAME' is the same model, asked in another way.

    Raises:
        CostError: if the name is empty.
    """
    if not model.strip():
        raise CostError("A model name is needed.", got=repr(model), allowed="provider/model")
    provider, slash, rest = model.strip().partition("/")
    if provider == "openai":
        rest = rest.removeprefix("responses/")
    return (provider, rest) if slash else ("", provider)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise CostError("A price needs a moment with a time zone.", got=moment.isoformat())
    return moment.astimezone(UTC)


def current_entry(schedule: Schedule, at: datetime) -> DatedRates | None:
    """The entry that holds at a moment (UTC date), None before the first one begins."""
    day = at.astimezone(UTC).date()
    begun = [e for e in schedule.entries if e.effective_from is None or e.effective_from <= day]
    return max(begun, key=lambda e: e.effective_from or date.min) if begun else None


def _pick(entry: DatedRates, context: Context) -> tuple[Rates, tuple[LongContext, ...]]:
    if context == "batch":
        return entry.batch, entry.batch_long_context
    return entry.standard, entry.long_context


def _next_change(schedule: Schedule, entry: DatedRates, at: datetime, context: Context) -> PriceChange | None:
    """The first later entry whose rates differ from those that hold now."""
    day = at.astimezone(UTC).date()
    now = _pick(entry, context)
    later = [(e.effective_from, e) for e in schedule.entries if e.effective_from and e.effective_from > day]
    for when, following in sorted(later, key=lambda pair: pair[0]):
        if _pick(following, context) != now:
            return PriceChange(on=when, usd_per_mtok=_pick(following, context)[0])
    return None


def _cross_checked(price: Price, found: Crosscheck) -> Price:
    """Attach the second source's figures and say how they compare."""
    differences: dict[str, Decimal] = {}
    compared = 0
    for name in RATE_NAMES:
        ours, theirs = getattr(price.usd_per_mtok, name), getattr(found.usd_per_mtok, name)
        if ours is None or theirs is None:
            continue
        compared += 1
        if abs(theirs - ours) > TOLERANCE * ours:
            differences[name] = (theirs - ours) / ours if ours else Decimal("Infinity")
    if differences:
        status = PriceStatus.DIFFERS
    else:
        status = PriceStatus.AGREE if compared else PriceStatus.SINGLE_SOURCE
    return replace(price, crosscheck=replace(found, differences=differences), status=status)


def _as_price(model: str, schedule: Schedule, entry: DatedRates, at: datetime, context: Context) -> Price:
    batch = context == "batch"
    rates = entry.batch if batch else entry.standard
    notes = schedule.notes
    if batch and not rates.known:
        notes = (*notes, "the batch price is not known; no discount is assumed")
    return Price(
        provider=schedule.provider,
        requested=model,
        resolved=schedule.resolved,
        context=context,
        usd_per_mtok=rates,
        long_context=entry.batch_long_context if batch else entry.long_context,
        source=entry.source or schedule.source,
        source_version=schedule.source_version,
        source_sha256=schedule.source_sha256,
        as_of=at,
        effective_from=entry.effective_from,
        next_change=_next_change(schedule, entry, at, context),
        status=PriceStatus.SINGLE_SOURCE,
        notes=notes,
    )
