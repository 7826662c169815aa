"""The figures every cost is reckoned from, in one record: of a prediction and of a measured run alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, Self

from advisor.money.ledger import LedgerLine, line
from advisor.money.machines import Machine
from advisor.money.money import AssumedRange, CostError, ExchangeRate, Range, Scenario
from advisor.money.serving import FLAT_DAY, OFFICE_DAY, Load
from advisor.money.tco import Setting

DayShape = Literal["flat", "office", "peaks"]
PEAK = 3.0
"""With peaks, how far the busiest minutes of an hour exceed its mean."""
BATCH_P95_MS = 60_000.0
"""Answers that may take so long may wait for a machine to start."""
_MONEY = ("day_rate_usd", "example_usd", "wrong_answer_usd", "index_usd_per_month")
_HELD = ("queries_per_month", "horizon_months")  # what is asked about, not a price


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """An engineer's days to build an option and hours a month to run it."""

    build_days: Range[Decimal]
    run_hours_per_month: Range[Decimal]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostInputs:
    """Everything that is stated or assumed, in US dollars; None where nobody stated or assumed it.

    Attributes:
        wrong_answer_usd: what a wrong answer costs to notice and repair.
        rows_per_label_change: labelled rows that a changed label takes.
        index_usd_per_month: hosting of an index; 0 where it fits into the serving process.
        failed_share: of trainings started, those lost to crashes and bad recipes.
        machine: what runs here, or on a server here, is paid at its hour.
        machine_stated: somebody named the machine or its price; else it is the default one.
        utilisation: share of a shared machine's paid time that is spent on queries.
        day_shape: how queries spread over a day; it decides how many machines the peak takes.
        may_sleep: machines may be switched off while nothing comes, and started for the next query.
        people: by option; an option that is not in it has unknown hours.
        exchange: of the currency a reader is shown; dollars when None.
        ranges: what stood in for figures above, with its source.
        scenario: the end of the ranges at which the figures stand.
    """

    queries_per_month: int
    horizon_months: float
    day_rate_usd: Decimal | None
    example_usd: Decimal | None
    wrong_answer_usd: Decimal | None
    knowledge_changes_per_month: float | None
    label_changes_per_month: float | None
    rows_per_label_change: float | None = None
    index_usd_per_month: Decimal | None = None
    failed_share: float | None = None
    machine: Machine
    machine_stated: bool = False
    utilisation: float
    day_shape: DayShape = "office"
    may_sleep: bool = False
    people: Mapping[str, People] = field(default_factory=dict)
    exchange: ExchangeRate | None = None
    ranges: tuple[AssumedRange, ...] = ()
    scenario: Scenario = Scenario.LIKELY

    @property
    def assumed(self) -> tuple[str, ...]:
        """The figures that a range stands in for, without those that nobody is asked for."""
        never = ("rows_per_label_change", "index_usd_per_month", "failed_share")
        return tuple(entry.key for entry in self.ranges if entry.key not in never)

    @property
    def machine_hour_usd(self) -> Decimal | None:
        """What an hour of the machine costs."""
        return self.machine.usd_per_hour

    def at(self, scenario: Scenario) -> Self:
        """The same figures at another end of their ranges; volume and horizon stay."""
        moved = {entry.key: entry.at(scenario) for entry in self.ranges if entry.key not in _HELD}
        return replace(
            self._with(moved), scenario=scenario, machine=self.machine.at(scenario), ranges=self.ranges
        )

    def stating(self, **figures: object) -> Self:
        """The same with some figures as if they had been stated: ranges that stood in for them are gone.

        Args:
            figures: by field; `machine_hour_usd` is a price of the machine's hour.

        Raises:
            CostError: if a figure lies outside its range.
        """
        for name, value in figures.items():
            check_figure(name, value)
        hour: Any = figures.pop("machine_hour_usd", None)
        changed = self._with(figures)
        if hour is None:
            return changed
        return replace(changed, machine=self.machine.at_price(hour), machine_stated=True)

    def _with(self, figures: Mapping[str, Any]) -> Self:
        typed = {name: _typed(name, value) for name, value in figures.items()}
        left = tuple(entry for entry in self.ranges if entry.key not in typed)
        return replace(self, **typed, ranges=left)

    def said(self, name: str) -> str:
        """Where a figure comes from."""
        found = next((entry.source for entry in self.ranges if entry.key == name), "")
        return found or "as stated"

    def build_days(self, option: str) -> Decimal | None:
        """Days of an engineer to build an option; None where nobody stated them."""
        known = self.people.get(option)
        return None if known is None else known.build_days.at(self.scenario)

    def run_hours(self, option: str) -> Decimal | None:
        """Hours a month of an engineer to run an option; None where nobody stated them."""
        known = self.people.get(option)
        return None if known is None else known.run_hours_per_month.at(self.scenario)

    def load(self, volume: float) -> Load:
        """A month's queries over the day."""
        day = FLAT_DAY if self.day_shape == "flat" else OFFICE_DAY
        peak = PEAK if self.day_shape == "peaks" else 1.0
        return Load(queries_per_month=volume, day=day, peak_factor=peak)

    def setting(self, volume: float | None = None, *, counted: bool) -> Setting:
        """Volume, horizon and rates.

        Args:
            counted: whether wrong answers are paid for; they never are without their price.
        """
        wrong = self.wrong_answer_usd
        return Setting(
            queries_per_month=Decimal(str(self.queries_per_month if volume is None else volume)),
            horizon_months=Decimal(str(self.horizon_months)),
            wrong_usd=wrong if counted and wrong is not None else Decimal(0),
            day_rate_usd=self.day_rate_usd,
        )


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _MONEY:
        return Decimal(str(value))
    return round(value) if name == "queries_per_month" else float(value)


_ABOVE_ZERO = ("queries_per_month", "horizon_months", "utilisation")


def check_figure(name: str, value: object) -> None:
    """Refuse a figure that cannot be.

    Raises:
        CostError: if it is no finite number, or lies outside its range.
    """
    least = "above 0" if name in _ABOVE_ZERO else "at least 0"
    most = ", at most 1" if name == "utilisation" else ""
    number = Decimal(str(value))
    low = not number.is_finite() or (number <= 0 if name in _ABOVE_ZERO else number < 0)
    if low or (most and number > 1):
        raise CostError(f"{name} cannot be that.", got=value, allowed=f"{least}{most}")


def times(one: Decimal | float | None, other: Decimal | float | None) -> Decimal | None:
    """A product; nothing of anything is 0, whatever its price, and else the unknown stays unknown."""
    if one is not None and Decimal(str(one)) == 0:
        return Decimal(0)
    return None if one is None or other is None else Decimal(str(one)) * Decimal(str(other))


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """A sum; the unknown stays unknown."""
    return None if one is None or other is None else one + other


def machine_time(name: str, seconds: Decimal | float | None, machine: Machine) -> LedgerLine:
    """So many seconds of a machine as a ledger line in hours."""
    hours = None if seconds is None else Decimal(str(seconds)) / 3600
    return line(name, hours, "hours", machine.usd_per_hour, machine.basis, machine.said)
