"""Until when and where an answer holds. Shapes by hand from `tests.support.business`, building spread over
10 months:

    linear 960.0005 + 0.2001 a query;  served 640.0005 + 0.3101 a query;  tune 2,765.05 + 0.4 a query
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from advisor.money.ledger import Money
from harness.core.records import ArmId, PriceBasis
from harness.money.forecast import outlook
from harness.money.records import CostForecast, Grounds, HostedPrice, Limit, PriceEffect
from tests.support.business import HOSTED, LINEAR, SERVED, business, grounds, results, today
from tests.support.results import verdict

_KNOWLEDGE = "knowledge_changes_per_month"


def made(ship: ArmId | None = LINEAR, found: Grounds | None = None, **changes: object) -> CostForecast:
    run = results(verdict=verdict(pair=None, limits=()))
    return outlook(run, business(**changes), today(), found or grounds(), ship)


def of(found: CostForecast, what: str) -> list[Limit]:
    return [limit for limit in found.limits if limit.what == what]


def test_a_price_change_has_its_day_and_what_it_changes() -> None:
    found = made()
    (limit,) = of(found, "price change")
    assert limit.on == found.valid_until == date(2027, 2, 1)
    # at $0.04 a query: 320.0005 / 0.0399 = 8,020.1 instead of 320.0005 / 0.0199 = 16,080.4
    assert (limit.now_usd, limit.then_usd) == (Decimal(20), Decimal(40))
    assert limit.effect is not None and limit.effect.crossings is not None
    assert [found.volume for found in limit.effect.crossings] == [16_081, 8_021]


def test_the_next_price_of_an_arm_that_was_run_can_change_the_answer() -> None:
    dearer = HostedPrice(
        model="p/served",
        arm=SERVED,
        usd_per_1k=Money(usd=Decimal(10), basis=PriceBasis.LIST_PRICE),
        source="list",
        next_on=date(2026, 12, 1),
        next_usd_per_1k=Decimal(500),
    )
    found = made(SERVED, replace(grounds(), hosted=(dearer,)))
    # 0.49 a query more: 1,000 queries cost 1,440.1, the linear arm 1,160.1
    (limit,) = of(found, "price change")
    assert limit.effect == PriceEffect(cheapest=(SERVED, LINEAR))
    # 0.001 a query more: 951.1
    small = replace(dearer, next_usd_per_1k=Decimal(11))
    (limit,) = of(made(SERVED, replace(grounds(), hosted=(small,))), "price change")
    assert limit.effect == PriceEffect(cheapest=(SERVED, SERVED))


def test_a_retirement_is_a_day_and_days_come_in_order() -> None:
    (price,) = grounds().hosted
    leaving = replace(price, retires_on=date(2026, 12, 31), retires_source="litellm 1.106.0")
    found = made(found=replace(grounds(), hosted=(leaving,)))
    assert [limit.on for limit in found.limits if limit.on] == [date(2026, 12, 31), date(2027, 2, 1)]
    assert found.valid_until == date(2026, 12, 31)
    assert of(found, "model retirement")[0].source == "litellm 1.106.0"
    assert of(found, "model retirement")[0].model == HOSTED


def test_an_announced_end_without_a_day_is_told_without_one() -> None:
    (price,) = grounds().hosted
    leaving = replace(price, next_on=None, next_usd_per_1k=None, retires_source="genai-prices 0.2")
    found = made(found=replace(grounds(), hosted=(leaving,)))
    assert [limit.on for limit in of(found, "model retirement")] == [None]
    assert found.valid_until is None


def test_the_volume_from_which_another_arm_is_cheaper() -> None:
    found = made(SERVED)
    # 320 / 0.11 = 2,909.09
    (limit,) = of(found, "volume")
    assert (limit.at, limit.side, limit.arm, limit.other) == (2910.0, "above", SERVED, LINEAR)


def test_the_volume_below_which_another_arm_is_cheaper() -> None:
    (limit,) = of(made(queries_per_month=10_000), "volume")
    # at 2,909 the served arm costs 1,542.08 and the linear one 1,542.09
    assert (limit.at, limit.side, limit.arm, limit.other) == (2909.0, "below", LINEAR, SERVED)


def test_an_arm_that_is_cheaper_already_is_told() -> None:
    (limit,) = of(made(), "volume")
    assert (limit.at, limit.side, limit.other) == (1000.0, "here", SERVED)
    assert limit.months_usd is not None and [round(usd, 1) for usd in limit.months_usd] == [
        Decimal("1160.1"),
        Decimal("950.1"),
    ]


def test_the_rate_of_change_from_which_another_arm_is_cheaper() -> None:
    slow = tuple(
        replace(known, refit_s=360_000.0) if known.arm == LINEAR else known for known in grounds().arms
    )
    found = made(found=replace(grounds(), arms=slow), queries_per_month=10_000, label_changes_per_month=1.0)
    # fitting takes 100 h, $50: once 5 a month more than before, and 49.995 a change more than indexing:
    # 3,741.0005 - 2,966 = 775.0005 are used up by 15.50 changes
    (limit,) = of(found, "change rate")
    assert limit.at is not None and abs(limit.at - 15.50) < 0.02
    assert (limit.changes, limit.other) == ("label_changes_per_month", SERVED)


def test_labels_that_do_not_change_yet_have_a_rate_too() -> None:
    slow = tuple(
        replace(known, refit_s=360_000.0) if known.arm == LINEAR else known for known in grounds().arms
    )
    found = made(found=replace(grounds(), arms=slow), queries_per_month=10_000)  # no label change a month
    (limit,) = of(found, "change rate")
    assert (limit.changes, limit.other) == ("label_changes_per_month", SERVED)


def test_facts_that_change_have_a_rate_and_none_where_there_are_no_facts() -> None:
    """Without facts in it an answer cannot go stale, so nothing is said of their changing."""
    slow = tuple(
        replace(known, search_s_per_query=360.0) if known.arm == SERVED else known for known in grounds().arms
    )
    found = replace(grounds(), arms=slow)  # indexing 100 rows takes 10 h, $5 a change
    changing = of(made(SERVED, found, knowledge_changes_per_month=1.0), "change rate")
    assert any((limit.changes, limit.other) == (_KNOWLEDGE, LINEAR) for limit in changing)
    still = of(made(SERVED, found, knowledge_changes_per_month=0.0), "change rate")
    assert not any(limit.changes == _KNOWLEDGE for limit in still)


def test_no_limit_is_claimed_where_a_cost_is_not_known() -> None:
    found = made(day_rate_usd=None)
    assert of(found, "volume") == [] and of(found, "change rate") == []
    assert made(None).limits and of(made(None), "volume") == []
