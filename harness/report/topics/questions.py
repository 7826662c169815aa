"""Questions over documents: answered or handed back, what was found for them, and whose a mistake is."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.results import ArmResult
from harness.core.wording import MISSING, counted, percent
from harness.report.context import ReportContext
from harness.report.document import Block, Cell, Row, Section, Table
from harness.report.topics.arms import title_of
from harness.report.topics.cells import cells, columns
from harness.tasks.question_breakdown import Owner, QuestionBreakdown

_OWNERS = {
    Owner.NOT_RETRIEVED: "evidence not found",
    Owner.NOT_USED: "found, not used",
    Owner.NOT_THERE: "not in the documents",
    Owner.CONTRADICT: "documents contradict",
    Owner.OTHER: "other",
}


def questions_section(c: ReportContext) -> Section:
    """What each arm did with questions that can and cannot be answered, and whose its mistakes are."""
    found = [(arm, of) for arm in c.results.arms if (of := questions_of(arm)) is not None]
    blocks: tuple[Block, ...] = (_abstaining(c, found), _mistakes(c, found)) if found else ()
    return Section(key="questions", title="Answered, handed back, mistaken", blocks=blocks)


def questions_of(arm: ArmResult) -> QuestionBreakdown | None:
    """An arm's breakdown by question; None where it has none."""
    found = arm.quality.breakdown
    return found if isinstance(found, QuestionBreakdown) else None


def _abstaining(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Table:
    can, cannot = found[0][1].answerable, found[0][1].unanswerable
    n = max(1, can + cannot)
    rows = [
        Row(
            cells=cells(
                Cell(text=title_of(c)(arm.arm), detail=arm.arm.label),
                _of(of.answered_rightly, of.answered),
                _of(of.abstained_rightly, of.abstained),
                _of(of.abstained_rightly, of.unanswerable),
                MISSING if of.evidence_shown is None else _share(of.evidence_shown.value),
            )
        )
        for arm, of in found
    ]
    always = ("Always handing back", f"0 of 0 ({MISSING})", _of(cannot, n), _of(cannot, cannot), MISSING)
    never = (
        "Never handing back",
        f"at most {can:,} of {n:,}",
        f"0 of 0 ({MISSING})",
        _of(0, cannot),
        MISSING,
    )
    return Table(
        caption=f"{n:,} test questions: the documents answer {can:,} and do not answer {cannot:,}",
        columns=columns(
            ("option", ""),
            ("answers", "right"),
            ("handed back", "rightly"),
            ("not answerable,", "handed back"),
            ("evidence", "shown"),
        ),
        rows=(*rows, *(Row(cells=cells(*one)) for one in (always, never))),
        notes=(
            "answers right: of the answers given, to questions that cannot be answered too",
            "handed back rightly: of those handed back, the ones not in the documents (abstention precision)",
            "not answerable, handed back: of the questions that are not in the documents (abstention recall)",
            "evidence shown: of the questions with stated evidence, those with a passage that holds it among "
            "the passages shown",
            *_odd(c, found),
        ),
    )


def _odd(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> list[str]:
    notes = []
    for arm, of in found:
        title = title_of(c)(arm.arm)
        if of.invalid:
            notes.append(f"{title}: {counted(of.invalid, 'answer says', 'answers say')} nothing")
        if of.cut:
            notes.append(f"{title}: {counted(of.cut, 'answer was', 'answers were')} cut at the most tokens")
    return notes


def _mistakes(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Table:
    rows = tuple(
        Row(
            cells=cells(
                Cell(text=title_of(c)(arm.arm), detail=arm.arm.label),
                *(f"{owned.items:,}" for owned in of.owners),
                ", ".join(next((owned.examples for owned in of.owners if owned.examples), ())[:2]) or MISSING,
            )
        )
        for arm, of in found
    )
    return Table(
        caption="Whose the wrong answers are",
        columns=columns(
            ("option", ""), *((_OWNERS[owner], "") for owner in Owner), ("for example", ""), left=(0, 6)
        ),
        rows=rows,
        notes=(
            "evidence not found: no passage with it was shown; found, not used: one was, and the answer is "
            "wrong or was handed back",
            "not in the documents: the documents do not answer, and the option did",
            "documents contradict: evidence was shown, and two documents say different things about it",
            "other: no passages are shown, evidence is not stated, or nothing was said",
        ),
    )


def _of(some: int, among: int) -> str:
    return f"{some:,} of {among:,} ({percent(some / among) if among else MISSING})"


def _share(value: float | None) -> str:
    return MISSING if value is None else percent(value)
