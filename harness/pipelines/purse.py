"""The run's budget: one sum for all served models, kept by a guard on each of them."""

from __future__ import annotations

from decimal import Decimal

from advisor.cost.errors import UnknownPrice
from advisor.cost.ledger import MTOK, query_cost, total_usd
from advisor.cost.price import Price, Rates
from advisor.cost.usage import Usage
from harness.models.base import ChatModel
from harness.models.budget import SpendGuard, per_token
from harness.pipelines.context import Context
from harness.pipelines.prices import open_book
from harness.plan import ExperimentPlan


class Purse:
    """Gives each served model a guard over what is left of the budget. Models are opened one by one."""

    def __init__(self, plan: ExperimentPlan, context: Context) -> None:
        self._plan = plan
        self._context = context
        self._guards: list[SpendGuard] = []

    def guard(self, model: ChatModel) -> None:
        """Set a guard on a served model, where there is a budget."""
        budget = self._context.budget_usd
        if budget is None or model.identity.location != "remote":
            return
        from harness.models.litellm_client import LitellmChat

        if isinstance(model, LitellmChat):
            spent = sum((guard.spent_usd for guard in self._guards), Decimal(0))
            model.guard = self._new_guard(model.identity.id, max(Decimal(0), budget - spent))
            self._guards.append(model.guard)

    def _new_guard(self, model: str, left: Decimal) -> SpendGuard:
        try:
            price: Price | None = open_book(self._plan, self._context).price(model)
        except UnknownPrice:
            price = None
        dearest_in, dearest_out = _dearest(price)

        def cost_of(usage: Usage) -> Decimal | None:
            return None if price is None else total_usd(query_cost(usage, price))

        return SpendGuard(left, per_token(dearest_in, dearest_out), cost_of)


def _dearest(price: Price | None) -> tuple[Decimal | None, Decimal | None]:
    """The dearest input and output price of one token, tiers and cache writes included."""
    if price is None:
        return None, None
    tiers: list[Rates] = [price.usd_per_mtok, *(tier.usd_per_mtok for tier in price.long_context)]
    inputs = [rate for tier in tiers for rate in (tier.input, tier.cache_write) if rate is not None]
    outputs = [rate for tier in tiers for rate in (tier.output, tier.reasoning) if rate is not None]
    return (
        max(inputs) / MTOK if inputs else None,
        max(outputs) / MTOK if outputs else None,
    )
