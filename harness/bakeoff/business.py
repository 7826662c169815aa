"""The business part of a plan: what the use case is worth and what people's time costs, locked with the plan.

Pure. Dollars throughout: another currency is converted once, at the dated rate that is kept here. A figure
is stated, or a range under `assumed` stands in for it, or it is left out; then what hangs on it is unknown.
The volume, the machine's hour and the price of a wrong answer stand in the plan's `cost` part.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from advisor.money.money import CURRENCIES, CostError, parse_rate
from advisor.options import Option
from harness.core.parts import Part

Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Often = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DayShape = Literal["flat", "office", "peaks"]
AssumedField = Literal[
    "queries_per_month",
    "horizon_months",
    "day_rate_usd",
    "example_usd",
    "knowledge_changes_per_month",
    "label_changes_per_month",
    "rows_per_label_change",
    "index_usd_per_month",
    "failed_share",
]
"""What a range may stand in for; the last three are asked of no use case."""


def _thrice(value: object) -> object:
    """A single figure is a range without width."""
    return value if isinstance(value, list | tuple) else (value, value, value)


def _rising(value: tuple[Decimal, Decimal, Decimal]) -> tuple[Decimal, Decimal, Decimal]:
    if not value[0] <= value[1] <= value[2]:
        raise ValueError("a range is written [low, likely, high]")
    return value


def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"unknown currency; allowed: {', '.join(CURRENCIES)}")
    return value


Three = Annotated[tuple[Amount, Amount, Amount], BeforeValidator(_thrice), AfterValidator(_rising)]


class PeoplePlan(Part):
    """An engineer's days to build an option and hours a month to run it, each a figure or a range."""

    build_days: Three
    run_hours_per_month: Three
    source: str = "as stated"


class IncumbentPlan(Part):
    """What is done today, everything counted; left out is not known."""

    kind: Literal["people", "system"] = "people"
    usd_per_item: Amount | None = None
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    p95_ms: Annotated[float, Field(gt=0)] | None = None


class RatePlan(Part):
    """What one dollar buys in the currency of the use case."""

    per_usd: Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
    as_of: date
    source: str


class AssumedPlan(Part):
    """The range that stands in for a figure that nobody stated."""

    field: AssumedField
    range: Three
    unit: str
    source: str


class BusinessPlan(Part):
    """What an outlook needs beside measurements; see the module for what a left-out figure means.

    `people` is by option. `day_shape` is how queries spread over a day; it decides how many machines the
    peak takes.
    """

    horizon_months: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    day_rate_usd: Amount | None = None
    example_usd: Amount | None = None
    knowledge_changes_per_month: Often | None = None
    label_changes_per_month: Often | None = None
    day_shape: DayShape = "office"
    people: dict[Option, PeoplePlan] = Field(default_factory=dict)
    incumbent: IncumbentPlan | None = None
    currency: Annotated[str, AfterValidator(_known_currency)] = "USD"
    rate: RatePlan | None = None
    assumed: tuple[AssumedPlan, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _written_rate(cls, raw: object) -> object:
        """`fx: EUR=1.08@2026-11-20` stands for currency and rate."""
        if not isinstance(raw, dict) or "fx" not in raw:
            return raw
        rest = {name: value for name, value in raw.items() if name != "fx"}
        try:
            rate = parse_rate(str(raw["fx"]))
        except CostError as error:
            raise ValueError(f"fx: {error.what} {error.allowed or ''}".strip()) from error
        dated = {"per_usd": rate.per_usd, "as_of": rate.as_of, "source": rate.source}
        return rest | {"currency": rate.currency, "rate": dated}

    @model_validator(mode="after")
    def _one_figure_each(self) -> BusinessPlan:
        names = [entry.field for entry in self.assumed]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"assumed names twice: {', '.join(twice)}")
        both = sorted(name for name in names if getattr(self, name, None) is not None)
        if both:
            raise ValueError(f"both stated and assumed: {', '.join(both)}")
        return self

    @model_validator(mode="after")
    def _rate_of_the_currency(self) -> BusinessPlan:
        if self.currency != "USD" and self.rate is None:
            raise ValueError(f"currency {self.currency} needs a rate: per_usd, as_of, source")
        if self.currency == "USD" and self.rate is not None:
            raise ValueError("a rate needs another currency than USD")
        return self
