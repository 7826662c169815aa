"""What lies behind an arm, as charts: confusions, calibration, coverage, latency. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.spec import PERCENT, PLAIN, Axis, Interval, Line, Spec, intervals, lines
from dashboards.theme import dash_of
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.bakeoff.results import ArmResult, LabelResult
from harness.core.records import ArmId, Estimate
from harness.core.wording import MISSING, busy_mark, busy_words, decimal, milliseconds, one_line, percent
from harness.report.palette import NEUTRAL, colour_of
from harness.report.tables import timing_notes
from harness.report.view import Cell, Column, Row, Table

SHARES = (0.0, 1.0)


def label_chart(labels: Sequence[LabelResult], arm: ArmId, most: int = 20) -> Spec:
    """F1 of the labels, the worst first, as many as can be read."""
    worst = sorted(labels, key=lambda found: (found.f1 is not None, found.f1 or 0.0, found.label))[:most]
    rows = [
        Interval(
            name=one_line(found.label),
            value=found.f1,
            low=None,
            high=None,
            colour=colour_of(arm),
            words=f"F1 {decimal(found.f1, 2)}, {found.correct:,} of {found.support:,} found",
        )
        for found in worst
    ]
    return intervals(rows, Axis(title="F1 on test items", labels=PLAIN, domain=SHARES), stems=True)


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


def reliability_chart(found: Sequence[ArmDiagnosis]) -> Spec:
    """Accuracy against confidence in ten bins; on the diagonal an arm is as right as it is sure."""
    shown = []
    for one in found:
        points = [
            (bin.mean_confidence, bin.accuracy, f"{percent(bin.accuracy)} right of n={bin.n:,} answers")
            for bin in one.reliability
            if bin.mean_confidence is not None and bin.accuracy is not None
        ]
        shown.append(_line(one.arm, points, found))
    diagonal = Line(name="as right as sure", colour=NEUTRAL, points=[(0, 0, ""), (1, 1, "")], dash=(4, 3))
    x = Axis(title="confidence, mean of the bin", labels=PERCENT, domain=SHARES)
    y = Axis(title="accuracy in the bin", labels=PERCENT, domain=SHARES)
    return lines([diagonal, *shown], x, y, points=True)


def coverage_chart(found: Sequence[ArmDiagnosis]) -> Spec:
    """Precision against the share of items an arm answers when only the surest count."""
    shown = []
    for one in found:
        points = [
            (point.kept, point.precision, f"{percent(point.precision)} right of the surest n={point.n:,}")
            for point in one.coverage
        ]
        shown.append(_line(one.arm, points, found))
    x = Axis(title="share of test items answered, the surest first", labels=PERCENT, domain=SHARES)
    y = Axis(title="share of these that is right", labels=PERCENT, domain=SHARES)
    return lines(shown, x, y)


def latency_chart(found: Sequence[ArmDiagnosis]) -> Spec:
    """The whole distribution of the timed queries, on a logarithmic axis."""
    shown = []
    for one in found:
        points = [
            (point.ms, point.share, f"{percent(point.share, 0)} within {milliseconds(point.ms)} ms")
            for point in one.latency
            if point.ms > 0
        ]
        shown.append(_line(one.arm, points, found))
    n = " or ".join(f"{size:,}" for size in sorted({one.latency_n for one in found}))
    x = Axis(title=f"ms for one query (logarithmic), n={n} timed queries an arm", labels=PLAIN, log=True)
    y = Axis(title="share answered within", labels=PERCENT, domain=SHARES)
    return lines(shown, x, y)


def percentile_chart(arms: Sequence[ArmResult], limit_ms: float | None) -> Spec:
    """p95 of every arm with its interval; the line is what the plan allows."""
    rows = []
    for arm in arms:
        p95 = arm.latency.p95_ms
        rows.append(
            Interval(
                name=one_line(str(arm.arm)),
                value=p95.value,
                low=p95.low,
                high=p95.high,
                colour=colour_of(arm.arm),
                words=_timed_words(p95) + busy_words(arm.latency.busy),
            )
        )
    axis = Axis(title="p95 in ms (logarithmic), with interval", labels=PLAIN, log=True)
    return intervals(rows, axis, rule=limit_ms)


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


def legend_of(arms: Sequence[ArmId]) -> list[tuple[str, str]]:
    """Names and colours of lines, for a legend."""
    return [(one_line(str(arm)), colour_of(arm)) for arm in arms]


def _line(arm: ArmId, points: Sequence[tuple[float, float, str]], among: Sequence[ArmDiagnosis]) -> Line:
    dash = dash_of(arm, [one.arm for one in among])
    return Line(name=one_line(str(arm)), colour=colour_of(arm), points=points, dash=dash)


def _timed_words(figure: Estimate) -> str:
    if figure.value is None:
        return f"not measured, n={figure.n:,}"
    return f"{milliseconds(figure.value)} ms, n={figure.n:,}"


def _timed_cell(figure: Estimate, busy: str) -> Cell:
    inside = ""
    if figure.low is not None and figure.high is not None:
        inside = f"{milliseconds(figure.low)}-{milliseconds(figure.high)}"
    mark = busy_mark("" if figure.value is None else busy)
    return Cell(text=milliseconds(figure.value) + mark, interval=inside, n=figure.n)
