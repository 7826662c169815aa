"""Questions over documents: answered or handed back, what was found for them, and whose a mistake is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.bakeoff.results import ArmResult
from harness.core.records import Estimate
from harness.core.wording import MISSING, bounds, counted, percent
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Block, Cell, Row, Section, Table, section
from harness.report.topics.cells import cells, columns, drawn, row, share
from harness.tasks.question_breakdown import Answering, Owner, QuestionBreakdown
from harness.tasks.questions import (
    ABSTENTION_PRECISION,
    ABSTENTION_RECALL,
    CITATION_PRECISION,
    CITATION_RECALL,
    UNSUPPORTED,
)

_HEADS = {
    Owner.NOT_RETRIEVED: ("evidence", "not found"),
    Owner.NOT_USED: ("found,", "not used"),
    Owner.NOT_THERE: ("not in the", "documents"),
    Owner.CONTRADICT: ("documents", "contradict"),
    Owner.OTHER: ("other", ""),
}
OWNERS = {owner: " ".join(head).strip() for owner, head in _HEADS.items()}
"""How a wrong answer's owner is called in every table."""

_BEHIND = {
    "What answers cite and state, %": {
        CITATION_PRECISION.name: ("citation", "precision"),
        CITATION_RECALL.name: ("citation", "recall"),
        UNSUPPORTED.name: ("unsupported", "statements"),
    },
    "What is handed back, %": {
        ABSTENTION_PRECISION.name: ("abstention", "precision"),
        ABSTENTION_RECALL.name: ("abstention", "recall"),
    },
}
"""By table, its metrics with the heads of their columns."""
_POINTS = 5
"""Of a curve of risk and coverage, in a table."""


def questions_section(c: ReportContext) -> Section:
    """What each arm did with questions that can and cannot be answered, and whose its mistakes are."""
    found = [(arm, of) for arm in c.results.arms if (of := questions_of(arm)) is not None]
    title = "Answered, handed back, mistaken"
    if not found:
        return section("questions", title)
    blocks = (*_searched(c, found), *_risk(c, found), *_behind(c, found))
    return section("questions", title, _abstaining(c, found), *blocks, _mistakes(c, found))


def questions_of(arm: ArmResult) -> QuestionBreakdown | None:
    """An arm's breakdown by question; None where it has none."""
    found = arm.quality.breakdown
    return found if isinstance(found, QuestionBreakdown) else None


def _abstaining(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Table:
    can, cannot = found[0][1].answerable, found[0][1].unanswerable
    n = max(1, can + cannot)
    rows = [
        row(
            Cell(text=c.title(arm.arm), detail=arm.arm.label),
            _of(of.answered_rightly, of.answered),
            _of(of.abstained_rightly, of.abstained),
            _of(of.abstained_rightly, of.unanswerable),
        )
        for arm, of in found
    ]
    always = ("Always handing back", f"0 of 0 ({MISSING})", _of(cannot, n), _of(cannot, cannot))
    never = (
        "Never handing back",
        f"at most {can:,} of {n:,}",
        f"0 of 0 ({MISSING})",
        _of(0, cannot),
    )
    return Table(
        caption=f"{n:,} test questions: the documents answer {can:,} and do not answer {cannot:,}",
        columns=columns(
            ("option", ""),
            ("answers", "right"),
            ("handed back", "rightly"),
            ("not answerable,", "handed back"),
        ),
        rows=(*rows, *(row(*one) for one in (always, never))),
        notes=(
            "answers right: of the answers given, to questions that cannot be answered too",
            "handed back rightly: of those handed back, the ones not in the documents (abstention precision)",
            "not answerable, handed back: of the questions that are not in the documents (abstention recall)",
            *_odd(c, found),
        ),
    )


def _odd(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> list[str]:
    notes = []
    for arm, of in found:
        title = c.title(arm.arm)
        if of.invalid:
            notes.append(f"{title}: {counted(of.invalid, 'answer says', 'answers say')} nothing")
        if of.cut:
            notes.append(f"{title}: {counted(of.cut, 'answer was', 'answers were')} cut at the most tokens")
    return notes


def _searched(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Iterator[Table]:
    """How often and how near the top a search found the evidence."""
    rows = [
        (arm, of, of.evidence_shown)
        for arm, of in found
        if arm.arm.option.traits.searches and of.evidence_shown is not None
    ]
    if rows:
        yield Table(
            caption="How well the passages are found, %",
            columns=columns(
                ("option", ""), ("passages", "shown"), ("questions with", "evidence"), "recall", "MRR", "nDCG"
            ),
            rows=tuple(
                row(
                    c.title(arm.arm),
                    f"{of.most_shown:,}",
                    f"{shown.n:,}",
                    *(_interval(one) for one in (shown, of.evidence_rank, of.evidence_gain)),
                )
                for arm, of, shown in rows
            ),
            notes=(
                "recall: the questions with a passage among those shown that holds stated evidence, with its "
                "95 % interval",
                "MRR: the mean of 1 / place of the first such passage, 0 where there is none",
                "nDCG: how near the top all such passages stand, 100 where nothing stands before them",
            ),
        )


def _risk(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Iterator[Block]:
    """How many questions get an answer, and how many of those answers are wrong."""
    drawn_arms = [(arm, of) for arm, of in found if of.answering]
    if not drawn_arms:
        return
    n = found[0][1].answerable + found[0][1].unanswerable
    least = 1 - found[0][1].never_abstaining
    rows = [
        row(c.title(arm.arm), *_point(point, n)) for arm, of in drawn_arms for point in _picked(of.answering)
    ]
    rows.insert(0, row("Always handing back", f"0 of {n:,} (0 %)", MISSING))
    never = cells("Never handing back", f"{n:,} of {n:,} (100 %)", f"at least {percent(least)}")
    rows.append(Row(cells=never))
    spec = drawings.risk([(arm.arm, c.title(arm.arm), of.answering) for arm, of in drawn_arms], least)
    what = "Wrong answers against the share of questions answered, the surest answers first."
    caption = (
        "To the left an option answers only what it is surest of. An option that does not say how sure it is "
        "has one point."
    )
    yield drawn("risk-coverage", spec, what, caption, sources=c.accuracy(*(arm for arm, _ in drawn_arms)))
    yield Table(
        caption="Risk and coverage: how many questions are answered, and how many of those answers are wrong",
        columns=columns(("option", ""), ("questions", "answered"), ("of those answers", "wrong")),
        rows=tuple(rows),
        notes=("several rows of one option: it answers the surest questions first, down to all it answers",),
    )


def _picked(points: Sequence[Answering]) -> list[Answering]:
    """A few points of a curve, its end with them."""
    step = max(1, math.ceil((len(points) - 1) / (_POINTS - 1)))
    return list(points[::-step][::-1])


def _point(point: Answering, n: int) -> tuple[str, Cell]:
    return _of(point.risk.n, n), Cell(text=share(point.risk.value), detail=bounds(point.risk))


def _behind(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Iterator[Table]:
    """Citations and support, then abstention, each with its interval and what it is a share of."""
    for caption, heads in _BEHIND.items():
        wanted = [metric for metric in c.results.metrics if metric.name in heads]
        rows = [(arm, [_estimate(arm, metric.name) for metric in wanted]) for arm, _ in found]
        shown = [(arm, told) for arm, told in rows if any(one != MISSING for one in told)]
        if shown:
            yield Table(
                caption=caption,
                columns=columns(("option", ""), *(heads[metric.name] for metric in wanted)),
                rows=tuple(row(c.title(arm.arm), *told) for arm, told in shown),
                notes=(
                    "in brackets the 95 % interval, and of how many answers or questions it is the mean",
                    *(f"{metric.name}: {metric.about}" for metric in wanted),
                ),
            )


def _estimate(arm: ArmResult, name: str) -> str | Cell:
    found = next((one for one in arm.quality.others if one.metric == name), None)
    return MISSING if found is None else _interval(found, f"{found.n:,}")


def _interval(found: Estimate | None, *more: str) -> str | Cell:
    """A mean in percent, with its interval."""
    if found is None or found.value is None:
        return MISSING
    text = percent(found.value).removesuffix(" %")
    return Cell(text=text, detail="; ".join(filter(None, (bounds(found), *more))))


def _mistakes(c: ReportContext, found: Sequence[tuple[ArmResult, QuestionBreakdown]]) -> Table:
    rows = tuple(
        row(
            c.title(arm.arm),
            *(_owned(of, owner) for owner in Owner),
            ", ".join(next((owned.examples for owned in of.owners if owned.examples), ())[:1]) or MISSING,
        )
        for arm, of in found
    )
    return Table(
        caption="Whose the wrong answers are",
        columns=columns(("option", ""), *(_HEADS[owner] for owner in Owner), ("for", "example"), left=(0, 6)),
        rows=rows,
        notes=(
            "evidence not found: no passage with it was shown; found, not used: one was, and the answer is "
            "wrong or was handed back",
            "not in the documents: the documents do not answer, and the option did",
            "documents contradict: evidence was shown, and two documents say different things about it",
            "other: no passages are shown, evidence is not stated, or nothing was said",
        ),
    )


def _owned(of: QuestionBreakdown, owner: Owner) -> str:
    return next((f"{owned.items:,}" for owned in of.owners if owned.owner is owner), MISSING)


def _of(some: int, among: int) -> str:
    return f"{some:,} of {among:,} ({percent(some / among) if among else MISSING})"
