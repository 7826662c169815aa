"""The business part of a plan: one home for each figure, every fault told, older plans keep their digest."""

from __future__ import annotations

import copy
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff.plan import ExperimentPlan, build_plan, dump_plan, parse_plan
from harness.core.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
BASE: dict[str, Any] = {
    "seed": 17,
    "data": {"evalset": "support-tickets"},
    "arms": [{"option": "floor"}],
    "cost": {"price_date": "2026-11-23"},
}
BUSINESS: dict[str, Any] = {
    "horizon_months": 18,
    "day_rate_usd": "706.52",
    "label_changes_per_month": 0.5,
    "people": {"tune": {"build_days": [5, 12, 30], "run_hours_per_month": 4, "source": "our own"}},
    "incumbent": {"kind": "people", "usd_per_item": "1.2", "accuracy": 0.9},
    "currency": "EUR",
    "rate": {"per_usd": "0.92", "as_of": "2026-11-20", "source": "example"},
    "assumed": [
        {"field": "example_usd", "range": ["0.05", "0.5", "3"], "unit": "USD", "source": "assumption"}
    ],
}


def plan(business: dict[str, Any] | None) -> ExperimentPlan:
    return build_plan({**copy.deepcopy(BASE), "business": business}, "test")


def test_a_plan_without_it_has_the_digest_it_always_had() -> None:
    # the digest that the version before this part gave to the same plan; two defaults changed since then
    before = "4ab0c473e9884c815d670008e202fe672e2939819c0d381de76549ca4bbb5409"
    then = {"prompt": {"version": "classification-1"}, "retrieve": {"k": [2, 4, 8]}}
    assert build_plan({**copy.deepcopy(BASE), **then}, "test", locked=True).digest == before
    assert build_plan(copy.deepcopy(BASE), "test").digest == plan(None).digest


def test_it_is_locked_with_the_plan() -> None:
    one = plan(BUSINESS)
    other = plan({**BUSINESS, "day_rate_usd": "706.53"})
    assert len({one.digest, other.digest, plan(None).digest}) == 3
    assert parse_plan(dump_plan(one), "again") == one


def test_a_single_figure_is_a_range_without_width() -> None:
    business = plan(BUSINESS).business
    assert business is not None
    people = business.people[Option.TUNE]
    assert people.build_days == (Decimal(5), Decimal(12), Decimal(30))
    assert people.run_hours_per_month == (Decimal(4), Decimal(4), Decimal(4))
    ranges = {entry.field: entry.range for entry in business.assumed}
    assert ranges["example_usd"][0] == Decimal("0.05") and "failed_share" not in ranges


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "business.colour: unknown key"),
        ({"incumbent": {"kind": "robots"}}, "business.incumbent.kind"),
        ({"incumbent": {"accuracy": 93}}, "business.incumbent.accuracy"),
        ({"day_rate_usd": -1}, "business.day_rate_usd"),
        ({"horizon_months": 0}, "business.horizon_months"),
        ({"example_usd": "0.5"}, "business: both stated and assumed: example_usd"),
        ({"assumed": [*BUSINESS["assumed"], *BUSINESS["assumed"]]}, "business: assumed names twice"),
        ({"rate": None}, "business: currency EUR needs a rate"),
        ({"currency": "USD"}, "business: a rate needs another currency"),
        ({"people": {"guess": BUSINESS["people"]["tune"]}}, "business.people.guess"),
        ({"people": {"tune": {"build_days": [3, 2, 9], "run_hours_per_month": 1}}}, "[low, likely, high]"),
        ({"day_shape": "round"}, "business.day_shape"),
    ],
)
def test_faults_are_told_with_their_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan({**BUSINESS, **change})
    assert said in str(caught.value)


def test_the_commented_part_of_the_example_plan_is_a_usable_one() -> None:
    text = (ROOT / "harness/cli/plans/tickets.yaml").read_text(encoding="utf-8")
    start = text.index("# business:")
    live = text[:start] + re.sub(r"^# ?", "", text[start:], flags=re.MULTILINE)
    business = parse_plan(live, "tickets.yaml").business
    assert parse_plan(text, "tickets.yaml").business is None
    assert business is not None and business.incumbent is not None
    assert business.people[Option.TUNE].build_days[1] == Decimal(12)
