"""What a use case states reaches the plan in dollars; what it leaves open is a range with its source."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from advisor.assumed import load_assumptions
from advisor.case import build_case
from advisor.case_file import load_case
from advisor.options import Option
from harness.bakeoff.business import BusinessPlan
from harness.bakeoff.business_of_case import business_part, wrong_answer_usd

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def part(**case: object) -> BusinessPlan:
    return BusinessPlan.model_validate(business_part(build_case({"name": "x", **case}), load_assumptions()))


def test_a_stated_case_keeps_its_figures() -> None:
    case = load_case(EXAMPLES / "ticket-routing.yaml")
    found = BusinessPlan.model_validate(business_part(case, load_assumptions()))
    assert (found.day_rate_usd, found.example_usd, found.horizon_months) == (
        Decimal(600),
        Decimal("0.4"),
        12.0,
    )
    assert found.label_changes_per_month == 0.1
    assert found.knowledge_changes_per_month == 0.0  # needs_facts: false, so nothing can change
    assert found.incumbent is not None and found.incumbent.usd_per_item == Decimal("0.1")
    assert wrong_answer_usd(case) == Decimal("0.5")
    # what no case is asked for, and nothing else
    ranges = {entry.field: entry.range for entry in found.assumed}
    assert set(ranges) == {"rows_per_label_change", "index_usd_per_month", "failed_share"}
    assert ranges["index_usd_per_month"] == (Decimal(0), Decimal(0), Decimal(0))


def test_euros_become_dollars_at_the_stated_rate() -> None:
    found = part(
        day_rate=460,
        example_cost="0.92",
        incumbent={"kind": "people", "cost_per_item": "1.84"},
        currency="EUR",
        usd_rate={"per_usd": "0.92", "as_of": "2026-11-20", "source": "example"},
    )
    # 460 / 0.92, 0.92 / 0.92, 1.84 / 0.92
    assert (found.day_rate_usd, found.example_usd) == (Decimal(500), Decimal(1))
    assert found.incumbent is not None and found.incumbent.usd_per_item == Decimal(2)
    assert found.currency == "EUR" and found.rate is not None and found.rate.per_usd == Decimal("0.92")


def test_what_is_left_open_is_a_range_with_its_source() -> None:
    found = part()
    ranges = {entry.field: entry.range for entry in found.assumed}
    assert ranges.keys() >= {
        "queries_per_month",
        "horizon_months",
        "day_rate_usd",
        "example_usd",
        "knowledge_changes_per_month",
        "label_changes_per_month",
    }
    assert ranges["day_rate_usd"] == (Decimal(300), Decimal(600), Decimal(1200))
    assert all("advisor/assumed.toml" in entry.source for entry in found.assumed)
    assert found.incumbent is None and found.day_rate_usd is None
    assert wrong_answer_usd(build_case({"name": "x"})) is None  # unknown, never 0


def test_every_option_that_can_be_built_has_its_people() -> None:
    assert set(part().people) == set(Option) - {Option.FLOOR, Option.EXTERNAL}
    assert part().people[Option.TUNE].build_days == (Decimal(5), Decimal(12), Decimal(30))


def test_other_tasks_have_no_label_changes() -> None:
    assert part(task="writing").label_changes_per_month == 0.0
