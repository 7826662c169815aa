"""Accuracy against training examples. Pure: every figure is a field of a record."""

from __future__ import annotations

from dataclasses import replace

from harness.core.records import Estimate
from harness.core.wording import MISSING, bounds, counted, percent
from harness.curve.records import CurveMean, LearningCurve, LearningCurves, LinePoint
from harness.report import drawings
from harness.report.document import Block, Bullets, Chart, Document, Paragraph, Row, Section, Table
from harness.report.topics.cells import cells, columns, drawn

_BAR = 40


def curves_document(curves: LearningCurves, *, drawn: bool = False) -> Document:
    """One section a curve.

    Args:
        drawn: the format shows charts; else bars of characters stand in the table.
    """
    sections = tuple(
        Section(
            key=f"curve-{number}",
            title=f"{curve.arm.label} on {curve.evalset}, scored on {curve.split}",
            blocks=((_chart(curve, number),) if drawn else ()) + _blocks(curve, bars=not drawn),
        )
        for number, curve in enumerate(curves.curves, start=1)
    )
    return Document(title="Accuracy against training examples", sections=sections)


def _blocks(curve: LearningCurve, *, bars: bool) -> tuple[Block, ...]:
    notes = list(curve.notes)
    if curve.looks is not None:
        plans = counted(curve.looks, "locked plan has", "locked plans have")
        notes.append(f"{plans} tested these rows, this one included.")
    return (
        _table(curve, bars=bars),
        *(Paragraph(text=sentence) for sentence in curve.sentences),
        Bullets(label="to know", items=tuple(notes), tone="faint"),
    )


def _table(curve: LearningCurve, *, bars: bool) -> Table:
    last = curve.means[-1].size
    beyond = [point for point in curve.line if point.extrapolated and point.size % last == 0]
    read_off = "~ read off the fitted curve past the examples you have, not measured"
    heads = (("training", "examples"), "draws", "accuracy", ("95 %", "interval"), ("fitted", "curve"), "")
    rows = (*(_measured(mean, curve) for mean in curve.means), *map(_read, beyond))
    shown = len(heads) if bars else len(heads) - 1
    scale = ("a bar is the accuracy on a scale from 0 to 100 %",) if bars else ()
    return Table(
        columns=columns(*heads, left=(5,))[:shown],
        rows=tuple(replace(row, cells=row.cells[:shown]) for row in rows),
        notes=(*scale, *((read_off,) if beyond else ())),
    )


def _measured(mean: CurveMean, curve: LearningCurve) -> Row:
    fitted = next((point.accuracy for point in curve.line if point.size == mean.size), None)
    return Row(
        cells=cells(
            f"{mean.size:,}",
            str(mean.seeds),
            percent(mean.accuracy.value),
            bounds(mean.accuracy) or MISSING,
            MISSING if fitted is None else percent(fitted.value),
            _bar(mean.accuracy, "#"),
        )
    )


def _read(point: LinePoint) -> Row:
    return Row(
        cells=cells(
            f"{point.size:,}",
            MISSING,
            MISSING,
            bounds(point.accuracy) or MISSING,
            percent(point.accuracy.value),
            _bar(point.accuracy, "."),
        ),
        mark="~",
        tone="faint",
    )


def _bar(accuracy: Estimate, mark: str) -> str:
    return mark * round(_BAR * (accuracy.value or 0.0))


def _chart(curve: LearningCurve, number: int) -> Chart:
    caption, words = "Dashed: read off the fitted curve, not measured.", " ".join(curve.sentences)
    return drawn(f"curve-{number}", drawings.learning(curve), "Learning curve.", caption, words=words)
