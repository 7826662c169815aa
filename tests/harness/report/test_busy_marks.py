"""What was timed on a busy machine is marked in every format, and nothing is where it was not."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bakeoff.answers import ArmAcrossRuns
from harness.bakeoff.busy import marked
from harness.bakeoff.results import LimitKind, LimitState
from harness.money.forecast import marked_busy
from harness.recommendation.records import RunResults
from harness.recommendation.run import ComparedRuns
from harness.report.context import ReportContext
from harness.report.files import Reported, write_report
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.arms import limits_section
from harness.report.topics.cells import timing_notes
from harness.report.topics.compare import compare_document
from harness.track_record.records import AdviceCheck, CheckedRange
from tests.support import money as hand_money
from tests.support.pdf_text import text_of
from tests.support.results import LINEAR, TUNE, broken, run_results, verdict

WHY = "other work took 1.1 of 2 CPUs"
P95 = CheckedRange(
    arm=TUNE,
    metric="p95_ms",
    predicted_model="smollm2-135m",
    low=100,
    high=200,
    measured=1234.0,
    inside=None,
    same_model=True,
    busy=WHY,
)
CHECK = AdviceCheck(
    case="tickets",
    answer="tune",
    measured_answer="tune",
    first="tune",
    measured_first="tune",
    figures=(P95,),
    inside=0,
    tested=0,
)


def busy(results: RunResults) -> RunResults:
    """Its tuned arm timed on a busy machine."""
    arms = tuple(
        replace(arm, latency=replace(arm.latency, busy=WHY), cost=marked(arm.cost, WHY))
        if arm.arm == TUNE
        else arm
        for arm in results.arms
    )
    outlook = hand_money.outlook()
    months = tuple(marked_busy(arm, WHY if arm.arm == TUNE else "") for arm in outlook.arms)
    return replace(results, arms=arms, outlook=replace(outlook, arms=months), advice=CHECK)


def files(results: RunResults, fmt: str, folder: Path) -> str:
    reported = Reported(results=results, answers=())
    found = write_report(reported, [fmt], folder)[0].read_bytes()
    return text_of(found) if fmt == "pdf" else found.decode("utf-8-sig")


def test_the_terminal_marks_time_money_and_month_and_says_how_to_time_again() -> None:
    text = render_text(run_document(busy(run_results())), 120, full=True)
    assert "1,234!" in text and "EUR 0.0113*!" in text
    assert f"! timed on a busy machine ({WHY})" in " ".join(text.split())
    assert "machine time in it was timed on a busy machine" in " ".join(text.split())
    assert "1,234 ms! (100 to 200 ms)" in " ".join(text.split())
    assert f"harness latency {run_results().run_id}" in text


def test_limits_and_reasons_say_it_once_for_all_options() -> None:
    slow = broken(TUNE, kind=LimitKind.P95, state=LimitState.OPEN, bound=900.0, value=1234.0, busy=True)
    results = run_results(verdict=verdict(limits=(slow, replace(slow, arm=LINEAR))))
    said = str(limits_section(ReportContext(results=results)))
    assert said.count("timed on a busy machine") == 1 and said.count("p95 1,234 ms") == 2
    arms = results.arms
    reasons = {LINEAR: "other work took 0.6 of 2 CPUs", TUNE: "other work took 1.3 of 2 CPUs"}
    timed = [replace(a, latency=replace(a.latency, busy=reasons.get(a.arm, ""))) for a in arms]
    (note,) = timing_notes(timed)
    assert note.startswith("! timed on a busy machine (other work took 0.6 to 1.3 of 2 CPUs): ")


@pytest.mark.parametrize("fmt", ["md", "html", "pdf"])
def test_documents_mark_it(fmt: str, tmp_path: Path) -> None:
    if fmt == "pdf":
        pytest.importorskip("typst")
    text = " ".join(files(busy(run_results()), fmt, tmp_path).split())
    assert "1,234!" in text and "*!" in text and "timed on a busy machine" in text and WHY in text


@pytest.mark.parametrize("fmt", ["md", "html", "pdf", "csv"])
def test_an_idle_machine_leaves_no_mark(fmt: str, tmp_path: Path) -> None:
    if fmt == "pdf":
        pytest.importorskip("typst")
    text = files(run_results(), fmt, tmp_path)
    assert "1,234!" not in text and "busy machine" not in text


def test_tables_carry_the_reason_beside_time_and_money(tmp_path: Path) -> None:
    rows = list(csv.DictReader(files(busy(run_results()), "csv", tmp_path).splitlines()))
    found = {row["arm"]: row for row in rows}
    assert found[str(TUNE)]["latency_busy"] == found[str(TUNE)]["usd_per_1k_busy"] == WHY
    assert found[str(LINEAR)]["latency_busy"] == found[str(LINEAR)]["usd_per_1k_correct_busy"] == ""
    assert WHY in files(busy(run_results()), "json", tmp_path)


def test_two_runs_side_by_side_keep_the_mark() -> None:
    here, there = busy(run_results()), run_results()
    accuracy = {arm.arm: arm.quality.primary for arm in here.arms}
    across = tuple(
        ArmAcrossRuns(
            arm=arm,
            first=accuracy[arm],
            second=accuracy[arm],
            difference=replace(accuracy[arm], value=0.0),
            paired=True,
        )
        for arm in (TUNE, LINEAR)
    )
    text = render_text(compare_document(ComparedRuns(a=here, b=there, across=across)), 120)
    assert text.count("1,234!") == 1 and WHY in text


def test_timeouts_and_further_attempts_are_told() -> None:
    results = run_results()
    arms = tuple(
        replace(arm, latency=replace(arm.latency, timeouts=3, retried=2)) if arm.arm == TUNE else arm
        for arm in results.arms
    )
    text = " ".join(render_text(run_document(replace(results, arms=arms)), 120).split())
    assert "3 of 200 timed queries got no answer in time and count as the time that was waited" in text
    assert "2 of 200 took more than one attempt; the last one is timed" in text
