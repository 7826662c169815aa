"""Prices the user wrote: overrides on the command line and a price file. They come before public data.

What an entry does not say is unknown, never 0 and never the public price.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from advisor.money.money import CostError, ExchangeRate, decimal, to_usd, typed
from advisor.money.price_book import DatedRates, LongContext, Rates, Schedule, split_model
from advisor.reading import Unreadable, parse_yaml, read_text

PROVIDER_ALIASES = {
    "gemini": "google",
    "vertex_ai": "google",
    "bedrock": "aws",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "xai": "x-ai",
    "azure_ai": "azure",
    "voyage": "voyageai",
}
"""litellm's provider prefixes as genai-prices calls them, where they differ."""

_FILE_RATES = {
    "input": "input",
    "cache_read": "cached",
    "cache_write": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "training": "training",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrices:
    """Prices the user wrote, on the command line or in a file."""

    schedules: tuple[Schedule, ...]

    def find(self, provider: str, model: str, at: datetime) -> Schedule | None:
        """The entry of that model; without a provider the only one that has the name.

        Raises:
            CostError: if several providers' entries fit a bare name.
        """
        wanted = PROVIDER_ALIASES.get(provider, provider)
        hits = [
            s for s in self.schedules if s.resolved == model and (not wanted or _same(s.provider, wanted))
        ]
        if len(hits) > 1:
            raise CostError(
                f"'{model}' is priced for several providers.",
                got=model,
                allowed=", ".join(f"{s.provider}/{s.resolved}" for s in hits),
            )
        return hits[0] if hits else None

    def close_names(self, provider: str, model: str) -> tuple[str, ...]:
        """Names in the file that look like the one asked for."""
        names = {s.resolved: f"{s.provider}/{s.resolved}" for s in self.schedules}
        return tuple(names[n] for n in difflib.get_close_matches(model, names, n=3, cutoff=0.5))


def _same(one: str, other: str) -> bool:
    return PROVIDER_ALIASES.get(one, one) == PROVIDER_ALIASES.get(other, other)


def parse_override(text: str, source: str = "command line") -> Schedule:
    """Read 'provider/model=INPUT/OUTPUT' (US dollars per million tokens) as a price that always holds.

    A third price is that of a million tokens of training. Other prices follow by the names that a price file
    has: '0.25/2/cache_read=0.025'. What is not said is not known. 'provider/model=2/1k' is a reranker's price
    of 1,000 searches.

    Raises:
        CostError: if the text does not have that form.
    """
    name, _, prices = text.partition("=")
    provider, model = split_model(name)
    parts = prices.split("/")
    if len(parts) == 2 and parts[1] == "1k" and model:
        rates = Rates(ranking=typed(parts[0], "price of 1,000 searches") * 1000)
        return _stated(provider, model, rates, source)
    said = [_priced(part) for part in parts if "=" in part]
    placed = [part for part in parts if "=" not in part]
    said += zip(("input", "output", "training"), placed, strict=False)
    if len(placed) not in (2, 3) or not model or len(dict(said)) < len(parts):
        raise CostError(
            "A price is written provider/model=INPUT/OUTPUT, in dollars per million tokens.",
            got=text,
            allowed="a third price for a million tokens of training: provider/ft:model=0.8/3.2/5; others by "
            f"name, once each: provider/model=0.25/2/cache_read=0.025 ({', '.join(_FILE_RATES)}); of a "
            "reranker the price of 1,000 searches: provider/model=2/1k",
        )
    found = {_FILE_RATES[key]: typed(amount, f"{key} price") for key, amount in said}
    return _stated(provider, model, Rates(**{"reasoning": found["output"]} | found), source)


def _priced(part: str) -> tuple[str, str]:
    """A price by its name: 'cache_read=0.025'."""
    key, _, amount = part.partition("=")
    if key not in _FILE_RATES:
        raise CostError("No such price.", got=key, allowed=", ".join(_FILE_RATES))
    return key, amount


def _stated(provider: str, model: str, rates: Rates, source: str) -> Schedule:
    return Schedule(
        provider=provider,
        resolved=model,
        entries=(DatedRates(standard=rates),),
        source=source,
        source_version="",
        stated=True,
    )


_ENTRY_KEYS = {
    *_FILE_RATES,
    "provider",
    "model",
    "batch",
    "long_context",
    "effective_from",
    "source",
    "currency",
}


def load_price_file(path: Path, exchange: Iterable[ExchangeRate] = ()) -> WrittenPrices:
    """Read the user's `prices.yaml` (see `parse_price_file` for its form).

    Raises:
        CostError: if it cannot be read or an entry is wrong.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise CostError("The price file does not exist.", got=str(path)) from None
    except Unreadable as fault:
        raise CostError(f"The price file cannot be read: {fault}.", got=str(path)) from None
    return parse_price_file(text, path.name, exchange)


def parse_price_file(text: str, name: str, exchange: Iterable[ExchangeRate] = ()) -> WrittenPrices:
    """Read a price file: `as_of`, and under `models` a list of entries.

    An entry has provider, model, the prices of a million tokens as text (input, output, cache_read,
    cache_write, reasoning, training), and if need be `batch` (a mapping of the same), `long_context` (a list
    of the same with `above_input_tokens`), effective_from, source, currency. Reasoning tokens cost as much
    as output unless said otherwise; a price that is not there is unknown.

    Raises:
        CostError: if the file is no such mapping, has an unknown key, or a price is not a number.
    """
    try:
        content = parse_yaml(text)
    except Unreadable as fault:
        raise CostError(f"{name} is not valid YAML.", got=fault) from None
    rows = content.get("models") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise CostError(f"{name} needs a list under 'models'.", got=type(content).__name__)
    version = str(content.get("as_of", ""))
    by_model: dict[tuple[str, str], list[DatedRates]] = {}
    for row in rows:
        key, entry = _file_entry(row, name, tuple(exchange))
        by_model.setdefault(key, []).append(entry)
    return WrittenPrices(
        schedules=tuple(
            Schedule(
                provider=key[0],
                resolved=key[1],
                entries=tuple(sorted(entries, key=lambda e: e.effective_from or date.min)),
                source=name,
                source_version=version,
                stated=True,
            )
            for key, entries in by_model.items()
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the prices of one entry in its currency."""

    model: str
    currency: str
    exchange: tuple[ExchangeRate, ...]

    def rates(self, part: object) -> Rates:
        """The prices a mapping states."""
        if not isinstance(part, dict):
            raise CostError(f"Prices of {self.model} must be a mapping.", got=part)
        values: dict[str, Decimal | None] = {
            ours: to_usd(
                decimal(part[theirs], f"{theirs} price of {self.model}"), self.currency, self.exchange
            )
            for theirs, ours in _FILE_RATES.items()
            if part.get(theirs) is not None
        }
        values.setdefault("reasoning", values.get("output"))
        return Rates(**values)

    def tiers(self, part: dict[str, object]) -> tuple[LongContext, ...]:
        """The long-context tiers a mapping states, smallest first."""
        found = part.get("long_context") or []
        if not isinstance(found, list) or not all(
            isinstance(tier, dict) and isinstance(tier.get("above_input_tokens"), int) for tier in found
        ):
            raise CostError("long_context needs tiers with above_input_tokens.", got=self.model)
        return tuple(
            LongContext(above_input_tokens=tier["above_input_tokens"], usd_per_mtok=self.rates(tier))
            for tier in sorted(found, key=lambda tier: int(tier["above_input_tokens"]))
        )


def _file_entry(
    row: object, name: str, exchange: tuple[ExchangeRate, ...]
) -> tuple[tuple[str, str], DatedRates]:
    """(provider, model) and rates of one entry."""
    if not isinstance(row, dict) or not row.get("model"):
        raise CostError(f"An entry of {name} has no model.", got=row)
    unknown = set(row) - _ENTRY_KEYS
    if unknown:
        raise CostError(
            f"Unknown key in {name}.", got=sorted(unknown), allowed=", ".join(sorted(_ENTRY_KEYS))
        )
    start = row.get("effective_from")
    if isinstance(start, datetime) or (start is not None and not isinstance(start, date)):
        raise CostError("effective_from must be a date.", got=start, allowed="YYYY-MM-DD")
    read = _Reader(model=str(row["model"]), currency=str(row.get("currency", "USD")), exchange=exchange)
    batch = row.get("batch") or {}
    entry = DatedRates(
        effective_from=start,
        standard=read.rates(row),
        long_context=read.tiers(row),
        batch=read.rates(batch),
        batch_long_context=read.tiers(batch),
        source=f"{name}: {row['source']}" if row.get("source") else "",
    )
    key = (str(row.get("provider", "")), str(row["model"]))
    return key, entry
