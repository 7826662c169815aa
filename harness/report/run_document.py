"""The report of a run: which topics each format shows, in which order, and how deep. Pure.

One document, four formats. `PLACES` is the whole difference between them; a topic says the same in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.run_folder import Manifest
from harness.core.records import ArmId
from harness.recommendation.records import RunResults
from harness.report.context import PLAIN, Branding, ReportContext, reader_currency
from harness.report.document import CommandOn, Document, Fact, Facts, Section, on_run, outside
from harness.report.topics.arms import (
    accuracy_section,
    arms_table,
    behind_section,
    figures_section,
    limits_section,
    options_section,
)
from harness.report.topics.decision import (
    change_section,
    dates_section,
    decision_section,
    next_section,
    recommendation,
)
from harness.report.topics.freshness import freshness_section
from harness.report.topics.latency import latency_section, load_section
from harness.report.topics.money import (
    break_even_section,
    costs_section,
    hosted_section,
    money_section,
    month_parts_section,
    paid_back_section,
)
from harness.report.topics.prediction import prediction_section
from harness.report.topics.quality import (
    confidence_section,
    confusions_section,
    differences_section,
    fields_section,
    labels_section,
    slices_section,
    wrong_section,
)
from harness.report.topics.questions import questions_section
from harness.report.topics.robustness import robustness_section
from harness.report.topics.route import route_steps_section, to_today_section
from harness.report.topics.sources import (
    data_section,
    method_section,
    risks_section,
    run_section,
    settings_section,
    sources_section,
)

TITLE = "RAG or fine-tuning? Decision report"

PLACES: tuple[tuple[Callable[[ReportContext], Section], str, str, str], ...] = (
    # topic               terminal, Markdown   HTML      PDF
    (decision_section,    "shown",  "shown",  "page 1"),
    (options_section,     "shown",  "shown",  ""),
    (accuracy_section,    "",       "",       "page 1"),
    (money_section,       "shown",  "shown",  "page 2"),
    (change_section,      "shown",  "shown",  "page 2"),
    (dates_section,       "shown",  "shown",  "evidence"),
    (figures_section,     "",       "",       "evidence"),
    (limits_section,      "shown",  "shown",  "evidence"),
    (to_today_section,    "shown",  "shown",  "evidence"),
    (prediction_section,  "shown",  "shown",  "evidence"),
    (differences_section, "folded", "shown",  "evidence"),
    (hosted_section,      "shown",  "shown",  "evidence"),
    (break_even_section,  "",       "shown",  "evidence"),
    (route_steps_section, "folded", "folded", ""),
    (paid_back_section,   "folded", "folded", ""),
    (month_parts_section, "folded", "folded", ""),
    (risks_section,       "folded", "shown",  "evidence"),
    (method_section,      "folded", "shown",  "evidence"),
    (data_section,        "shown",  "folded", ""),
    (questions_section,   "shown",  "shown",  "evidence"),
    (slices_section,      "folded", "folded", ""),
    (labels_section,      "folded", "folded", ""),
    (fields_section,      "folded", "folded", ""),
    (behind_section,      "folded", "folded", ""),
    (latency_section,     "folded", "folded", ""),
    (load_section,        "shown",  "shown",  "evidence"),
    (confusions_section,  "folded", "folded", ""),
    (confidence_section,  "",       "folded", ""),
    (wrong_section,       "",       "folded", ""),
    (freshness_section,   "shown",  "shown",  "evidence"),
    (robustness_section,  "folded", "folded", ""),
    (costs_section,       "folded", "folded", ""),
    (settings_section,    "folded", "folded", ""),
    (run_section,         "shown",  "",       ""),
    (sources_section,     "",       "shown",  "evidence"),
    (next_section,        "shown",  "",       ""),
)  # fmt: skip


def run_document(
    results: RunResults,
    closing: Manifest | None = None,
    for_: str = "text",
    *,
    branding: Branding = PLAIN,
    answers: Sequence[ItemAnswer] = (),
    command: CommandOn | None = None,
) -> Document:
    """The report of a run as one format shows it.

    Args:
        closing: the run's manifest; None for an incomplete run, and then the report says so.
        for_: 'text', 'md', 'html' or 'pdf'.
        answers: every arm's answer to every test item, for formats that show wrong ones.
        command: makes the commands in it; None names the run alone.
    """
    c = ReportContext(
        results=results,
        closing=closing,
        currency=branding.currency or reader_currency(results),
        answers=answers,
        command=command or on_run(results.run_id),
    )
    sections = []
    evidence = True
    for topic, text, html, pdf in PLACES:
        place = {"html": html, "pdf": pdf}.get(for_, text)
        section = topic(c) if place else None
        if section is None or not section.blocks:
            continue
        if place == "evidence" and evidence:  # behind a page of money that is full
            section, evidence = replace(section, page="new" if c.months_known else ""), False
        sections.append(replace(section, folded=place == "folded"))
    return Document(
        title=TITLE,
        subject=outside(results.data.title),
        company=outside(branding.company, 60),
        state="incomplete" if closing is None else "measured",
        sections=tuple(sections),
        running=f"run {results.run_id}",
        day=_begun(results.run_id) if closing is None else closing.finished_at,
    )


def first_document(results: RunResults, to_come: Sequence[ArmId]) -> Document:
    """The first figures of a run: the arms that need no language model, while the slow ones still run.

    Args:
        results: of the arms that have answered.
        to_come: the arms that have not.
    """
    c = ReportContext(results=results, currency=reader_currency(results))
    later = ", ".join(arm.label for arm in to_come)
    rows = (
        Fact(label="So far", text=recommendation(c).headline),
        Fact(label="To come", text=f"{later}. Nothing is decided before them."),
    )
    table = replace(arms_table(c), notes=("What the marks mean stands below the whole table, at the end.",))
    blocks = (table, Facts(rows=rows))
    section = Section(key="first", title="Without a language model", blocks=blocks)
    return Document(title="First figures", sections=(section,))


def _begun(run_id: str) -> datetime:
    """When a run began, by its id; a document must have a time, and this one never changes."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
