"""Latency: how fast are the answers, and under which conditions was that measured?"""

from __future__ import annotations

import streamlit as st

from dashboards import behind, markup, pieces
from harness.core.wording import busy_words, milliseconds
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.palette import colour_of
from harness.report.run_document import run_document
from harness.report.run_view import RunPage


def show(page: RunPage, results: RunResults) -> None:
    """The distribution, p95 against the limit, the table, the machine."""
    timed = [one for one in results.diagnosis if one.latency]
    if timed:
        st.subheader("How long a query takes", anchor=False)
        pieces.chart("times", drawings.times(timed), "share of queries answered within so many milliseconds")
    known = [arm for arm in results.arms if arm.latency.p95_ms.value is not None]
    limit = page.plan.decision.max_p95_ms if page.plan is not None else None
    if known:
        st.subheader("95 % of queries are answered within", anchor=False)
        said = "; ".join(
            f"{arm.arm} {milliseconds(arm.latency.p95_ms.value)} ms{busy_words(arm.latency.busy)}"
            for arm in known
        )
        pieces.chart("p95", drawings.p95(known, limit), f"p95 of every arm: {said}")
        if limit is not None:
            st.html(markup.notes([f"dashed line: the plan allows {milliseconds(limit)} ms"]))
    st.subheader("Percentiles and conditions", anchor=False)
    colours = [colour_of(arm.arm) for arm in results.arms]
    st.html(markup.table(behind.latency_table(results.arms), colours=colours))
    machine = run_document(results, page.manifest).section("run")
    if machine is not None:
        st.subheader("The run and its machine", anchor=False)
        pieces.section(machine, title=False)


found = pieces.run_results(
    "How fast are the answers?",
    "Warm, uncached queries, one at a time. Waiting for a slot and earlier attempts are left out.",
)
if found is not None:
    show(*found)
