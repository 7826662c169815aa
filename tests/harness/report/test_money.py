"""The money section of the report. Expected figures are those set by hand in `tests.support.money`."""

from __future__ import annotations

from harness.report.model import report_view
from harness.report.money import money_section
from harness.report.text import render_text
from harness.report.view import Bullets, Fact, Section, Table
from tests.support.money import business, outlook
from tests.support.results import none_to_ship, run_results


def facts(section: Section) -> dict[str, str]:
    return {block.label: block.text for block in section.blocks if isinstance(block, Fact)}


def table(section: Section) -> list[list[str]]:
    (found,) = (block for block in section.blocks if isinstance(block, Table))
    return [[cell.text for cell in row.cells] for row in found.rows]


def test_arms_stand_under_today_in_the_currency_of_the_use_case() -> None:
    rows = table(money_section(run_results()))
    # 9,400 / 0.123, 3,902.123, 5,497.877, 2,400 dollars at 0.92
    assert rows[0] == ["today (people)", "-", "EUR 8,648", "-", "-", "-"]
    assert rows[1] == ["linear@linear", "EUR 0.113", "EUR 3,590", "EUR 5,058", "EUR 2,208", "0.4"]
    assert rows[2][5] == "never" and rows[2][3] == "-EUR 1,061"
    assert rows[4][2:] == ["unknown"] * 4  # nobody stated its hours: never 0


def test_dollars_stay_dollars() -> None:
    found = money_section(run_results(outlook=outlook(business=business(exchange=None))))
    assert table(found)[1][2] == "$3,902"
    assert "USD" not in facts(found)["reckoned for"]


def test_what_ends_it_what_is_next_and_what_is_not_known() -> None:
    found = money_section(run_results())
    said = facts(found)
    assert said["valid until"].startswith("2026-12-01")
    bullets = {block.label: block.items for block in found.blocks if isinstance(block, Bullets)}
    assert len(bullets["what ends it"]) == 4
    assert bullets["break-even of linear@linear"][0] == (
        "against today: from 585 queries a month on, with 1 machine"
    )
    assert "business.people" in bullets["not known"][0]
    undated = outlook(valid_until=None, limits=())
    again = facts(money_section(run_results(outlook=undated)))
    assert again["valid until"] == "no day is known on which anything changes"


def test_without_an_arm_to_ship_nothing_is_marked() -> None:
    run = run_results(recommendation=none_to_ship())
    text = render_text(report_view(run))
    assert "break-even of" not in text and "* the arm to ship" not in text
