"""One use case, one machine, one speed: the advice and the forecast of a run give the same monthly sum.

What is measured is set to what was predicted (seconds, no wrong answers priced), so that only the reckoning
is compared.
"""

from __future__ import annotations

import pytest

from advisor.assumed import load_assumptions, resolve
from advisor.case import UseCase, build_case
from advisor.cost_sheet import cost_sheet
from advisor.economics import Market, cost_curve_of
from advisor.money.money import Scenario
from advisor.money.tco import Tco
from advisor.options import Option
from harness.bakeoff.business_of_case import business_part, hour_usd
from harness.bakeoff.plan import build_plan
from harness.money.forecast import outlook
from harness.money.of_run import inputs_of
from harness.money.records import ArmGrounds, Grounds
from tests.advisor.helpers import basis
from tests.support.business import LINEAR, TUNE, results

CASE = {
    "name": "tickets",
    "task": "classification",
    "needs_facts": False,
    "labels": 12,
    "examples": 400,
    "queries_per_month": 120_000,
    "label_changes_per_month": 0,
    "horizon_months": 12,
    "day_rate": 600,
    "example_cost": "0.40",
    "general_model": "own",
    "open_model_billions": 0.135,
    "incumbent": {"cost_per_item": "0.80"},
}


def predicted(case: UseCase, option: Option, market: Market) -> tuple[Tco, float]:
    """The advice's likely totals, and how long a query keeps a machine busy."""
    inputs = resolve(case, market.assumptions, Scenario.LIKELY)
    curve = cost_curve_of(case, option, inputs, market)
    assert curve.work.busy_s is not None
    return curve.total(counted=False), curve.work.busy_s


@pytest.mark.parametrize(
    "machine",
    [
        {},
        {"hardware": "L4"},
        {"hardware": "H100", "machine_hour_cost": "2.10"},
        {"hardware": "T4", "day_shape": "peaks"},
        {"p95_ms": 120_000},
    ],
)
def test_the_month_of_an_arm_is_the_one_the_advice_gives(machine: dict[str, object]) -> None:
    case = build_case(CASE | machine)
    market = basis(case.api_model).market
    raw = {
        "seed": 7,
        "data": {"evalset": "banking77"},
        "arms": [{"option": "linear"}],
        "cost": {
            "price_date": "2026-11-23",
            "queries_per_month": 120_000,
            "machine": case.hardware or "",
            "machine_hour_usd": hour_usd(case),
        },
        "decision": {} if case.p95_ms is None else {"max_p95_ms": case.p95_ms},
        "business": business_part(case, load_assumptions()),
    }
    inputs = inputs_of(build_plan(raw, "a test"))
    wanted = {
        arm: predicted(case, option, market) for arm, option in ((LINEAR, Option.LINEAR), (TUNE, Option.TUNE))
    }
    grounds = Grounds(
        arms=tuple(
            ArmGrounds(arm=arm, busy_s_per_query=busy, search_s_per_query=0.0, refit_s=0.0)
            for arm, (_, busy) in wanted.items()
        ),
        hosted=(),
        acceptable=(LINEAR,),
    )
    found = {arm.arm: arm for arm in outlook(results(), inputs, None, grounds).arms}
    sheet = {entry.option: entry for entry in cost_sheet(case, market).options}
    for arm, (total, _) in wanted.items():
        month = found[arm].month_usd.usd
        assert month is not None and total.monthly_usd is not None
        assert float(month) == pytest.approx(float(total.monthly_usd), rel=1e-9)
        assert sheet[arm.option].usd_per_month.likely == total.monthly_usd
