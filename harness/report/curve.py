"""Learning curves on the terminal and as JSON. Computes nothing: every figure is a field of a record."""

from __future__ import annotations

import sys
from typing import TextIO

from harness.core.records import Estimate
from harness.core.serial import encode
from harness.core.wording import bounds, one_line, percent
from harness.curve.records import CurveMean, LearningCurve, LearningCurves, LinePoint
from harness.report.text import print_view
from harness.report.view import Block, Bullets, Cell, Column, Row, Section, Sentence, Table, View

_BAR = 40


def print_curves(curves: LearningCurves, stream: TextIO | None = None) -> None:
    """The curves on a terminal or a pipe."""
    print_view(curves_view(curves), stream or sys.stdout)


def curves_json(curves: LearningCurves) -> str:
    """The curves as `learning_curves.json` holds them."""
    return encode(curves, indent=1)


def curves_view(curves: LearningCurves) -> View:
    """One section a curve."""
    sections = tuple(
        Section(
            key=f"curve-{number}",
            title=one_line(f"{curve.arm} on {curve.evalset}, scored on {curve.split}"),
            blocks=_blocks(curve),
        )
        for number, curve in enumerate(curves.curves, start=1)
    )
    return View(title="Accuracy against training examples", sections=sections)


def _blocks(curve: LearningCurve) -> tuple[Block, ...]:
    notes = list(curve.notes)
    if curve.looks is not None:
        notes.append(f"{curve.looks} locked plan(s) have looked at these test rows, this one included.")
    return (
        _table(curve),
        *(Sentence(text=one_line(sentence)) for sentence in curve.sentences),
        Bullets(label="to know", items=tuple(one_line(note) for note in notes), tone="faint"),
    )


def _table(curve: LearningCurve) -> Table:
    last = curve.means[-1].size
    shown = [point for point in curve.line if point.extrapolated and point.size % last == 0]
    rows = [_measured(mean, curve) for mean in curve.means]
    rows += [_read(point) for point in shown]
    notes = ["a bar is the accuracy on a scale from 0 to 100 %"]
    if shown:
        notes.append("~ read off the fitted curve past the examples at hand, not measured")
    return Table(
        columns=(
            Column(head=("training", "examples")),
            Column(head=("draws",)),
            Column(head=("accuracy",)),
            Column(head=("95 %", "interval")),
            Column(head=("fitted", "curve")),
            Column(head=("",), right=False),
        ),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _measured(mean: CurveMean, curve: LearningCurve) -> Row:
    fitted = next((point.accuracy for point in curve.line if point.size == mean.size), None)
    return Row(
        cells=(
            Cell(text=f"{mean.size:,}"),
            Cell(text=str(mean.seeds)),
            Cell(text=percent(mean.accuracy.value)),
            Cell(text=bounds(mean.accuracy) or "-"),
            Cell(text="-" if fitted is None else percent(fitted.value)),
            Cell(text=_bar(mean.accuracy, "#")),
        )
    )


def _read(point: LinePoint) -> Row:
    return Row(
        cells=(
            Cell(text=f"{point.size:,}"),
            Cell(text="-"),
            Cell(text="-"),
            Cell(text=bounds(point.accuracy) or "-"),
            Cell(text=percent(point.accuracy.value)),
            Cell(text=_bar(point.accuracy, ".")),
        ),
        mark="~",
        tone="faint",
    )


def _bar(accuracy: Estimate, mark: str) -> str:
    return mark * round(_BAR * (accuracy.value or 0.0))
