"""Cost: what does a month cost, when does it pay, and what if the numbers were others?"""

from __future__ import annotations

from datetime import date

import streamlit as st

from advisor.money.inputs import CostInputs
from advisor.numbers import NumberKind, figure
from dashboards import markup, money_views, pieces, state
from dashboards.markup import Figure
from harness.core.errors import UserError
from harness.core.wording import marked_money, money, money_range, one_line
from harness.money.records import ArmForecast, CostForecast
from harness.money.what_if import what_if
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.palette import NEUTRAL, colour_of
from harness.report.reporting import rescore
from harness.report.run_view import RunPage, stamp_of

ALL = "over the horizon, all in all"
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


def changes(now: CostInputs) -> dict[str, object]:
    """Other numbers, as they are typed; what is left empty stays the plan's."""
    given: dict[str, object] = {}
    columns = st.columns(3)
    for place, (field, label, kind) in enumerate(WHAT_IF):
        planned_value = getattr(now, field)
        share = field == "utilisation"
        planned = (
            "unknown" if planned_value is None else figure(100 * planned_value if share else planned_value)
        )
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
    try:
        again: RunResults = priced_on(page.run_id, stamp_of(state.folder_of(page.run_id)), f"{day:%Y-%m-%d}")
    except UserError as error:
        st.warning("There are no prices of that day; those of the plan are shown.", icon=":material/event:")
        st.text(str(error))
        return results
    return again


def answer(results: RunResults, outlook: CostForecast, asked: bool) -> None:
    """A month of the arm to ship, against today."""
    unit = drawings.currency_of(outlook.business)
    arm = next((one for one in outlook.arms if one.arm == results.recommendation.ship), None)
    tags = markup.tag("what if" if asked else "as planned", "predicted" if asked else "plain")
    if arm is None:
        st.html(
            markup.answer_card(
                "A month", "Nothing ships yet; below is what each arm would cost.", [], "warn", tags
            )
        )
        return
    basis = arm.month_usd.basis.value
    tags += markup.tag(basis, markup.kind_of(basis))
    if arm.month_usd.busy:
        tags += markup.tag("timed on a busy machine", "warn")
    spread = money_range(arm.month_usd, unit)
    said = [f"Between {spread}, by what is assumed." if spread else "", arm.payback, arm.month_usd.reason]
    st.html(
        markup.answer_card(
            f"A month of {arm.arm}, everything counted", money(arm.month_usd.usd, unit), said, "plain", tags
        )
    )
    saving, today = arm.saving_usd_per_month, outlook.incumbent
    figures = [
        Figure(name="1,000 queries", value=marked_money(arm.usd_per_1k, unit), basis=ALL),
        Figure(name="1,000 correct answers", value=marked_money(arm.usd_per_1k_correct, unit), basis=ALL),
        Figure(
            name="to build, once",
            value=money(arm.once_usd.usd, unit),
            basis=money_range(arm.once_usd, unit) or "likely",
        ),
    ]
    if today is not None:
        what = f"against {money(today.month_usd.usd, unit)} today ({one_line(today.kind)}, as stated)"
        said_of = saving.reason or what
        figures.append(Figure(name="saved a month", value=money(saving.usd, unit), basis=said_of))
    st.html(markup.figures(figures))


def months(results: RunResults, outlook: CostForecast) -> None:
    """The stacked month of every arm, and the same in figures."""
    st.subheader("What a month consists of", anchor=False)
    unit = drawings.currency_of(outlook.business)
    pieces.chart(
        "month",
        drawings.month(outlook),
        "; ".join(f"{arm.arm} {money(arm.month_usd.usd, unit)} a month" for arm in outlook.arms),
    )
    st.html(markup.notes(["thin line: the range; pale bars: models at list price that were not run"]))
    with st.expander("The same in figures"):
        table = money_views.month_table(outlook, results.recommendation.ship)
        today = [] if outlook.incumbent is None else [NEUTRAL]
        st.html(markup.table(table, colours=[*today, *(colour_of(arm.arm) for arm in outlook.arms)]))
    if outlook.unknown:
        st.html(markup.bullets(outlook.unknown, "warn"))


def break_even(results: RunResults, outlook: CostForecast) -> None:
    """One arm against one rival, by volume."""
    arms = [arm for arm in outlook.arms if arm.break_even]
    if not arms:
        return
    st.subheader("From which volume on does it pay?", anchor=False)
    left, right = st.columns(2)
    names = [str(arm.arm) for arm in arms]
    ship = str(results.recommendation.ship)
    index = names.index(ship) if ship in names else 0
    name = left.selectbox("Arm", names, index=index, key="even-arm", format_func=one_line)
    arm: ArmForecast = arms[names.index(name)]
    rivals = {drawings.rival_name(curve): curve for curve in arm.break_even}
    curve = rivals[right.selectbox("against", list(rivals), key="even-rival")]
    words = money_views.OUTCOMES.get(curve.outcome, curve.outcome)
    if curve.queries_per_month:
        words = f"{words}: {curve.queries_per_month:,} queries a month"
    st.html(
        markup.answer_card(
            f"Cheaper than {drawings.rival_name(curve)}?",
            words[:1].upper() + words[1:],
            [curve.reason],
            "warn" if arm.barred or curve.outcome in {"never", "unknown"} else "plain",
            markup.tag(money_views.VETOED, "vetoed") if arm.barred else "",
        )
    )
    if curve.points:
        pieces.chart("break-even", drawings.break_even(arm, curve, outlook.business), curve.reason)


def rest(results: RunResults, outlook: CostForecast | None) -> None:
    """Prices per thousand, hosted models, limits and the ledger."""
    st.subheader("Per 1,000 queries and per 1,000 correct answers", anchor=False)
    colours = [colour_of(arm.arm) for arm in results.arms]
    barred = results.verdict.barred
    st.html(markup.table(money_views.price_table(results.arms, outlook, barred), colours=colours))
    if barred:
        st.html(markup.notes(["vetoed: may not be shipped, whatever it costs; What won? says why"]))
    if outlook is not None and outlook.hosted:
        st.subheader("Hosted models that were not run", anchor=False)
        st.html(markup.tags([("priced only", "priced"), ("not measured", "priced")]))
        st.html(markup.table(money_views.hosted_table(outlook.hosted, outlook.business)))
    if outlook is not None and outlook.limits:
        st.subheader("Until when this holds", anchor=False)
        st.html(markup.bullets(f"{limit.sentence} [{limit.source}]" for limit in outlook.limits))
    with st.expander("Line by line"):
        arm = st.selectbox("Of", [str(one.arm) for one in results.arms], key="ledger", format_func=one_line)
        found = next(one for one in results.arms if str(one.arm) == arm)
        st.html(markup.table(money_views.ledger_table(found.cost.lines, "per 1,000 queries")))
        whole = None if outlook is None else next((o for o in outlook.arms if str(o.arm) == arm), None)
        if whole is not None:
            for part in whole.month:
                if part.lines:
                    st.html(markup.tags([(f"a month: {part.group}", "plain")]))
                    st.html(markup.table(money_views.ledger_table(part.lines, "a month")))
            if whole.once:
                st.html(markup.tags([("once", "plain")]))
                st.html(markup.table(money_views.ledger_table(whole.once, "once")))


def what_if_box(page: RunPage, results: RunResults) -> tuple[RunResults, CostForecast | None, bool]:
    """The controls; what they lead to, and whether anything was changed."""
    if results.outlook is None or results.outlook.grounds is None:
        st.info("This run holds no monthly costs: it was concluded before they were reckoned.")
        reckon = state.folder_of(page.run_id).command("score", "--store")
        pieces.command(reckon, "reckons them from the journal")
        return results, results.outlook, False
    with st.expander("What if the numbers were others?", expanded=True):
        again = price_day(page, results)
        outlook = again.outlook or results.outlook
        other = changes(outlook.business)
        st.button("Back to the plan's numbers", on_click=_reset, icon=":material/undo:", key="what-back")
    asked = bool(other)
    try:
        if asked:
            outlook = what_if(again, outlook, other, again.recommendation.ship)
        return again, outlook, asked or again is not results
    except UserError as error:
        st.warning("That cannot be reckoned; the plan's numbers are shown.", icon=":material/calculate:")
        st.text(str(error))
        return results, results.outlook, False


def show(page: RunPage, results: RunResults) -> None:
    """The whole page, the answer above the numbers that lead to it."""
    top = st.container()
    results, outlook, asked = what_if_box(page, results)
    if outlook is None:
        rest(results, None)
        return
    with top:
        answer(results, outlook, asked)
    months(results, outlook)
    break_even(results, outlook)
    rest(results, outlook)
    with st.expander("What it was reckoned for"):
        lines = money_views.setting_lines(outlook.business)
        st.html(
            markup.settings([(name, words, "assumed" if assumed else "") for name, words, assumed in lines])
        )


found = pieces.run_results(
    "What does it cost?", "A month, the horizon, a right answer; against what is done today."
)
if found is not None:
    show(*found)
