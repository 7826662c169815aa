"""The track record of the advice on the terminal. Computes nothing: every figure is a field of a record."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from harness.core.records import Estimate
from harness.core.wording import MISSING, milliseconds, money, one_line, percent, share_sentence
from harness.report.text import print_view
from harness.report.view import (
    Block,
    Bullets,
    Cell,
    Column,
    Command,
    Fact,
    Row,
    Section,
    Sentence,
    Table,
    View,
)
from harness.track_record.records import CheckedRun, HeldRanges, TrackRecord

_UNITS = {"accuracy": "accuracy", "p95_ms": "p95, ms", "usd_per_1k": "$ per 1,000 queries"}


def print_track(record: TrackRecord, stream: TextIO | None = None) -> None:
    """The record on a terminal or a pipe."""
    print_view(track_view(record), stream or sys.stdout)


def track_view(record: TrackRecord) -> View:
    """What held, what informed the ranges, and the runs it was counted over."""
    if not record.runs:
        nothing: tuple[Block, ...] = (
            Sentence(text="No complete run tests an advice yet."),
            Command(
                command="harness plan case.yaml --evalset support-tickets -o plan.yaml", purpose="locks one"
            ),
            Command(command="harness run plan.yaml", purpose="tests it"),
        )
        return View(title="The advice against its runs", sections=(_section("runs", "Runs", nothing),))
    held: list[Block] = [
        _held(record.held),
        Fact(label="placed first", text=f"{_of(record.ranked_first)} ships"),
        Fact(label="answer", text=f"{_of(record.answered)} measured alike, where both decided"),
    ]
    sections = [_section("held", "Predicted ranges that held", (*held,))]
    if any(entry.share.n for entry in record.informed):
        apart = Bullets(label="because", items=tuple(map(one_line, record.informed_because)))
        blocks = (_held(record.informed), apart)
        sections.append(_section("informed", "On evalsets that informed the ranges: no test", blocks))
    notes = Bullets(label="to know", items=record.notes, tone="faint")
    sections.append(_section("runs", "Runs", (_runs(record.runs), notes)))
    return View(title="The advice against its runs", sections=tuple(sections))


def _section(key: str, title: str, blocks: tuple[Block, ...]) -> Section:
    return Section(key=key, title=title, blocks=blocks)


def _held(entries: Sequence[HeldRanges]) -> Table:
    rows = tuple(
        Row(
            cells=(
                Cell(text=_UNITS[entry.metric]),
                Cell(text=f"{entry.inside} of {entry.share.n}"),
                Cell(text=share_sentence(entry.share) if entry.share.n else entry.share.reason),
                Cell(text=_width(entry)),
                Cell(text=MISSING if entry.mean_ratio is None else _times(entry.mean_ratio)),
            )
        )
        for entry in entries
    )
    return Table(
        columns=(
            Column(head=("figure",), right=False),
            Column(head=("held",)),
            Column(head=("share",)),
            Column(head=("mean", "width")),
            Column(head=("high", "by low")),
        ),
        rows=rows,
        notes=("a wide range holds easily: read the share beside the width",),
    )


def _width(entry: HeldRanges) -> str:
    if entry.mean_width is None:
        return MISSING
    match entry.metric:
        case "accuracy":
            return percent(entry.mean_width)
        case "p95_ms":
            return f"{milliseconds(entry.mean_width)} ms"
        case _:
            return money(entry.mean_width)


def _of(agreement: Estimate) -> str:
    if agreement.value is None:
        return f"0 of 0 ({agreement.reason})"
    return f"{round(agreement.value * agreement.n)} of {agreement.n} runs"


def _runs(runs: Sequence[CheckedRun]) -> Table:
    return Table(
        columns=(
            Column(head=("run",), right=False),
            Column(head=("case",), right=False),
            Column(head=("evalset",), right=False),
            Column(head=("held",)),
            Column(head=("said", "first"), right=False),
            Column(head=("ships",), right=False),
            Column(head=("counted",), right=False),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=one_line(run.run_id)),
                    Cell(text=one_line(run.case)),
                    Cell(text=one_line(run.evalset)),
                    Cell(text=f"{run.inside} of {run.tested}"),
                    Cell(text=run.first),
                    Cell(text=run.ships),
                    Cell(text="yes" if run.counted else f"no: {one_line(run.why)}"),
                ),
                tone="plain" if run.counted else "faint",
            )
            for run in runs
        ),
    )


def _times(ratio: float) -> str:
    """How many times the low end the high end is: '2.9 x', '750 x'."""
    return f"{ratio:.1f} x" if ratio < 10 else f"{ratio:,.0f} x"
