"""The terminal report: figures with their denominators, plain words, and a layout that holds.

Expected figures are those set by hand in `tests.support.results`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from advisor.options import Option
from harness.bakeoff.results import Accepted
from harness.core.records import ArmId, Finding, PriceBasis
from harness.recommendation.records import Caution, CautionKind, Risk, RiskKind, RunResults
from harness.report.run_document import run_document
from harness.report.text import print_document, render_text
from tests.support.closing import closing
from tests.support.results import (
    LINEAR,
    RETRIEVE,
    TUNE,
    arm_result,
    data_summary,
    dollars,
    gap,
    none_to_ship,
    recommendation,
    run_results,
    timed,
)


def text(results: RunResults | None = None, width: int = 100, *, full: bool = False) -> str:
    return render_text(run_document(results or run_results()), width, full=full)


def flat(shown: str) -> str:
    """Without line breaks, to look for sentences."""
    return " ".join(shown.split())


def compared(shown: str) -> str:
    """The section with the options' table."""
    return shown.split("What was compared")[1].split("\nMoney\n")[0]


def row(shown: str, name: str) -> str:
    """The line of the options' table that begins with this name."""
    return next(line for line in compared(shown).splitlines() if line.startswith(name))


def dollars_only(results: RunResults) -> RunResults:
    """Without a use case's currency, and without months."""
    business = replace(results.outlook.business, exchange=None)
    return replace(results, outlook=replace(results.outlook, business=business, arms=()))


def test_every_arm_has_a_row_with_its_figures_and_its_id_below() -> None:
    shown = text(dollars_only(run_results()))
    assert row(shown, "Linear classifier").split() == [
        "Linear",
        "classifier:",
        "to",
        "use",
        "81.2",
        "(77.0-84.8)",
        "41",
        "/",
        "1,234",
        "$0.0123*",
        "$0.0152*",
    ]
    for arm in run_results().arms:
        assert arm.arm.label in shown


def test_figures_stand_with_their_denominators() -> None:
    shown = flat(text())
    assert "81.2 % (95 % interval 77.0 to 84.8, n=560)" in shown
    assert "of n=560 test items" in shown
    assert "n=200 queries" in shown
    assert "Linear classifier 7 of 560" in shown
    assert "87.5 % (95 % interval 80.4 to 92.3, n=120)" in shown


def test_what_to_do_the_answer_how_sure_and_on_what() -> None:
    shown = flat(text())
    assert "What to do ---------- Ship the linear classifier. 1. The linear classifier is right" in shown
    assert "RAG or fine-tuning?: Fine-tuning beats RAG." in shown
    assert "How sure: Fairly sure" in shown
    assert "The fine-tuned model was trained with 2 seeds" in shown
    assert "Prompted model: accuracy 12.0 %" in shown


def test_nothing_to_use_is_said_with_what_to_measure_next() -> None:
    shown = flat(text(run_results(recommendation=none_to_ship())))
    assert (
        "Ship none of these yet. Measure the hosted model openai/gpt-6-luna next. "
        "1. The prompted model comes nearest"
    ) in shown
    assert "Next step: Run the hosted model openai/gpt-6-luna on the same items" in shown


def test_hosted_models_that_were_not_run_say_how_to_measure_them() -> None:
    shown = flat(text(dollars_only(run_results())))
    assert "No large hosted model was run." in shown
    assert "$0.842 (estimate)" in shown and "85.4 %" in shown and "never cheaper" in shown
    assert "Published by others, not measured here" in shown and "83.0 % to 94.1 %" in shown
    assert "harness bakeoff --evalset support-tickets --model openai/gpt-6-luna" in shown
    assert "all its calls: about $0.472" in shown


def test_an_unreachable_or_unpriced_frontier_is_no_number() -> None:
    unpriced = gap(
        usd_per_1k=dollars(None, PriceBasis.LIST_PRICE, "no price"),
        accuracy_to_win=None,
        accuracy_same_cost_per_correct=None,
        settle_usd=None,
    )
    shown = text(dollars_only(run_results(recommendation=recommendation(frontier=(unpriced,)))))
    line = next(line for line in shown.splitlines() if line.startswith("openai/gpt-6-luna"))
    assert line.split() == [
        "openai/gpt-6-luna",
        "unknown",
        "$8.42",
        "above",
        "100",
        "%",
        "unknown",
        "unknown",
    ]
    assert "a price that is unknown" in flat(shown)


def test_a_measured_frontier_is_not_called_unmeasured() -> None:
    measured = recommendation(frontier=(), published=())
    results = run_results(recommendation=measured)
    nothing = replace(results, outlook=replace(results.outlook, hosted=()))
    assert "Hosted models that were not run" not in text(nothing)


def test_illustrative_prices_are_marked_in_the_cell_and_below() -> None:
    shown = flat(text(dollars_only(run_results())))
    assert "$0.0123*" in shown
    assert "* measured time at an illustrative machine price, an example and no offer" in shown


def test_a_measured_price_carries_no_mark() -> None:
    own = arm_result(TUNE, (0.8, 0.7, 0.9))
    cost = replace(
        own.cost,
        usd_per_1k=dollars("1.5", PriceBasis.MEASURED),
        usd_per_1k_correct=dollars("1.875", PriceBasis.MEASURED),
    )
    shown = text(dollars_only(run_results(arms=(replace(own, cost=cost),))))
    assert "$1.50 " in shown and "$1.50*" not in shown
    assert "illustrative" not in compared(shown)


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    own = arm_result(RETRIEVE, (0.5, 0.4, 0.6))
    unknown = dollars(None, PriceBasis.LIST_PRICE, "no price is known for x/y")
    cost = replace(own.cost, usd_per_1k=unknown, usd_per_1k_correct=unknown)
    shown = text(dollars_only(run_results(arms=(replace(own, cost=cost),))))
    assert row(shown, "RAG").split()[-2:] == ["unknown", "unknown"]
    assert "$0" not in compared(shown)
    assert "no price is known for x/y" in flat(shown)


def test_a_missing_figure_is_a_dash_with_its_reason() -> None:
    own = arm_result(LINEAR, (0.8, 0.7, 0.9))
    slow = replace(own.latency, p50_ms=timed("p50_ms", None), p95_ms=timed("p95_ms", None))
    shown = text(run_results(arms=(replace(own, latency=slow),)))
    assert "- / -" in row(shown, "Linear classifier")
    assert "Linear classifier: slow answer: no warm pass was run" in flat(shown)


def test_looks_at_the_test_rows_are_counted() -> None:
    assert "look 1; 3 locked plans have tested these items" in flat(text())
    second = run_results(looks=1, data=data_summary(look=2, planned_looks=2))
    assert "look 2 of 2, the plan's risk of a wrong word split over them; only items count" in flat(
        text(second)
    )
    unplanned = run_results(looks=1, data=data_summary(look=2))
    assert "look 2 of 2, and 1 planned: each alone has the plan's risk of a wrong word" in flat(
        text(unplanned)
    )


def test_machine_annotators_are_no_human_ceiling() -> None:
    assert "Both were machines: this is no human ceiling." in flat(text())
    human = data_summary(provenance="customer tickets, licensed")
    assert "no human ceiling" not in flat(text(run_results(data=human)))


def test_warnings_and_slices_are_shown() -> None:
    shown = flat(text(full=True))
    assert "3 labels have fewer than 10 training rows." in shown
    assert "language = de 80 70.0 (60.0-79.0)" in shown


def test_a_run_without_a_manifest_looks_incomplete() -> None:
    assert "incomplete: this run has no manifest" in flat(text())


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("full", [False, True])
def test_no_line_is_longer_than_the_terminal(width: int, full: bool) -> None:
    lines = text(width=width, full=full).splitlines()
    too_long = [line for line in lines if len(line) > width and not line.startswith("  harness ")]
    assert too_long == []


def test_at_100_columns_an_arm_is_one_line_and_at_60_no_figure_is_lost() -> None:
    wide, narrow = text(width=100), text(width=60)
    assert "81.2 (77.0-84.8)" in row(wide, "Linear classifier")
    for figure in ("81.2", "77.0-84.8", "41 / 1,234", "EUR 0.0113*", "EUR 0.0140*"):
        assert wide.count(figure) == narrow.count(figure)


def test_details_move_below_their_figures_before_a_table_is_broken_up() -> None:
    """The money's table is 100 columns wide with its ranges in lines of their own."""
    lines = text(width=100).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Linear classifier  "))
    money = next(n for n, line in enumerate(lines[place:], place) if "EUR 3,590" in line and "5,060" in line)
    assert lines[money + 1].split() == ["EUR", "2,830", "to", "4,680", "EUR", "1,100", "to", "4,420"]


def test_a_very_long_model_name_breaks_nothing() -> None:
    long = ArmId(option=Option.RETRIEVE, model="organisation/" + "very-long-name-" * 12)
    shown = text(run_results(arms=(arm_result(long, (0.5, 0.4, 0.6)),)), width=80)
    head = shown.split("Hosted models")[0]
    assert all(len(line) <= 80 for line in head.splitlines())
    assert "50.0 (40.0-60.0)" in head


def test_ours_is_ascii_and_the_same_every_time() -> None:
    assert text(full=True).isascii()
    assert text(full=True) == text(full=True)


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOSTILE = "\x1b[2J\x1b]8;;http://evil\x07click\x1b]8;;\x07 [bold red]boo[/] \u202egnp.exe\r\nnext\x00\x9b31m"


def test_hostile_text_cannot_steer_the_terminal() -> None:
    hostile = run_results(
        data=data_summary(title=HOSTILE, findings=(Finding(code="x", severity="warning", message=HOSTILE),)),
        recommendation=recommendation(
            cautions=(Caution(kind=CautionKind.DATA, message=HOSTILE),),
            risk=Risk(kind=RiskKind.NOT_OWN_ROWS, provenance=HOSTILE),
        ),
        accepted=(Accepted(files=(HOSTILE,), at=NOON),),
    )
    shown = text(hostile)
    assert not set(shown) & {"\x1b", "\x9b", "\x07", "\x00", "\r", "\u202e"}
    assert "[bold red]boo[/]" in shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_words_are_the_same_and_markup_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    view = run_document(run_results(accepted=(Accepted(files=("[bold red]boo[/] :smile:",), at=NOON),)))
    terminal, pipe = Terminal(), io.StringIO()
    print_document(view, terminal, width=100)
    print_document(view, pipe, width=100)
    coloured = terminal.getvalue()
    assert "\x1b[1m" in coloured
    plain = "".join(part.split("m", 1)[-1] if n else part for n, part in enumerate(coloured.split("\x1b[")))
    assert plain == pipe.getvalue()
    assert "[bold red]boo[/] :smile:" in plain


def test_a_stream_without_the_letters_gets_escapes() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_document(run_document(run_results(data=data_summary(title="Z\u00fcrich"))), out)
    out.flush()
    assert b"Z\\xfcrich" in out.buffer.getvalue()  # type: ignore[attr-defined]


def test_the_manifest_closes_the_header() -> None:
    shown = flat(render_text(run_document(run_results(), closing()), full=True))
    assert "2026-11-23 20:27 UTC, 11 min 11 s after its last start" in shown
    assert "incomplete" not in shown
    assert "an example processor, 2 cores" in shown and "Python 3.11.9" in shown


def test_details_come_only_when_asked_for() -> None:
    assert "Which differences are real" not in text()
    shown = text(full=True)
    assert "+30.5 (+26.2 to +34.9)" in shown and "190 / 19" in shown and "<0.001" in shown
    assert "0.123 hours" in flat(shown)
    assert "No threshold keeps 90 % precision" in flat(shown)


def test_tiny_prices_do_not_read_as_nothing() -> None:
    own = arm_result(LINEAR, (0.8, 0.7, 0.9))
    cheap = replace(dollars("0.1"), usd=Decimal("0.0000004"))
    shown = text(dollars_only(run_results(arms=(replace(own, cost=replace(own.cost, usd_per_1k=cheap)),))))
    assert "<$0.0001*" in shown
