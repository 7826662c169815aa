"""Advice as charts and tables: everything here is predicted, drawn hollow or as a band. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.advice import Advice, Contribution, OptionAdvice, PaysBack, Prediction
from advisor.numbers import figure
from advisor.sentences import named, settle_sentence
from advisor.text import money_span
from harness.core.wording import MISSING, UNKNOWN, milliseconds, one_line, percent
from harness.report.document import Cell, Column, Row, Table


def prediction_table(advice: Advice) -> Table:
    """What is expected of each option before anything is measured."""
    unit = advice.currency
    shown = [(one, one.prediction) for one in advice.options if one.prediction is not None]
    return Table(
        columns=(
            Column(head=("option",), right=False),
            Column(head=("accuracy", "%")),
            Column(head=(f"{unit} per 1k", "running")),
            Column(head=(f"{unit} per 1k", "all in all")),
            Column(head=("p95", "ms")),
            Column(head=("pays back", "in months")),
        ),
        rows=tuple(_row(advice, one, found) for one, found in shown if found is not None),
        notes=(
            "predicted ranges from published figures and list prices; nothing here was measured",
            "running: calls and machines; all in all: building, changes and people over the horizon too",
        ),
    )


def _row(advice: Advice, one: OptionAdvice, found: Prediction) -> Row:
    accuracy = MISSING
    if found.accuracy_low is not None and found.accuracy_high is not None:
        ends = (percent(found.accuracy_low, 0), percent(found.accuracy_high, 0))
        accuracy = " to ".join(end.removesuffix(" %") for end in ends)
    low, high = milliseconds(found.p95_ms.low), milliseconds(found.p95_ms.high)
    return Row(
        cells=(
            Cell(text=f"{one.place}. {one.option.value}", detail=one_line(f"{found.model}, {found.where}")),
            Cell(text=accuracy),
            Cell(text=money_span(advice, found.usd_per_1k)),
            Cell(text=money_span(advice, found.usd_per_1k_total)),
            Cell(text=f"{low} to {high}" if found.p95_ms.low is not None else UNKNOWN),
            _payback(found),
        )
    )


def _payback(found: Prediction) -> Cell:
    span = found.payback.months
    if found.payback.verdict is PaysBack.UNKNOWN:
        return Cell(text=UNKNOWN)
    low, likely, high = (
        "never" if end is None else f"{end:.1f}" for end in (span.low, span.likely, span.high)
    )
    return Cell(text=likely, detail="" if low == high else f"{low} to {high}")


def reason_table(contributions: Sequence[Contribution]) -> Table:
    """What each factor adds to an option's score, with its source."""
    return Table(
        columns=(
            Column(head=("factor",), right=False),
            Column(head=("points",)),
            Column(head=("because",), right=False),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=one_line(part.factor.replace("_", " "))),
                    Cell(text=f"{part.points:+.2f}"),
                    Cell(text=one_line(part.reason), detail=one_line(part.source)),
                )
            )
            for part in contributions
        ),
    )


def assumption_table(advice: Advice) -> Table:
    """The ranges that stand in for answers not given."""
    return Table(
        columns=(
            Column(head=("assumed",), right=False),
            Column(head=("likely",)),
            Column(head=("range",)),
            Column(head=("where it is from",), right=False),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=one_line(a.field.replace("_", " ")), detail=one_line(a.unit)),
                    Cell(text=figure(a.likely)),
                    Cell(text=f"{figure(a.low)} to {figure(a.high)}"),
                    Cell(text=one_line(a.source)),
                )
            )
            for a in advice.assumptions
        ),
    )


def question_lines(advice: Advice) -> list[str]:
    """Answers not given that could change the advice, and where they lead."""
    found = []
    for one in advice.open_questions:
        leads = "; ".join(
            f"{word}: {'nothing left' if option is None else named(option)}, {answer.value}"
            for word, option, answer in one.leads_to
        )
        found.append(f"{one.question} {leads}")
    return found


def settle_lines(advice: Advice) -> list[str]:
    """What a measurement takes that would settle a close call."""
    settle = advice.settle
    if settle is None:
        return []
    cost = f"{advice.currency} {money_span(advice, settle.usd)}"
    if settle.items_to_label is None:
        need = f"If none is labelled yet, labels and calls cost {cost}."
    elif settle.items_to_label == 0:
        need = f"The examples at hand are enough for that; the calls cost {cost}."
    else:
        need = f"{settle.items_to_label:,} of them are still to be labelled: {cost} with the calls."
    return [f"{settle_sentence(settle)}.", need]
