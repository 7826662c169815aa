"""Route: what if a cheap arm answers when it is sure, and a dearer one answers the rest?"""

from __future__ import annotations

import streamlit as st

from dashboards import markup, pieces
from dashboards.markup import Figure
from harness.bakeoff.results import RouteDesign
from harness.core.wording import MISSING, money, percent, share_sentence
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.run_view import RunPage


def answer(design: RouteDesign) -> None:
    """Whether there is a threshold, and what it keeps."""
    question = f"{design.first} when it is sure, else {design.then}"
    if design.threshold is None:
        st.html(markup.answer_card(question, "No threshold can be vouched for.", [design.reason], "warn"))
        return
    kept = [
        f"The first arm keeps {share_sentence(design.kept)} of the test items.",
        f"Aimed at a precision of {percent(design.precision, 0)} of what it keeps; chosen on dev.",
    ]
    st.html(markup.answer_card(question, f"Keep answers from {design.threshold:.3f} on.", kept, "good"))


def show(page: RunPage, results: RunResults) -> None:
    """The design, its curve, and the route among the other arms."""
    design = results.route
    if design is None:
        st.info("This run has no route.", icon=":material/alt_route:")
        notes = [note for note in results.notes if note.startswith("No route")]
        st.html(markup.bullets(notes or ["The plan names no route."]))
        pieces.command(
            "harness bakeoff --arms floor,linear,prompt,retrieve,tune,route --evalset support-tickets",
            "a route needs a linear or tuned arm and a prompted one",
        )
        return
    answer(design)
    if design.curve:
        st.subheader("What handing on more would bring", anchor=False)
        pieces.chart("route", drawings.route(design, results), "accuracy of the whole against the share kept")
        priced = [point for point in design.curve if point.usd_per_1k is not None]
        if design.threshold is not None:
            chosen = f"the threshold {design.threshold:.3f} was chosen on dev, not on this curve"
            st.html(markup.notes([chosen]))
        if priced:
            st.subheader("Accuracy against price", anchor=False)
            pieces.chart(
                "prices", drawings.prices(results, design), "accuracy against dollars per 1,000 queries"
            )
            st.html(markup.notes(["prices of both sides rest on what the table of 'What won?' says of them"]))
    else:
        st.html(markup.notes(["no curve is stored for this run"]))
    rows = [(str(arm), *_figures(results, arm)) for arm in (design.first, design.then)]
    st.subheader("The two sides", anchor=False)
    figures = [Figure(name=name, value=accuracy, basis=price) for name, accuracy, price in rows]
    st.html(markup.figures(figures))


def _figures(results: RunResults, name: object) -> tuple[str, str]:
    arm = next((one for one in results.arms if one.arm == name), None)
    if arm is None:
        return MISSING, "not among the arms"
    price = arm.cost.usd_per_1k
    return percent(arm.quality.accuracy.value), f"{money(price.usd)} per 1,000 ({price.basis.value})"


found = pieces.run_results(
    "Should two arms share the work?",
    "The cheap arm answers when its confidence is high enough; the other one answers the rest.",
)
if found is not None:
    show(*found)
