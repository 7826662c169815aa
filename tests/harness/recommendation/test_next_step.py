"""The next step follows from the verdict; the risk is the first that holds, in the documented order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from advisor.options import Option
from harness.bakeoff.results import (
    Answer,
    LimitCheck,
    LimitKind,
    LimitState,
    MoreItems,
    RouteDesign,
    RunResults,
    SeedResult,
    Verdict,
    Veto,
)
from harness.core.records import ArmId, Fitted, PriceBasis
from harness.money.forecast import outlook
from harness.money.records import Assumed, CostForecast
from tests.support.business import LINEAR, SERVED, TUNE, business, grounds, results, spread, today
from tests.support.results import comparison, data_summary, share, verdict

OWN = data_summary(train=100, test=200, provenance="the user's own file")


def made(run: RunResults, **changes: object) -> CostForecast:
    return outlook(run, business(**changes), today(), grounds())


def decided(**changes: object) -> Verdict:
    base = {"ship": LINEAR, "pair": (SERVED, TUNE), "vetoes": (), "frontier": ()}
    return verdict(**(base | changes))


def accuracy(run: RunResults, arm: ArmId, low: float, high: float) -> RunResults:
    """The run with another interval for one arm."""
    arms = tuple(
        replace(
            one,
            quality=replace(one.quality, accuracy=replace(one.quality.accuracy, low=low, high=high)),
        )
        if one.arm == arm
        else one
        for one in run.arms
    )
    return replace(run, arms=arms)


def test_a_decided_run_is_piloted_at_the_price_of_building_and_a_month() -> None:
    found = made(results(verdict=decided()))
    assert found.next_step.startswith("Pilot linear@linear on real queries for a month")
    assert found.decider == "budget holder" and found.next_step_usd is not None
    # 1,600.005 once, and 0.1 + 800 a month; wrong answers are no outlay
    assert found.next_step_usd.usd == Decimal("2400.105")
    assert (found.next_step_usd.low_usd, found.next_step_usd.high_usd) == (
        Decimal("1600.105"),
        Decimal("4000.105"),
    )


def test_without_enough_evidence_items_are_labelled_at_their_price() -> None:
    open_pair = replace(comparison(TUNE, SERVED), more_items=MoreItems(likely=340, low=100, high=900))
    run = results(verdict=decided(answer=Answer.NOT_ENOUGH_EVIDENCE, ship=TUNE), comparisons=(open_pair,))
    found = made(run)
    assert found.next_step.startswith("Label 340 more evaluation items")
    assert found.next_step_usd is not None and found.next_step_usd.usd == Decimal(170)
    unknown = made(run, example_usd=None).next_step_usd
    assert unknown is not None and unknown.usd is None and "business.example_usd" in unknown.reason
    # a third arm ships whatever the pair says, and no number of items can be named: both are piloted
    third = replace(run, verdict=replace(run.verdict, ship=LINEAR))
    assert made(third).next_step.startswith("Pilot linear")
    never = MoreItems(likely=None, reason="no item differs")
    endless = replace(run, comparisons=(replace(open_pair, more_items=never),))
    assert made(endless).next_step.startswith("Pilot tune")


def test_an_open_floor_asks_for_the_items_that_would_show_it() -> None:
    check = LimitCheck(
        arm=TUNE, kind=LimitKind.ACCURACY, state=LimitState.OPEN, bound=0.85, value=0.86, more_items=8151
    )
    run = results(verdict=decided(ship=None, pilot=TUNE, limits=(check,)))
    found = made(run)
    assert found.next_step.startswith("Label 8,151 more evaluation items")
    assert "whether tune@m keeps the floor" in found.next_step
    assert found.next_step_usd is not None and found.next_step_usd.usd == Decimal("4075.5")
    slow = replace(check, kind=LimitKind.P95, bound=500.0, value=510.0, more_items=None)
    timed = made(replace(run, verdict=replace(run.verdict, limits=(slow,))))
    assert timed.next_step.startswith("Pilot tune@m only to measure what is not shown yet: p95 510 ms")


def test_where_nothing_may_be_shipped_the_veto_of_the_nearest_arm_is_mended() -> None:
    veto = Veto(arm=TUNE, reason="accuracy 12.0 % is under the floor of 50.0 %")
    found = made(results(verdict=decided(ship=None, vetoes=(veto,))))
    assert (
        "tune@m comes nearest: accuracy 12.0 % is under the floor of 50.0 %. Fix this first"
        in found.next_step
    )
    assert found.next_step_usd is None and found.decider == "product owner"
    assert "none keeps the limits" in found.biggest_risk


def test_risks_in_their_order() -> None:
    run = results(verdict=decided())
    assert "machine-written" in made(run).biggest_risk
    own = replace(run, data=OWN)
    assert "between 80.0 % and 95.0 %" in made(own).biggest_risk  # 15 points wide
    sure = accuracy(own, LINEAR, 0.88, 0.92)
    # the month's outlay is people's time, whose hours are stated: not assumed; labels are all in scope
    assert made(sure).biggest_risk.startswith("No test row is a question it is not meant for")
    tuned = accuracy(replace(own, verdict=decided(ship=TUNE)), TUNE, 0.78, 0.82)
    assert made(tuned).biggest_risk.startswith("tune@m is one training from one seed")


def test_a_route_is_as_sure_as_the_training_it_begins_with() -> None:
    way = ArmId(option=Option.ROUTE, model="tune+served")
    run = results(verdict=decided(ship=way), data=OWN)
    own = replace(run.arms[1], arm=way, fitted=Fitted(choices={}, seconds=0.0), seeds=())
    design = RouteDesign(first=TUNE, then=SERVED, precision=0.9, threshold=0.8, kept=None)
    routed = accuracy(replace(run, arms=(*run.arms, own), route=design), way, 0.78, 0.82)
    assert made(routed).biggest_risk.startswith("tune@m is one training from one seed")
    twice = tuple(SeedResult(seed=n, accuracy=share("accuracy", 0.8)) for n in (1, 2))
    steady = replace(routed, arms=tuple(replace(a, seeds=twice) if a.arm == TUNE else a for a in routed.arms))
    assert "one seed" not in made(steady).biggest_risk
    untrained = replace(routed, route=replace(design, first=LINEAR))
    assert "one seed" not in made(untrained).biggest_risk


def test_a_month_that_is_mostly_assumed_is_a_risk() -> None:
    rate = Assumed(field="day_rate_usd", range=spread("400", "800", "1600"), unit="USD", source="guess")
    sure = accuracy(results(verdict=decided(), data=OWN), LINEAR, 0.9, 0.9)
    found = made(sure, ranges=(*business().ranges, rate), assumed=("day_rate_usd",))
    assert "above all people" in found.biggest_risk and "$600 to $1,800" in found.biggest_risk


def test_out_of_scope_labels_and_a_measured_frontier_leave_less_to_fear() -> None:
    sure = accuracy(results(verdict=decided(), data=OWN), LINEAR, 0.88, 0.92)
    arm = sure.arms[0]
    label = replace(arm.quality.labels[0], label="out_of_scope")
    inside = replace(sure, arms=(replace(arm, quality=replace(arm.quality, labels=(label,))), *sure.arms[1:]))
    assert made(inside).biggest_risk.startswith("No hosted model was measured")
    measured = replace(inside, verdict=replace(inside.verdict, frontier_measured=True))
    assert made(measured).biggest_risk.startswith("None of the risks")


def test_an_illustrative_machine_is_assumed_too() -> None:
    tuned = accuracy(results(verdict=decided(ship=TUNE), data=OWN), TUNE, 0.8, 0.8)
    seeds = tuple(SeedResult(seed=n, accuracy=share("accuracy", 0.8)) for n in (1, 2))
    run = replace(tuned, arms=(tuned.arms[0], replace(tuned.arms[1], seeds=seeds), tuned.arms[2]))
    shipped = replace(grounds(), machine=replace(grounds().machine, basis=PriceBasis.ILLUSTRATIVE))
    found = outlook(run, business(machine_hour_usd=None, day_rate_usd=Decimal(80)), today(), shipped)
    # 365 of machines against 160 of people
    assert "above all calls and machines" in found.biggest_risk
