"""Records go to JSON and come back the same, or say why not."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.ledger import Money, PriceBasis
from advisor.money.usage import CountedBy, Usage
from harness.core.errors import StoreError
from harness.core.records import Completion, Failure, FailureKind, Item, Neighbour, Timing
from harness.core.serial import decode, decode_item, decode_outcome, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SECONDS = st.floats(0, 1e6)
TIMINGS = st.builds(Timing, queue_s=SECONDS, retrieval_s=SECONDS, model_s=SECONDS, batched=st.booleans())
USAGES = st.builds(
    Usage,
    input_tokens=st.none() | st.integers(0, 10**9),
    output_tokens=st.none() | st.integers(1, 10**9),
    counted_by=st.sampled_from(CountedBy),
)
PREDICTIONS = st.builds(
    Completion,
    item_id=TEXT,
    text=TEXT,
    choice_logprobs=st.none() | st.lists(st.floats(max_value=0, allow_nan=False), max_size=4).map(tuple),
    usage=st.none() | USAGES,
    timing=TIMINGS,
    neighbours=st.lists(
        st.builds(Neighbour, item_id=TEXT, score=st.floats(-1, 1), rank=st.integers(1, 9)), max_size=2
    ).map(tuple),
    attempts=st.integers(1, 9),
)
FAILURES = st.builds(
    Failure,
    item_id=TEXT,
    kind=st.sampled_from(FailureKind),
    message=TEXT,
    usage=st.none() | USAGES,
    timing=st.none() | TIMINGS,
)


@given(PREDICTIONS | FAILURES)
def test_outcomes_come_back_the_same(outcome: Completion | Failure) -> None:
    text = encode(outcome)
    json.loads(text)
    assert decode_outcome(text) == outcome and encode(decode_outcome(text)) == text


@given(
    st.builds(
        Item,
        id=TEXT,
        text=TEXT,
        target=TEXT | st.dictionaries(TEXT, TEXT | st.integers(-9, 9) | st.lists(TEXT)),
        cluster=st.none() | TEXT,
        slices=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    )
)
def test_items_come_back_the_same(item: Item) -> None:
    assert decode_item(encode(item)) == item


def test_money_keeps_every_digit() -> None:
    money = Money(usd=Decimal("0.12345678901234567890"), basis=PriceBasis.LIST_PRICE, source="x")
    assert decode(Money, encode(money)).usd == Decimal("0.12345678901234567890")


def test_impossible_is_not_unknown() -> None:
    """A log-probability of minus infinity must not come back as null, nor make the row unreadable."""
    one = Completion(item_id="i", text="a", choice_logprobs=(0.0, -math.inf), timing=Timing(model_s=math.nan))
    text = encode(one)
    assert json.loads(text)["choice_logprobs"] == [0.0, "-Infinity"], "and it is JSON that anyone can read"
    back = decode_outcome(text)
    assert isinstance(back, Completion) and back.choice_logprobs == (0.0, -math.inf)
    assert math.isnan(back.timing.model_s)


def test_half_a_surrogate_does_not_lose_the_answer() -> None:
    """A provider's JSON may hold '\\ud83d' alone; UTF-8 cannot."""
    cut = json.loads('"fine \\ud83d"')
    one = Completion(item_id="i", text=cut, timing=Timing(model_s=0.1))
    back = decode_outcome(encode(one))
    assert isinstance(back, Completion) and back.text == "fine \ufffd" and back.timing == one.timing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"id":"a"}',
        '{"id":"a","text":"b","label":"c","colour":"d"}',
        '{"id":"a","text":1,"label":"c"}',
    ],
    ids=["empty", "null", "list", "missing", "unknown field", "wrong type"],
)
def test_what_is_no_item_is_an_error(text: str) -> None:
    with pytest.raises(StoreError, match="damaged"):
        decode_item(text)


def test_records_of_earlier_versions_are_read() -> None:
    """A target was called a label, and a distribution over choices one over labels."""
    assert decode_item('{"id":"a","text":"b","label":"c"}').target == "c"
    assert decode_item('{"id":"a","text":"\\"label\\":","target":{"label":"c"}}').target == {"label": "c"}
    stored = '{"item_id":"a","text":"b","label_logprobs":[0.0],"timing":{"model_s":1.0}}'
    found = decode_outcome(stored)
    assert isinstance(found, Completion) and found.choice_logprobs == (0.0,)


def test_the_error_says_where_and_not_what() -> None:
    with pytest.raises(StoreError) as caught:
        decode_item('{"id":"a","text":"secret words","label":["secret"]}')
    assert "target" in str(caught.value) and "secret" not in str(caught.value)
