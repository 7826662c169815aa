"""A run with round figures, to reckon money by hand: two local arms, a hosted one, and what is done today.

A month has 1,000 queries; the horizon is 10 months; an engineer's day costs $800 (an hour $100).

    linear  right 90 % (80 to 95); a query keeps a shared machine busy for 0.36 s at a utilisation of 50 %
    tune       right 80 % (70 to 90); a query keeps its own machine busy for 7.2 s; an hour is $0.50
    served     right 85 % (75 to 95); a query costs $0.01 of tokens and 0.36 s of searching
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from advisor.money.inputs import CostInputs, People
from advisor.money.ledger import Money
from advisor.money.machines import NO_MACHINE
from advisor.options import Option
from harness.bakeoff.results import Cost
from harness.core.records import ArmId, CostLine, Fitted, ModelIdentity, PriceBasis
from harness.money.records import (
    ArmGrounds,
    Grounds,
    HostedPrice,
    IncumbentCosts,
)
from harness.recommendation.records import RunResults
from tests.support.money import assumed, spread
from tests.support.results import arm_result, data_summary, dollars, recommendation, run_results, verdict

LINEAR = ArmId(option=Option.LINEAR, model="linear")
TUNE = ArmId(option=Option.TUNE, model="m")
SERVED = ArmId(option=Option.RETRIEVE, model="p/served")
HOSTED = "p/other"
HOUR = Decimal("0.50")


def per_thousand(name: str, quantity: str, unit: str, price: str) -> CostLine:
    """A measured ledger line of 1,000 queries."""
    return CostLine(
        name=name,
        quantity=Decimal(quantity),
        unit=unit,
        unit_price_usd=Decimal(price),
        amount_usd=Decimal(quantity) * Decimal(price),
        basis=PriceBasis.LIST_PRICE if unit == "tokens" else PriceBasis.MEASURED,
        source="by hand",
    )


def cost(line: CostLine) -> Cost:
    """A ledger of one line."""
    usd = str(line.amount_usd)
    return Cost(lines=(line,), usd_per_1k=dollars(usd), usd_per_1k_correct=dollars(usd))


def results(**changes: object) -> RunResults:
    """The run; classical ships and no limit is broken."""
    remote = ModelIdentity(id="p/served", location="remote")
    arms = (
        arm_result(
            LINEAR,
            (0.9, 0.8, 0.95),
            identity=None,
            cost=cost(per_thousand("machine time at 50% utilisation", "0.2", "hours", "0.50")),
            fitted=Fitted(choices={}, seconds=36.0),
        ),
        arm_result(
            TUNE,
            (0.8, 0.7, 0.9),
            cost=cost(per_thousand("machine time at 50% utilisation", "4", "hours", "0.50")),
            fitted=Fitted(choices={}, seconds=3600.0),
        ),
        arm_result(
            SERVED,
            (0.85, 0.75, 0.95),
            identity=remote,
            cost=cost(per_thousand("input tokens", "1000000", "tokens", "0.00001")),
        ),
    )
    base = run_results(
        arms=arms,
        comparisons=(),
        verdict=verdict(pair=(SERVED, TUNE), limits=()),
        recommendation=recommendation(frontier=()),
        data=data_summary(train=100, test=200),
        route=None,
        diagnosis=(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def business(**changes: object) -> CostInputs:
    """Everything stated, flat days, no changes, a wrong answer at $2."""
    people = {
        Option.LINEAR: (spread("1", "2", "4"), spread("8")),
        Option.TUNE: (spread("5", "10", "20"), spread("8", "16", "32")),
        Option.RETRIEVE: (spread("3"), spread("4")),
    }
    base = CostInputs(
        queries_per_month=1_000,
        horizon_months=10.0,
        day_rate_usd=Decimal(800),
        wrong_answer_usd=Decimal(2),
        example_usd=Decimal("0.5"),
        knowledge_changes_per_month=0.0,
        label_changes_per_month=0.0,
        rows_per_label_change=20.0,
        index_usd_per_month=Decimal(0),
        failed_share=0.5,
        machine=NO_MACHINE.at_price(HOUR),
        machine_stated=True,
        utilisation=0.5,
        ranges=(
            assumed("rows_per_label_change", 10.0, 20.0, 40.0, "rows"),
            assumed("failed_share", 0.0, 0.5, 0.5, "share"),
        ),
        people={
            option.value: People(build_days=build, run_hours_per_month=run, source="by hand")
            for option, (build, run) in people.items()
        },
        day_shape="flat",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def today(**changes: object) -> IncumbentCosts:
    """People do it for $1.50 an item and are right in 95 of 100."""
    base = IncumbentCosts(
        kind="people",
        usd_per_item=Decimal("1.50"),
        accuracy=0.95,
        p95_ms=None,
        month_usd=Money(usd=None, basis=PriceBasis.MEASURED, reason="not calculated yet"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def grounds(**changes: object) -> Grounds:
    """Seconds as the module says; a hosted model that was not run at $20 per 1,000, dearer from a day on."""
    base = Grounds(
        arms=(
            ArmGrounds(arm=LINEAR, busy_s_per_query=0.36, search_s_per_query=0.0, refit_s=36.0),
            ArmGrounds(arm=TUNE, busy_s_per_query=7.2, search_s_per_query=0.0, refit_s=3600.0),
            ArmGrounds(arm=SERVED, search_s_per_query=0.36, refit_s=36.0),
        ),
        hosted=(
            HostedPrice(
                model=HOSTED,
                arm=None,
                usd_per_1k=Money(usd=Decimal(20), basis=PriceBasis.ESTIMATE),
                source="list",
                next_on=date(2027, 2, 1),
                next_usd_per_1k=Decimal(40),
            ),
        ),
        acceptable=(LINEAR, TUNE, SERVED),
    )
    return replace(base, **changes)  # type: ignore[arg-type]
