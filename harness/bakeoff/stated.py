"""What a command line states of money, laid over a plan: its figures, and assumed ranges for all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from advisor.assumed import load_assumptions
from advisor.case import AnswerKind, UseCase
from advisor.money.money import ExchangeRate
from harness.bakeoff.business_of_case import business_part


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMoney:
    """Figures that a plan does not hold yet, or that replace its own; None leaves the plan's.

    Attributes:
        machine: what runs here, or on a server here, runs on.
        volume: queries a month.
        today_cost: of an item today, in the currency of the plan.
        today_accuracy: share of right answers today.
        wrong_answer_usd: what a wrong answer costs, in dollars.
        exchange: of the currency a reader is shown.
    """

    machine: str = ""
    machine_hour_usd: Decimal | None = None
    volume: int | None = None
    today_cost: Decimal | None = None
    today_accuracy: float | None = None
    wrong_answer_usd: Decimal | None = None
    exchange: ExchangeRate | None = None

    @property
    def of_business(self) -> bool:
        """Whether anything is stated beyond the machine."""
        given = (self.volume, self.today_cost, self.today_accuracy, self.wrong_answer_usd, self.exchange)
        return any(value is not None for value in given)


NOTHING_STATED = StatedMoney()


def laid_over(raw: Mapping[str, Any], stated: StatedMoney) -> dict[str, Any]:
    """A raw plan with the figures in it. What a month then hangs on beside them is assumed, and marked so."""
    cost = {
        "machine": stated.machine or None,
        "machine_hour_usd": stated.machine_hour_usd,
        "queries_per_month": stated.volume,
        "wrong_answer_usd": stated.wrong_answer_usd,
    }
    found = {**raw, "cost": {**raw["cost"], **{name: v for name, v in cost.items() if v is not None}}}
    if not stated.of_business:
        return found
    bare = UseCase(name="as stated", task=AnswerKind.CLASSIFICATION, needs_facts=False)
    business = dict(raw.get("business") or business_part(bare, load_assumptions()))
    if stated.volume is not None:
        business["assumed"] = [one for one in business["assumed"] if one["field"] != "queries_per_month"]
    if (rate := stated.exchange) is not None:
        dated = {"per_usd": rate.per_usd, "as_of": rate.as_of, "source": rate.source}
        business |= {"currency": rate.currency, "rate": dated}
    today = {"usd_per_item": _dollars(stated.today_cost, business), "accuracy": stated.today_accuracy}
    known = {name: value for name, value in today.items() if value is not None}
    if known:
        business["incumbent"] = {**(business.get("incumbent") or {}), **known}
    return found | {"business": business}


def _dollars(amount: Decimal | None, business: Mapping[str, Any]) -> Decimal | None:
    rate = business.get("rate")
    if amount is None or rate is None:
        return amount
    return amount / Decimal(str(rate["per_usd"]))
