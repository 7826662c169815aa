"""What won? The verdict, what to ship, every arm in one table, and the advice against the measurement."""

from __future__ import annotations

import streamlit as st

from dashboards import markup, pieces
from dashboards.markup import Figure
from harness.bakeoff.results import Answer
from harness.bakeoff.wording import limit_words
from harness.core.wording import (
    bounds,
    busy_mark,
    busy_words,
    level,
    marked_money,
    milliseconds,
    one_line,
    percent,
)
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.model import answer_words, open_limits, report_view
from harness.report.palette import colour_of
from harness.report.recommendation_words import (
    answer_sentence,
    cautions,
    certainty_words,
    headline,
    reason_sentence,
)
from harness.report.run_view import RunPage
from harness.report.tables import arm_named
from harness.report.view import Section


def answers(results: RunResults) -> None:
    """The answer to the title's question, and what to ship."""
    verdict, advised = results.verdict, results.recommendation
    open_question = verdict.answer is Answer.NOT_ENOUGH_EVIDENCE
    looks = markup.tag("inconclusive", "warn") if open_question else markup.tag("measured", "measured")
    st.html(
        markup.answer_card(
            "RAG or fine-tuning?",
            answer_words(verdict),
            [answer_sentence(results)],
            "warn" if open_question else "good",
            looks,
        )
    )
    ship = headline(advised)
    st.html(
        markup.answer_card(
            "What to ship",
            ship,
            [*map(reason_sentence, advised.reasons), certainty_words(advised)],
            "warn" if advised.ship is None else "good",
        )
    )


def figures(results: RunResults) -> None:
    """The figures of the arm to ship, each with what it rests on."""
    arm = arm_named(results, results.recommendation.ship)
    if arm is None:
        return
    accuracy, p95 = arm.quality.accuracy, arm.latency.p95_ms
    each, right = arm.cost.usd_per_1k, arm.cost.usd_per_1k_correct
    st.html(
        markup.figures(
            [
                Figure(
                    name="accuracy",
                    value=percent(accuracy.value),
                    basis=f"{level(accuracy)} {bounds(accuracy)}, n={accuracy.n:,} test items",
                ),
                Figure(
                    name="95 % of queries within",
                    value=f"{milliseconds(p95.value)} ms{busy_mark(arm.latency.busy)}",
                    basis=f"n={p95.n:,} timed queries{busy_words(arm.latency.busy)}",
                ),
                Figure(name="1,000 queries", value=marked_money(each), mark=each.basis.value),
                Figure(name="1,000 correct answers", value=marked_money(right), mark=right.basis.value),
            ]
        )
    )


def reservations(results: RunResults) -> None:
    """What the verdict hangs on, and what it leaves out."""
    verdict = results.verdict
    st.subheader("What it hangs on", anchor=False)
    st.html(markup.bullets(cautions(results) or ("nothing named",)))
    if verdict.broken:
        st.subheader("May not be shipped", anchor=False)
        st.html(markup.bullets(f"{check.arm}: {limit_words(check)}" for check in verdict.broken))
    if open_limits(verdict):
        st.subheader("Not shown yet", anchor=False)
        st.html(markup.bullets(open_limits(verdict)))
    if results.notes:
        st.subheader("Notes", anchor=False)
        st.html(markup.bullets(results.notes))


def frontier(results: RunResults, section: Section) -> None:
    """Hosted models; those that were not run are priced only, and figures of others are theirs."""
    st.subheader(one_line(section.title), anchor=False)
    if not results.frontier_measured:
        marks = [("not measured", "priced"), ("priced only", "priced")]
        marks += (
            [("one range is published by others", "published")] if results.recommendation.published else []
        )
        st.html(markup.tags(marks))
    pieces.section(section, title=False)


def show(page: RunPage, results: RunResults) -> None:
    """The whole page."""
    answers(results)
    figures(results)
    sections = pieces.by_key(report_view(results, page.manifest).sections)
    colours = [colour_of(arm.arm) for arm in results.arms]
    st.subheader("What was measured", anchor=False)
    pieces.chart(
        "prices",
        drawings.prices(results),
        "Accuracy against dollars per 1,000 queries: "
        + "; ".join(f"{arm.arm} {percent(arm.quality.accuracy.value)}" for arm in results.arms),
    )
    pieces.section(sections["arms"], title=False, colours=colours)
    reservations(results)
    if "advice" in sections:
        pieces.section(sections["advice"])
    if "frontier" in sections:
        frontier(results, sections["frontier"])
    pieces.section(sections["data"])
    with st.expander(f"The run {one_line(results.run_id)}"):
        pieces.section(sections["header"], title=False)


found = pieces.run_results("What won?", "The verdict of this run, and everything it rests on.")
if found is not None:
    show(*found)
