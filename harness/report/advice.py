"""The advice against the measurement, as a section of the report."""

from __future__ import annotations

from harness.core.wording import MISSING, USD, Currency, busy_mark, milliseconds, money, one_line, percent
from harness.report.view import Block, Bullets, Cell, Column, Fact, Row, Section, Table
from harness.track_record.records import AdviceCheck, CheckedRange


def advice_section(check: AdviceCheck | None) -> Section:
    """Predicted against measured; no blocks where the plan held no advice."""
    blocks: tuple[Block, ...] = ()
    if check is not None:
        blocks = (
            Fact(label="use case", text=one_line(check.case)),
            Fact(label="advice said", text=f"{check.answer}; {check.first} first"),
            Fact(label="measured", text=f"{check.measured_answer}; {check.measured_first} to ship"),
            Fact(
                label="held", text=f"{check.inside} of {check.tested} predicted ranges that could be tested"
            ),
            Bullets(
                label="where the advice was wrong",
                items=tuple(one_line(line) for line in check.wrong) or ("nowhere, as far as it was tested",),
                tone="warn" if check.wrong else "plain",
            ),
            _table(check.figures),
        )
    return Section(key="advice", title="Predicted against measured", blocks=blocks)


def _table(figures: tuple[CheckedRange, ...]) -> Table:
    columns = (
        Column(head=("arm",), right=False),
        Column(head=("figure",), right=False),
        Column(head=("predicted",)),
        Column(head=("measured",)),
        Column(head=("held",), right=False),
    )
    notes = (
        "predicted before the run and locked with the plan; a range made for another model than the one "
        "that ran is shown, and not counted",
        *(("! timed on a busy machine: shown, and not counted",) if any(f.busy for f in figures) else ()),
    )
    return Table(columns=columns, rows=tuple(_row(figure) for figure in figures), notes=notes)


def _row(figure: CheckedRange) -> Row:
    held = MISSING if figure.inside is None else ("yes" if figure.inside else "no")
    if not figure.same_model:
        held = f"not tested (was for {one_line(figure.predicted_model)})"
    elif figure.busy:
        held = "not tested (timed on a busy machine)"
    predicted = f"{worded(figure.metric, figure.low)} to {worded(figure.metric, figure.high)}"
    texts = (
        one_line(str(figure.arm)),
        figure.metric,
        predicted,
        worded(figure.metric, figure.measured) + busy_mark(figure.busy),
        held,
    )
    return Row(cells=tuple(Cell(text=text) for text in texts))


def worded(metric: str, value: float | None, currency: Currency = USD) -> str:
    """A predicted or measured figure, by what it is of."""
    match metric:
        case "accuracy":
            return percent(value)
        case "p95_ms":
            return f"{milliseconds(value)} ms"
        case _:
            return money(value, currency)
