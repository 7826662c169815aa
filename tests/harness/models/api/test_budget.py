"""The budget holds before each call; amounts by hand."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import OverBudget
from harness.models.api.budget import SpendGuard, per_token


def used(tokens_in: int | None, tokens_out: int | None) -> Usage:
    return Usage(input_tokens=tokens_in, output_tokens=tokens_out, counted_by=CountedBy.PROVIDER)


def cost(usage: Usage) -> Decimal | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return Decimal("0.01") * usage.input_tokens + Decimal("0.1") * usage.output_tokens


def guard(budget: str) -> SpendGuard:
    return SpendGuard(Decimal(budget), per_token(Decimal("0.01"), Decimal("0.1")), cost)


def test_a_call_that_could_pass_the_budget_is_refused_before_it_is_made():
    money = guard("5")
    first = money.reserve(100, 10)  # 1 + 1 = 2
    money.reserve(100, 10)  # 4
    with pytest.raises(OverBudget):
        money.reserve(100, 10)  # would be 6
    money.settle(first, used(50, 5))  # 0.5 + 0.5 = 1
    assert (money.spent_usd, money.tally.reserved) == (Decimal("1"), Decimal("2"))
    money.reserve(100, 10)  # 1 + 2 + 2 = 5 exactly
    assert money.tally.reserved == Decimal("4")


def test_an_unknown_price_is_refused_and_never_taken_for_zero():
    money = SpendGuard(Decimal("1000"), per_token(None, Decimal("0.1")), cost)
    with pytest.raises(OverBudget, match="price is unknown"):
        money.reserve(1, 1)


def test_a_call_of_unknown_cost_stays_booked_at_its_worst_case():
    money = guard("5")
    money.settle(money.reserve(100, 10), None)
    money.settle(money.reserve(100, 10), used(None, 3))
    assert money.spent_usd == Decimal("4")


def test_what_was_not_billed_is_given_back_and_nothing_is_settled_twice():
    money = guard("2")
    reservation = money.reserve(100, 10)
    money.settle(reservation, None, unbilled=True)
    assert (money.spent_usd, money.tally.reserved) == (Decimal(0), Decimal(0))
    with pytest.raises(KeyError):
        money.settle(reservation, used(1, 1))
    with pytest.raises(ValueError, match="budget"):
        guard("-1")


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30), st.booleans()), max_size=40))
def test_spent_and_reserved_never_pass_the_budget(calls):
    money = guard("10")
    for tokens_in, tokens_out, settle in calls:
        try:
            reservation = money.reserve(tokens_in, tokens_out)
        except OverBudget:
            continue
        if settle:
            money.settle(reservation, used(tokens_in, tokens_out // 2))
        assert money.spent_usd + money.tally.reserved <= money.budget_usd


def test_threads_cannot_pass_it_together():
    money = guard("10")  # five calls of 2
    granted: list[int] = []

    def spend() -> None:
        for _ in range(50):
            try:
                money.settle(money.reserve(100, 10), used(100, 10))
            except OverBudget:
                return
            granted.append(1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert money.spent_usd <= Decimal("10")
    assert len(granted) == 5
