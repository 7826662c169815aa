"""The cost page: any other number, break-even against any rival, and every line."""

from __future__ import annotations

from pathlib import Path

from tests.dashboards.conftest import Open, words


def test_any_number_can_be_asked_what_if(open_page: Open, two_runs: Path) -> None:
    """The slider's first stop was 10,000 and its next 100."""
    app = open_page(two_runs, "cost")
    assert "What if:" not in words(app)
    app.text_input(key="what-queries_per_month").set_value("12.500").run()
    said = words(app)
    assert "What if: 12,500 queries a month" in said and "read as 12,500" in said
    app.text_input(key="what-utilisation").set_value("many").run()
    assert "is no number" in app.error[0].value and not app.exception
    app.button(key="what-back").click().run()
    assert "What if:" not in words(app) and app.text_input(key="what-queries_per_month").value == ""


def test_lines_and_break_even_are_those_of_the_arm_picked(open_page: Open, two_runs: Path) -> None:
    app = open_page(two_runs, "cost")
    assert "Once" in words(app) or "1,000 queries" in words(app)
    app.selectbox(key="ledger").set_value("prompt@m").run()
    assert not app.exception and "1,000 queries" in words(app)
    rivals = app.selectbox(key="even-rival").options
    for rival in rivals:
        app.selectbox(key="even-rival").set_value(rival).run()
        assert not app.exception and f"heaper than {rival}" in words(app)
