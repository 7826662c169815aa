"""All runs: the list of them, and how often the advice held. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.money.money import UNKNOWN
from harness.core.records import Estimate
from harness.core.wording import MISSING, seconds, share_sentence
from harness.recommendation.history import Past
from harness.recommendation.records import Recommendation
from harness.report.document import (
    Block,
    Bullets,
    Command,
    Document,
    Fact,
    Facts,
    Paragraph,
    Row,
    Table,
    section,
)
from harness.report.topics.cells import columns, row
from harness.report.topics.prediction import METRICS, worded
from harness.track_record.records import CheckedRun, HeldRanges, TrackRecord


def runs_document(rows: Sequence[Past]) -> Document:
    """All runs, in the order given; those without a manifest look it."""
    resume = [row.resume for row in rows if row.state == "incomplete"][-1:]
    none = (
        Paragraph(text="There is no run yet."),
        Command(command="harness bakeoff --evalset support-tickets", purpose="makes the first one"),
    )
    goes_on = (Command(command=one, purpose="goes on where it stopped") for one in resume)
    blocks: tuple[Block, ...] = (_table(rows), *goes_on) if rows else none
    return Document(title="Runs", sections=(section("runs", "Run folders", *blocks),))


def runs_json(rows: Sequence[Past]) -> list[dict[str, object]]:
    """The list as plain values."""
    return [_plain(row) for row in rows]


def _table(rows: Sequence[Past]) -> Table:
    return Table(
        columns=columns(
            "run", "state", "evalset", "arms", "n", "took", "answer", "to use", left=(0, 1, 2, 6, 7)
        ),
        rows=tuple(_row(row) for row in rows),
        notes=(
            "a run's name is when it was locked (UTC) and the beginning of its plan's digest; n: test items",
            *(f"{row.run_id} is damaged: {row.fault}" for row in rows if row.fault),
        ),
    )


def _row(past: Past) -> Row:
    results = past.results
    return row(
        past.run_id,
        past.state,
        past.evalset or UNKNOWN,
        str(len(past.arms)) if past.arms else MISSING,
        MISSING if results is None else f"{results.data.test:,}",
        MISSING if past.wall_s is None else seconds(past.wall_s),
        MISSING if results is None else results.verdict.answer.value,
        MISSING if results is None else _to_use(results.recommendation),
        tone="plain" if past.state == "complete" else "warn",
    )


def _to_use(advised: Recommendation) -> str:
    if advised.arm is None:
        return advised.action.value
    return advised.arm.label if advised.ship else f"pilot {advised.arm.label}"


def _plain(row: Past) -> dict[str, object]:
    results = row.results
    ship = None if results is None else results.recommendation.ship
    return {
        "run_id": row.run_id,
        "locked_at": None if row.locked_at is None else row.locked_at.isoformat(),
        "state": row.state,
        "evalset": row.evalset,
        "arms": list(row.arms),
        "test_items": None if results is None else results.data.test,
        "answer": None if results is None else results.verdict.answer.value,
        "ship": None if ship is None else str(ship),
        "wall_s": row.wall_s,
        "fault": row.fault,
    }


_TITLE = "The advice against its runs"


def track_document(record: TrackRecord) -> Document:
    """What held, what informed the ranges, and the runs it was counted over."""
    if not record.runs:
        return Document(
            title=_TITLE,
            sections=(
                section(
                    "runs",
                    "Runs",
                    Paragraph(text="No complete run tests an advice yet."),
                    Command(
                        command="harness plan case.yaml --evalset support-tickets -o plan.yaml",
                        purpose="locks one",
                    ),
                    Command(command="harness run plan.yaml", purpose="tests it"),
                ),
            ),
        )
    how_often = Facts(
        rows=(
            Fact(label="placed first", text=f"{_of(record.ranked_first)} recommend it"),
            Fact(label="answer", text=f"{_of(record.answered)} measured alike, where both decided"),
        )
    )
    because = Bullets(label="because", items=record.informed_because)
    informed = (_held(record.informed), because) if any(one.share.n for one in record.informed) else ()
    notes = Bullets(label="to know", items=record.notes, tone="faint")
    sections = (
        section("held", "Predicted ranges that held", _held(record.held), how_often),
        section("informed", "On evalsets that informed the ranges: no test", *informed),
        section("runs", "Runs", _runs(record.runs), notes),
    )
    return Document(title=_TITLE, sections=tuple(one for one in sections if one.blocks))


def _held(entries: Sequence[HeldRanges]) -> Table:
    return Table(
        columns=columns(("figure",), ("held",), ("share",), ("mean", "width"), ("high", "by low")),
        rows=tuple(
            row(
                METRICS[entry.metric],
                f"{entry.inside} of {entry.share.n}",
                share_sentence(entry.share) if entry.share.n else entry.share.reason,
                MISSING if entry.mean_width is None else worded(entry.metric, entry.mean_width),
                MISSING if entry.mean_ratio is None else _times(entry.mean_ratio),
            )
            for entry in entries
        ),
        notes=("a wide range holds easily: read the share beside the width",),
    )


def _of(agreement: Estimate) -> str:
    if agreement.value is None:
        return f"0 of 0 ({agreement.reason})"
    return f"{round(agreement.value * agreement.n)} of {agreement.n} runs"


def _runs(runs: Sequence[CheckedRun]) -> Table:
    return Table(
        columns=columns(
            "run", "case", "evalset", "held", "first", "to use", "counted", left=(0, 1, 2, 4, 5, 6)
        ),
        rows=tuple(
            row(
                run.run_id,
                run.case,
                run.evalset,
                f"{run.inside} of {run.tested}",
                run.first,
                run.ships,
                "yes" if run.counted else f"no: {run.why}",
                tone="plain" if run.counted else "faint",
            )
            for run in runs
        ),
        notes=("first: the option that the advice placed first",),
    )


def _times(ratio: float) -> str:
    """How many times the low end the high end is: '2.9 x', '750 x'."""
    return f"{ratio:.1f} x" if ratio < 10 else f"{ratio:,.0f} x"
