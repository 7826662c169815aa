"""How often the advice held, over all runs. Pure: every figure is a field of a record."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.records import Estimate
from harness.core.wording import MISSING, share_sentence
from harness.report.document import (
    Block,
    Bullets,
    Command,
    Document,
    Fact,
    Facts,
    Paragraph,
    Row,
    Section,
    Table,
)
from harness.report.topics.cells import cells, columns
from harness.report.topics.prediction import METRICS, worded
from harness.track_record.records import CheckedRun, HeldRanges, TrackRecord

_TITLE = "The advice against its runs"


def track_document(record: TrackRecord) -> Document:
    """What held, what informed the ranges, and the runs it was counted over."""
    if not record.runs:
        nothing: tuple[Block, ...] = (
            Paragraph(text="No complete run tests an advice yet."),
            Command(
                command="harness plan case.yaml --evalset support-tickets -o plan.yaml", purpose="locks one"
            ),
            Command(command="harness run plan.yaml", purpose="tests it"),
        )
        return Document(title=_TITLE, sections=(Section(key="runs", title="Runs", blocks=nothing),))
    how_often = Facts(
        rows=(
            Fact(label="placed first", text=f"{_of(record.ranked_first)} recommend it"),
            Fact(label="answer", text=f"{_of(record.answered)} measured alike, where both decided"),
        )
    )
    held = (_held(record.held), how_often)
    sections = [Section(key="held", title="Predicted ranges that held", blocks=held)]
    if any(entry.share.n for entry in record.informed):
        blocks = (_held(record.informed), Bullets(label="because", items=record.informed_because))
        title = "On evalsets that informed the ranges: no test"
        sections.append(Section(key="informed", title=title, blocks=blocks))
    notes = Bullets(label="to know", items=record.notes, tone="faint")
    sections.append(Section(key="runs", title="Runs", blocks=(_runs(record.runs), notes)))
    return Document(title=_TITLE, sections=tuple(sections))


def _held(entries: Sequence[HeldRanges]) -> Table:
    return Table(
        columns=columns(("figure",), ("held",), ("share",), ("mean", "width"), ("high", "by low")),
        rows=tuple(
            Row(
                cells=cells(
                    METRICS[entry.metric],
                    f"{entry.inside} of {entry.share.n}",
                    share_sentence(entry.share) if entry.share.n else entry.share.reason,
                    MISSING if entry.mean_width is None else worded(entry.metric, entry.mean_width),
                    MISSING if entry.mean_ratio is None else _times(entry.mean_ratio),
                )
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
            Row(
                cells=cells(
                    run.run_id,
                    run.case,
                    run.evalset,
                    f"{run.inside} of {run.tested}",
                    run.first,
                    run.ships,
                    "yes" if run.counted else f"no: {run.why}",
                ),
                tone="plain" if run.counted else "faint",
            )
            for run in runs
        ),
        notes=("first: the option that the advice placed first",),
    )


def _times(ratio: float) -> str:
    """How many times the low end the high end is: '2.9 x', '750 x'."""
    return f"{ratio:.1f} x" if ratio < 10 else f"{ratio:,.0f} x"
