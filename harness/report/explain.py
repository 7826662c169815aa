"""One item in every arm, as a view: what was sent, what came back, what was read from it, what it cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TextIO

from advisor.money.usage import Usage
from harness.bakeoff.answers import ItemAnswer
from harness.core.records import ArmId, CostLine, Item, Message, Timing
from harness.core.serial import encode
from harness.core.wording import UNKNOWN, decimal, lines_of, milliseconds, one_line
from harness.report.tables import basis_notes, line_cells, line_columns, source_notes
from harness.report.text import print_view
from harness.report.view import Block, Fact, Row, Section, Sentence, Table, Verbatim, View

_NEIGHBOUR_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNeighbour:
    """A training row that was shown as an example; rank 1 is the nearest."""

    rank: int
    item_id: str
    text: str
    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedArm:
    """One item in one arm.

    Attributes:
        messages: as sent, before any chat template; empty for arms that send none.
        answer: None while the item has no outcome in this arm.
        failure_message: of a failure, '' otherwise.
        lines: what this one query cost.
        note: a sentence on what is not shown and why, '' otherwise.
    """

    arm: ArmId
    messages: tuple[Message, ...] = ()
    neighbours: tuple[ShownNeighbour, ...] = ()
    answer: ItemAnswer | None
    failure_message: str = ""
    usage: Usage | None = None
    timing: Timing | None = None
    attempts: int | None = None
    lines: tuple[CostLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedItem:
    """One item in every arm of a run."""

    run_id: str
    split: str
    item: Item
    arms: tuple[ExplainedArm, ...]


def print_explained(explained: ExplainedItem, stream: TextIO | None = None) -> None:
    """The item on a terminal or a pipe."""
    print_view(explain_view(explained), stream or sys.stdout)


def explained_json(explained: ExplainedItem) -> str:
    """The item as JSON."""
    return encode(explained, indent=1)


def explain_view(explained: ExplainedItem) -> View:
    """The item, then every arm in the plan's order."""
    item = explained.item
    row = "" if item.row is None else f", row {item.row:,} of its file"
    blocks: list[Block] = [
        Fact(label="run", text=one_line(explained.run_id)),
        Fact(label="item", text=f"{one_line(item.id)} ({one_line(explained.split)}{row})"),
        Fact(label="label", text=one_line(item.label)),
    ]
    if item.cluster is not None:
        blocks.append(Fact(label="group", text=one_line(item.cluster)))
    if item.slices:
        slices = ", ".join(f"{column} = {value}" for column, value in item.slices)
        blocks.append(Fact(label="slices", text=one_line(slices)))
    blocks.append(Verbatim(label="text", lines=tuple(lines_of(item.text))))
    arms = [
        Section(key=str(arm.arm), title=one_line(str(arm.arm)), blocks=tuple(_arm(arm)))
        for arm in explained.arms
    ]
    return View(
        title="One item in every arm",
        sections=(Section(key="item", title="The item", blocks=tuple(blocks)), *arms),
    )


def _arm(arm: ExplainedArm) -> Iterator[Block]:
    yield from _answer(arm)
    if arm.neighbours:
        yield from _neighbours(arm.neighbours)
    for number, message in enumerate(arm.messages, start=1):
        label = f"message {number} of {len(arm.messages)}, {message.role}"
        yield Verbatim(label=label, lines=tuple(lines_of(message.content)))
    if arm.answer is not None and not arm.answer.failure:
        yield Verbatim(label="raw answer", lines=tuple(lines_of(arm.answer.raw)))
    if arm.usage is not None:
        yield Fact(label="tokens", text=_usage(arm.usage))
    if arm.timing is not None:
        yield Fact(label="time", text=_timing(arm.timing, arm.attempts))
    if arm.lines:
        yield _costs(arm.lines)
    if arm.note:
        yield Sentence(text=one_line(arm.note), tone="faint")


def _answer(arm: ExplainedArm) -> Iterator[Block]:
    answer = arm.answer
    if answer is None:
        yield Fact(label="answer", text="none yet: this item was not run in this arm", tone="warn")
    elif answer.failure:
        text = f"none: {one_line(answer.failure)}. {one_line(arm.failure_message)}".strip()
        yield Fact(label="answer", text=text, tone="warn")
    else:
        read = "invalid: no label could be read" if answer.answer is None else one_line(answer.answer)
        mark = "right" if answer.correct else f"wrong, the label is {one_line(answer.label)}"
        yield Fact(label="answer", text=f"{read} ({mark})", tone="good" if answer.correct else "warn")
        sure = "unknown: this arm gives no probabilities, or it has no temperature from dev"
        given = sure if answer.confidence is None else decimal(answer.confidence)
        yield Fact(label="confidence", text=given)


def _neighbours(neighbours: tuple[ShownNeighbour, ...]) -> Iterator[Block]:
    yield Sentence(text="Similar training items shown as examples, the nearest last in the prompt:")
    for found in sorted(neighbours, key=lambda one: one.rank):
        where = f"rank {found.rank}, score {found.score:.4f}"
        label = f"{where}, {one_line(found.item_id)}, labelled {one_line(found.label)}"
        yield Verbatim(label=label, lines=(_short(found.text),))


def _short(text: str) -> str:
    plain = one_line(text)
    return plain if len(plain) <= _NEIGHBOUR_CHARS else f"{plain[: _NEIGHBOUR_CHARS - 3]}..."


def _usage(usage: Usage) -> str:
    counts = []
    for field in fields(Usage):
        value = getattr(usage, field.name)
        if field.name != "counted_by" and value != 0:
            name = field.name.removesuffix("_tokens").replace("_", " ")
            counts.append(f"{name} {UNKNOWN if value is None else format(value, ',')}")
    return f"{', '.join(counts) or 'none'}; counted by {usage.counted_by.value}"


def _timing(timing: Timing, attempts: int | None) -> str:
    parts = [
        f"waiting {milliseconds(1000 * timing.queue_s)} ms",
        f"retrieval {milliseconds(1000 * timing.retrieval_s)} ms",
        f"model {milliseconds(1000 * timing.model_s)} ms",
    ]
    if timing.batched:
        parts.append("this item's share of a batch, so no latency")
    if attempts is not None:
        parts.append(f"{attempts} attempt(s)")
    return ", ".join(parts)


def _costs(lines: tuple[CostLine, ...]) -> Table:
    return Table(
        columns=line_columns("1,000 like it"),
        rows=tuple(Row(cells=line_cells(line)) for line in lines),
        notes=(*basis_notes(line.basis for line in lines), *source_notes(line.source for line in lines)),
    )
