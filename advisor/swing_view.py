"""One-at-a-time sensitivity: what an option's horizon cost does when one input alone moves.

A known input moves by half and to double; one that is assumed moves over its range. All else stays at its
likely value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from advisor.assumed import Inputs
from advisor.case import UseCase
from advisor.economics import Market, option_tco
from advisor.options import Option

_INPUTS = (
    "queries_per_month",
    "horizon_months",
    "day_rate",
    "example_cost",
    "examples",
    "labels",
    "knowledge_tokens",
    "knowledge_changes_per_month",
    "label_changes_per_month",
    "open_model_billions",
    "input_tokens",
    "output_tokens",
)


_IN_DOLLARS = {"day_rate": "day_rate_usd", "example_cost": "example_usd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSwing:
    """Horizon cost with one input at `low` and at `high`; None where it is not known."""

    field: str
    assumed: bool
    low: float
    high: float
    usd_at_low: float | None
    usd_at_high: float | None


def cost_swings(case: UseCase, option: Option, inputs: Inputs, market: Market) -> tuple[CostSwing, ...]:
    """The swings that move the cost at all, largest first."""
    from advisor.money.ranges import Range
    from advisor.money.sensitivity import swings

    assumed = {r.key.split(":")[0]: r for r in inputs.ranges}

    def span(field: str) -> Range[float]:
        now = float(getattr(inputs, _IN_DOLLARS.get(field, field)))
        if field in assumed:
            return Range(low=assumed[field].low, likely=now, high=assumed[field].high)
        return Range(low=now / 2, likely=now, high=now * 2)

    def evaluate(values: Mapping[str, float]) -> float | None:
        changed: dict[str, Any] = {
            _IN_DOLLARS.get(field, field): Decimal(str(value)) if field in _IN_DOLLARS else value
            for field, value in values.items()
        }
        total = option_tco(case, option, replace(inputs, **changed), market).horizon_usd
        return None if total is None else float(total)

    ranges = {field: span(field) for field in _INPUTS}
    return tuple(
        CostSwing(
            field=swing.name,
            assumed=swing.name in assumed,
            low=ranges[swing.name].low,
            high=ranges[swing.name].high,
            usd_at_low=swing.at_low,
            usd_at_high=swing.at_high,
        )
        for swing in swings(evaluate, ranges)
        if swing.size > 0
    )
