"""Single items: the wrong answers of one arm, and one item in every arm. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace

from advisor.money.money import UNKNOWN
from advisor.money.usage import Usage
from advisor.options import TaskKind
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.browse import BrowsedAnswer, BrowsedItem, Shown
from harness.bakeoff.explain import ExplainedArm, ExplainedItem
from harness.core.records import ArmId, Target, Timing
from harness.core.references import Reference
from harness.core.wording import MISSING, counted, decimal, lines_of, milliseconds, one_line, percent
from harness.recommendation.mistakes import ArmErrors
from harness.report.document import (
    Block,
    Cell,
    Command,
    Document,
    Fact,
    Facts,
    Paragraph,
    Row,
    Section,
    Span,
    Table,
    Verbatim,
    outside,
    said,
    section,
)
from harness.report.topics.cells import (
    basis_notes,
    cells,
    columns,
    line_cells,
    line_columns,
    row,
    source_notes,
)
from harness.report.topics.questions import OWNERS
from harness.tasks.kinds import facts_of_kind
from harness.tasks.records import Nouns
from harness.tasks.wording import in_words

MOST_SHOWN = 30
MOST_CHARACTERS = 4000
"""Of one text on a page of many items, and of one answer in `harness explain`."""
_TEXT = 72
_NEIGHBOUR = 160
_WHY = {
    "named": "",
    "shipped": " (the one to use)",
    "to pilot": " (the one to pilot)",
    "best on dev": " (the best on dev)",
}


def errors_document(found: ArmErrors, limit: int = MOST_SHOWN) -> Document:
    """The most confident mistakes first, under the confusion they belong to; then what is no answer.

    Args:
        limit: at most so many of each kind.
    """
    nouns, wrong = facts_of_kind(found.task).nouns, found.wrong[:limit]
    sections = [
        section("head", "The arm", *_head(found, limit)),
        *(_confusions(wrong) if found.task is TaskKind.CLASSIFICATION else _side_by_side(wrong, nouns)),
        *_apart(f"Answers that no {nouns.answer} could be read from", found.invalid[:limit], nouns),
        *_apart("Items without an answer", found.failed[:limit], nouns),
    ]
    if found.explain:
        purpose = "the first of them in every arm: messages, answer, price"
        sections.append(section("next", "Next steps", Command(command=found.explain, purpose=purpose)))
    return Document(title="Wrong answers", sections=tuple(sections))


def _head(found: ArmErrors, limit: int) -> Iterator[Block]:
    noun = facts_of_kind(found.task).nouns.answer
    among = f"test items labelled {found.label}" if found.label else "test items"
    share = f" ({percent(len(found.wrong) / found.answered)})" if found.answered else ""
    wrong = f"{len(found.wrong):,} of {found.answered:,} {among}{share}"
    rows = [
        Fact(label="run", text=found.run_id),
        Fact(label="arm", text=f"{found.arm.label}{_WHY[found.chosen]}"),
        Fact(label="wrong", text=wrong, tone="warn" if found.wrong else "good"),
    ]
    if found.invalid:
        rows.append(
            Fact(label="invalid", text=f"{len(found.invalid):,}: no {noun} could be read", tone="warn")
        )
    if found.failed:
        kinds = Counter(answer.failure for answer in found.failed).most_common()
        text = f"{len(found.failed):,}: {', '.join(f'{count:,} {kind}' for kind, count in kinds)}"
        rows.append(Fact(label="no answer", text=text, tone="warn"))
    rows += [Fact(label="note", text=note, tone="warn") for note in found.notes]
    yield Facts(rows=tuple(rows))
    if len(found.wrong) > limit:
        first = "first" if found.wrong[0].confidence is None else "most confident"
        left = f"The {limit:,} {first} of {len(found.wrong):,} are shown; --limit shows more."
        yield Paragraph(text=left, tone="faint")


def _confusions(wrong: Sequence[ItemAnswer]) -> Iterator[Section]:
    groups: dict[tuple[str, str], list[ItemAnswer]] = {}
    for answer in wrong:
        groups.setdefault((answer.label, answer.answer or ""), []).append(answer)
    for (label, answered), members in groups.items():
        rows = [(a, MISSING if a.confidence is None else decimal(a.confidence, 2)) for a in members]
        table = _answers(("item", "confidence"), [(a, (a.item_id, sure)) for a, sure in rows])
        yield section("confusion", f"{label} -> {answered} ({len(members):,})", table)


def _side_by_side(wrong: Sequence[ItemAnswer], nouns: Nouns) -> Iterator[Section]:
    """What is right beside what was answered, an item a row."""
    if wrong:
        rows = [(a, (a.item_id, _short(a.label, _TEXT), _short(a.answer or "", _TEXT))) for a in wrong]
        table = _answers(("item", f"right {nouns.answer}", "answered"), rows)
        yield section("wrong", f"Not wholly right ({len(wrong):,})", table)


def _apart(title: str, answers: Sequence[ItemAnswer], nouns: Nouns) -> Iterator[Section]:
    """Items of which nothing could be read: all failed, or none."""
    if answers:
        key, came = ("failed", "why") if answers[0].failure else ("invalid", "what came")
        heads = ("item", nouns.answer, came)
        rows = [
            (a, (a.item_id, _short(a.label, _TEXT), a.failure or _short(a.raw, _TEXT // 2))) for a in answers
        ]
        yield section(key, f"{title} ({len(rows):,})", _answers(heads, rows))


def _answers(heads: Sequence[str], rows: Sequence[tuple[ItemAnswer, tuple[str, ...]]]) -> Table:
    """Items, with their texts where there are any."""
    texts = any(answer.text for answer, _ in rows)
    heads = (*heads, *(["text"] if texts else []))
    return Table(
        columns=columns(*heads, left=(place for place, head in enumerate(heads) if head != "confidence")),
        rows=tuple(row(*shown, *([_short(answer.text, _TEXT)] if texts else [])) for answer, shown in rows),
    )


def explain_document(explained: ExplainedItem) -> Document:
    """The item, then every arm in the plan's order: what was sent, what came back, what it cost."""
    item = explained.item
    row = "" if item.row is None else f", row {item.row:,} of its file"
    rows = [
        Fact(label="run", text=explained.run_id),
        Fact(label="item", text=f"{item.id} ({explained.split}{row})"),
        Fact(label=_called(item.target), text=in_words(item.target)),
    ]
    if item.cluster is not None:
        rows.append(Fact(label="group", text=item.cluster))
    if item.slices:
        rows.append(Fact(label="slices", text=", ".join(f"{name} = {value}" for name, value in item.slices)))
    blocks = (Facts(rows=tuple(rows)), Verbatim(label="text", text=item.text))
    if isinstance(item.target, Reference):
        rows += list(_reference(item.target))[1:]
    arms = (section(str(a.arm), a.arm.label, *_arm(a, _called(item.target))) for a in explained.arms)
    return Document(title="One item in every arm", sections=(section("item", "The item", *blocks), *arms))


def _called(target: Target) -> str:
    """What a target is called."""
    match target:
        case str():
            return "label"
        case Reference():
            return "answer"
        case _:
            return "fields"


def browsed_blocks(found: BrowsedItem, place: int, name: Callable[[ArmId], str]) -> tuple[Block, ...]:
    """One of many items and every arm's answer to it.

    Args:
        place: its number among those that were chosen.
        name: how the arms are called.
    """
    item = found.item
    slices = "".join(f"; {column}: {value}" for column, value in item.slices)
    if isinstance(item.target, Reference):
        head = said(Span(text=f"{place:,}. {item.id}", strong=True), slices)
        reference = Facts(rows=tuple(_reference(item.target)))
        answers = _question_answers(found, name)
        return Paragraph(text=head), Verbatim(label="", text=shortened(item.text)), reference, answers
    head = said(
        Span(text=f"{place:,}. {item.id}", strong=True),
        f", right {_called(item.target)}: {in_words(item.target)}{slices}",
    )
    table = Table(
        columns=columns("arm", "is", "answer", "how sure", "ms", left=(0, 1, 2)),
        rows=tuple(_browsed(one, name(one.answer.arm), _called(item.target)) for one in found.answers),
    )
    return Paragraph(text=head), Verbatim(label="", text=shortened(item.text)), table


def _reference(target: Reference) -> Iterator[Fact]:
    """What is right for a question, and what says so."""
    also = "".join(f"; also {one}" for one in target.answers[1:])
    yield Fact(label="right answer", text=f"{in_words(target)}{also}")
    for one in target.evidence:
        yield Fact(label="evidence", text=f"{one.document}: \u201c{one_line(one.quote)}\u201d")
    if target.contradiction:
        yield Fact(label="note", text="Two documents say different things about it.", tone="warn")


def _question_answers(found: BrowsedItem, name: Callable[[ArmId], str]) -> Table:
    """Every option's answer to a question: what it cites, what it states without it, whose a mistake is."""
    asked = columns(
        "option", "is", "answer", "cites", "whose mistake", "how sure", "ms", left=(0, 1, 2, 3, 4)
    )
    rows = tuple(_question_answer(one, name(one.answer.arm)) for one in found.answers)
    return Table(columns=asked, rows=rows)


def _question_answer(one: BrowsedAnswer, name: str) -> Row:
    plain, detail = _browsed(one, name, "answer"), one.detail
    if detail is None:
        return replace(plain, cells=(*plain.cells[:3], *cells(MISSING, MISSING), *plain.cells[3:]))
    given = one.answer.failure or (one.answer.answer if one.answer.answer is not None else "says nothing")
    without = f"states without support: {', '.join(detail.unsupported)}" if detail.unsupported else ""
    places = ", ".join(f"p{shown.rank}" for shown in one.shown if shown.cited)
    owner = MISSING if detail.owner is None else OWNERS[detail.owner]
    told = cells(Cell(text=given, detail=without), places or MISSING, owner)
    return replace(plain, cells=(*plain.cells[:2], *told, *plain.cells[3:]))


def _browsed(one: BrowsedAnswer, name: str, noun: str) -> Row:
    answer = one.answer
    given = answer.failure or (answer.answer if answer.answer is not None else f"no {noun} read")
    raw = "" if answer.raw == answer.answer else outside(answer.raw or one.failure_message, _TEXT)
    found = cells(
        name,
        "failed" if answer.failure else "right" if answer.correct else "wrong",
        Cell(text=given, detail=f"raw answer: {raw}" if raw else ""),
        MISSING if answer.confidence is None else decimal(answer.confidence, 2),
        MISSING if one.timing is None else milliseconds(1000 * one.timing.total_s),
    )
    return Row(cells=found, tone="good" if answer.correct else "warn" if answer.failure else "plain")


def retrieved_blocks(found: BrowsedItem, name: Callable[[ArmId], str]) -> tuple[Block, ...]:
    """The training items or passages that each arm was shown with one of many items."""
    noun = _called(found.item.target)
    return tuple(
        passage_block(near, f"{name(one.answer.arm)}, ")
        if isinstance(found.item.target, Reference)
        else Verbatim(
            label=f"{name(one.answer.arm)}, {near.rank}. {near.item_id}, {_stated(near, noun)}",
            text=shortened(near.text),
        )
        for one in found.answers
        for near in one.shown
    )


def passage_block(near: Shown, before: str = "") -> Verbatim:
    """A passage with its rank and document, the question's evidence in it marked."""
    marks = [*(["cited"] if near.cited else []), *(["holds the evidence"] if near.evidence else [])]
    told = "".join(f", {mark}" for mark in marks)
    where = near.label or near.item_id
    text = shortened(near.text) if near.text else "The text of this passage is not stored any more."
    return Verbatim(
        label=f"{before}p{near.rank}. {where}{told} (score {near.score:.3f})",
        text=text,
        marked=tuple(_quoted(text, near.evidence)),
    )


def _quoted(text: str, quotes: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where quotes stand in a text, blanks and markup between their words apart; none within another."""
    found = []
    for quote in quotes:
        words = re.findall(r"\w+", quote)
        if words and (met := re.search(r"[\W_]+".join(map(re.escape, words)), text, re.IGNORECASE)):
            found.append(met.span())
    end = 0
    for start, stop in sorted(found):
        if start >= end:
            yield start, stop
            end = stop


def shortened(text: str) -> str:
    """As much of a text as a page can take, and how much is left out."""
    whole = "\n".join(lines_of(text))
    if len(whole) <= MOST_CHARACTERS:
        return whole
    return f"{whole[:MOST_CHARACTERS]}\n... {len(whole) - MOST_CHARACTERS:,} more characters"


def _arm(arm: ExplainedArm, noun: str) -> Iterator[Block]:
    yield Facts(rows=tuple(_answer(arm, noun)))
    near = sorted(arm.neighbours, key=lambda one: one.rank)
    if near and noun == "answer":
        yield Paragraph(text="Passages of the documents shown with the question, the nearest first:")
        yield from map(passage_block, near)
    elif near:
        yield Paragraph(text="Similar training items shown as examples, the nearest last in the prompt:")
        yield from (_neighbour(one, noun) for one in near)
    for number, message in enumerate(arm.messages, start=1):
        yield Verbatim(label=f"message {number} of {len(arm.messages)}, {message.role}", text=message.content)
    if arm.answer is not None and not arm.answer.failure:
        yield Verbatim(label="raw answer", text=shortened(arm.answer.raw))
    rows = []
    if arm.usage is not None:
        rows.append(Fact(label="tokens", text=_usage(arm.usage)))
    if arm.timing is not None:
        rows.append(Fact(label="time", text=_timing(arm.timing, arm.attempts)))
    if arm.served_by:
        held = {"schema": ", held by the JSON schema", "plain": ", asked by the prompt alone"}
        rows.append(Fact(label="answered by", text=arm.served_by + held.get(arm.form, "")))
    if arm.left_out:
        rows.append(Fact(label="not sent, as the model does not take it", text=", ".join(arm.left_out)))
    if rows:
        yield Facts(rows=tuple(rows))
    if arm.lines:
        yield Table(
            columns=line_columns("1,000 like it"),
            rows=tuple(Row(cells=line_cells(line)) for line in arm.lines),
            notes=(*basis_notes(arm.lines), *source_notes(arm.lines)),
        )
    if arm.note:
        yield Paragraph(text=arm.note, tone="faint")


def _answer(arm: ExplainedArm, noun: str) -> Iterator[Fact]:
    answer = arm.answer
    if answer is None:
        yield Fact(label="answer", text="none yet: this item was not run in this arm", tone="warn")
    elif answer.failure:
        text = f"none: {answer.failure}. {arm.failure_message}".strip()
        yield Fact(label="answer", text=text, tone="warn")
    else:
        read = f"invalid: no {noun} could be read" if answer.answer is None else shortened(answer.answer)
        are = "are" if noun == "fields" else "is"
        mark = "right" if answer.correct else f"wrong, the {noun} {are} {answer.label}"
        yield Fact(label="answer", text=f"{read} ({mark})", tone="good" if answer.correct else "warn")
        sure = "unknown: this arm gives no probabilities, or it has no temperature from dev"
        yield Fact(label="confidence", text=sure if answer.confidence is None else decimal(answer.confidence))


def _neighbour(found: Shown, noun: str) -> Verbatim:
    where = f"rank {found.rank}, score {found.score:.4f}"
    return Verbatim(
        label=f"{where}, {found.item_id}, {_stated(found, noun)}", text=_short(found.text, _NEIGHBOUR)
    )


def _stated(found: Shown, noun: str) -> str:
    """What a row that was shown is answered with."""
    return f"labelled {found.label}" if noun == "label" else f"{noun} {found.label}"


def _short(text: str, most: int) -> str:
    plain = one_line(text)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


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
        parts.append(counted(attempts, "attempt", "attempts"))
    return ", ".join(parts)
