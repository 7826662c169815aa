"""Quality: how good are the answers, where do arms differ, and which answers are wrong?"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from advisor.options import TaskKind
from advisor.sentences import capital
from dashboards import blocks, pieces, state
from dashboards.pieces import browse
from harness.bakeoff.evalset import other_editions
from harness.bakeoff.results import ArmResult
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import UserError, command
from harness.core.wording import one_line
from harness.curve.run import read_curves
from harness.recommendation.records import RunResults
from harness.report.context import ReportContext
from harness.report.document import Section
from harness.report.run_view import RunPage
from harness.report.topics.arms import accuracy_chart
from harness.report.topics.curve import curves_document
from harness.report.topics.freshness import freshness_section
from harness.report.topics.quality import (
    arm_labels_sections,
    confidence_section,
    differences_chart,
    differences_section,
    field_blocks,
    fields_of,
    shown_first,
    slice_section,
)
from harness.report.topics.questions import questions_section
from harness.report.topics.robustness import robustness_section
from harness.report.topics.tuned import training_section

PARTS = ("Accuracy", "Slices", "Labels", "Calibration", "Learning", "Robustness", "Change", "Answers")


def accuracy(c: ReportContext) -> None:
    """Intervals, then paired differences."""
    measured = Section(
        key="accuracy", title=f"{capital(c.metric.noun)} of every arm", blocks=(accuracy_chart(c),)
    )
    found = differences_section(c)
    drawn = (differences_chart(c),) if c.results.comparisons else ()
    blocks.show(measured, replace(found, blocks=(*drawn, *found.blocks)))


def slices(c: ReportContext) -> None:
    """Accuracy of the arm to use and of the pair, by one column."""
    shown = shown_first(c) or list(c.results.arms)
    columns = list(dict.fromkeys(found.column for arm in shown for found in arm.quality.slices))
    if not columns:
        st.info("The rows have no slice columns. Name them with --slice, or on the evalset's card.")
        return
    column = st.selectbox("Column", columns, format_func=one_line, key="slice")
    blocks.show(slice_section(shown, column, c.metric), titled=False)


def labels(c: ReportContext) -> None:
    """The labels or fields of one arm, or what all did with questions; of labels the worst stand first."""
    asked = questions_section(c)
    if asked.blocks:
        blocks.show(asked, titled=False)
        return
    arms = [arm for arm in c.results.arms if fields_of(arm).fields]
    if arms:
        found = fields_of(_picked(c, arms))
        blocks.show(Section(key="fields", title="Fields", blocks=field_blocks(found)), titled=False)
        return
    arms = [arm for arm in c.results.arms if arm.quality.by_label.labels]
    if not arms:
        st.info("Nothing is stored by label for this run.")
        return
    blocks.show(*arm_labels_sections(c, _picked(c, arms)))


def _picked(c: ReportContext, arms: list[ArmResult]) -> ArmResult:
    """The arm chosen; at first the one to use."""
    picked = pieces.pick_arm(c, "Arm", (arm.arm for arm in arms), "labelled")
    return next(arm for arm in arms if arm.arm == picked)


def calibration(c: ReportContext) -> None:
    """Whether an arm's confidence can be trusted."""
    found = {str(one.arm): one for one in c.results.diagnosis if one.reliability}
    if not found:
        st.info("No arm of this run gave probabilities that were kept.")
        return
    picked = st.multiselect("Arms", list(found), default=list(found), format_func=one_line, key="calibrated")
    shown = replace(c.results, diagnosis=tuple(found[name] for name in picked))
    blocks.show(confidence_section(replace(c, results=shown)), titled=False)


def more_examples(page: RunPage) -> None:
    """The learning curves stored with the run, if there are any."""
    try:
        found = read_curves(state.folder_of(page.run_id).curves)
    except UserError as error:
        st.text(str(error))
        return
    if found is None or not found.curves:
        st.subheader("What would more training examples bring?", anchor=False)
        st.caption("No learning curve is stored with this run.")
        pieces.command(state.folder_of(page.run_id).command("curve"), "measures one")
        return
    blocks.show(*curves_document(found, drawn=True).sections)


def robustness(c: ReportContext) -> None:
    """What the arms do with what they should not answer."""
    found = robustness_section(c)
    if not found.blocks:
        st.info("Robustness was not measured.")
        asks = ("--out-of-scope", "out-of-scope.csv", "--text", "text")
        pieces.command(c.command("robustness", *asks), "asks inputs of no label")
        return
    blocks.show(found)


def freshness(c: ReportContext, folder: RunFolder) -> None:
    """What keeping up with change takes."""
    found = freshness_section(c)
    if found.blocks:
        blocks.show(found)
        return
    st.info("No drill is stored with this run.")
    if c.results.task is not TaskKind.QUESTION_ANSWERING:
        drill = command("freshness", "PLAN.yaml", "--run", folder.run_id)
        pieces.command(drill, "drills a change of the labels or facts")
        return
    plan = folder.plan()
    other = other_editions(plan, folder)[-1:]
    named = [f"edition={one}" for one in other] or ["docs=FOLDER", "file=TABLE"]
    second = [word for one in named for word in ("--second", one)]
    price = ["--wrong-answer-usd", "USD"] if plan.cost.wrong_answer_usd is None else []
    pieces.command(command("freshness", folder.run_id, *second, *price), "drills a change of the documents")


def show(page: RunPage, results: RunResults) -> None:
    """One part at a time."""
    c = pieces.context(page, results)
    asked = results.task is TaskKind.QUESTION_ANSWERING
    part = st.segmented_control(
        "Part",
        PARTS,
        default=PARTS[0],
        format_func=lambda one: "Questions" if asked and one == "Labels" else one,
        required=True,
        key="part",
        label_visibility="collapsed",
    )
    match part:
        case "Slices":
            slices(c)
        case "Labels":
            labels(c)
        case "Calibration":
            calibration(c)
        case "Learning":
            more_examples(page)
            blocks.show(training_section(c))
        case "Robustness":
            robustness(c)
        case "Change":
            freshness(c, state.folder_of(page.run_id))
        case "Answers":
            browse(page, results)
        case _:
            accuracy(c)


found = pieces.run_results(
    "How good are the answers?", "Every figure with its interval and what it was counted over."
)
if found is not None:
    show(*found)
