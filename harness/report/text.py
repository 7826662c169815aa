"""A document as text for a terminal: fixed layout, readable from 80 columns on, ASCII apart from the data.

The layout is made here, line by line, so that a piped report and one on a terminal hold the same words;
rich only adds colour. Nothing in a document is ever read as markup. Charts are left out where
their figures stand in a table.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from harness.core.wording import lines_of, one_line
from harness.report.document import (
    Block,
    Bullets,
    Chart,
    Column,
    Command,
    Document,
    Facts,
    Paragraph,
    RecommendationBlock,
    Section,
    Sources,
    Table,
    Text,
    Tone,
    Verbatim,
    plain,
    sources_of,
)

MIN_WIDTH, MAX_WIDTH, DEFAULT_WIDTH = 60, 120, 100
_GAP = 2
_LABELS = (15, 24)
"""The least and the most columns that labels of facts take."""
_COMMAND = 48
_QUOTE = "    | "


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of output and how it is meant."""

    text: str
    tone: Tone = "plain"
    title: bool = False


def render_text(document: Document, width: int = DEFAULT_WIDTH, *, full: bool = False) -> str:
    """The document as plain text; the same document and width always give the same text.

    Args:
        width: columns; kept within `MIN_WIDTH` and `MAX_WIDTH`.
        full: the folded sections too.
    """
    return "\n".join(line.text for line in lay_out(document, width, full=full)) + "\n"


def print_document(
    document: Document, stream: TextIO | None = None, *, width: int | None = None, full: bool = False
) -> None:
    """Write a document to a stream, in colour on a terminal that takes it.

    Characters that the stream cannot encode are written as escapes, never an error.

    Args:
        stream: None for the standard output.
        width: None for the terminal's own, or `DEFAULT_WIDTH` where there is none.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        stream.write(_encodable(render_text(document, width or DEFAULT_WIDTH, full=full), stream))
        return
    from rich.console import Console
    from rich.text import Text as Coloured

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lay_out(document, width or console.width, full=full):
        console.print(
            Coloured(_encodable(line.text, stream), style="bold" if line.title else _STYLES[line.tone])
        )


def lay_out(document: Document, width: int, *, full: bool = False) -> list[Line]:
    """The lines of a document."""
    room = max(MIN_WIDTH, min(width, MAX_WIDTH))
    title = one_line(document.title)
    lines = [Line(text=title, title=True), Line(text="=" * min(room, _width(title)))]
    for section in document.sections:
        if full or not section.folded:
            lines += _section(section, document, room)
    return lines


def _section(section: Section, document: Document, width: int) -> Iterator[Line]:
    title = one_line(section.title)
    yield Line(text="")
    yield Line(text=title, title=True)
    yield Line(text="-" * _width(title))
    if section.lead:
        yield from _lines(section.lead, width)
    drawn = all(isinstance(block, Chart) for block in section.blocks)
    for block in section.blocks:
        # a chart's figures stand in the table beside it; one that stands alone is said in words
        shown = Paragraph(text=block.alt) if drawn and isinstance(block, Chart) else block
        yield from _block(shown, document, width)


def _block(block: Block, document: Document, width: int) -> Iterator[Line]:
    match block:
        case Table():
            yield from _table(block, width)
        case Facts():
            yield from _facts(block, width)
        case Paragraph(text=text, tone=tone):
            yield from _lines(text, width, tone)
        case Bullets():
            yield from _label(block.label)
            for item in block.items:
                yield from _lines(item, width, block.tone, first="  - ")
        case RecommendationBlock():
            yield from _recommendation(block, width)
        case Command():
            yield from _command(one_line(block.command), one_line(block.purpose), width)
        case Verbatim():
            yield from _verbatim(block, width)
        case Sources():
            yield from _block(Bullets(items=tuple(sources_of(document))), document, width)
        case Chart():
            return


def _verbatim(block: Verbatim, width: int) -> Iterator[Line]:
    yield Line(text=f"{one_line(block.label)}:")
    for line in lines_of(block.text):
        yield from (Line(text=f"{_QUOTE}{part}".rstrip()) for part in _cut(line, width - len(_QUOTE)))


def _label(label: str) -> Iterator[Line]:
    if label:
        yield Line(text=f"{one_line(label)}:")


def _lines(
    text: Text, width: int, tone: Tone = "plain", first: str = "", rest: str | None = None
) -> Iterator[Line]:
    yield from (Line(text=line, tone=tone) for line in _wrap(plain(text), width, first, rest))


def _recommendation(block: RecommendationBlock, width: int) -> Iterator[Line]:
    yield from _lines(block.headline, width, block.tone)
    for number, reason in enumerate(block.reasons, start=1):
        yield from _lines(reason, width, first=f"  {number}. ")
    yield from _facts(Facts(rows=block.facts), width)


def _facts(block: Facts, width: int) -> Iterator[Line]:
    yield from _label(block.label)
    least, most = _LABELS
    size = max((len(one_line(fact.label)) + 2 for fact in block.rows), default=0)
    size = max(least, size if size <= most else least)
    for fact in block.rows:
        head = f"{one_line(fact.label)}:".ljust(size)
        fits = len(head) <= size
        yield from _lines(
            fact.text, width, fact.tone, first=head if fits else f"{head} ", rest=" " * (size if fits else 2)
        )


def _command(command: str, purpose: str, width: int) -> Iterator[Line]:
    """The command and what it is for on one line if they fit, else above it; a command is never broken."""
    beside = f"  {command.ljust(_COMMAND)}  # {purpose}"
    if len(beside) <= width:
        yield Line(text=beside)
        return
    yield from (Line(text=line) for line in _wrap(purpose, width, first="  # ", rest="  # "))
    yield Line(text=f"  {command}")


def _table(table: Table, width: int) -> Iterator[Line]:
    """A line a row; where that is too wide, details in a line of their own; else figures under the name."""
    yield from _label(table.caption)
    room = width - 4
    whole = [[_clipped(one_line(cell.whole), room) for cell in row.cells] for row in table.rows]
    upper = [[_clipped(one_line(cell.text), room) for cell in row.cells] for row in table.rows]
    under = [[_clipped(one_line(cell.detail), room) for cell in row.cells] for row in table.rows]
    beside = [[up[0], *all_[1:]] for up, all_ in zip(upper, whole, strict=True)]
    only_names = [[low[0], *("" for _ in low[1:])] for low in under]
    for texts, details in ((beside, only_names), (upper, under)):
        sizes = _sizes(table, texts, details)
        marked = 2 if any(row.mark for row in table.rows) else 0
        if marked + sum(sizes) + _GAP * (len(sizes) - 1) <= width:
            yield from _one_line_rows(table, texts, details, sizes)
            break
    else:
        yield from _stacked_rows(table, whole, _sizes(table, whole, []), width)
    for note in table.notes:
        yield from (Line(text=line, tone="faint") for line in _wrap(note, width, first="  ", rest="    "))


def _sizes(table: Table, texts: Sequence[Sequence[str]], details: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is; details of names are indented."""
    return [
        max(
            *map(_width, column.head),
            0,
            *(_width(row[place]) for row in texts),
            *(_width(row[place]) + (_GAP if place == 0 and row[0] else 0) for row in details),
        )
        for place, column in enumerate(table.columns)
    ]


def _one_line_rows(
    table: Table, texts: Sequence[Sequence[str]], details: Sequence[Sequence[str]], sizes: Sequence[int]
) -> Iterator[Line]:
    indent = "  " if any(row.mark for row in table.rows) else ""
    yield from _heads(table.columns, sizes, indent)
    for row, cells, (name, *figures) in zip(table.rows, texts, details, strict=True):
        start = row.mark.ljust(2) if indent else ""
        yield Line(text=start + _joined(cells, table.columns, sizes), tone=row.tone)
        if name or any(figures):
            under = _joined([f"  {name}" if name else "", *figures], table.columns, sizes)
            yield Line(text=indent + under, tone="faint")


def _stacked_rows(
    table: Table, texts: Sequence[Sequence[str]], sizes: Sequence[int], width: int
) -> Iterator[Line]:
    """Each row's name on a line of its own, its figures below; for narrow terminals and long names."""
    columns, sizes = table.columns[1:], sizes[1:]
    indent = "    "
    groups = list(_fitting(sizes, width - len(indent)))
    if len(groups) == 1:
        yield from _heads(columns, sizes, indent)
    for row, cells in zip(table.rows, texts, strict=True):
        start = f"{row.mark} " if row.mark else ""
        yield from (Line(text=line, tone=row.tone) for line in _wrap(start + cells[0], width, rest="    "))
        for group in groups:
            if len(groups) > 1:
                yield from _heads(columns[group], sizes[group], indent)
            figures = _joined(cells[1:][group], columns[group], sizes[group])
            yield Line(text=f"{indent}{figures}".rstrip(), tone=row.tone)


def _fitting(sizes: Sequence[int], room: int) -> Iterator[slice]:
    """Columns in as many bands as it takes."""
    start, used = 0, 0
    for number, size in enumerate(sizes):
        needed = size + (_GAP if used else 0)
        if used and used + needed > room:
            yield slice(start, number)
            start, used, needed = number, 0, size
        used += needed
    yield slice(start, len(sizes))


def _heads(columns: Sequence[Column], sizes: Sequence[int], indent: str) -> Iterator[Line]:
    for level in range(max(len(column.head) for column in columns)):
        words = [column.head[level] if level < len(column.head) else "" for column in columns]
        line = indent + _joined(words, columns, sizes)
        if line.strip():
            yield Line(text=line, title=True)
    yield Line(text=indent + (" " * _GAP).join("-" * size for size in sizes))


def _joined(cells: Sequence[str], columns: Sequence[Column], sizes: Sequence[int]) -> str:
    padded = []
    for text, column, size in zip(cells, columns, sizes, strict=True):
        blank = " " * (size - _width(text))
        padded.append(blank + text if column.right else text + blank)
    return (" " * _GAP).join(padded).rstrip()


def _clipped(text: str, room: int) -> str:
    """A cell that would break the table is cut, visibly."""
    while _width(text) > room:
        text = f"{text[: max(0, min(len(text), room) - 4)]}..."
    return text


def _wrap(text: str, width: int, first: str = "", rest: str | None = None) -> Iterable[str]:
    hanging = " " * len(first) if rest is None else rest
    lines = textwrap.wrap(
        one_line(text), width, initial_indent=first, subsequent_indent=hanging, break_on_hyphens=False
    )
    return lines or [first.rstrip()]


def _cut(text: str, width: int) -> list[str]:
    """A line in pieces of at most `width` characters, broken at blanks where there are any."""
    return textwrap.wrap(
        text, width, drop_whitespace=False, replace_whitespace=False, break_on_hyphens=False
    ) or [""]


def _width(text: str) -> int:
    """Columns a text takes: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(bool(unicodedata.combining(character)) for character in text)


_STYLES: Mapping[Tone, str] = {
    "plain": "",
    "good": "bold green",
    "warn": "yellow",
    "bad": "red",
    "faint": "dim",
}


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="backslashreplace").decode(encoding)
