"""The wrong answers of one arm: as a view, as JSON, as CSV. Failures and invalid answers stand apart."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TextIO

from harness.bakeoff.answers import ItemAnswer
from harness.core.records import ArmId
from harness.core.serial import encode
from harness.core.wording import decimal, one_line, percent
from harness.report.export import ANSWER_COLUMNS, answer_rows, csv_text
from harness.report.text import print_view
from harness.report.view import Block, Cell, Column, Command, Fact, Row, Section, Sentence, Table, View

Chosen = Literal["named", "shipped", "to pilot", "best on dev"]

MOST_SHOWN = 30
_TEXT = 72
_NO_CONFIDENCE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmErrors:
    """What one arm got wrong on the test items that it has an outcome for.

    Attributes:
        chosen: why this arm: it was named, it is the one to ship or to pilot, or it did best on dev.
        items, answered: test items of the run (of `label`, where one is asked for), and those with an
            outcome of this arm.
        label: only items of this label; '' for all.
        wrong: answers that are another label, the most confident first; those without a confidence last.
        invalid: answers no label could be read from.
        failed: items without an answer.
        notes: what a reader must know about the state of the run.
        explain: the command that shows the first of them in every arm; '' without any.
    """

    run_id: str
    arm: ArmId
    chosen: Chosen
    items: int
    answered: int
    label: str
    wrong: tuple[ItemAnswer, ...]
    invalid: tuple[ItemAnswer, ...]
    failed: tuple[ItemAnswer, ...]
    notes: tuple[str, ...] = ()
    explain: str = ""


def print_errors(found: ArmErrors, limit: int = MOST_SHOWN, stream: TextIO | None = None) -> None:
    """The wrong answers on a terminal or a pipe, at most `limit` of each kind."""
    print_view(errors_view(found, limit), stream or sys.stdout)


def first_of(found: ArmErrors, limit: int | None) -> ArmErrors:
    """At most `limit` of each kind; None leaves all."""
    if limit is None:
        return found
    return replace(
        found, wrong=found.wrong[:limit], invalid=found.invalid[:limit], failed=found.failed[:limit]
    )


def errors_json(found: ArmErrors) -> str:
    """Every wrong, invalid and failed item as JSON."""
    return encode(found, indent=1)


def errors_csv(found: ArmErrors) -> str:
    """One row an item, with what went wrong in `kind`; texts that read as formulas are defused."""
    rows = []
    for kind, answers in (("wrong", found.wrong), ("invalid", found.invalid), ("failed", found.failed)):
        rows += [{"kind": kind, **row} for row in answer_rows(answers)]
    return csv_text(rows, ("kind", *ANSWER_COLUMNS))


def errors_view(found: ArmErrors, limit: int = MOST_SHOWN) -> View:
    """The most confident mistakes first, under the confusion they belong to; then what is no answer."""
    sections = [
        Section(key="head", title="The arm", blocks=tuple(_head(found, limit))),
        *_confusions(found.wrong[:limit]),
        *_apart("invalid", "Answers that no label could be read from", found.invalid[:limit]),
        *_apart("failed", "Items without an answer", found.failed[:limit]),
    ]
    if found.explain:
        purpose = "the first of them in every arm: messages, answer, price"
        steps = (Command(command=found.explain, purpose=purpose),)
        sections.append(Section(key="next", title="Next steps", blocks=steps))
    return View(title="Wrong answers", sections=tuple(sections))


def _head(found: ArmErrors, limit: int) -> Iterator[Block]:
    why = {
        "named": "",
        "shipped": " (the one to ship)",
        "to pilot": " (the one to pilot)",
        "best on dev": " (the best on dev)",
    }[found.chosen]
    yield Fact(label="run", text=one_line(found.run_id))
    yield Fact(label="arm", text=one_line(str(found.arm)) + why)
    among = f"test items labelled {one_line(found.label)}" if found.label else "test items"
    share = f" ({percent(len(found.wrong) / found.answered)})" if found.answered else ""
    text = f"{len(found.wrong):,} of {found.answered:,} {among}{share}"
    yield Fact(label="wrong", text=text, tone="warn" if found.wrong else "good")
    if found.invalid:
        yield Fact(label="invalid", text=f"{len(found.invalid):,}: no label could be read", tone="warn")
    if found.failed:
        kinds = Counter(answer.failure for answer in found.failed).most_common()
        text = ", ".join(f"{count:,} {one_line(kind)}" for kind, count in kinds)
        yield Fact(label="no answer", text=f"{len(found.failed):,}: {text}", tone="warn")
    for note in found.notes:
        yield Fact(label="note", text=one_line(note), tone="warn")
    if len(found.wrong) > limit:
        left = f"The {limit:,} most confident of {len(found.wrong):,} are shown; --limit shows more."
        yield Sentence(text=left, tone="faint")


def _confusions(wrong: Sequence[ItemAnswer]) -> Iterator[Section]:
    groups: dict[tuple[str, str], list[ItemAnswer]] = {}
    for answer in wrong:
        groups.setdefault((answer.label, answer.answer or ""), []).append(answer)
    for (label, answered), members in groups.items():
        title = f"{one_line(label)} -> {one_line(answered)} ({len(members):,})"
        table = _table(("item", "confidence", "text"), [_row(one, with_confidence=True) for one in members])
        yield Section(key="confusion", title=title, blocks=(table,))


def _apart(key: str, title: str, answers: Sequence[ItemAnswer]) -> Iterator[Section]:
    if answers:
        head = ("item", "label", "what came" if key == "invalid" else "why", "text")
        rows = [_row(one, with_confidence=False) for one in answers]
        yield Section(key=key, title=f"{title} ({len(rows):,})", blocks=(_table(head, rows),))


def _row(answer: ItemAnswer, *, with_confidence: bool) -> Row:
    text = (Cell(text=_short(answer.text, _TEXT)),) if answer.text else ()
    if with_confidence:
        sure = _NO_CONFIDENCE if answer.confidence is None else decimal(answer.confidence, 2)
        return Row(cells=(Cell(text=one_line(answer.item_id)), Cell(text=sure), *text))
    what = answer.failure or _short(answer.raw, _TEXT // 2)
    return Row(
        cells=(Cell(text=one_line(answer.item_id)), Cell(text=one_line(answer.label)), Cell(text=what), *text)
    )


def _table(heads: Sequence[str], rows: Sequence[Row]) -> Table:
    columns = tuple(Column(head=(head,), right=head == "confidence") for head in heads)
    columns = columns[: max(len(row.cells) for row in rows)]  # without texts there is no such column
    return Table(columns=columns, rows=tuple(rows))


def _short(text: str, most: int) -> str:
    plain = one_line(text)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."
