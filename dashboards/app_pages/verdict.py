"""What won? What to do, every arm in one table, and the advice against the measurement."""

from __future__ import annotations

import streamlit as st

from dashboards import blocks, pieces
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.run_view import RunPage
from harness.report.topics.arms import limits_section, options_section, prices_section
from harness.report.topics.decision import change_section, dates_section, decision_section
from harness.report.topics.money import hosted_section
from harness.report.topics.prediction import prediction_section
from harness.report.topics.sources import data_section, run_section


def show(page: RunPage, results: RunResults) -> None:
    """The whole page, the recommendation first."""
    c = pieces.context(page, results)
    first = (decision_section, options_section, limits_section, prices_section)
    then = (change_section, dates_section, prediction_section, hosted_section, data_section)
    blocks.show(*(topic(c) for topic in (*first, *then)))
    with st.expander(f"The run {one_line(results.run_id)}"):
        blocks.show(run_section(c), titled=False)


found = pieces.run_results("What won?", "What to do after this run, and everything it rests on.")
if found is not None:
    show(*found)
