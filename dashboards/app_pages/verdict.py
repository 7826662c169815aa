"""What won? What to do, the answer, every arm in one table, and the advice against the measurement."""

from __future__ import annotations

import streamlit as st

from dashboards import markup, pieces
from dashboards.markup import Figure
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
from harness.report.palette import colour_of
from harness.report.run_document import run_document
from harness.report.run_view import RunPage


def figures(results: RunResults) -> None:
    """The figures of the arm to ship, each with what it rests on."""
    ship = results.recommendation.ship
    arm = None if ship is None else results.arm(ship)
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


def show(page: RunPage, results: RunResults) -> None:
    """The whole page."""
    sections = pieces.by_key(run_document(results, page.manifest).sections)
    pieces.section(sections["decision"], title=False)
    figures(results)
    colours = [colour_of(arm.arm) for arm in results.arms]
    st.subheader("What was measured", anchor=False)
    pieces.chart(
        "prices",
        drawings.prices(results),
        "Accuracy against dollars per 1,000 queries: "
        + "; ".join(f"{arm.arm} {percent(arm.quality.accuracy.value)}" for arm in results.arms),
    )
    pieces.section(sections["options"], title=False, colours=colours)
    for key in ("change", "advice", "hosted", "data"):
        if key in sections:
            pieces.section(sections[key])
    with st.expander(f"The run {one_line(results.run_id)}"):
        pieces.section(sections["run"], title=False)


found = pieces.run_results("What won?", "What to do after this run, and everything it rests on.")
if found is not None:
    show(*found)
