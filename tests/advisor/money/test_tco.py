"""Totals over a horizon by hand; training; and that everything public calculators forget is counted."""

from decimal import Decimal as D

import pytest

from advisor.money import tco, training
from advisor.money.ledger import PriceBasis, line
from advisor.money.machines import find_machine, load_machines
from advisor.money.money import CostError
from advisor.money.tco import OptionCosts, Setting


def setting(**changes):
    plain = {"queries_per_month": D(1000), "horizon_months": D(12), "wrong_usd": D(0), "day_rate_usd": D(800)}
    return Setting(**(plain | changes))


def paid(name, usd):
    return (line(name, D(1), "times", None if usd is None else D(usd), PriceBasis.MEASURED, "test"),)


def option(**changes):
    return OptionCosts(**({"method": "tune", "model": "small", "accuracy": 0.9} | changes))


def test_everything_is_counted_by_hand():
    full = option(
        per_query=paid("tokens", "0.01"),
        monthly=paid("index", "20"),
        one_off=paid("training", "100"),
        per_change=paid("retraining", "50"),
        changes_per_month=D(2),
        build_days=D(3),
        run_hours_per_month=D(4),
    )
    got = tco.total_cost(full, setting(wrong_usd=D(1)))
    assert got.one_off_usd == 100 + 3 * 800
    # 1,000 * 0.01 + 20 + 2 * 50 + half a day + 100 wrong answers
    assert got.monthly_usd == 10 + 20 + 100 + 400 + 100
    assert got.horizon_usd == 2500 + 12 * 630
    assert got.usd_per_1k == got.horizon_usd / 12
    assert got.usd_per_1k_correct == got.usd_per_1k / D("0.9")


@pytest.mark.parametrize(
    "more",
    [
        {"per_change": paid("retraining", "50"), "changes_per_month": D(1)},  # retraining cadence
        {"one_off": paid("labelling", "500")},
        {"per_change": paid("re-indexing", "5"), "changes_per_month": D(4)},
        {"monthly": paid("index hosting", "30")},
        {"build_days": D(2)},
        {"run_hours_per_month": D(2)},
    ],
)
def test_what_calculators_forget_raises_the_total(more):
    bare = tco.total_cost(option(), setting())
    assert tco.total_cost(option(**more), setting()).horizon_usd > bare.horizon_usd


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ({"per_query": paid("tokens", None)}, {}),
        ({"one_off": paid("labels", None)}, {}),
        ({"per_change": paid("retraining", "1"), "changes_per_month": None}, {}),
        ({"build_days": None}, {}),
        ({"run_hours_per_month": None}, {}),
        ({"build_days": D(1)}, {"day_rate_usd": None}),
        ({}, {"wrong_usd": None}),
        ({"accuracy": None}, {"wrong_usd": D(1)}),
    ],
)
def test_one_unknown_makes_the_total_unknown(more, given):
    assert tco.total_cost(option(**more), setting(**given)).horizon_usd is None


def test_no_cost_is_fixed_by_the_calculator_itself():
    # a public calculator fixes $3,000 a month and $2 per 1,000: with nothing to pay we add up nothing
    assert tco.total_cost(option(), setting()).horizon_usd == 0


def test_990_dollars_a_month_and_not_900():
    # 10,000 tickets at $0.10 against $0.001
    ten_thousand = setting(queries_per_month=D(10_000))
    big = tco.total_cost(
        option(method="prompt", model="large", per_query=paid("tokens", "0.1")), ten_thousand
    )
    small = tco.total_cost(option(per_query=paid("tokens", "0.001")), ten_thousand)
    assert tco.against(small, big).monthly_saving_usd == 990


def test_the_cheaper_query_can_cost_more_over_twelve_months():
    # a tuned 8B at $0.0074 per 1,000 saturated on an always-on 3090 at $0.46/h, against an API at $0.80-0.91
    # per 1,000, 10,000 queries a day: published as $4,030 against $2,911-3,329
    a_year = setting(queries_per_month=D(3_650_000) / 12)
    own = tco.total_cost(option(monthly=paid("3090", D("0.46") * 730)), a_year)
    assert own.horizon_usd == pytest.approx(D(4030), rel=D("0.001"))
    for price, published in (("0.00080", 2911), ("0.00091", 3329)):
        api = tco.total_cost(option(method="prompt", model="api", per_query=paid("tokens", price)), a_year)
        assert api.horizon_usd == pytest.approx(D(published), rel=D("0.005"))
        assert tco.against(own, api).horizon_saving_usd < 0
        assert tco.against(own, api).pays_back is False


def test_payback_within_after_never_and_unknown():
    old = tco.total_cost(option(method="prompt", per_query=paid("tokens", "0.1")), setting())
    for build, expected in ((D("0.75"), True), (D(3), False)):  # $600 or $2,400 against $90 a month
        new = tco.total_cost(option(per_query=paid("tokens", "0.01"), build_days=build), setting())
        got = tco.against(new, old)
        assert got.pays_back is expected
        assert got.payback_months == build * 800 / 90
        assert got.horizon_saving_usd == 12 * 90 - build * 800
    dear = tco.total_cost(option(per_query=paid("tokens", "0.2")), setting())
    assert tco.against(dear, old).pays_back is False and tco.against(dear, old).payback_months is None
    unknown = tco.total_cost(option(per_query=paid("tokens", None)), setting())
    assert tco.against(unknown, old).pays_back is None


def test_a_change_of_model_and_method_at_once_is_said_to_be_one():
    # a public calculator compares retrieval on one model with tuning of another and calls it the method
    tuned = tco.total_cost(option(), setting())
    other_both = tco.total_cost(option(method="retrieve", model="large"), setting())
    other_method = tco.total_cost(option(method="retrieve"), setting())
    assert tco.against(tuned, other_both).confounded
    assert not tco.against(tuned, other_method).confounded


def test_quality_is_part_of_the_comparison():
    careful = tco.total_cost(option(accuracy=0.95, per_query=paid("tokens", "0.02")), setting(wrong_usd=D(1)))
    cheap = tco.total_cost(option(accuracy=0.90, per_query=paid("tokens", "0.01")), setting(wrong_usd=D(1)))
    assert careful.horizon_usd < cheap.horizon_usd


def test_settings_for_which_nothing_can_be_said():
    for wrong in ({"queries_per_month": D(-1)}, {"horizon_months": D(0)}):
        with pytest.raises(CostError):
            setting(**wrong)
    with pytest.raises(CostError):
        tco.total_cost(option(accuracy=1.5), setting())
    with pytest.raises(CostError):
        tco.against(
            tco.total_cost(option(), setting()), tco.total_cost(option(), setting(horizon_months=D(6)))
        )
    assert tco.total_cost(option(), setting(queries_per_month=D(0))).usd_per_1k is None


def test_training_counts_failed_runs():
    machine = find_machine("3090", load_machines())
    # 3 runs of 2 h, one in four started fails: 6 h worked, 2 h lost
    lines = training.training_lines(2.0, machine, runs=3, failed_share=0.25)
    assert [entry.quantity for entry in lines] == [6, 2]
    assert sum(entry.amount_usd for entry in lines) == 8 * D("0.46")
    assert lines[0].basis is PriceBasis.ILLUSTRATIVE
    unknown = training.training_lines(None, machine)
    assert unknown[0].amount_usd is None
    for wrong in ({"runs": 0}, {"failed_share": 1.0}, {"hours": -1.0}):
        with pytest.raises(CostError):
            training.training_lines(**({"hours": 1.0, "machine": machine} | wrong))


def test_the_published_training_run():
    # 85 minutes on a 3090 for $0.69: $0.49 an hour, within the range seen for that card
    machine = find_machine("3090", load_machines())
    (entry,) = training.training_lines(85 / 60, machine)
    assert abs(entry.amount_usd - D("0.69")) < D("0.05")
