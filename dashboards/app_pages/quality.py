"""Quality: how good are the answers, where do arms differ, and which answers are wrong?"""

from __future__ import annotations

import streamlit as st

from dashboards import behind, markup, pieces, state
from dashboards.browser import browse
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.bakeoff.results import ArmResult
from harness.core.errors import UserError
from harness.core.records import ArmId
from harness.core.wording import one_line, seconds, share_sentence
from harness.curve.run import read_curves
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.palette import colour_of
from harness.report.run_document import run_document
from harness.report.run_view import RunPage
from harness.report.topics.quality import labels_table

PARTS = ("Accuracy", "Slices", "Labels", "Calibration", "Learning", "Harm", "Answers")


def accuracy(page: RunPage, results: RunResults) -> None:
    """Intervals, then paired differences."""
    st.subheader("Accuracy of every arm", anchor=False)
    pieces.chart(
        "accuracy",
        drawings.accuracy(results.arms),
        "; ".join(f"{arm.arm}: {drawings.in_words(arm.quality.accuracy)}" for arm in results.arms),
    )
    if not results.comparisons or page.plan is None:
        return
    st.subheader("Differences on the same items", anchor=False)
    margin = page.plan.decision.margin
    chart = drawings.differences(results.comparisons, margin)
    pieces.chart("differences", chart, "Paired differences of accuracy; the table below holds the figures.")
    st.html(markup.notes([f"grey band: the margin of {100 * margin:g} points, inside which nothing is lost"]))
    sections = pieces.by_key(run_document(results, page.manifest).sections)
    with st.expander("Every comparison with its test"):
        pieces.section(sections["comparisons"], title=False)


def slices(results: RunResults) -> None:
    """Accuracy of the arm to ship and of the pair, by one column."""
    shown = arms_behind(results) or results.arms
    columns = list(dict.fromkeys(found.column for arm in shown for found in arm.quality.slices))
    if not columns:
        st.info("The rows have no slice columns. Name them on the evalset's card as `slices`.")
        return
    column = st.selectbox("Column", columns, format_func=one_line, key="slice")
    pieces.chart("slices", drawings.slices(shown, column), f"accuracy by {column}")
    st.html(markup.notes(["small slices say little: look at the intervals"]))


def labels(results: RunResults) -> None:
    """The labels of one arm: the worst, what is answered instead, then all."""
    arm = _pick([arm for arm in results.arms if arm.quality.labels], results)
    if arm is None:
        st.info("Nothing is stored by label for this run.")
        return
    found = _diagnosis(results, arm.arm)
    st.subheader("The worst labels", anchor=False)
    pieces.chart("labels", drawings.labels(arm.quality.labels, arm.arm), "F1 of the worst labels")
    if found is not None and found.confusions:
        st.subheader("What is answered instead", anchor=False)
        confused = drawings.confusions(found, arm.quality.labels)
        pieces.chart("confusions", confused, "How often each label is answered where another is right.")
        st.html(markup.table(behind.confusion_table(found, arm.quality.labels)))
        st.caption("The part 'Answers' lists the items behind each row.")
    with st.expander(f"All {len(arm.quality.labels)} labels"):
        st.html(markup.table(labels_table(arm.quality.labels)))


def calibration(results: RunResults) -> None:
    """Whether an arm's confidence can be trusted."""
    found = [one for one in results.diagnosis if one.reliability]
    if not found:
        st.info("No arm of this run gave probabilities that were kept.")
        return
    names = {str(one.arm): one for one in found}
    picked = st.multiselect("Arms", list(names), default=list(names), format_func=one_line, key="calibrated")
    shown = [names[name] for name in picked]
    st.subheader("As right as it is sure?", anchor=False)
    pieces.chart("reliability", drawings.reliability(shown), "accuracy against confidence in ten bins")
    st.subheader("What answering less would bring", anchor=False)
    pieces.chart("coverage", drawings.coverage(shown), "precision against the share of items answered")
    lines = [
        f"{arm.arm}: calibration error (ECE) {arm.quality.ece.value:.3f}, n={arm.quality.ece.n:,}; "
        f"{arm.quality.coverage.metric if arm.quality.coverage else 'coverage'}: "
        f"{share_sentence(arm.quality.coverage)}"
        for arm in results.arms
        if arm.quality.ece is not None and arm.quality.ece.value is not None
    ]
    st.html(markup.notes(["confidences are scaled by a temperature fitted on dev", *lines]))


def more_examples(page: RunPage) -> None:
    """The learning curves stored with the run, if there are any."""
    st.subheader("What would more training examples bring?", anchor=False)
    try:
        found = read_curves(state.folder_of(page.run_id).root)
    except UserError as error:
        st.text(str(error))
        return
    if found is None or not found.curves:
        st.caption("No learning curve is stored with this run.")
        pieces.command(state.folder_of(page.run_id).command("curve"), "measures one")
        return
    for curve in found.curves:
        pieces.chart(f"learning-{curve.arm}", drawings.learning(curve), " ".join(curve.sentences))
        st.html(markup.bullets(curve.sentences))
        st.html(markup.notes([f"scored on n={curve.items:,} {curve.split} items", *curve.notes]))


def training(page: RunPage, results: RunResults) -> None:
    """Learning curves, loss by step, and the seeds."""
    more_examples(page)
    trained = [(arm.arm, arm.fitted.artefact) for arm in results.arms if arm.fitted.artefact is not None]
    if not trained:
        st.caption("No arm of this run was trained.")
        return
    st.subheader("Training loss", anchor=False)
    pieces.chart("losses", drawings.losses(trained), "training loss by optimiser step")
    st.html(
        markup.notes(
            f"{arm}: {made.recipe.method}, {made.train_rows:,} rows, {made.train_tokens:,} tokens, "
            f"{made.steps:,} steps in {seconds(made.train_s)}"
            for arm, made in trained
        )
    )
    if any(len(arm.seeds) > 1 for arm in results.arms):
        st.subheader("Training seeds", anchor=False)
        pieces.chart("seeds", drawings.seeds(results.arms), "accuracy of every training seed")


def arms_behind(results: RunResults) -> tuple[ArmResult, ...]:
    """The arm to ship and the pair: those a reader wants the details of first."""
    wanted = dict.fromkeys([results.recommendation.ship, *(results.verdict.pair or ())])
    found = [next((arm for arm in results.arms if arm.arm == name), None) for name in wanted]
    return tuple(arm for arm in found if arm is not None)


def _pick(arms: list[ArmResult], results: RunResults) -> ArmResult | None:
    if not arms:
        return None
    names = [str(arm.arm) for arm in arms]
    ship = str(results.recommendation.ship)
    index = names.index(ship) if ship in names else 0
    name = st.selectbox("Arm", names, index=index, format_func=one_line, key="labelled")
    arm = arms[names.index(name)]
    st.html(markup.legend([(str(arm.arm), colour_of(arm.arm))]))
    return arm


def _diagnosis(results: RunResults, arm: ArmId) -> ArmDiagnosis | None:
    return next((one for one in results.diagnosis if one.arm == arm), None)


def harm(page: RunPage, results: RunResults) -> None:
    """What the arms do with what they should not answer."""
    found = pieces.by_key(run_document(results, page.manifest).sections).get("robustness")
    if found is None:
        st.info("Nothing was looked at.")
        asks = ("--out-of-scope", "out-of-scope.csv", "--text", "text")
        pieces.command(state.folder_of(page.run_id).command("robustness", *asks), "asks inputs of no label")
        return
    pieces.section(found)


def show(page: RunPage, results: RunResults) -> None:
    """One part at a time."""
    part = st.segmented_control(
        "Part", PARTS, default=PARTS[0], required=True, key="part", label_visibility="collapsed"
    )
    match part:
        case "Slices":
            slices(results)
        case "Labels":
            labels(results)
        case "Calibration":
            calibration(results)
        case "Learning":
            training(page, results)
        case "Harm":
            harm(page, results)
        case "Answers":
            browse(page, results)
        case _:
            accuracy(page, results)


found = pieces.run_results(
    "How good are the answers?", "Every figure with its interval and what it was counted over."
)
if found is not None:
    show(*found)
