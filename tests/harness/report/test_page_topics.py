"""Topics that pages ask for: what is picked is what is shown, and the unknown is said to be unknown."""

from __future__ import annotations

from dataclasses import replace

from harness.report.charts import CurveChart, HeatChart, IntervalChart
from harness.report.context import ReportContext
from harness.report.document import Bullets, Chart, Command, Paragraph, RecommendationBlock, Section, plain
from harness.report.topics.arms import prices_section
from harness.report.topics.decision import words_of
from harness.report.topics.latency import p95_section
from harness.report.topics.money import break_even_blocks, business_facts, ledger_sections, month_answer
from harness.report.topics.quality import arm_labels_sections, differences_chart, slice_section
from harness.report.topics.recommendation import headline
from harness.report.topics.route import route_section
from harness.report.topics.tuned import training_section
from tests.support import money
from tests.support.results import LINEAR, run_results

RESULTS = run_results(outlook=money.outlook(), diagnosis=money.diagnosis())
C = ReportContext(results=RESULTS)


def chart(section: Section) -> Chart:
    """The one chart of a section."""
    (found,) = [block for block in section.blocks if isinstance(block, Chart)]
    return found


def test_every_option_with_a_known_price_has_its_point() -> None:
    drawn = chart(prices_section(C))
    assert isinstance(drawn.spec, CurveChart)
    _floor, *others = RESULTS.arms
    known = [arm for arm in others if arm.cost.usd_per_1k.usd]
    named = [str(arm.arm) for arm in known if arm.quality.primary.value is not None]
    assert [curve.key for curve in drawn.spec.curves if curve.key] == named
    assert all(curve.name in drawn.alt for curve in drawn.spec.curves), "all of it in words too"


def test_p95_stands_beside_its_limit() -> None:
    drawn = chart(p95_section(C, 2000.0))
    assert isinstance(drawn.spec, IntervalChart) and drawn.spec.rule == 2000.0
    assert "2,000 ms" in plain(drawn.caption)
    nothing = replace(RESULTS, arms=())
    assert p95_section(replace(C, results=nothing), None).blocks == ()


def test_labels_are_those_of_the_arm_picked() -> None:
    arm = next(arm for arm in RESULTS.arms if arm.arm == LINEAR)
    worst, confused, whole = arm_labels_sections(C, arm)
    spec = chart(worst).spec
    assert isinstance(spec, IntervalChart) and len(spec.rows) == min(20, len(arm.quality.by_label.labels))
    values = [row.value or 0.0 for row in spec.rows]
    assert values == sorted(values), "the worst first"
    assert whole.folded and str(len(arm.quality.by_label.labels)) in whole.title
    heat = chart(confused).spec
    assert isinstance(heat, HeatChart) and len(heat.cells) == len(heat.names)


def test_slices_and_differences_say_what_they_show() -> None:
    column = RESULTS.arms[0].quality.slices[0].column
    assert column in slice_section(RESULTS.arms, column, RESULTS.metric).title
    assert slice_section(RESULTS.arms, "no such column", RESULTS.metric).blocks == ()
    drawn = differences_chart(C)
    assert isinstance(drawn.spec, IntervalChart) and len(drawn.spec.rows) == len(RESULTS.comparisons)
    assert f"{100 * RESULTS.margin:g} points" in plain(drawn.caption)


def test_a_route_says_what_it_keeps_or_why_there_is_none() -> None:
    (answer, *_) = route_section(C).blocks
    assert isinstance(answer, RecommendationBlock) and len(answer.facts) == 2
    none = route_section(replace(C, results=replace(RESULTS, route=None))).blocks
    assert isinstance(none[0], Bullets) and isinstance(none[1], Command) and "route" in none[1].command


def test_an_arm_that_was_not_trained_has_no_loss() -> None:
    (said,) = training_section(replace(C, results=replace(RESULTS, arms=RESULTS.arms[:1]))).blocks
    assert isinstance(said, Paragraph) and "No arm" in plain(said.text)


def test_a_month_says_what_was_asked_and_what_is_unknown() -> None:
    assert month_answer(C, asked=True).reasons[0] == "What if: 10,000 queries a month over 12 months"
    assert "everything counted" in month_answer(C, asked=False).headline
    advised = replace(RESULTS.recommendation, ship=None, pilot=None)
    nothing = month_answer(replace(C, results=replace(RESULTS, recommendation=advised)), asked=False)
    assert nothing.headline == headline(advised, words_of(C)), "one headline for one run, on every page"
    assert nothing.facts == () and "what each option would cost" in nothing.reasons[0]


def test_never_is_said_as_such() -> None:
    said = set()
    for arm in RESULTS.outlook.arms:
        for curve in arm.break_even:
            words, *drawn = break_even_blocks(C, arm, curve)
            assert isinstance(words, Paragraph) and bool(drawn) is bool(curve.points)
            said.add(plain(words.text).split(" ")[0])
            assert ("Never cheaper" in plain(words.text)) is (curve.outcome == "never")
    assert {"Never", "Cheaper"} <= said


def test_what_was_assumed_is_marked_and_every_line_stands_in_the_ledger() -> None:
    facts = {fact.label: plain(fact.text) for fact in business_facts(C).rows}
    assert facts["Queries a month"] == "10,000"
    assumed = RESULTS.outlook.business.assumed
    assert sum("[assumed]" in text for text in facts.values()) == len(set(assumed) & {
        "queries_per_month", "horizon_months", "knowledge_changes_per_month", "label_changes_per_month",
        "wrong_answer_usd", "day_rate_usd", "example_usd", "machine_hour_usd", "utilisation",
    })  # fmt: skip
    arm = next(arm for arm in RESULTS.arms if arm.arm == LINEAR)
    sections = ledger_sections(C, LINEAR)
    assert sections[0].title == "1,000 queries"
    assert len(sections[0].blocks[0].rows) == len(arm.cost.lines)  # type: ignore[union-attr]
