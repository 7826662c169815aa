"""What holds for every arm when its money is reckoned: the business, the machine, and ends of ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, assert_never

from advisor.money.ledger import PriceBasis
from advisor.money.serving import FLAT_DAY, OFFICE_DAY, Load
from advisor.money.tco import Setting
from advisor.options import Option
from harness.core.records import ArmId, Estimate
from harness.money.records import ArmGrounds, Business, Grounds

End = Literal["low", "likely", "high"]
"""Which end of every range: the cheap one, the likely one or the dear one."""
ENDS: tuple[End, ...] = ("low", "likely", "high")

_PEAKS = 3.0  # the busiest minutes of an hour over its mean, as the advisor takes 'peaks'


@dataclass(frozen=True, slots=True, kw_only=True)
class CostInputs:
    """Business and grounds, read at one end of their ranges."""

    business: Business
    grounds: Grounds
    train_rows: int
    test_rows: int

    def figure(self, field: str, end: End) -> Decimal | None:
        """A figure of the business at one end of its range; None where nobody stated or assumed it."""
        for entry in self.business.ranges:
            if entry.field == field:
                return Decimal(getattr(entry.range, end))
        value = getattr(self.business, field, None)
        return None if value is None else Decimal(str(value))

    def said(self, field: str) -> str:
        """Where a figure comes from."""
        found = next((entry.source for entry in self.business.ranges if entry.field == field), "")
        return found or f"business.{field} of the plan"

    def people(
        self, option: Option, end: End, what: Literal["build_days", "run_hours_per_month"]
    ) -> Decimal | None:
        """Days or hours of an engineer; None where nobody stated them."""
        for entry in self.business.people:
            if entry.option is option:
                return Decimal(getattr(getattr(entry, what), end))
        return None

    def arm(self, arm: ArmId) -> ArmGrounds:
        """What is known of an arm's seconds."""
        return next((known for known in self.grounds.arms if known.arm == arm), ArmGrounds(arm=arm))

    def hour_usd(self, end: End) -> Decimal | None:
        """An hour of the machine; the user's own price has no range."""
        machine = self.grounds.machine
        if self.business.machine_hour_usd is not None:
            return self.business.machine_hour_usd
        match end:
            case "low":
                return machine.usd if machine.low_usd is None else machine.low_usd
            case "likely":
                return machine.usd
            case "high":
                return machine.usd if machine.high_usd is None else machine.high_usd
            case _:
                assert_never(end)

    @property
    def machine_basis(self) -> PriceBasis:
        """What the price of an hour rests on."""
        return PriceBasis.MEASURED if self._other_hour else self.grounds.machine.basis

    @property
    def machine_source(self) -> str:
        """Where the price of an hour comes from."""
        return "price of a machine hour as stated" if self._other_hour else self.grounds.machine.source

    @property
    def _other_hour(self) -> bool:
        """Whether the business states another price than the run was priced with."""
        stated = self.business.machine_hour_usd
        return stated is not None and stated != self.grounds.machine.usd

    def load(self, volume: int) -> Load:
        """A month's queries over the day."""
        match self.business.day_shape:
            case "flat":
                return Load(queries_per_month=volume, day=FLAT_DAY)
            case "peaks":
                return Load(queries_per_month=volume, day=OFFICE_DAY, peak_factor=_PEAKS)
            case _:
                return Load(queries_per_month=volume, day=OFFICE_DAY)

    def setting(self, end: End, volume: int, *, counted: bool) -> Setting:
        """Volume, horizon and rates.

        Args:
            counted: whether wrong answers are paid for; they never are without their price.
        """
        wrong = self.business.wrong_answer_usd
        return Setting(
            queries_per_month=Decimal(volume),
            horizon_months=Decimal(str(self.business.horizon_months)),
            wrong_usd=wrong if counted and wrong is not None else Decimal(0),
            day_rate_usd=self.figure("day_rate_usd", end),
        )


def with_figure(business: Business, field: str, value: object) -> Business:
    """The business with a figure as if it had been stated: a range that stood in for it is gone."""
    return replace(
        business,
        **{field: value},  # type: ignore[arg-type]
        ranges=tuple(entry for entry in business.ranges if entry.field != field),
        assumed=tuple(name for name in business.assumed if name != field),
    )


def accuracy_at(accuracy: Estimate, end: End) -> float | None:
    """A cheap end has the high accuracy: fewer wrong answers are paid for."""
    match end:
        case "low":
            return accuracy.value if accuracy.high is None else accuracy.high
        case "likely":
            return accuracy.value
        case "high":
            return accuracy.value if accuracy.low is None else accuracy.low
        case _:
            assert_never(end)


def times(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """A product; nothing of anything is 0, whatever its price, and else the unknown stays unknown."""
    if one == 0:
        return one
    return None if one is None or other is None else one * other


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """A sum; the unknown stays unknown."""
    return None if one is None or other is None else one + other
