"""What a model costs a million tokens, dated and with its origin, and which of several prices holds.

An override, then the price file, then the public data set at a date, else an error. Pure: layers are built
by `price_sources`. Never a fallback to 0. A second source only checks: what it says is a note of the price.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from advisor.money.money import CostError, UnknownPrice

Context = Literal["standard", "batch"]
"""How requests are sent: one by one, or through a provider's discounted batch interface."""


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
        stated: the user wrote it, on the command line or in a price file.
        known_from, known_to: the first and last day the source says anything about; None where it holds for
            any day, as a price that the user wrote without dates does.
    """

    provider: str
    resolved: str
    entries: tuple[DatedRates, ...]
    source: str
    source_version: str
    stated: bool = False
    notes: tuple[str, ...] = ()
    known_from: date | None = None
    known_to: date | None = None

    def knows(self, day: date) -> bool:
        """Whether the source says anything about a day."""
        return (self.known_from or day) <= day <= (self.known_to or day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one model at one moment, with everything needed to check it later.

    Attributes:
        requested, resolved: the model as named by the user and as found in the source.
        usd_per_mtok: rates below any long-context tier.
        long_context: dearer tiers, smallest first.
        as_of: the moment the price is for, not the date of the data.
        next_change: the day of the next announced price, None when none is known.
        stated: set by the user, on the command line or in a price file.
        notes: what a reader of the price must know.
    """

    provider: str
    requested: str
    resolved: str
    context: Context
    usd_per_mtok: Rates
    long_context: tuple[LongContext, ...] = ()
    source: str
    source_version: str
    as_of: datetime
    next_change: date | None = None
    stated: bool = False
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


class PriceLayer(Protocol):
    """A source of prices."""

    def find(self, provider: str, model: str, at: datetime) -> Schedule | None:
        """What the layer says of a model ('' as provider: not named), or None."""

    def close_names(self, provider: str, model: str) -> tuple[str, ...]:
        """A few names the user may have meant."""


class SecondSource(Protocol):
    """Another list of prices, without dates."""

    def said_of(self, price: Price) -> str:
        """Whether it has the same rates of the model, and which others; '' where it does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Layers of prices, first come first served.

    Attributes:
        as_of: the moment prices are for unless another is asked for; with a time zone.
        second: asked about public prices of that moment, as it has no dates.
    """

    as_of: datetime
    layers: tuple[PriceLayer, ...]
    second: SecondSource | None = None

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
            price = _as_price(model, schedule, (entry, moment, context))
            if price.stated or at is not None or self.second is None:
                return price
            return replace(price, notes=(*price.notes, *filter(None, [self.second.said_of(price)])))
        raise self._unknown(model, provider, name)

    def _unknown(self, model: str, provider: str, name: str) -> UnknownPrice:
        close = dict.fromkeys(n for layer in self.layers for n in layer.close_names(provider, name))
        return UnknownPrice(
            f"No price is known for the model '{model}'.",
            got=model,
            allowed=", ".join(list(close)[:6]) or "a model of the price file or of the public data set",
            run=f"add '{model}' to prices.yaml, or pass its price",
        )


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


def _next_change(schedule: Schedule, entry: DatedRates, at: datetime, context: Context) -> date | None:
    """The day of the first later entry whose rates differ from those that hold now."""
    day = at.astimezone(UTC).date()
    now = _pick(entry, context)
    later = [(e.effective_from, e) for e in schedule.entries if e.effective_from and e.effective_from > day]
    ordered = sorted(later, key=lambda pair: pair[0])
    return next((when for when, following in ordered if _pick(following, context) != now), None)


def _as_price(model: str, schedule: Schedule, held: tuple[DatedRates, datetime, Context]) -> Price:
    entry, at, context = held
    rates, long_context = _pick(entry, context)
    notes = schedule.notes
    if context == "batch" and not rates.known:
        notes = (*notes, "the batch price is not known; no discount is assumed")
    return Price(
        provider=schedule.provider,
        requested=model,
        resolved=schedule.resolved,
        context=context,
        usd_per_mtok=rates,
        long_context=long_context,
        source=entry.source or schedule.source,
        source_version=schedule.source_version,
        as_of=at,
        next_change=_next_change(schedule, entry, at, context),
        stated=schedule.stated,
        notes=notes,
    )
