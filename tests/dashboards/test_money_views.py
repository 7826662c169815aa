"""Money on a page: what is not known draws nothing, and an arm that may not be shipped is marked as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dashboards import money_views
from harness.money.records import CostForecast
from tests.dashboards.conftest import Open, words
from tests.support import money
from tests.support.results import LINEAR, PROMPT, run_results

UNKNOWN = money.amount(None)


def of(outlook: CostForecast, arm: object, **changes: object) -> CostForecast:
    arms = tuple(replace(one, **changes) if one.arm == arm else one for one in outlook.arms)
    return replace(outlook, arms=arms)


def test_a_vetoed_arm_is_marked_wherever_it_has_a_price() -> None:
    barred = of(money.outlook(), LINEAR, barred=True)
    marks = {row.cells[0].text: row.mark for row in money_views.month_table(barred, None).rows}
    assert marks[str(LINEAR)] == "x" and list(marks.values()).count("x") == 1
    prices = money_views.price_table(run_results().arms, barred, {PROMPT})
    assert {row.cells[0].text for row in prices.rows if row.mark == "x"} == {str(PROMPT)}


def test_a_price_that_is_not_known_is_the_word() -> None:
    table = money_views.price_table(run_results().arms, None)
    assert all(cell.text != "$0.00" for row in table.rows for cell in row.cells)
    shown = money_views.month_table(of(money.outlook(), LINEAR, month_usd=UNKNOWN), None)
    (row,) = [row for row in shown.rows if row.cells[0].text == str(LINEAR)]
    assert row.cells[-3].text == "unknown"


def test_never_is_said_as_such() -> None:
    outlook = money.outlook()
    outcomes = {curve.outcome for arm in outlook.arms for curve in arm.break_even}
    assert "never" in outcomes and outcomes <= set(money_views.OUTCOMES)
    cells = {cell.text for row in money_views.month_table(outlook, LINEAR).rows for cell in row.cells}
    assert {"never", "unknown"} <= cells


def test_any_number_can_be_asked_what_if(open_page: Open, two_runs: Path) -> None:
    """The slider's first stop was 10,000 and its next 100."""
    app = open_page(two_runs, "cost")
    assert "as planned" in words(app)
    app.text_input(key="what-queries_per_month").set_value("12.500").run()
    said = words(app)
    assert "what if" in said and "12,500 a month" in said and "read as 12,500" in said
    app.text_input(key="what-utilisation").set_value("many").run()
    assert "is no number" in app.error[0].value and not app.exception
    app.button(key="what-back").click().run()
    assert "as planned" in words(app) and app.text_input(key="what-queries_per_month").value == ""
