"""One rule for numbers as people write them. Expected values are what the writers meant, counted by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.case_file import dump_case, numbers_read, parse_case
from advisor.errors import CaseError
from advisor.numbers import NumberFault, figure, read_number, unambiguous


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3.000", "3000"),
        ("3,000", "3000"),
        ("10.000", "10000"),
        ("1.234.567", "1234567"),
        ("1,234,567.5", "1234567.5"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("2'000", "2000"),
        ("2\u2019000,50", "2000.5"),
        ("10 000", "10000"),
        ("10\u202f000", "10000"),
        ("1_000", "1000"),
        ("12,34,567", "1234567"),
        ("10k", "10000"),
        ("1,5 M", "1500000"),
        ("0.125", "0.125"),
        ("1,5", "1.5"),
        ("1234.567", "1234.567"),
        ("1e5", "100000"),
        (" -12 ", "-12"),
    ],
)
def test_counts(text: str, meant: str) -> None:
    assert read_number(text, "count").value == Decimal(meant)


@pytest.mark.parametrize(
    ("text", "small", "large"),
    [("3.000", "3", "3,000"), ("1,234", "1.234", "1,234"), ("1.000", "1", "1,000")],
)
def test_an_amount_that_could_be_two_is_refused_with_both(text: str, small: str, large: str) -> None:
    with pytest.raises(NumberFault) as fault:
        read_number(text, "amount")
    assert f"{small} or {large}" in str(fault.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1..2",
        "1,2.3,4",
        "1 00",
        "1.23.456",
        "10 000 00",
        "1.234 567",
        "k",
        "--1",
        "\uff13",
        "5 apples",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NumberFault):
        read_number(text, "count")


def test_what_had_to_be_understood_is_echoed() -> None:
    assert read_number("3.000", "count").echo == "'3.000' read as 3,000"
    assert read_number("10k", "amount").echo == "'10k' read as 10,000"
    assert read_number("3000", "count").echo == read_number("0.25", "amount").echo == ""


amounts = st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=4)


@given(amounts, st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ","), ("\u202f", ",")]))
def test_every_habit_gives_the_same_number(value: Decimal, marks: tuple[str, str]) -> None:
    group, point = marks
    whole, _, rest = f"{value:,.4f}".partition(".")
    text = whole.replace(",", group) + point + rest
    for kind in ("count", "amount"):
        assert read_number(text, kind).value == value  # type: ignore[arg-type]


@given(st.integers(0, 10**15), st.sampled_from([",", ".", "'", " ", "_"]))
def test_every_grouping_of_a_count_gives_the_same_number(value: int, group: str) -> None:
    assert read_number(f"{value:,}".replace(",", group), "count").value == value


@given(st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=3))
def test_a_written_number_is_read_back(value: Decimal) -> None:
    for kind in ("count", "amount"):
        assert read_number(unambiguous(value), kind).value == value  # type: ignore[arg-type]


@given(st.text(max_size=12), st.sampled_from(["count", "amount"]))
def test_any_text_is_a_number_or_a_sentence(text: str, kind: str) -> None:
    try:
        assert read_number(text, kind).value.is_finite()  # type: ignore[arg-type]
    except NumberFault as fault:
        assert str(fault)


def test_figures_never_end_in_powers() -> None:
    assert [figure(v) for v in (3e6, 0.05, 12.0, 1.5e-5, 1234.5)] == [
        "3,000,000", "0.05", "12", "0.000015", "1,234.5",
    ]  # fmt: skip


def test_a_file_is_read_as_it_is_written() -> None:
    text = "name: x\nqueries_per_month: 3.000\nexamples: 10.000\nlabels: 12\nquality_floor: 0,93\n"
    case = parse_case(text, "case")
    assert (case.queries_per_month, case.examples, case.labels, case.quality_floor) == (3000, 10000, 12, 0.93)
    assert numbers_read(text, "case") == (
        "queries_per_month: '3.000' read as 3,000",
        "examples: '10.000' read as 10,000",
        "quality_floor: '0,93' read as 0.93",
    )
    with pytest.raises(CaseError, match=r"1\.2 or 1,200"):
        parse_case("name: x\nday_rate: 1.200\n", "case")
    with pytest.raises(CaseError, match=r"4 or 4,000"):
        parse_case("name: x\nincumbent: {kind: people, cost_per_item: 4.000}\n", "case")


def test_money_with_three_digits_survives_its_file() -> None:
    case = parse_case("name: x\nwrong_answer_cost: 1.1250\n", "case")
    assert parse_case(dump_case(case), "again") == case
