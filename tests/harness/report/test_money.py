"""The money section of the report. Expected figures are those set by hand in `tests.support.money`."""

from __future__ import annotations

from dataclasses import replace

from harness.money.records import CostForecast
from harness.report.document import Bullets, Chart, Fact, Facts, Section, Table, plain
from harness.report.run_document import run_document
from tests.support.closing import closing
from tests.support.money import amount, business, outlook
from tests.support.results import none_to_ship, run_results


def section(money: CostForecast, key: str = "money") -> Section:
    found = run_document(run_results(outlook=money), closing(), "html").section(key)
    assert found is not None
    return found


def table(found: Section) -> list[list[str]]:
    (shown,) = (block for block in found.blocks if isinstance(block, Table))
    return [[cell.text for cell in row.cells] for row in shown.rows]


def points(found: Section) -> list[str]:
    return [plain(item) for block in found.blocks if isinstance(block, Bullets) for item in block.items]


def known_limits(money: CostForecast) -> list[Fact]:
    found = section(money, "dates")
    return [fact for block in found.blocks if isinstance(block, Facts) for fact in block.rows]


def test_arms_stand_under_today_in_the_currency_of_the_use_case() -> None:
    rows = table(section(outlook()))
    # 9,400 / 0.123, 3,902.123, 5,497.877, 2,400 dollars at 0.92
    assert rows[0] == ["Today", "-", "EUR 8,650", "-", "-", "-"]
    assert rows[1] == ["Linear classifier", "EUR 0.113", "EUR 3,590", "EUR 5,060", "EUR 2,210", "0.4"]
    assert rows[2][5] == "never" and rows[2][3] == "-EUR 1,060"
    assert rows[4][2:] == ["unknown"] * 4  # nobody stated its hours: never 0


def test_less_than_a_cent_is_said_so_in_the_currency_shown() -> None:
    first, *others = outlook().arms
    parts = (replace(first.month[0], amount=amount("0.0002")), *first.month[1:])
    small = outlook(arms=(replace(first, month=parts), *others))
    shown = table(section(small))[1][1], table(section(small, "month"))[0][1]
    assert shown == ("<EUR 0.01", "<EUR 0.01"), "in either table"


def test_dollars_stay_dollars() -> None:
    found = section(outlook(business=business(exchange=None)))
    assert table(found)[1][2] == "$3,900"
    assert "USD" not in str(found.lead)


def test_each_month_stands_once_by_what_it_is_paid_for() -> None:
    """0.123 + 2 + 150 + 3,750 dollars at 0.92."""
    rows = table(section(outlook(), "month"))
    assert rows[0] == ["Linear classifier", "EUR 0.113", "-", "EUR 1.84", "EUR 138", "EUR 3,450", "EUR 3,590"]


def test_what_ends_it_how_it_pays_back_and_what_is_not_known() -> None:
    assert [fact.label for fact in known_limits(outlook())] == [
        "Price change, 1 December 2026",
        "Model retirement, 31 March 2027",
        "Change rate",
        "Volume",
    ]
    said = points(section(outlook()))
    assert "Cheaper than what is done today from 585 queries a month on." in said[0]
    assert "business.people" in " ".join(points(section(outlook(), "paid-back")))
    assert "Assumed, not stated: label changes per month." in said
    nothing = section(outlook(valid_until=None, limits=()), "change")
    assert "limits how long this holds" in plain(nothing.lead)


def test_without_an_arm_to_use_no_row_is_marked() -> None:
    run = run_results(recommendation=none_to_ship())
    found = run_document(run, closing(), "pdf").section("money")
    assert found is not None
    assert not [row for b in found.blocks if isinstance(b, Table) for row in b.rows if row.tone == "good"]


def test_the_break_even_has_the_stored_points_to_move_along() -> None:
    (chart,) = (block for block in section(outlook(), "break-even").blocks if isinstance(block, Chart))
    assert chart.stops is not None and chart.start == 2
    assert [row.cells[0].text for row in chart.stops.rows] == ["100", "1,000", "10,000"]
