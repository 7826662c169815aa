"""How fast the answers are: percentiles, the whole distribution, and under which conditions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.bakeoff.results import ArmResult
from harness.core.records import ArmId, Estimate
from harness.core.wording import MISSING, busy_mark, milliseconds, one_line
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Block, Cell, Row, Section, Table
from harness.report.topics.arms import title_of
from harness.report.topics.cells import cells, columns, drawn, timing_notes
from harness.report.topics.quality import diagnosed


def latency_section(c: ReportContext) -> Section:
    """The distribution of the timed queries, and their percentiles."""
    timed = [arm for arm in diagnosed(c) if arm.latency]
    blocks: list[Block] = []
    if timed:
        spec = drawings.times(timed)
        what, caption = "Distribution of answer times.", "One query at a time on a warm machine."
        blocks.append(drawn("times", spec, what, caption))
    if any(arm.latency.p50_ms.n for arm in c.results.arms):
        blocks.append(latency_table(c.results.arms, title_of(c)))
    return Section(key="latency", title="Answer times", blocks=tuple(blocks))


def latency_table(arms: Sequence[ArmResult], name: Callable[[ArmId], str]) -> Table:
    """Percentiles with their intervals, n and conditions."""
    rows = tuple(_row(arm, name) for arm in arms)
    conditions: dict[str, list[str]] = {}
    for arm in arms:
        conditions.setdefault(arm.latency.conditions, []).append(name(arm.arm))
    return Table(
        columns=columns(
            ("option", ""),
            ("p50", "ms"),
            ("p95", "ms"),
            ("p99", "ms"),
            ("slowest", "ms"),
            ("n", "timed"),
            ("queries a second", "in batches"),
        ),
        rows=rows,
        notes=(
            *(f"{', '.join(names)}: {said}" for said, names in conditions.items()),
            f"{MISSING} for a percentile: too few queries were timed to tell it from the slowest one",
            *timing_notes(arms, name),
        ),
    )


def _row(arm: ArmResult, name: Callable[[ArmId], str]) -> Row:
    timed, rate = arm.latency, arm.latency.throughput_qps
    per_second = MISSING
    if rate.value is not None:
        per_second = f"{rate.value:,.{0 if rate.value >= 100 else 1}f}{busy_mark(rate.reason)}"
    return Row(
        cells=cells(
            Cell(text=name(arm.arm), detail=arm.arm.label),
            *(_cell(figure, timed.busy) for figure in (timed.p50_ms, timed.p95_ms, timed.p99_ms)),
            milliseconds(timed.slowest_ms) + busy_mark("" if timed.slowest_ms is None else timed.busy),
            f"{timed.p50_ms.n:,}",
            per_second,
        ),
        key=one_line(str(arm.arm)),
    )


def _cell(figure: Estimate, busy: str) -> Cell:
    inside = ""
    if figure.low is not None and figure.high is not None:
        inside = f"{milliseconds(figure.low)}-{milliseconds(figure.high)}"
    return Cell(
        text=milliseconds(figure.value) + busy_mark("" if figure.value is None else busy), detail=inside
    )


def p95_section(c: ReportContext, limit_ms: float | None) -> Section:
    """The slow answers of every arm against what the plan allows."""
    known = [arm for arm in c.results.arms if arm.latency.p95_ms.value is not None]
    spec = drawings.p95(known, limit_ms)
    line = "" if limit_ms is None else f" Dashed: the plan allows {milliseconds(limit_ms)} ms."
    caption = f"95 % of the queries are answered within (p95).{line}"
    chart = drawn("p95", spec, f"p95 of every arm.{line}", caption)
    return Section(key="p95", title="How slow the slow answers are", blocks=(chart,) if known else ())
