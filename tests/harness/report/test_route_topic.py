"""Routes in words: what an arm and today's way do together, why nothing is shared, and what is lacking."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.options import Option
from harness.bakeoff.results import (
    IfTodayIsWorse,
    LimitCheck,
    LimitKind,
    LimitState,
    NoRoute,
    RouteStep,
    RouteToToday,
)
from harness.bakeoff.wording import limit_words
from harness.core.records import TODAY, ArmId
from harness.recommendation.records import Caution, CautionKind, Risk, RiskKind, StepKind
from harness.report.charts import CurveChart
from harness.report.context import ReportContext
from harness.report.document import Chart, Facts, Paragraph, Table, plain
from harness.report.run_document import run_document
from harness.report.topics.cells import as_title, plain_name
from harness.report.topics.recommendation import caution_sentence, risk_sentence, step_action
from harness.report.topics.route import route_steps_section, to_today_section
from harness.tasks.classification import ACCURACY
from tests.support.results import LINEAR, TUNE, recommendation, run_results, share

ROUTE = ArmId(option=Option.ROUTE, model=TODAY)
WORSE = IfTodayIsWorse(
    by=0.05,
    blended=share("accuracy", 0.88, 0.85, 0.9),
    floor=LimitState.OPEN,
    more_usd_per_month=Decimal("67.5"),
)


def step(threshold: float, answered: float, low: float) -> RouteStep:
    return RouteStep(
        threshold=threshold, answered=answered, low=low, usd_per_month=Decimal(900), shown=low >= 0.85
    )


DESIGN = RouteToToday(
    first=LINEAR,
    tried=(LINEAR, TUNE),
    threshold=0.6,
    temperature=0.1,
    alpha=0.025,
    target=0.85,
    today_accuracy=0.85,
    today_usd_per_item=Decimal("0.10"),
    rows=800,
    out_of_fold=700,
    coverage=share("share it answers", 0.58, 0.54, 0.62),
    precision=share("accuracy of answered", 0.93, 0.9, 0.95),
    blended=share("accuracy", 0.896, 0.87, 0.92),
    steps=(step(0.85, 0.4, 0.88), step(0.6, 0.58, 0.86), step(0.5, 0.65, 0.84)),
    if_worse=(WORSE,),
)


def context(route: RouteToToday | None) -> ReportContext:
    return ReportContext(results=replace(run_results(), route_to_today=route))


def shown(route: RouteToToday) -> str:
    found = []
    topics = (to_today_section(context(route)), route_steps_section(context(route)))
    for block in (block for topic in topics for block in topic.blocks):
        match block:
            case Facts():
                found += [f"{fact.label}: {plain(fact.text)}" for fact in block.rows]
            case Paragraph():
                found.append(plain(block.text))
            case Table():
                found += [plain(cell.text) for row in block.rows for cell in row.cells]
    return "\n".join(found)


def test_what_both_do_together_is_told() -> None:
    said = shown(DESIGN)
    assert "The linear classifier answers from a confidence of 0.60 on; the rest stays where it is." in said
    assert "It answers: 58.0 %" in said and "Right of that: 93.0 %" in said
    assert "Right in all: 89.6 %" in said and "85.0 % right on the rest as stated" in said
    assert "5 points worse\n88.0" in said and "not shown to be kept\n$67.50" in said
    assert "700 training rows out of fold and 100 dev rows" in said
    assert "a risk of 2.5 %, alpha shared by 2 options, for 85.0 % right answers in all" in said


def test_what_nobody_stated_is_asked_for() -> None:
    bare = replace(DESIGN, today_accuracy=None, today_usd_per_item=None, blended=None, if_worse=())
    said = shown(bare)
    assert "--today-accuracy" in said and "--today-cost" in said and "Right in all" not in said
    assert "for 85.0 % precision" in said
    priced = shown(replace(DESIGN, today_usd_per_item=None))
    assert "--today-cost" in priced and "--today-accuracy" not in priced


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (NoRoute.NOT_SHOWN, "No threshold of the linear classifier is shown to keep"),
        (NoRoute.COSTS_MORE, "costs no more than sharing the work"),
        (NoRoute.NO_CONFIDENCE, "No arm gives a probability of every label on enough rows"),
    ],
)
def test_why_nothing_is_shared(why: NoRoute, words: str) -> None:
    assert words in shown(replace(DESIGN, threshold=None, why_not=why))


def test_without_such_a_route_nothing_is_said() -> None:
    assert to_today_section(context(None)).blocks == () == route_steps_section(context(None)).blocks


def test_the_thresholds_are_drawn_with_the_one_in_use() -> None:
    worse, block = route_steps_section(context(DESIGN)).blocks
    assert isinstance(worse, Table)
    assert isinstance(block, Chart) and isinstance(block.spec, CurveChart)
    tested, asked, used = block.spec.curves
    assert [point[:2] for point in tested.points] == [(0.4, 0.88), (0.58, 0.86), (0.65, 0.84)]
    assert {point[1] for point in asked.points} == {0.85} and used.points[0][:2] == (0.58, 0.86)
    single = replace(DESIGN, steps=DESIGN.steps[:1], if_worse=())
    assert route_steps_section(context(single)).blocks == (), "one threshold is no curve"


def test_it_stands_in_the_report() -> None:
    keys = [section.key for section in run_document(context(DESIGN).results).sections]
    assert "route-today" in keys
    assert "route-today" not in [section.key for section in run_document(run_results()).sections]


def test_what_could_change_it_and_what_to_do_next() -> None:
    results = context(DESIGN).results
    said = caution_sentence(Caution(kind=CautionKind.IF_TODAY_IS_WORSE, worse=WORSE), results)
    assert said.startswith(
        "If today's way is right 5 points less often on what it is handed than stated, 88.0 %"
    )
    assert said.endswith("the floor is not shown to be kept; the wrong answers cost $67.50 more a month.")
    kept = replace(WORSE, floor=LimitState.KEPT, more_usd_per_month=None)
    risk = risk_sentence(Risk(kind=RiskKind.HARDER_REST, arm=ROUTE, worse=kept))
    assert "the harder part" in risk and risk.endswith("and the floor is still kept.")
    check = LimitCheck(arm=ROUTE, kind=LimitKind.P95_TODAY, state=LimitState.OPEN, bound=2000.0, value=4000.0)
    next_step = replace(recommendation().next, kind=StepKind.TIME_TODAY, arm=ROUTE, checks=(check,))
    assert "where 95 % of that comes within 2,000 ms" in step_action(next_step, results)
    assert limit_words(check, ACCURACY).startswith(
        "what is handed over takes as long as today, p95 4,000 ms as stated"
    )
    assert "which is not stated" in limit_words(replace(check, value=None), ACCURACY)


def test_its_name_is_its_own() -> None:
    assert as_title(plain_name(ROUTE)) == "Route to today's way"
    other = ArmId(option=Option.ROUTE, model="auto")
    assert plain_name(other, (other, ROUTE)) == "the two-step route", "no twin of a route to a model"
