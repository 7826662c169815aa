"""Latency: how fast are the answers, and under which conditions was that measured?"""

from __future__ import annotations

import streamlit as st

from dashboards import blocks, pieces
from harness.recommendation.records import RunResults
from harness.report.run_view import RunPage
from harness.report.topics.latency import latency_section, p95_section
from harness.report.topics.sources import run_section


def show(page: RunPage, results: RunResults) -> None:
    """p95 against the limit, the distribution, the table, the machine."""
    c = pieces.context(page, results)
    limit = page.plan.decision.max_p95_ms if page.plan is not None else None
    blocks.show(p95_section(c, limit), latency_section(c))
    with st.expander("The run and its machine"):
        blocks.show(run_section(c), titled=False)


found = pieces.run_results(
    "How fast are the answers?",
    "Warm, uncached queries, one at a time. Waiting for a slot and earlier attempts are left out.",
)
if found is not None:
    show(*found)
