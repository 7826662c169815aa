"""Cost: what does a month cost, when does it pay, and what if the numbers were different?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import streamlit as st

from advisor.money.inputs import CostInputs
from advisor.numbers import NumberKind, figure
from dashboards import blocks, pieces, state
from harness.core.wording import one_line
from harness.money.records import ArmForecast, CostForecast
from harness.money.what_if import what_if
from harness.recommendation.records import RunResults
from harness.recommendation.run import rescore
from harness.report.context import ReportContext
from harness.report.run_view import RunPage, stamp_of
from harness.report.topics.money import (
    break_even_blocks,
    business_facts,
    hosted_section,
    ledger_sections,
    money_section,
    month_answer,
    month_parts_section,
    rival_words,
)

WHAT_IF: tuple[tuple[str, str, NumberKind], ...] = (
    ("queries_per_month", "Queries a month", "count"),
    ("knowledge_changes_per_month", "Changes of the facts a month", "amount"),
    ("machine_hour_usd", "Machine or GPU, $ an hour", "amount"),
    ("horizon_months", "Horizon, months", "amount"),
    ("label_changes_per_month", "Changes of the labels a month", "amount"),
    ("utilisation", "Utilisation, %", "amount"),
    ("wrong_answer_usd", "A wrong answer, $", "amount"),
    ("day_rate_usd", "An engineer's day, $", "amount"),
)
"""What may be other than planned: a figure of the business, its label, and how it is typed."""


@st.cache_resource(max_entries=32, show_spinner="Pricing again ...")  # type: ignore[untyped-decorator]
def priced_on(run_id: str, stamp: str, day: str) -> RunResults:
    """The run at the prices of another day; no model is called."""
    return rescore(state.folder_of(run_id), state.context(), day)


def _reset() -> None:
    for name in list(st.session_state):
        if str(name).startswith("what-"):
            del st.session_state[name]


def changes(now: CostInputs, columns: Sequence[Any]) -> dict[str, object]:
    """Other figures, as they are typed; what is left empty stays the plan's."""
    given: dict[str, object] = {}
    for place, (field, label, kind) in enumerate(WHAT_IF):
        stated, share = getattr(now, field), field == "utilisation"
        planned = "unknown" if stated is None else figure(100 * stated if share else stated)
        with columns[place % 3]:
            found = pieces.number(label, f"what-{field}", kind, f"plan: {planned}")
        if found is not None:
            given[field] = found / 100 if share else found
    return given


def price_day(page: RunPage, results: RunResults) -> RunResults:
    """The results at the prices of the day chosen."""
    planned = page.plan.cost.price_date if page.plan is not None else None
    day = st.date_input("Prices of", value=planned or "today", key="what-date", min_value=date(2020, 1, 1))
    if planned is None or day is None or day == planned:
        return results
    with pieces.told("There are no prices of that day; those of the plan are shown.", "event", mildly=True):
        results = priced_on(page.run_id, stamp_of(state.folder_of(page.run_id)), f"{day:%Y-%m-%d}")
    return results


def what_if_box(page: RunPage, results: RunResults) -> tuple[RunResults, bool]:
    """The fields; what they lead to, and whether anything was changed."""
    with st.expander("What if the numbers were different?", expanded=True):
        columns = st.columns(3)
        with columns[len(WHAT_IF) % 3]:
            again = price_day(page, results)
        other = changes(again.outlook.business, columns)
        st.button("Back to the plan's numbers", on_click=_reset, icon=":material/undo:", key="what-back")
    shown = results
    with pieces.told("That cannot be calculated; the plan's numbers are shown.", "calculate", mildly=True):
        if other:
            forecast = what_if(again, again.outlook, other, again.recommendation.ship)
            again = replace(again, outlook=forecast)
        shown = again
    return shown, shown is not results


def break_even(c: ReportContext, forecast: CostForecast) -> None:
    """One arm against one rival, by volume."""
    arms = {arm.arm: arm for arm in forecast.arms if arm.break_even}
    if not arms:
        return
    st.subheader("From which volume on does it pay?", anchor=False)
    left, right = st.columns(2)
    arm: ArmForecast = arms[pieces.pick_arm(c, "Arm", arms, "even-arm", left)]
    rivals = {rival_words(c, curve): curve for curve in arm.break_even}
    curve = rivals[right.selectbox("against", list(rivals), key="even-rival", format_func=one_line)]
    blocks.block(*break_even_blocks(c, arm, curve))


def ledger(c: ReportContext) -> None:
    """Every line of an arm's month."""
    blocks.show(*ledger_sections(c, pieces.pick_arm(c, "Of", c.results.ids, "ledger")))


def show(page: RunPage, results: RunResults) -> None:
    """The whole page, the answer above the numbers that lead to it."""
    top = st.container()
    results, asked = what_if_box(page, results)
    c = pieces.context(page, results)
    with top:
        blocks.block(month_answer(c, asked=asked))
    blocks.show(money_section(c), replace(month_parts_section(c), folded=True))
    break_even(c, results.outlook)
    blocks.show(hosted_section(c))
    with st.expander("Line by line"):
        ledger(c)
    with st.expander("What it was calculated for"):
        blocks.block(business_facts(c))


found = pieces.run_results(
    "What does it cost?", "A month, the horizon, a right answer; against what is done today."
)
if found is not None:
    show(*found)
