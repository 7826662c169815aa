"""What lies behind an arm, as tables: confusions and latency. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.bakeoff.results import ArmResult, LabelResult
from harness.core.records import Estimate
from harness.core.wording import MISSING, busy_mark, milliseconds, one_line
from harness.report.document import Cell, Column, Row, Table
from harness.report.topics.cells import timing_notes


def confusion_table(found: ArmDiagnosis, labels: Sequence[LabelResult], most: int = 15) -> Table:
    """Which label is answered where another is right, the most frequent first."""
    support = {label.label: label.support for label in labels}
    rows = [
        Row(
            cells=(
                Cell(text=one_line(pair.label)),
                Cell(text=one_line(pair.answered)),
                Cell(text=f"{pair.count:,}"),
                Cell(text=f"{support[pair.label]:,}" if pair.label in support else MISSING),
            )
        )
        for pair in found.confusions[:most]
    ]
    left = found.confused - sum(pair.count for pair in found.confusions[:most])
    return Table(
        columns=(
            Column(head=("right label",), right=False),
            Column(head=("answered instead",), right=False),
            Column(head=("items",)),
            Column(head=("items with", "the right label")),
        ),
        rows=tuple(rows),
        notes=(f"{left:,} further items were answered with another label than theirs",) if left else (),
    )


def latency_table(arms: Sequence[ArmResult]) -> Table:
    """Percentiles with their intervals, n and conditions."""
    rows = []
    for arm in arms:
        timed = arm.latency
        figures = (timed.p50_ms, timed.p95_ms, timed.p99_ms)
        cells = [_timed_cell(figure, timed.busy) for figure in figures]
        throughput = timed.throughput_qps.value
        per_second = MISSING if throughput is None else f"{throughput:,.{0 if throughput >= 100 else 1}f}"
        per_second += busy_mark("" if throughput is None else timed.throughput_qps.reason)
        rows.append(
            Row(
                cells=(
                    Cell(text=one_line(str(arm.arm))),
                    *cells,
                    Cell(text=milliseconds(timed.slowest_ms) + busy_mark(timed.busy)),
                    Cell(text=f"{timed.p50_ms.n:,}"),
                    Cell(text=per_second),
                )
            )
        )
    conditions: dict[str, list[str]] = {}
    for arm in arms:
        conditions.setdefault(one_line(arm.latency.conditions), []).append(one_line(str(arm.arm)))
    return Table(
        columns=(
            Column(head=("arm",), right=False),
            Column(head=("p50", "ms")),
            Column(head=("p95", "ms")),
            Column(head=("p99", "ms")),
            Column(head=("slowest", "ms")),
            Column(head=("n", "timed")),
            Column(head=("queries a second", "in batches")),
        ),
        rows=tuple(rows),
        notes=(
            *(f"{', '.join(names)}: {said}" for said, names in conditions.items()),
            f"{MISSING} for a percentile: too few queries were timed to tell it from the slowest one",
            *timing_notes(arms),
        ),
    )


def _timed_cell(figure: Estimate, busy: str) -> Cell:
    inside = ""
    if figure.low is not None and figure.high is not None:
        inside = f"{milliseconds(figure.low)}-{milliseconds(figure.high)}"
    mark = busy_mark("" if figure.value is None else busy)
    return Cell(text=milliseconds(figure.value) + mark, detail=inside)
