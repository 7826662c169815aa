"""Dollars per 1,000 queries against bills worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from advisor.money.ledger import PriceBasis, total_usd
from advisor.money.machines import NO_MACHINE
from advisor.money.price_book import Price, Rates
from advisor.money.usage import CountedBy, Usage
from harness.bakeoff.cost import ArmPrices, MachineRate, cost_lines, measure_cost
from harness.core.records import Completion, Estimate, Failure, FailureKind, Outcome, Timing
from harness.tasks.scoring import score
from tests.support.scored import TASK, items

RATE = MachineRate(
    machine=replace(NO_MACHINE, name="m", usd_per_hour=Decimal("0.36"), source="a machine"), utilisation=0.5
)
PRICE = Price(
    provider="p",
    requested="p/m",
    resolved="m",
    context="standard",
    usd_per_mtok=Rates(input=Decimal(2), cached=Decimal("0.2"), output=Decimal(10), reasoning=Decimal(10)),
    source="list",
    source_version="1",
    as_of=datetime(2026, 11, 23, tzinfo=UTC),
)
PRICES, MACHINE = ArmPrices(answers=PRICE), ArmPrices(answers=RATE)
ROWS = items("aaaa")
HALF = Estimate(metric="accuracy", value=0.5, low=0.25, high=0.8, n=4, method="x")


def said(n: int, usage: Usage | None, seconds: float = 1.0) -> Completion:
    timing = Timing(queue_s=50.0, retrieval_s=0.5 * seconds, model_s=0.5 * seconds)
    return Completion(item_id=f"t{n}", text="a", usage=usage, timing=timing)


def lost(n: int, usage: Usage | None = None, seconds: float | None = None) -> Failure:
    timing = None if seconds is None else Timing(model_s=seconds)
    return Failure(item_id=f"t{n}", kind=FailureKind.TIMEOUT, message="late", usage=usage, timing=timing)


def tokens(fresh: int, out: int, cached: int = 0, reasoning: int | None = 0) -> Usage:
    return Usage(
        input_tokens=fresh,
        cached_tokens=cached,
        output_tokens=out,
        reasoning_tokens=reasoning,
        counted_by=CountedBy.PROVIDER,
    )


def test_a_served_model_is_priced_by_its_tokens() -> None:
    outcomes: list[Outcome] = [said(n, tokens(400, 10, cached=100)) for n in range(4)]
    lines = cost_lines(outcomes, None, PRICES)
    # a query: 400 * 2 + 100 * 0.2 + 10 * 10 = 920 millionths; 1,000 of them
    assert total_usd(lines) == Decimal("0.92")
    assert {entry.name: entry.amount_usd for entry in lines if "cached" in entry.name} == {
        "cached input tokens": Decimal("0.02")
    }


def test_what_a_cache_held_is_priced_as_if_it_were_read_anew_too() -> None:
    found = measure_cost(
        score(ROWS, {f"t{n}": said(n, tokens(400, 10, cached=100)) for n in range(4)}, TASK),
        [said(n, tokens(400, 10, cached=100)) for n in range(4)],
        None,
        HALF,
        PRICES,
    )
    assert found.usd_per_1k.usd == Decimal("0.92")
    assert found.uncached_usd_per_1k is not None
    assert found.uncached_usd_per_1k.usd == Decimal("1.1")  # 500 * 2 + 10 * 10 millionths, 1,000 of them
    plain = [said(n, tokens(400, 10)) for n in range(4)]
    test = score(ROWS, {one.item_id: one for one in plain}, TASK)
    assert measure_cost(test, plain, None, HALF, PRICES).uncached_usd_per_1k is None


def test_a_failed_call_that_spent_is_paid_and_counts_as_a_query() -> None:
    lines = cost_lines([said(0, tokens(400, 10)), lost(1, tokens(400, 0)), lost(2), lost(3)], None, PRICES)
    # 900 + 800 millionths over 4 queries, times 1,000
    assert total_usd(lines) == Decimal("0.425")


def test_unknown_tokens_make_an_unknown_price() -> None:
    assert total_usd(cost_lines([said(0, None), said(1, tokens(1, 1))], None, PRICES)) is None
    assert total_usd(cost_lines([said(0, tokens(1, 1, reasoning=None))], None, PRICES)) is None
    assert total_usd(cost_lines([said(0, tokens(1, 1))], None, ArmPrices(answers=None))) is None


def test_when_every_call_failed_the_price_is_unknown_and_not_zero() -> None:
    outcomes: dict[str, Outcome] = {f"t{n}": lost(n) for n in range(4)}
    found = measure_cost(score(ROWS, outcomes, TASK), list(outcomes.values()), None, HALF, PRICES)
    assert found.usd_per_1k.usd is None and found.usd_per_1k_correct.usd is None
    assert "no call reported tokens" in found.usd_per_1k.source


def test_what_runs_here_is_priced_by_busy_time_and_idle_hours() -> None:
    (line,) = cost_lines([said(0, None, 1.0), said(1, None, 3.0)], None, MACHINE)
    # 2 s a query, 2,000 s for 1,000, 4,000 s of a machine half idle: 1.111 hours at $0.36; waiting is free
    assert line.amount_usd is not None and float(line.amount_usd) == pytest.approx(0.4)
    assert line.basis is PriceBasis.ILLUSTRATIVE
    (failed,) = cost_lines([said(0, None, 1.0), lost(1, seconds=3.0)], None, MACHINE)
    assert failed.amount_usd == line.amount_usd, "a failure keeps the machine busy too"
    (none,) = cost_lines([lost(1)], None, MACHINE)
    assert none.amount_usd is None


def test_a_correct_answer_costs_more_the_fewer_there_are() -> None:
    outcomes: dict[str, Outcome] = {f"t{n}": said(n, tokens(400, 10)) for n in range(4)}
    test = score(ROWS, outcomes, TASK)
    found = measure_cost(test, list(outcomes.values()), None, HALF, PRICES)
    correct = found.usd_per_1k_correct
    assert found.usd_per_1k.usd == Decimal("0.9")
    # 0.9 / 0.5; the ends are those of the accuracy, turned round: 0.9 / 0.8 and 0.9 / 0.25
    assert (correct.usd, correct.low_usd, correct.high_usd) == (
        Decimal("1.8"),
        Decimal("1.125"),
        Decimal("3.6"),
    )
    never = Estimate(metric="accuracy", value=0.0, low=0.0, high=0.3, n=4, method="x")
    none = measure_cost(test, list(outcomes.values()), None, never, PRICES).usd_per_1k_correct
    assert none.usd is None and none.reason == "no correct answer"
    barely = Estimate(metric="accuracy", value=0.1, low=0.0, high=0.3, n=4, method="x")
    assert (
        measure_cost(test, list(outcomes.values()), None, barely, PRICES).usd_per_1k_correct.high_usd is None
    )


def test_mean_tokens_are_known_only_where_all_are() -> None:
    outcomes: dict[str, Outcome] = {
        "t0": said(0, tokens(100, 10, reasoning=None)), "t1": said(1, tokens(300, 20)),
        "t2": said(2, tokens(200, 30)), "t3": lost(3),
    }  # fmt: skip
    found = measure_cost(score(ROWS, outcomes, TASK), list(outcomes.values()), None, HALF, PRICES)
    assert found.mean_tokens["input_tokens"] == 200 and found.mean_tokens["output_tokens"] == 20
    assert found.mean_tokens["reasoning_tokens"] is None
