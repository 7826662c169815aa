"""Machines by the hour: the packaged examples, the user's own figure, and hardware one owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from advisor.money.ledger import PriceBasis
from advisor.money.money import CostError, Scenario, decimal
from advisor.reading import parse_toml, read_record

HOURS_PER_MONTH = Decimal(730)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine and what an hour of it costs, busy or idle.

    Attributes:
        usd_per_hour: None when it is not known; then nothing that runs on it has a known cost.
        low, high: the range of public prices seen, where there is one.
        basis: illustrative for packaged rows, measured for the user's own figure.
    """

    name: str
    kind: Literal["gpu", "cpu"]
    vram_gb: float
    usd_per_hour: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None
    provider: str
    region: str
    as_of: date | None
    source: str
    basis: PriceBasis

    @property
    def said(self) -> str:
        """Its name and where its price comes from, for a ledger."""
        if self.usd_per_hour is None:
            return self.source
        shown = " (illustrative)" if self.basis is PriceBasis.ILLUSTRATIVE else ""
        return f"{self.name}: {', '.join(part for part in (self.provider, self.source) if part)}{shown}"

    def at(self, scenario: Scenario) -> Machine:
        """The same at one end of the public prices; a price of one's own has no range."""
        hour = {Scenario.CHEAP: self.low, Scenario.DEAR: self.high}.get(scenario)
        return self if hour is None else replace(self, usd_per_hour=hour)

    def at_price(self, usd_per_hour: Decimal) -> Machine:
        """The same at the user's own price of an hour.

        Raises:
            CostError: if the price is negative.
        """
        return replace(
            self,
            usd_per_hour=decimal(usd_per_hour, "price of a machine hour"),
            low=None,
            high=None,
            provider="",
            region="",
            as_of=None,
            source="price of an hour as stated",
            basis=PriceBasis.MEASURED,
        )


NO_MACHINE = Machine(
    name="",
    kind="cpu",
    vram_gb=0,
    usd_per_hour=None,
    provider="",
    region="",
    as_of=None,
    source="the machine that serves it is not named: --machine NAME or --machine-hour-usd PRICE",
    basis=PriceBasis.ILLUSTRATIVE,
)
"""A server's machine that nobody named: what runs on it has no known price."""


def load_machines() -> tuple[Machine, ...]:
    """The packaged example prices of `gpu_prices.toml`, every one illustrative."""
    text = Path(__file__).with_name("gpu_prices.toml").read_text(encoding="utf-8")
    rows = [{**row, "basis": PriceBasis.ILLUSTRATIVE} for row in parse_toml(text).get("machine", [])]
    return read_record(tuple[Machine, ...], rows)


def find_machine(name: str, machines: Sequence[Machine], hour_usd: Decimal | None = None) -> Machine:
    """The machine called `name`, at the user's own hourly price if one is given.

    Raises:
        CostError: if no machine has that name and no price is given, or the price is negative.
    """
    found = next((m for m in machines if m.name.lower() == name.lower()), None)
    if hour_usd is not None:
        return (found or replace(NO_MACHINE, name=name, kind="gpu")).at_price(hour_usd)
    if found is None:
        raise CostError(
            f"No hourly price is known for the machine '{name}'.",
            got=name,
            allowed=", ".join(m.name for m in machines),
            run="pass the price of an hour",
        )
    return found
