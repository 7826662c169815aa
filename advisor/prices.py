"""The price sheet of a use case, quickly: a snapshot of the public data set for the models used by default.

Reading the public data set takes 0.2 to 0.4 s, which is most of a cold start. `price_snapshot.json` holds its
schedules (dates included) for a few models together with its version and digest; it is used only while the
installed data set is that very one, and a test compares the two. Anything else goes the long way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.assumed import Assumptions, Scenario, rates
from advisor.case import UseCase
from advisor.economics import PriceSheet
from advisor.money.machines import load_machines
from advisor.money.price import DatedRates, LongContext, Rates, Schedule
from advisor.money.price_book import PriceBook, PriceLayer
from advisor.money.price_file import WrittenPrices, load_price_file, parse_override
from advisor.money.price_sources import GenaiPrices, load_genai_prices

SNAPSHOT_MODELS = (
    "openai/gpt-6-luna",
    "openai/gpt-6-sol",
    "openai/gpt-6-astra",
    "openai/gpt-4.1-mini",
    "openai/text-embedding-3-small",
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-sonnet-5-5",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Schedules of a few models as the data set of one version holds them."""

    schedules: Mapping[str, Schedule]

    @property
    def overrides(self) -> bool:
        """Never: it is public data."""
        return False

    def find(self, provider: str, model: str, at: datetime) -> Schedule | None:
        """The schedule, for the full name of a snapshot's model."""
        return self.schedules.get(f"{provider}/{model}")

    def close_names(self, provider: str, model: str) -> tuple[str, ...]:
        """None: the data set itself comes next."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOptions:
    """What the command line says about prices."""

    as_of: datetime
    overrides: Sequence[str] = ()
    price_file: Path | None = None


def open_book(options: PriceOptions, case: UseCase | None = None) -> PriceBook:
    """Overrides, the price file, the snapshot while it holds, the public data set.

    The cross-check is left out here (it reads a large file); `advisor.money.price_sources.load_price_book`
    has it.

    Raises:
        CostError: if an override or the file is wrong, or genai-prices is not installed.
    """
    layers: list[PriceLayer] = []
    if options.overrides:
        layers.append(WrittenPrices(schedules=tuple(parse_override(text) for text in options.overrides)))
    if options.price_file is not None:
        layers.append(load_price_file(options.price_file, () if case is None else rates(case)))
    public = load_genai_prices()
    snapshot = load_snapshot(public)
    if snapshot is not None:
        layers.append(snapshot)
    return PriceBook(as_of=options.as_of, layers=(*layers, public))


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


def load_snapshot(public: GenaiPrices) -> Snapshot | None:
    """The packaged snapshot, if it was taken from the data set that is installed."""
    raw = json.loads(Path(__file__).with_name("price_snapshot.json").read_text(encoding="utf-8"))
    if (raw["version"], raw["sha256"]) != (public.version, public.sha256):
        return None
    return Snapshot(schedules={name: _read(row, public) for name, row in raw["models"].items()})


def take_snapshot(public: GenaiPrices, models: Sequence[str] = SNAPSHOT_MODELS) -> str:
    """The snapshot's text for the installed data set; `python -m advisor.prices` writes it.

    Raises:
        ValueError: if a model is not in the data set or its price depends on the time of day.
    """
    rows = {}
    for name in models:
        provider, _, model = name.partition("/")
        schedule = public.find(provider, model, datetime(2026, 1, 1, tzinfo=UTC))
        if schedule is None or any("time of day" in note for note in schedule.notes):
            raise ValueError(f"{name} cannot be in a snapshot")
        rows[name] = _write(schedule)
    content = {"version": public.version, "sha256": public.sha256, "models": rows}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _write(schedule: Schedule) -> dict[str, Any]:
    return {
        "provider": schedule.provider,
        "resolved": schedule.resolved,
        "notes": list(schedule.notes),
        "entries": [
            {
                "from": None if e.effective_from is None else e.effective_from.isoformat(),
                "standard": _write_rates(e.standard),
                "batch": _write_rates(e.batch),
                "long_context": [_write_tier(t) for t in e.long_context],
                "batch_long_context": [_write_tier(t) for t in e.batch_long_context],
            }
            for e in schedule.entries
        ],
    }


def _write_rates(given: Rates) -> dict[str, str]:
    return {n: str(v) for n in Rates.__slots__ if (v := getattr(given, n)) is not None}


def _write_tier(tier: LongContext) -> dict[str, Any]:
    return {"above": tier.above_input_tokens, "rates": _write_rates(tier.usd_per_mtok)}


def _read(row: Mapping[str, Any], public: GenaiPrices) -> Schedule:
    return Schedule(
        provider=row["provider"],
        resolved=row["resolved"],
        entries=tuple(
            DatedRates(
                effective_from=None if e["from"] is None else date.fromisoformat(e["from"]),
                standard=_read_rates(e["standard"]),
                batch=_read_rates(e["batch"]),
                long_context=_read_tiers(e["long_context"]),
                batch_long_context=_read_tiers(e["batch_long_context"]),
            )
            for e in row["entries"]
        ),
        source="genai-prices",
        source_version=public.version,
        source_sha256=public.sha256,
        notes=tuple(row["notes"]),
    )


def _read_rates(row: Mapping[str, str]) -> Rates:
    return Rates(**{name: Decimal(value) for name, value in row.items()})


def _read_tiers(rows: Sequence[Mapping[str, Any]]) -> tuple[LongContext, ...]:
    return tuple(
        LongContext(above_input_tokens=row["above"], usd_per_mtok=_read_rates(row["rates"])) for row in rows
    )


if __name__ == "__main__":
    target = Path(__file__).with_name("price_snapshot.json")
    target.write_text(take_snapshot(load_genai_prices()), encoding="utf-8")
