"""Ledgers by hand: exclusive buckets, unknown amounts, tiers by call, retries."""

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money import ledger
from advisor.money.ledger import PriceBasis
from advisor.money.price_book import LongContext, Price, Rates
from advisor.money.usage import CountedBy, Usage

DEAR = Rates(input=D(4), cached=D(2), cache_write=D(5), output=D(20), reasoning=D(20))


PLAIN = Rates(input=D(2), cached=D(1), cache_write=D("2.5"), output=D(10), reasoning=D(10))


def price(rates=PLAIN, tiers=(), stated=False):
    return Price(
        provider="p",
        requested="p/m",
        resolved="m",
        context="standard",
        long_context=tiers,
        usd_per_mtok=rates,
        source="s",
        source_version="1",
        as_of=datetime(2026, 11, 23, tzinfo=UTC),
        stated=stated,
    )


def used(**tokens):
    by = tokens.pop("by", CountedBy.PROVIDER)
    return Usage(**({"input_tokens": 0, "output_tokens": 0} | tokens), counted_by=by)


def test_each_bucket_is_charged_once_at_its_own_price():
    lines = ledger.query_cost(
        used(
            input_tokens=1000,
            cached_tokens=400,
            cache_write_tokens=200,
            output_tokens=50,
            reasoning_tokens=10,
        ),
        price(),
    )
    assert [(entry.name, entry.amount_usd) for entry in lines] == [
        ("input tokens", D("0.002")),
        ("cached input tokens", D("0.0004")),
        ("cache-write tokens", D("0.0005")),
        ("output tokens", D("0.0005")),
        ("reasoning tokens", D("0.0001")),
    ]
    assert ledger.total_usd(lines) == D("0.0035")
    assert lines[0].source == "s 1: p/m on 2026-11-23" and lines[0].basis is PriceBasis.LIST_PRICE


def test_an_unknown_count_or_price_makes_amount_and_total_unknown():
    assert ledger.total_usd(ledger.query_cost(used(input_tokens=None, output_tokens=5), price())) is None
    no_write = price(Rates(input=D(2), output=D(10)))
    lines = ledger.query_cost(used(input_tokens=10, cache_write_tokens=5), no_write)
    assert [entry.amount_usd for entry in lines] == [D("0.00002"), None, D(0)]
    assert ledger.total_usd(lines) is None
    assert ledger.total_usd(ledger.query_cost(used(input_tokens=10), no_write)) == D("0.00002")


def test_hidden_reasoning_that_is_unknown_leaves_the_cost_unknown():
    lines = ledger.query_cost(used(input_tokens=10, output_tokens=5, reasoning_tokens=None), price())
    assert ledger.total_usd(lines) is None


def test_retries_are_charged_and_each_call_at_its_own_tier():
    tiered = price(tiers=(LongContext(above_input_tokens=200, usd_per_mtok=DEAR),))
    short, long = used(input_tokens=150, output_tokens=1), used(input_tokens=201, output_tokens=1)
    # two short attempts are not one long call: 2 * (150 * 2 + 10) / 1e6
    assert ledger.total_usd(ledger.query_cost([short, short], tiered)) == D("0.00062")
    both = ledger.query_cost([short, long], tiered)
    assert ledger.total_usd(both) == D("0.000310") + D("0.000824")
    assert "input tokens (above 200 input tokens)" in [entry.name for entry in both]


def test_cached_tokens_count_towards_the_tier():
    tiered = price(tiers=(LongContext(above_input_tokens=200, usd_per_mtok=DEAR),))
    lines = ledger.query_cost(used(input_tokens=101, cached_tokens=100), tiered)
    assert ledger.total_usd(lines) == D("0.000604")


def test_embedding_tokens_need_their_own_price():
    usage = used(input_tokens=10, embedding_tokens=1000)
    assert ledger.total_usd(ledger.search_cost([usage], None, None)) is None
    lines = ledger.search_cost([usage], price(Rates(input=D("0.02"))), None)
    assert lines[-1].amount_usd == D("0.00002")


def test_the_basis_tells_estimates_and_user_prices_apart():
    estimate = ledger.query_cost(used(input_tokens=1, by=CountedBy.ESTIMATE), price())
    assert {entry.basis for entry in estimate} == {PriceBasis.ESTIMATE}
    own = ledger.query_cost(used(input_tokens=1), price(stated=True))
    assert {entry.basis for entry in own} == {PriceBasis.MEASURED}


def test_per_thousand_queries_and_no_query_at_all():
    lines = ledger.query_cost([used(input_tokens=100, output_tokens=10)] * 8, price())
    scaled = ledger.per_thousand(lines, 8)
    assert ledger.total_usd(scaled) == D("0.3")  # 1,000 * (100 * 2 + 10 * 10) / 1e6
    assert scaled[0].quantity == 100_000
    with pytest.raises(ValueError, match="at least one query"):
        ledger.per_thousand(lines, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 500)), min_size=1, max_size=8
    )
)
def test_a_ledger_of_calls_is_the_sum_of_their_ledgers(calls):
    usages = [used(input_tokens=i, cached_tokens=c, output_tokens=o) for i, c, o in calls]
    tiered = price(tiers=(LongContext(above_input_tokens=3000, usd_per_mtok=DEAR),))
    apart = sum(ledger.total_usd(ledger.query_cost(u, tiered)) for u in usages)
    assert ledger.total_usd(ledger.query_cost(usages, tiered)) == apart


@pytest.mark.parametrize(
    ("per_million", "zero_shot", "shots", "answer"),
    [  # $ per 1,000 calls as published: 973/15, 1,900/15 and 3,000/200 tokens in/out
        (("0.10", "0.50"), "0.105", "0.198", "0.40"),
        (("1", "5"), "1.05", "1.98", "4"),
        (("2", "10"), "2.10", "3.95", "8"),
        (("4", "20"), "4.19", "7.90", "16"),
        (("10", "50"), "10.48", "19.75", "40"),
    ],
)  # fmt: skip
def test_reproduces_the_cost_table_of_the_evidence(per_million, zero_shot, shots, answer):
    model = price(Rates(input=D(per_million[0]), output=D(per_million[1])))
    for tokens, expected in (((973, 15), zero_shot), ((1900, 15), shots), ((3000, 200), answer)):
        lines = ledger.query_cost(used(input_tokens=tokens[0], output_tokens=tokens[1]), model)
        got = ledger.total_usd(ledger.per_thousand(lines, 1))
        assert abs(got - D(expected)) <= D("0.006") * max(D(1), D(expected))
