"""The money of a run. Every expected figure is worked out by hand from `tests.support.business`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.money.crossing import BreakEvenCurve
from advisor.money.inputs import CostInputs
from advisor.money.ledger import total_usd
from advisor.money.tco import PaidBack
from advisor.money.words import break_even_words
from advisor.options import Option
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.core.serial import encode
from harness.money.forecast import outlook
from harness.money.records import ArmForecast, CostForecast, PlanKey, Unstated
from harness.report.topics.forecast import payback_sentence
from tests.support.business import (
    HOSTED,
    LINEAR,
    SERVED,
    TUNE,
    business,
    grounds,
    results,
    today,
)
from tests.support.money import assumed
from tests.support.results import broken, verdict

D = Decimal


def made(**changes: object) -> CostForecast:
    parts = {"results": results(), "inputs": business(), "today": today(), "grounds": grounds()}
    return outlook(**(parts | changes))  # type: ignore[arg-type]


def arm(found: CostForecast, name: ArmId) -> ArmForecast:
    return next(one for one in found.arms if one.arm == name)


def rival(found: ArmForecast, name: str) -> BreakEvenCurve:
    return next(curve for curve in found.break_even if curve.rival == name)


def groups(found: ArmForecast) -> dict[str, Decimal | None]:
    return {part.group: part.amount.usd for part in found.month}


def test_a_shared_machine_is_paid_by_its_busy_seconds() -> None:
    found = arm(made(), LINEAR)
    # 0.36 s / 3600 / 0.5 = 0.0002 h a query, $0.10 for 1,000; 8 h of $100; 100 wrong answers at $2
    assert groups(found) == {
        "calls and machines": D("0.1"),
        "changes": D(0),
        "people": D(800),
        "wrong answers": D(200),
    }
    assert (found.month_usd.usd, found.month_usd.low_usd, found.month_usd.high_usd) == (
        D("1000.1"),
        D("900.1"),  # 95 % right
        D("1200.1"),  # 80 % right
    )
    # two days of $800 and 36 s of fitting at $0.50 an hour; one and four days at the ends
    assert (found.once_usd.usd, found.once_usd.low_usd, found.once_usd.high_usd) == (
        D("1600.005"),
        D("800.005"),
        D("3200.005"),
    )
    assert found.horizon_usd.usd == D("11601.005")
    assert found.usd_per_1k.usd == D("1160.1005")
    assert float(found.usd_per_1k_correct.usd or 0) == pytest.approx(1160.1005 / 0.9)


def test_against_today_and_payback() -> None:
    found = made()
    # today: 1,000 items at $1.50 and 50 wrong ones at $2
    assert found.incumbent is not None
    assert found.incumbent.month_usd.usd == D(1600) and found.incumbent.horizon_usd is not None
    assert found.incumbent.horizon_usd.usd == D(16000)
    linear = arm(found, LINEAR)
    saving = linear.saving_usd_per_month
    assert (saving.usd, saving.low_usd, saving.high_usd) == (D("599.9"), D("399.9"), D("699.9"))
    assert linear.payback_months == pytest.approx(1600.005 / 599.9)
    assert linear.paid_back is PaidBack.WITHIN
    assert linear.saving_usd_horizon is not None
    assert linear.saving_usd_horizon.usd == D(16000) - D("11601.005")


def test_never_is_said_and_not_a_number() -> None:
    found = arm(made(), TUNE)
    # one machine for 730 h at $0.50, 16 h of people, 200 wrong answers: more than today's $1,600
    assert groups(found) == {
        "calls and machines": D(365),
        "changes": D(0),
        "people": D(1600),
        "wrong answers": D(400),
    }
    assert found.month_usd.usd == D(2365)
    assert found.saving_usd_per_month.usd == D(-765)
    assert found.payback_months is None
    assert found.paid_back is PaidBack.NEVER


def test_a_hosted_arm_pays_tokens_and_its_searching() -> None:
    found = arm(made(), SERVED)
    # $10 of tokens; 0.36 s of searching on a shared machine; 4 h; 150 wrong answers
    assert groups(found) == {
        "calls and machines": D(10),
        "retrieval": D("0.1"),
        "changes": D(0),
        "people": D(400),
        "wrong answers": D(300),
    }
    assert found.serving is None


def test_both_ways_of_paying_for_machines_are_shown() -> None:
    found = made()
    linear, tune = arm(found, LINEAR).serving, arm(found, TUNE).serving
    assert linear is not None and tune is not None
    assert (linear.charged, linear.busy_usd, linear.whole_usd) == (
        "busy seconds",
        D("0.1"),
        D(365),
    )
    assert tune.charged == "whole machines" and tune.machines == 1
    # 7.2 s / 3600 / 0.5 * 1,000 * $0.50
    assert tune.busy_usd == D(2) and tune.whole_usd == D(365)
    # 1,000 queries of 7.2 s in 730 hours
    assert tune.utilisation == pytest.approx(7200 / (730 * 3600))


def test_whole_machines_climb_a_staircase() -> None:
    # one machine carries 0.7 / 7.2 queries a second for 730 h: 255,500
    for volume, machines in ((255_500, 1), (255_501, 2), (600_000, 3)):
        found = arm(made(inputs=business(queries_per_month=volume)), TUNE)
        assert found.serving is not None and found.serving.machines == machines
        assert groups(found)["calls and machines"] == D(365) * machines


def test_a_machine_that_was_measured_in_batches_carries_more() -> None:
    batched = tuple(
        replace(known, batched_qps=1.0) if known.arm == TUNE else known for known in grounds().arms
    )
    many = business(queries_per_month=1_800_000)
    # 0.7 a second for 730 h are 1,839,600 queries; one at a time it takes eight machines
    fast = arm(made(inputs=many, grounds=grounds(arms=batched)), TUNE).serving
    slow = arm(made(inputs=many), TUNE).serving
    assert fast is not None and slow is not None and (fast.machines, slow.machines) == (1, 8)


def test_break_even_against_today_and_against_hosted_models() -> None:
    found = made()
    linear = rival(arm(found, LINEAR), "incumbent")
    # fixed 800 + 1,600.005 / 10; a query 0.0001 + 0.2 against 1.5 + 0.1: 960.0005 / 1.3999 = 685.8
    assert (linear.outcome, linear.queries_per_month) == ("at", 686)
    # cheap: 880.0005 / 1.4999 = 586.7; dear: 1120.0005 / 1.1999 = 933.4
    assert (linear.low, linear.high) == (587.0, 934.0)
    # fixed 2,400.05 and a machine of 365; a query 0.4 against 1.6
    assert rival(arm(found, TUNE), "incumbent").queries_per_month == 2305
    # wrong answers left out: 400 + 240 fixed and $0.02 a query against 960.0005 and $0.0001
    hosted = rival(arm(found, LINEAR), HOSTED)
    assert (hosted.outcome, hosted.queries_per_month) == ("at", 16081)
    # 1,760.05 + 365 over 0.02 a query, on one machine
    assert rival(arm(found, TUNE), HOSTED).queries_per_month == 106_253
    # a query of the tuned arm costs 0.4 with its wrong answers, one of the served arm 0.3101
    assert rival(arm(found, TUNE), "retrieve@p/served").outcome == "never"
    assert rival(arm(found, LINEAR), "retrieve@p/served").queries_per_month == 2910
    assert "retrieve@p/served" not in {curve.rival for curve in arm(found, SERVED).break_even}


def test_the_curve_is_the_horizon_by_the_month() -> None:
    """A second way: the points against the whole reckoning at their volumes."""
    found = made()
    for name in (LINEAR, TUNE):
        curve = rival(arm(found, name), "incumbent")
        assert len(curve.points) >= 25
        assert curve.points[0].queries_per_month <= 10 and curve.points[-1].queries_per_month >= 100_000
        for point in curve.points[::6]:
            at = made(inputs=business(queries_per_month=point.queries_per_month))
            whole = arm(at, name).horizon_usd.usd
            assert whole is not None and point.usd is not None and at.incumbent is not None
            assert float(point.usd) == pytest.approx(float(whole) / 10, abs=1e-4)
            assert at.incumbent.horizon_usd is not None and at.incumbent.horizon_usd.usd is not None
            assert float(point.rival_usd or 0) == pytest.approx(
                float(at.incumbent.horizon_usd.usd) / 10, abs=1e-4
            )


def test_changes_buy_rows_and_train_again() -> None:
    found = made(inputs=business(label_changes_per_month=2.0, knowledge_changes_per_month=1.0))
    # 2 * 20 rows at $0.50, and two fits of 0.01 h at $0.50
    assert groups(arm(found, LINEAR))["changes"] == D("20.01")
    # rows, three trainings of an hour, and as many that fail
    assert groups(arm(found, TUNE))["changes"] == D(20) + 6 * D("0.5")
    # rows, and three times 100 rows searched for at 0.36 s
    assert groups(arm(found, SERVED))["changes"] == D("20.015")
    tune = next(part for part in arm(found, TUNE).month if part.group == "changes")
    # cheap: 2 * 10 rows, no failed training; dear: 2 * 40 rows
    assert (tune.amount.low_usd, tune.amount.high_usd) == (D("11.5"), D(43))


def test_hosted_models_at_list_price() -> None:
    (hosted,) = made().hosted
    assert (hosted.model, hosted.month_usd.usd, hosted.usd_per_1k.usd) == (HOSTED, D(20), D(20))


def test_without_a_price_wrong_answers_are_no_part_of_any_sum() -> None:
    found = made(inputs=business(wrong_answer_usd=None))
    assert "wrong answers" not in groups(arm(found, LINEAR))
    assert arm(found, LINEAR).month_usd.usd == D("800.1")
    assert found.incumbent is not None and found.incumbent.month_usd.usd == D(1500)
    assert Unstated(key=PlanKey.WRONG_ANSWER) in found.unknown


def test_wrong_answers_count_on_both_sides_or_on_none() -> None:
    found = made(today=today(accuracy=None))
    linear = arm(found, LINEAR)
    assert linear.month_usd.usd == D("1000.1")  # still what it costs
    assert linear.saving_usd_per_month.usd == D(1500) - D("800.1")
    assert "left out on both sides" in payback_sentence(linear, found)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"day_rate_usd": None}, "business.day_rate_usd"),
        ({"people": {}}, "business.people"),
        ({"label_changes_per_month": None}, "business.label_changes_per_month"),
        ({"example_usd": None, "label_changes_per_month": 1.0}, "business.example_usd"),
    ],
)
def test_what_is_not_known_stays_unknown_and_says_which_key(change: dict[str, object], key: str) -> None:
    found = arm(made(inputs=business(**change)), LINEAR)
    assert found.month_usd.usd is None and key in found.month_usd.reason
    assert found.horizon_usd.usd is None and found.usd_per_1k.usd is None
    assert found.saving_usd_per_month.usd is None and found.payback_months is None
    assert found.paid_back is PaidBack.UNKNOWN
    assert rival(found, "incumbent").outcome == "unknown" and rival(found, "incumbent").points == ()
    assert groups(found)["calls and machines"] == D("0.1")  # what is known is still told


def test_an_unknown_token_price_is_not_zero() -> None:
    run = results()
    line = replace(run.arms[2].cost.lines[0], unit_price_usd=None, amount_usd=None, source="no price for it")
    served = replace(run.arms[2], cost=replace(run.arms[2].cost, lines=(line,)))
    found = arm(made(results=replace(run, arms=(*run.arms[:2], served))), SERVED)
    assert found.month_usd.usd is None and "no price for it" in found.month_usd.reason
    assert rival(found, "incumbent").outcome == "unknown"


def test_without_a_business_part_the_machine_is_still_told() -> None:
    bare = CostInputs(
        queries_per_month=1_000,
        horizon_months=12.0,
        day_rate_usd=None,
        wrong_answer_usd=None,
        example_usd=None,
        knowledge_changes_per_month=None,
        label_changes_per_month=None,
        machine=business().machine,
        machine_stated=True,
        utilisation=0.5,
    )
    found = outlook(results(), bare, None, grounds())
    linear = arm(found, LINEAR)
    assert groups(linear) == {"calls and machines": D("0.1"), "changes": None, "people": None}
    assert linear.month_usd.usd is None and linear.month_usd.reason
    assert linear.paid_back is PaidBack.UNKNOWN and "not stated" in linear.saving_usd_per_month.reason
    assert found.incumbent is None and found.unknown == (Unstated(key=PlanKey.BUSINESS),)
    # what is known is compared: a machine of 365 a month against $0.02 a query, and nothing against it
    tune, first = (rival(arm(found, name), HOSTED) for name in (TUNE, LINEAR))
    assert (tune.outcome, tune.queries_per_month) == ("at", 18_250)
    assert break_even_words(tune).startswith("calls and machines alone: from 18,250")
    assert len(tune.points) >= 25
    assert first.outcome == "always"


def test_an_arm_with_a_veto_is_reckoned_and_marked() -> None:
    run = results(verdict=verdict(pair=None, limits=()))
    again = replace(run, verdict=replace(run.verdict, limits=(broken(TUNE),)))
    found = made(results=again)
    assert [one.arm for one in found.arms if one.barred] == [TUNE]
    assert {LINEAR, TUNE, SERVED} <= {one.arm for one in found.arms}
    assert all(one.arm.option is not Option.FLOOR for one in found.arms)


def test_the_basis_is_the_weakest_that_is_paid() -> None:
    found = made(
        inputs=business(machine=replace(business().machine, basis=PriceBasis.ILLUSTRATIVE)),
    )
    assert arm(found, LINEAR).month_usd.basis is PriceBasis.ILLUSTRATIVE
    assert arm(made(), LINEAR).month_usd.basis is PriceBasis.ESTIMATE  # people's time


def test_an_assumed_figure_widens_the_range() -> None:
    rate = assumed("day_rate_usd", 400, 800, 1600, "USD")
    found = arm(made(inputs=business(ranges=(*business().ranges, rate))), LINEAR)
    people = next(part.amount for part in found.month if part.group == "people")
    assert (people.low_usd, people.usd, people.high_usd) == (D(400), D(800), D(1600))


def test_the_same_run_gives_the_same_bytes() -> None:
    assert encode(made()) == encode(made())


volumes = st.integers(min_value=1, max_value=3_000_000)


@settings(max_examples=25)
@given(
    volume=volumes,
    changes=st.floats(min_value=0, max_value=50),
    accuracy=st.tuples(*3 * [st.floats(min_value=0.01, max_value=1.0)]).map(sorted),
    wrong=st.one_of(st.none(), st.decimals(min_value=0, max_value=100, places=2)),
)
def test_the_month_is_the_sum_of_its_parts_and_these_of_their_lines(
    volume: int, changes: float, accuracy: list[float], wrong: Decimal | None
) -> None:
    low, value, high = accuracy
    run = results()
    quality = replace(
        run.arms[1].quality,
        primary=Estimate(metric="accuracy", value=value, low=low, high=high, n=9, method="by hand"),
    )
    run = replace(run, arms=(run.arms[0], replace(run.arms[1], quality=quality), run.arms[2]))
    at = business(queries_per_month=volume, label_changes_per_month=changes, wrong_answer_usd=wrong)
    for found in made(results=run, inputs=at).arms:
        for end in ("usd", "low_usd", "high_usd"):
            parts = [getattr(part.amount, end) for part in found.month]
            whole = getattr(found.month_usd, end)
            assert abs(sum(parts, Decimal(0)) - whole) < D("1e-15")
            once = getattr(found.once_usd, end)
            assert abs(once + 10 * whole - getattr(found.horizon_usd, end)) < D("1e-12")
        for part in found.month:
            assert total_usd(part.lines) == part.amount.usd
        assert total_usd(found.once) == found.once_usd.usd
        assert found.month_usd.low_usd <= found.month_usd.usd <= found.month_usd.high_usd  # type: ignore[operator]


@settings(max_examples=25)
@given(one=volumes, other=volumes)
def test_a_month_never_costs_less_at_a_higher_volume(one: int, other: int) -> None:
    few, many = sorted((one, other))
    lower, higher = (made(inputs=business(queries_per_month=v)) for v in (few, many))
    for a, b in zip(lower.arms, higher.arms, strict=True):
        assert a.month_usd.usd is not None and b.month_usd.usd is not None
        assert a.month_usd.usd <= b.month_usd.usd
