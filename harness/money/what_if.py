"""The money of a stored run at other numbers: what a page's sliders call. Nothing is run again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from harness.bakeoff.results import BakeoffResults
from harness.core.errors import UsageError
from harness.core.records import ArmId
from harness.money.forecast import outlook
from harness.money.inputs import with_figure
from harness.money.records import Business, CostForecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Figures in the place of the plan's; None leaves the plan's. A figure given is no longer assumed."""

    queries_per_month: int | None = None
    horizon_months: float | None = None
    day_rate_usd: Decimal | None = None
    wrong_answer_usd: Decimal | None = None
    example_usd: Decimal | None = None
    knowledge_changes_per_month: float | None = None
    label_changes_per_month: float | None = None
    machine_hour_usd: Decimal | None = None
    utilisation: float | None = None


def what_if(
    results: BakeoffResults, stored: CostForecast, changes: Changes, ship: ArmId | None = None
) -> CostForecast:
    """The outlook of a run at other numbers, from what it stored.

    Args:
        ship: the arm that is to be used.

    Raises:
        UsageError: if a figure lies outside its range.
    """
    return outlook(results, changed(stored.business, changes), stored.incumbent, stored.grounds, ship)


def changed(business: Business, changes: Changes) -> Business:
    """The business at other figures.

    Raises:
        UsageError: if a figure lies outside its range.
    """
    for field in fields(changes):
        value = getattr(changes, field.name)
        if value is not None:
            _check(field.name, value)
            business = with_figure(business, field.name, value)
    return business


_ABOVE_ZERO = {"queries_per_month", "horizon_months", "utilisation"}


def _check(name: str, value: float | Decimal) -> None:
    least = "above 0" if name in _ABOVE_ZERO else "at least 0"
    most = ", at most 1" if name == "utilisation" else ""
    low = value <= 0 if name in _ABOVE_ZERO else value < 0
    if not Decimal(str(value)).is_finite() or low or (most and value > 1):
        raise UsageError(f"{name} cannot be that.", got=value, allowed=f"{least}{most}")
