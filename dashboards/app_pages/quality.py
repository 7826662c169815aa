"""Quality: how good are the answers, where do arms differ, and which answers are wrong?"""

from __future__ import annotations

import streamlit as st

from dashboards import markup, pieces, views
from harness.pipelines.pages import RunPage
from harness.report.model import report_view
from harness.report.tables import labels_table
from harness.results import RunResults
from harness.wording import one_line


def show(page: RunPage, results: RunResults) -> None:
    """The whole page."""
    sections = pieces.by_key(report_view(results, page.manifest).sections)
    st.subheader("Accuracy of every arm", anchor=False)
    pieces.chart(
        views.accuracy_chart(results.arms),
        "; ".join(f"{arm.arm}: {views.in_words(arm.quality.accuracy)}" for arm in results.arms),
    )
    st.subheader("Differences on the same items", anchor=False)
    if results.comparisons and page.plan is not None:
        margin = page.plan.decision.margin
        pieces.chart(views.difference_chart(results.comparisons, margin), "paired differences of accuracy")
        pieces.section(sections["comparisons"], title=False)
    behind = views.arms_behind(results)
    columns = list(dict.fromkeys(found.column for arm in behind for found in arm.quality.slices))
    if columns:
        st.subheader("By slice", anchor=False)
        column = st.selectbox("Slice column", columns, format_func=one_line)
        pieces.chart(views.slice_chart(behind, column), f"accuracy by {column}")
    labelled = [arm for arm in results.arms if arm.quality.labels]
    if labelled:
        st.subheader("By label", anchor=False)
        names = [str(arm.arm) for arm in labelled]
        first = names.index(str(behind[0].arm)) if behind and str(behind[0].arm) in names else 0
        arm = labelled[names.index(st.selectbox("Arm", names, index=first, format_func=one_line))]
        st.html(markup.table(labels_table(arm.quality.labels)))


found = pieces.run_results(
    "How good are the answers?", "Every figure with its interval and what it was counted over."
)
if found is not None:
    show(*found)
